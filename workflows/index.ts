export { backfill } from './backfill.ts'
export { maintenance } from './maintenance.ts'
