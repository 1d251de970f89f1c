/** The order of sorted files: https://iceberg.apache.org/spec/#sorting */
import type { Literal } from '../manifest/model.ts'
import type { SortField } from '../metadata/table-metadata.ts'
import { compareLiterals } from './single-value.ts'

/**
 * Negative when `a` stands before `b` in a sort order's field, both values of one type. Minus zero stands before zero, and NaN after
 * all numbers, as Java compares them.
 */
export function compareSorted(
  a: Literal | null,
  b: Literal | null,
  { direction, nullOrder }: Pick<SortField, 'direction' | 'nullOrder'>,
): number {
  if (a === null || b === null) {
    if (a === b) return 0
    return (a === null) === (nullOrder === 'nulls-first') ? -1 : 1
  }
  const order = typeof a === 'number' && typeof b === 'number' ? compareNumbers(a, b) : compareLiterals(a, b)
  return direction === 'asc' ? order : -order
}

function compareNumbers(a: number, b: number): number {
  if (Object.is(a, b)) return 0
  if (Number.isNaN(a)) return 1
  if (Number.isNaN(b)) return -1
  return a < b || (a === b && Object.is(a, -0)) ? -1 : 1
}
