/** Ruling out partitions and files by a range of time. Every answer errs towards reading. */
import type { DataFile, Literal, PartitionFieldSummary, PartitionTuple } from '../manifest/model.ts'
import { decodeSingleValue } from '../types/single-value.ts'
import type { PartitionField, PartitionSpec } from '../metadata/table-metadata.ts'
import { microsOf, transformResultType, unitStart } from '../types/transforms.ts'

/** Half-open, in micros from the epoch; a date counts as its midnight UTC. */
export interface TimeRange {
  readonly fieldId: number
  readonly from: bigint
  readonly to: bigint
}

type TimeType = 'date' | 'timestamp' | 'timestamptz'

export interface RangeFilter {
  /** Whether a manifest with these partition summaries may hold rows in the range. */
  mayHold(summaries: readonly PartitionFieldSummary[] | undefined): boolean
  /** Whether a partition may hold rows in the range. */
  mayHoldIn(tuple: PartitionTuple): boolean
}

/** First and last microsecond of the times that have this partition value; null when the value cannot be understood. */
function spanOf(field: PartitionField, type: TimeType, value: Literal): readonly [bigint, bigint] | null {
  switch (field.transform) {
    case 'identity': {
      const micros = microsOf(type, value)
      return micros === null ? null : [micros, micros]
    }
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
      if (typeof value !== 'number') return null
      return [unitStart(field.transform, value), unitStart(field.transform, value + 1) - 1n]
    default:
      return null
  }
}

const timeTransforms: ReadonlySet<string> = new Set(['identity', 'year', 'month', 'day', 'hour'])

/** The filter for one spec, or null when none of its fields orders the column. */
export function rangeFilter(spec: PartitionSpec, type: TimeType, range: TimeRange): RangeFilter | null {
  const fields = spec.fields
    .map((field, index) => ({ field, index }))
    .filter(({ field }) => field.sourceId === range.fieldId && timeTransforms.has(field.transform))
  if (fields.length === 0) return null
  const { from, to } = range
  return {
    mayHold: (summaries) =>
      summaries === undefined ||
      fields.every(({ field, index }) => {
        const summary = summaries[index]
        if (summary === undefined) return true
        const { lowerBound, upperBound, containsNull } = summary
        // Without bounds a time field holds nulls only.
        if (lowerBound === undefined && upperBound === undefined) return !containsNull
        const resultType = transformResultType(field.transform, type)
        const lower = lowerBound === undefined ? null : spanOf(field, type, decodeSingleValue(resultType, lowerBound))
        const upper = upperBound === undefined ? null : spanOf(field, type, decodeSingleValue(resultType, upperBound))
        return (lower === null || lower[0] < to) && (upper === null || upper[1] >= from)
      }),
    mayHoldIn: (tuple) =>
      fields.every(({ field, index }) => {
        const value = tuple[index] ?? null
        if (value === null) return false
        const span = spanOf(field, type, value)
        return span === null || (span[0] < to && span[1] >= from)
      }),
  }
}

/** Whether a file's bounds of the column leave room for a row in the range. */
export function boundsMayOverlap(file: DataFile, type: TimeType, range: TimeRange): boolean {
  const lower = file.lowerBounds?.get(range.fieldId)
  const upper = file.upperBounds?.get(range.fieldId)
  const nulls = file.nullValueCounts?.get(range.fieldId)
  const values = file.valueCounts?.get(range.fieldId)
  if (nulls !== undefined && values !== undefined && nulls === values && values > 0n) return false
  const first = lower === undefined ? null : microsOf(type, decodeSingleValue(type, lower))
  const last = upper === undefined ? null : microsOf(type, decodeSingleValue(type, upper))
  return (first === null || first < range.to) && (last === null || last >= range.from)
}
