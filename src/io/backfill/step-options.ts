/** Runs a part of a step under a name, with what is known of it beforehand. */
export type InSpan = <T>(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  work: () => Promise<T>,
) => Promise<T>

/** Where nobody traces. */
export const inNoSpan: InSpan = (_, __, work) => work()

export interface StepOptions {
  readonly signal?: AbortSignal
  /** Called with what was done so far, often enough to tell that the step lives. */
  readonly onProgress?: (detail: Readonly<Record<string, unknown>>) => void
  /** Which attempt at the step this is, from 1. */
  readonly attempt?: number
  /** Shows the parts of the step in a trace. */
  readonly inSpan?: InSpan
}
