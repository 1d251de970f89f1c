import { cancellationSignal, heartbeat } from '@temporalio/activity'
import type { BackfillActivities } from '../src/contract/index.ts'
import {
  computeSlice,
  dropBranch,
  planRun,
  publishSnapshot,
  runAudit,
  stageSnapshot,
  writeReport,
  type StepOptions,
} from '../src/io/backfill/index.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { toFailure } from './failures.ts'

/** Often enough for the workflow's heartbeat timeout of 10 s to mean a lost worker, not a busy one. */
const heartbeatIntervalMs = 1_000

/** The activities of a backfill, over one project's storage, catalog and engine. */
export function createActivities(runtime: Runtime): BackfillActivities {
  return {
    planBackfill: ({ input, run }) => step(async () => (await planRun(runtime, input, run)).summary),
    computeSlice: (request) => step((options) => computeSlice(runtime, request, options)),
    stageSnapshot: (request) => step(() => stageSnapshot(runtime, request)),
    runAudit: (request) => step((options) => runAudit(runtime, request, options)),
    publishSnapshot: (request) => step(() => publishSnapshot(runtime, request)),
    writeReport: (request) => step(() => writeReport(runtime, request)),
    dropBranch: (request) => step(() => dropBranch(runtime, request)),
  }
}

/** Heartbeats for as long as `work` runs, hands it the activity's cancellation, and gives its errors their codes. */
async function step<T>(work: (options: StepOptions) => Promise<T>): Promise<T> {
  let detail: Readonly<Record<string, unknown>> = {}
  const timer = setInterval(() => heartbeat(detail), heartbeatIntervalMs)
  const signal = cancellationSignal()
  try {
    return await work({ signal, onProgress: (progress) => (detail = progress) })
  } catch (error) {
    // Temporal knows a cancelled activity by the signal's own reason.
    if (signal.aborted) throw signal.reason
    throw toFailure(error)
  } finally {
    clearInterval(timer)
  }
}
