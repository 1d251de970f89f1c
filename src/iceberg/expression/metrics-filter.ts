/** Judging a file by its counts and bounds. */
import type { DataFile } from '../manifest/model.ts'
import type { BoundColumn, BoundPredicate } from './bound.ts'
import { mayMatch, mustMatch, nothingKnown, type ColumnFacts } from './column-facts.ts'

export type FileMetrics = Pick<
  DataFile,
  'recordCount' | 'valueCounts' | 'nullValueCounts' | 'nanValueCounts' | 'lowerBounds' | 'upperBounds'
>

/** Whether a file may hold a row that matches the predicate. */
export function fileMayMatch(predicate: BoundPredicate): (file: FileMetrics) => boolean {
  const test = mayMatch(predicate)
  return (file) => file.recordCount > 0n && test(factsOf(predicate.column, file))
}

/** Whether all rows of a file match the predicate. Of a column inside a struct nothing is claimed, as in Iceberg's Java library. */
export function fileMustMatch(predicate: BoundPredicate): (file: FileMetrics) => boolean {
  const test = mustMatch(predicate)
  return (file) =>
    file.recordCount === 0n || test(predicate.column.nested ? nothingKnown : factsOf(predicate.column, file))
}

function factsOf(column: BoundColumn, file: FileMetrics): ColumnFacts {
  const { fieldId: id, type } = column
  const floating = type === 'float' || type === 'double'
  const values = file.valueCounts?.get(id)
  const nulls = file.nullValueCounts?.get(id)
  const nans = floating ? file.nanValueCounts?.get(id) : 0n
  // Counts that do not cover every row, or do not add up, are no counts.
  const counted = values !== undefined && nulls !== undefined && values >= file.recordCount && nulls >= 0n
  const onlyNulls = counted && nulls === values
  const others = counted && nans !== undefined && nans >= 0n ? values - nulls - nans : null
  return {
    // A writer may not have counted the rows whose struct is null.
    mayHoldNull: !column.required && (column.nested || nulls !== 0n),
    mayHoldNaN: nans !== 0n && !onlyNulls,
    mayHoldValue: others !== 0n && !onlyNulls,
    lower: file.lowerBounds?.get(id),
    upper: file.upperBounds?.get(id),
  }
}
