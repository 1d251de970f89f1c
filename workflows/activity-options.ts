import { proxyActivities } from '@temporalio/workflow'
import { errorCodes, isRetryable, type BackfillActivities } from '../src/contract/index.ts'

/** Whatever trying again does not mend ends a step at once, also where the worker that failed is of another version. */
const nonRetryableErrorTypes = Object.values(errorCodes).filter((code) => !isRetryable(code))

export const retry = {
  initialInterval: '500ms',
  backoffCoefficient: 2,
  maximumInterval: '1m',
  // Storage and catalogs may be away for half an hour, at most.
  maximumAttempts: 36,
  nonRetryableErrorTypes,
} as const

/** Short steps on metadata. */
export const steps = proxyActivities<BackfillActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '10s',
  retry,
})

/** One slice: a lost worker is noticed by its missing heartbeat, long before the step's own limit. */
export const compute = proxyActivities<BackfillActivities>({
  startToCloseTimeout: '6h',
  heartbeatTimeout: '10s',
  retry,
})

/** What a run does at its end, best effort: whoever finds its claim later asks whether it is over. */
export const parting = proxyActivities<BackfillActivities>({
  startToCloseTimeout: '1m',
  heartbeatTimeout: '10s',
  retry: { ...retry, maximumAttempts: 5 },
})

/** Waiting for another run: as long as that takes. */
export const waiting = proxyActivities<BackfillActivities>({
  startToCloseTimeout: '30d',
  heartbeatTimeout: '10s',
  retry: { ...retry, maximumAttempts: 1_000_000 },
})
