import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow'
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

/** What an activity failed with, for the workflow to fail with the same code and words; any other error as it is. */
export const rootOf = (error: unknown): unknown =>
  error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error
