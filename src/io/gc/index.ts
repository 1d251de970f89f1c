export { maintainTable } from './maintain-table.ts'
export { planMaintenance } from './plan-maintenance.ts'
export type { AskRun, RunState } from './run-folders.ts'
