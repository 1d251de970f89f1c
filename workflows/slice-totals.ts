import type { RunCost, SliceSummary, TimeLeft } from '../src/contract/index.ts'

/** What the finished slices of a run add up to. Goes through continue-as-new as it is. */
export interface SliceTotals {
  done: number
  reused: number
  /** Computed in parts, since the engine's memory did not hold them. */
  split: number
  partitions: number
  rows: number
  bytes: number
  rejectedRows: number
  inputRows: number
  inputBytes: number
  /** Of the slices that were computed, not found: how many, and mean and sum of squared deviations of their times, ms. */
  computed: number
  meanMs: number
  squaresMs: number
  /** What the computed ones read and wrote. */
  computedInputRows: number
  computedRows: number
  computedBytes: number
  /** Time in which slices ran, ms. */
  activeMs: number
}

export const noSlices = (): SliceTotals => ({
  done: 0,
  reused: 0,
  split: 0,
  partitions: 0,
  rows: 0,
  bytes: 0,
  rejectedRows: 0,
  inputRows: 0,
  inputBytes: 0,
  computed: 0,
  meanMs: 0,
  squaresMs: 0,
  computedInputRows: 0,
  computedRows: 0,
  computedBytes: 0,
  activeMs: 0,
})

export function addSlice(totals: SliceTotals, slice: SliceSummary): void {
  const { inputRows = 0, inputBytes = 0 } = slice
  totals.done += 1
  totals.partitions += slice.partitions
  totals.rows += slice.rows
  totals.bytes += slice.bytes
  totals.rejectedRows += slice.rejectedRows
  if (slice.reused) {
    totals.reused += 1
    return
  }
  totals.inputRows += inputRows
  totals.inputBytes += inputBytes
  totals.split += slice.parts === undefined ? 0 : 1
  // Welford's way: a difference of large sums would cancel.
  totals.computed += 1
  const deviation = slice.elapsedMs - totals.meanMs
  totals.meanMs += deviation / totals.computed
  totals.squaresMs += deviation * (slice.elapsedMs - totals.meanMs)
  totals.computedInputRows += inputRows
  totals.computedRows += slice.rows
  totals.computedBytes += slice.bytes
}

/** Of what was computed; null where everything was found finished. */
export const costOf = (totals: SliceTotals): RunCost | null =>
  totals.computed === 0
    ? null
    : {
        slices: totals.computed,
        inputRows: totals.computedInputRows,
        rows: totals.computedRows,
        bytes: totals.computedBytes,
        computeMs: Math.round(totals.meanMs * totals.computed),
      }

/**
 * The time that the slices to come take if they are like those that were: the usual prediction interval for a sum of as many draws.
 * Null before two are known.
 */
export function timeLeft(totals: SliceTotals, total: number): TimeLeft | null {
  const { computed, meanMs, squaresMs, activeMs } = totals
  const left = total - totals.done
  if (left <= 0) return { lowSeconds: 0, highSeconds: 0 }
  if (computed < 2 || activeMs === 0) return null
  // Several run at once: what one takes of the wall clock.
  const perSlice = activeMs / computed
  const variation = meanMs === 0 ? 0 : Math.sqrt(squaresMs / (computed - 1)) / meanMs
  const margin = 1.96 * perSlice * variation * Math.sqrt(left + (left * left) / computed)
  return {
    lowSeconds: Math.max(0, left * perSlice - margin) / 1000,
    highSeconds: (left * perSlice + margin) / 1000,
  }
}
