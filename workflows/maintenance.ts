import { proxyActivities } from '@temporalio/workflow'
import {
  parseMaintenanceInput,
  type MaintenanceActivities,
  type MaintenanceResult,
  type TableMaintenance,
} from '../src/contract/index.ts'
import { retry } from './activity-options.ts'
import { finalFailure, orFail, rootOf } from './failures.ts'

const steps = proxyActivities<MaintenanceActivities>({
  startToCloseTimeout: '6h',
  heartbeatTimeout: '30s',
  retry,
})

/**
 * Cleans up after the runs of feature tables, one table after the other; see docs/operations.md for what is kept. Fails when a table could not
 * be cleaned up, after all the others were.
 */
export async function maintenance(request?: unknown): Promise<MaintenanceResult> {
  const input = orFail(() => parseMaintenanceInput(request))
  const reports: TableMaintenance[] = []
  try {
    const { tables, sourceSnapshots } = await steps.planMaintenance.executeWithOptions(
      { summary: 'which tables, and what of them is needed elsewhere' },
      [{ input }],
    )
    for (const table of tables) {
      const about = { table, sourceSnapshots: sourceSnapshots[table] ?? [], input }
      reports.push(await steps.maintainTable.executeWithOptions({ summary: table }, [about]))
    }
  } catch (error) {
    throw rootOf(error)
  }
  const [first] = reports.filter(({ problem }) => problem !== null)
  if (first?.problem !== undefined && first.problem !== null) {
    const { reason, hint } = first.problem
    throw finalFailure('REQUEST_INVALID', `${first.table}: ${reason}`, { hint, tables: reports })
  }
  return { dryRun: input.dryRun === true, tables: reports }
}
