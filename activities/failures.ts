import { ApplicationFailure } from '@temporalio/activity'
import { HindcastError, isHindcastError, isRetryable } from '../src/contract/index.ts'

/** What crosses to the workflow: the code as the failure's type, and whether another attempt can help. */
export function toFailure(error: unknown): unknown {
  if (!isHindcastError(error)) return error
  return ApplicationFailure.create({
    type: error.code,
    message: error.message,
    nonRetryable: !isRetryable(error.code),
    details: [{ hint: error.hint ?? null, ...error.context }],
    cause: error,
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
