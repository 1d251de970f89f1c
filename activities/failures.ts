import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common'
import { HindcastError, isHindcastError, isRetryable, type RunIdentity } from '../src/contract/index.ts'

/** Attempts at what failed in a way that nobody foresaw: a passing trouble is over by then, a fault of ours comes back for ever. */
const unforeseenAttempts = 5

/**
 * What crosses to the workflow: the code as the failure's type, and whether another attempt can help.
 * @param attempt that failed, from 1
 * @param lastAttempt after which what may pass is not tried again either
 */
export function toFailure(error: unknown, attempt = 1, lastAttempt = Number.POSITIVE_INFINITY): unknown {
  // Said on purpose.
  if (error instanceof ApplicationFailure) return error
  if (!isHindcastError(error)) {
    if (attempt < unforeseenAttempts) return error
    return ApplicationFailure.create({
      type: 'INVARIANT_VIOLATED',
      message: error instanceof Error ? error.message : String(error),
      nonRetryable: true,
      details: [{ hint: `It failed so ${attempt} times. The worker's log has the whole error: please report it.` }],
      ...(error instanceof Error ? { cause: error } : {}),
    })
  }
  const mayPass = isRetryable(error.code)
  const isLast = mayPass && attempt >= lastAttempt
  return ApplicationFailure.create({
    type: error.code,
    message: isLast ? `${error.message} (given up after ${attempt} attempts)` : error.message,
    nonRetryable: !mayPass || isLast,
    details: [{ hint: error.hint ?? null, ...error.context }],
    cause: error,
  })
}

/** So many times a run that waits for its turn looks each second whether it has come: a long wait need not be over to the second. */
const hurriedLooks = 300

/**
 * Another run has the range. Waiting is trying again later: between attempts it takes no worker's slot, which the other run may need to come
 * to its end, and it adds nothing to the history.
 */
export function notItsTurn({ workflowId }: RunIdentity, attempt: number): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'WAITS_FOR_TURN',
    message: `run ${workflowId} works on partitions of the range`,
    nextRetryDelay: attempt <= hurriedLooks ? '1s' : '5s',
    // No error: neither logged nor counted.
    category: ApplicationFailureCategory.BENIGN,
  })
}

/** The other way: what a failed workflow says, as the error that was thrown in the activity. */
export function fromFailure(failure: ApplicationFailure): HindcastError | null {
  const code = failure.type
  if (code === undefined || code === null) return null
  const { hint, ...context } = (failure.details?.[0] ?? {}) as { hint?: string | null } & Record<string, unknown>
  return new HindcastError(code as HindcastError['code'], failure.message, {
    ...(typeof hint === 'string' ? { hint } : {}),
    context,
    cause: failure,
  })
}
