import { ApplicationFailure, ApplicationFailureCategory, CancelledFailure } from '@temporalio/common'
import type { BackfillActivities } from '../../src/contract/index.ts'
import type { SliceOutcome, WorkerMetrics } from './metrics.ts'

/** The same activities, which count what they do. */
export function measuredActivities<Activities extends BackfillActivities>(
  activities: Activities,
  metrics: WorkerMetrics,
): Activities {
  const counted: BackfillActivities = {
    ...activities,
    computeSlice: async (request) => {
      const ended = metrics.sliceStarted()
      try {
        const slice = await activities.computeSlice(request)
        ended(slice)
        return slice
      } catch (error) {
        ended(outcomeOf(error))
        throw error
      }
    },
    runAudit: async (request) => {
      const audit = await activities.runAudit(request)
      metrics.audited(audit.status)
      return audit
    },
    publishSnapshot: async (request) => {
      const published = await activities.publishSnapshot(request)
      metrics.published(published)
      return published
    },
  }
  return withFailures({ ...activities, ...counted }, metrics)
}

type AnyActivity = (...args: readonly unknown[]) => Promise<unknown>

function withFailures<Activities extends object>(activities: Activities, metrics: WorkerMetrics): Activities {
  const counted = Object.entries(activities as Readonly<Record<string, AnyActivity>>).map(([name, activity]) => {
    const run: AnyActivity = (...args) =>
      activity(...args).catch((error: unknown) => {
        if (!isExpected(error)) metrics.failed(name, codeOf(error))
        throw error
      })
    return [name, run] as const
  })
  return Object.fromEntries(counted) as Activities
}

const isExpected = (error: unknown): boolean =>
  error instanceof CancelledFailure ||
  (error instanceof ApplicationFailure && error.category === ApplicationFailureCategory.BENIGN)

const codeOf = (error: unknown): string => (error instanceof ApplicationFailure ? error.type : null) ?? 'unknown'

/** Temporal names the reason of a cancellation in its message. */
function outcomeOf(error: unknown): SliceOutcome {
  if (!(error instanceof CancelledFailure)) return 'failed'
  return error.message === 'WORKER_SHUTDOWN' ? 'handed-over' : 'cancelled'
}
