import { Context } from '@temporalio/activity'
import type { MaintenanceActivities } from '../src/contract/index.ts'
import type { StepOptions } from '../src/io/backfill/index.ts'
import { maintainTable, planMaintenance } from '../src/io/gc/index.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { askTemporal } from './run-state.ts'
import { step as stepWithin } from './step.ts'

/** A report travels in the workflow's history, which is not the place for long lists: `hindcast gc` names all files. */
const named = 20

/** The activities of a clean-up. They ask the server that they work for which runs are over. */
export function createMaintenanceActivities(runtime: Runtime): MaintenanceActivities {
  const { attempts } = runtime.settings.config.limits
  const step = <T>(work: (options: StepOptions) => Promise<T>): Promise<T> => stepWithin(work, attempts)
  const ask = () => askTemporal(Context.current().client)
  return {
    planMaintenance: ({ input }) => step(() => planMaintenance(runtime, ask(), input)),
    maintainTable: (request) =>
      step(async ({ signal }) => {
        const report = await maintainTable(runtime, ask(), request, signal === undefined ? {} : { signal })
        const { files, expiredSnapshots, failed } = report
        return {
          ...report,
          files: files.slice(0, named),
          moreFiles: report.moreFiles + Math.max(0, files.length - named),
          expiredSnapshots: expiredSnapshots.slice(0, 1_000),
          failed: { ...failed, paths: failed.paths.slice(0, named) },
        }
      }),
  }
}
