import type { BackfillActivities, RunIdentity } from '../src/contract/index.ts'
import { ApplicationFailure, Context } from '@temporalio/activity'
import { setTimeout as delay } from 'node:timers/promises'
import {
  claimRange,
  computeSlice,
  dropBranch,
  listUpstream,
  narrowPlan,
  planRun,
  publishSnapshot,
  releaseRange,
  scheduledRange,
  runAudit,
  stageSnapshot,
  writeReport,
  type InSpan,
} from '../src/io/backfill/index.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { askTemporal } from './run-state.ts'
import { knowsSearchAttributes } from './search-attributes.ts'
import { step } from './step.ts'

/** How often a run that waits for its turn looks whether it has come. */
const turnIntervalMs = 1_000

export interface ActivityOptions {
  /** Aborted when the worker takes no more work: whoever only waits then lets another worker wait. */
  readonly stopping?: AbortSignal
  /** Shows the parts of a step in a trace. */
  readonly inSpan?: InSpan
}

/** The activities of a backfill, over one project's storage, catalog and engine. */
export function createBackfillActivities(
  runtime: Runtime,
  { stopping, inSpan }: ActivityOptions = {},
): BackfillActivities {
  const traced = inSpan === undefined ? {} : { inSpan }
  return {
    scheduledRange: (request) => step(() => scheduledRange(runtime, request)),
    planBackfill: ({ input, run }) => step(async () => (await planRun(runtime, input, run)).summary),
    computeSlice: (request) => step((options) => computeSlice(runtime, request, { ...options, ...traced })),
    stageSnapshot: (request) => step(() => stageSnapshot(runtime, request)),
    runAudit: (request) => step((options) => runAudit(runtime, request, options)),
    publishSnapshot: (request) => step(() => publishSnapshot(runtime, request)),
    writeReport: (request) => step(() => writeReport(runtime, request)),
    dropBranch: (request) => step(() => dropBranch(runtime, request)),
    narrowPlan: (request) => step(() => narrowPlan(runtime, request)),
    listUpstream: ({ input }) => step(() => listUpstream(runtime, input)),
    claimRange: ({ input, run, wait }) =>
      step(async ({ signal, onProgress }) => {
        const { client } = Context.current()
        const ask = askTemporal(client)
        const isOver = async (other: RunIdentity): Promise<boolean> => (await ask(other)).state === 'over'
        let holder = await claimRange(runtime, input, run, isOver)
        while (holder !== null && wait) {
          onProgress?.({ waitingFor: holder.workflowId })
          await nextTurn(signal, stopping)
          holder = await claimRange(runtime, input, run, isOver)
        }
        return {
          holder: holder?.workflowId ?? null,
          onOverlap: input.onOverlap ?? runtime.settings.config.overlap,
          searchAttributes: await knowsSearchAttributes(client),
        }
      }),
    releaseRange: ({ input, run }) => step(() => releaseRange(runtime, input, run)),
  }
}

/** @throws what lets another worker wait, however many did before, when this one stops */
async function nextTurn(cancelled: AbortSignal | undefined, stopping: AbortSignal | undefined): Promise<void> {
  const ends = [cancelled, stopping].filter((end) => end !== undefined)
  try {
    await delay(turnIntervalMs, undefined, { signal: AbortSignal.any(ends) })
  } catch (error) {
    if (stopping?.aborted !== true) throw error
    throw ApplicationFailure.retryable('the worker stops; another one waits', 'WORKER_STOPS')
  }
}
