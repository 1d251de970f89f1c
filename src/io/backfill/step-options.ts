export interface StepOptions {
  readonly signal?: AbortSignal
  /** Called with what was done so far, often enough to tell that the step lives. */
  readonly onProgress?: (detail: Readonly<Record<string, unknown>>) => void
  /** Which attempt at the step this is, from 1. */
  readonly attempt?: number
}
