export { createActivities } from './backfill.ts'
export { fromFailure } from './failures.ts'
