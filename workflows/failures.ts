import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/workflow'
import { isHindcastError, type ErrorCode } from '../src/contract/index.ts'

/** Fails the workflow for good: nothing that Temporal could retry would change the outcome. */
export const finalFailure = (
  code: ErrorCode,
  message: string,
  details: Record<string, unknown> = {},
): ApplicationFailure => ApplicationFailure.create({ type: code, message, nonRetryable: true, details: [details] })

/** Runs a check that throws HindcastError, which workflow code must not let through: it would retry the task for ever. */
export function orFail<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (isHindcastError(error)) {
      throw finalFailure(error.code, error.message, { hint: error.hint ?? null, ...error.context })
    }
    throw error
  }
}

/** What an activity or a run of its own failed with, for the workflow to fail with the same code and words; any other error as it is. */
export function rootOf(error: unknown): unknown {
  if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) return error.cause
  if (!(error instanceof ChildWorkflowFailure) || !(error.cause instanceof ApplicationFailure)) return error
  const { type, message, details } = error.cause
  return ApplicationFailure.create({
    type: type ?? 'INVARIANT_VIOLATED',
    message: `run ${error.execution.workflowId}: ${message}`,
    nonRetryable: true,
    details: [...(details ?? [])],
  })
}
