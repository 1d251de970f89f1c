/**
 * How many threads a slice computes on: a core each while there are slices for all cores, more for those that are fewer. Slices are
 * begun in order, `atOnce` at a time, so that only those of the last round may be fewer. What is computed does not depend on it.
 */
export function sliceThreads(slice: {
  readonly index: number
  readonly slices: number
  /** Slices that one worker computes at once. */
  readonly atOnce: number
  readonly cores: number
}): number {
  const atOnce = Math.max(1, Math.min(slice.atOnce, slice.cores))
  const whole = slice.slices - (slice.slices % atOnce)
  const beside = slice.index < whole ? atOnce : slice.slices - whole
  return Math.max(1, Math.floor(slice.cores / beside))
}
