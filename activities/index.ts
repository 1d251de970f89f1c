export { createActivities } from './backfill.ts'
export { fromFailure, toFailure } from './failures.ts'
