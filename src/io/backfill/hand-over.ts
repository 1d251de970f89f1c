import type { PlanReference, ReportRequest } from '../../contract/index.ts'
import { renderRunReport } from '../../report/index.ts'
import type { Runtime } from '../runtime.ts'
import { runsFolder } from '../run-store.ts'
import { recordAudits } from './audit.ts'
import { readPlan } from './read-plan.ts'
import { dropStagedBranch } from './publish.ts'

export const reportPath = (runtime: Runtime, table: string, runId: string): string =>
  `${runsFolder(runtime.warehouse, table)}/${runId}/report.html`

/** Writes audit.json and report.html of a run that got as far as its audits; gives the report's address. */
export async function writeReport(runtime: Runtime, request: ReportRequest): Promise<string> {
  const plan = await readPlan(runtime, request)
  await recordAudits(runtime, plan, request.snapshotId, request.audits)
  const { summary } = plan
  const html = renderRunReport({
    runId: summary.runId,
    view: summary.view,
    table: summary.table,
    from: summary.from,
    to: summary.to,
    verdict: request.verdict,
    snapshotId: request.snapshotId,
    baseSnapshotId: summary.baseSnapshotId,
    codeVersion: plan.codeVersion,
    definitionFingerprint: plan.fingerprint.data,
    sources: Object.entries(plan.pin.sources).map(([name, snapshotId]) => ({ table: name, snapshotId })),
    partitions: summary.partitions,
    slices: summary.slices,
    reusedSlices: request.totals.reused,
    rows: request.totals.rows,
    bytes: request.totals.bytes,
    rejectedRows: request.totals.rejectedRows,
    nullEventTimes: summary.nullEventTimes,
    audits: request.audits,
    definition: plan.definition,
    writtenAt: new Date(runtime.now()).toISOString(),
  })
  const path = reportPath(runtime, summary.table, summary.runId)
  await runtime.io.replace(path, new TextEncoder().encode(html))
  return path
}

export async function dropBranch(runtime: Runtime, request: PlanReference): Promise<void> {
  await dropStagedBranch(runtime, await readPlan(runtime, request))
}
