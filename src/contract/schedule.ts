import { z } from 'zod'
import { parseRequest } from './backfill.ts'
import { durationText } from './duration-text.ts'

/** Input of the workflow `scheduledBackfill`. The range follows from the time for which it was scheduled. */
const scheduledBackfillSchema = z.strictObject({
  view: z.string().min(1),
  /** How many partitions, the newest last: more than one also closes gaps and takes late data in; fresh ones cost nothing. */
  partitions: z.int().min(1).max(10_000).optional(),
  /** How late events arrive: what happened less long before the scheduled time is not waited for, and not computed yet. */
  lag: durationText.optional(),
  requireApproval: z.boolean().optional(),
  withUpstream: z.boolean().optional(),
})
export type ScheduledBackfillInput = z.infer<typeof scheduledBackfillSchema>

/**
 * Checks a workflow's input.
 * @throws REQUEST_INVALID naming the first field that does not fit
 */
export const parseScheduledBackfillInput = (value: unknown): ScheduledBackfillInput =>
  parseRequest(scheduledBackfillSchema, value, 'scheduledBackfill', {
    view: 'origin_delays',
    partitions: 7,
    lag: '6h',
  })

/** Which range a schedule's run computes. */
export interface ScheduledRangeRequest {
  readonly input: ScheduledBackfillInput
  /** Milliseconds since 1970. */
  readonly scheduledMs: number
}

/** `[from, to)`, as `backfill` takes it. */
export interface ScheduledRange {
  readonly from: string
  readonly to: string
}
