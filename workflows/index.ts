export { backfill } from './backfill.ts'
export { maintenance } from './maintenance.ts'
export { scheduledBackfill } from './scheduled-backfill.ts'
