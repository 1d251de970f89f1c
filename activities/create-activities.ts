import type { BackfillActivities, MaintenanceActivities } from '../src/contract/index.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { createBackfillActivities, type ActivityOptions } from './backfill.ts'
import { createMaintenanceActivities } from './maintenance.ts'

/** All that a worker does for workflows, over one project's storage, catalog and engine. */
export const createActivities = (
  runtime: Runtime,
  options: ActivityOptions = {},
): BackfillActivities & MaintenanceActivities => ({
  ...createBackfillActivities(runtime, options),
  ...createMaintenanceActivities(runtime),
})
