import type { BackfillActivities, RunIdentity } from '../src/contract/index.ts'
import { Context } from '@temporalio/activity'
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
  type StepOptions,
} from '../src/io/backfill/index.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { notItsTurn } from './failures.ts'
import { askTemporal } from './run-state.ts'
import { knowsSearchAttributes } from './search-attributes.ts'
import { step as stepWithin } from './step.ts'

export interface ActivityOptions {
  /** Shows the parts of a step in a trace. */
  readonly inSpan?: InSpan
}

/** The activities of a backfill, over one project's storage, catalog and engine. */
export function createBackfillActivities(runtime: Runtime, { inSpan }: ActivityOptions = {}): BackfillActivities {
  const traced = inSpan === undefined ? {} : { inSpan }
  const { attempts } = runtime.settings.config.limits
  const step = <T>(work: (options: StepOptions) => Promise<T>): Promise<T> => stepWithin(work, attempts)
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
      // A run that waits does so over any number of attempts.
      (wait ? stepWithin : step)(async ({ attempt = 1 }) => {
        const { client } = Context.current()
        const ask = askTemporal(client)
        const isOver = async (other: RunIdentity): Promise<boolean> => (await ask(other)).state === 'over'
        const holder = await claimRange(runtime, input, run, isOver)
        if (holder !== null && wait) throw notItsTurn(holder, attempt)
        return {
          holder: holder?.workflowId ?? null,
          onOverlap: input.onOverlap ?? runtime.settings.config.overlap,
          searchAttributes: await knowsSearchAttributes(client),
        }
      }),
    releaseRange: ({ input, run }) => step(() => releaseRange(runtime, input, run)),
  }
}
