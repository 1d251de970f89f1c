import { cancellationSignal, Context, heartbeat } from '@temporalio/activity'
import type { StepOptions } from '../src/io/backfill/index.ts'
import { toFailure } from './failures.ts'

/** Often enough for the workflows' heartbeat timeout of 10 s to mean a lost worker, not a busy one. */
const heartbeatIntervalMs = 1_000

/**
 * Heartbeats for as long as `work` runs, hands it the activity's cancellation, and gives its errors their codes.
 * @param lastAttempt that ends the step, also where another one could help
 */
export async function step<T>(
  work: (options: StepOptions) => Promise<T>,
  lastAttempt = Number.POSITIVE_INFINITY,
): Promise<T> {
  let detail: Readonly<Record<string, unknown>> = {}
  const timer = setInterval(() => heartbeat(detail), heartbeatIntervalMs)
  const signal = cancellationSignal()
  const { attempt } = Context.current().info
  try {
    return await work({ signal, attempt, onProgress: (progress) => (detail = progress) })
  } catch (error) {
    // Temporal knows a cancelled activity by the signal's own reason.
    if (signal.aborted) throw signal.reason
    throw toFailure(error, attempt, lastAttempt)
  } finally {
    clearInterval(timer)
  }
}
