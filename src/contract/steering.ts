import { z } from 'zod'

const who = {
  by: z.string().max(200).optional(),
  reason: z.string().max(2000).optional(),
}

const bytes = z.int().positive()
const minutes = z.number().positive()

/** Input of the update `pause`. */
export const pauseSchema = z.strictObject(who)
export type PauseInput = z.infer<typeof pauseSchema>

/** Input of the update `resume`: with new limits in place of those that paused the run, or none. */
export const resumeSchema = z.strictObject({ ...who, maxBytes: bytes.optional(), maxMinutes: minutes.optional() })
export type ResumeInput = z.infer<typeof resumeSchema>

/** Input of the updates `approve` and `reject`. */
export const approvalSchema = z.strictObject({
  ...who,
  /** The plan that was looked at: refused when the run's is another. */
  planHash: z.string().min(8).optional(),
})
export type ApprovalInput = z.infer<typeof approvalSchema>

/** Input of the update `setConcurrency`. */
export const concurrencySchema = z.strictObject({ ...who, concurrency: z.int().min(1).max(500) })
export type ConcurrencyInput = z.infer<typeof concurrencySchema>

/** Input of the update `narrow`: an earlier end of the range, exclusive; without it, the end of what is finished. */
export const narrowSchema = z.strictObject({ ...who, to: z.string().optional() })
export type NarrowInput = z.infer<typeof narrowSchema>

/** What a run may take before it pauses by itself. */
export interface RunBudget {
  /** Source bytes read by finished slices. */
  readonly maxBytes: number | null
  /** Minutes of computing, pauses not counted. */
  readonly maxMinutes: number | null
}
export const budgetFields = { maxBytes: bytes.optional(), maxMinutes: minutes.optional() }
