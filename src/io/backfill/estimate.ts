import { availableParallelism } from 'node:os'
import type { BuildRecord, PlannedSlice, RunEstimate } from '../../contract/index.ts'
import type { ProjectSettings } from '../project-config.ts'
import type { DimensionCost } from './dimensions.ts'

/** Source rows that a slice takes in a second, where nothing tells: flights with windows of a month on one core. */
const usualRowsPerSecond = 1_000_000

/** What a slice costs beside its rows: an engine of its own, and its way through the orchestrator. */
const secondsPerSlice = 0.1

/** Of an engine before it reads a row, and what a byte of input grows to while it is aggregated. */
const engineBytes = 100e6
const growth = 3

export interface EstimateRequest {
  readonly slices: readonly PlannedSlice[]
  readonly concurrency: number
  /** Bytes that a source row takes in memory. */
  readonly rowWidth: number
  /** What the last slice reads of them: the others read no more. */
  readonly dimensions: DimensionCost
  readonly record: BuildRecord | null
  readonly settings: ProjectSettings
}

/** What a run will take, from metadata alone: rows and bytes as the ledger has them of other partitions, time by the last run's rate. */
export function estimateRun(request: EstimateRequest): RunEstimate {
  const { slices, concurrency, rowWidth, dimensions, record, settings } = request
  const { limits, engine } = settings.config
  const cost = record?.cost
  const atOnce = Math.min(concurrency, limits.slicesPerWorker ?? availableParallelism())
  const inputRows = slices.reduce((sum, slice) => sum + slice.inputRows, 0)
  const rate = cost === undefined ? usualRowsPerSecond : cost.inputRows / Math.max(cost.computeMs / 1000, 0.001)
  // The last run's rate has its dimensions in it.
  const compute =
    cost === undefined
      ? (inputRows + slices.length * dimensions.rows) / rate + slices.length * secondsPerSlice
      : inputRows / Math.max(rate, 1)
  const largest = slices.reduce((most, slice) => Math.max(most, slice.inputRows), 0)
  return {
    ...estimatedOutput(slices, record),
    seconds: compute / Math.max(1, Math.min(atOnce, slices.length)),
    memoryBytes:
      slices.length === 0
        ? 0
        : Math.min(atOnce, slices.length) *
          Math.min(engine.memoryLimit, engineBytes + growth * (largest * rowWidth + dimensions.memoryBytes)),
    basis: cost === undefined ? 'usual-rate' : 'last-run',
  }
}

function estimatedOutput(
  slices: readonly PlannedSlice[],
  record: BuildRecord | null,
): { readonly rows: number | null; readonly bytes: number | null } {
  const partitions = slices.reduce((sum, slice) => sum + slice.partitions.length, 0)
  if (partitions === 0) return { rows: 0, bytes: 0 }
  const entries = Object.values(record?.ledger ?? {})
  if (entries.length === 0) return { rows: null, bytes: null }
  const mean = entries.reduce((sum, { rows }) => sum + rows, 0) / entries.length
  const rows = Math.round(mean * partitions)
  const cost = record?.cost
  const bytesPerRow = cost === undefined || cost.rows === 0 ? null : cost.bytes / cost.rows
  return { rows, bytes: bytesPerRow === null ? null : Math.round(rows * bytesPerRow) }
}
