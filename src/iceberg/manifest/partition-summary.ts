/** What a manifest list says of the partitions of a manifest, and what may be concluded from it. */
import type { Literal, PartitionFieldSummary, PartitionTuple } from './model.ts'
import type { PrimitiveType } from '../types/schema.ts'
import { compareLiterals, decodeSingleValue, encodeSingleValue } from '../types/single-value.ts'

const isNaNValue = (value: Literal): boolean => typeof value === 'number' && Number.isNaN(value)

/** One summary per partition field over the tuples of all entries, deleted ones included. */
export function summarizePartitions(
  types: readonly PrimitiveType[],
  tuples: readonly PartitionTuple[],
): PartitionFieldSummary[] {
  return types.map((type, index) => {
    let containsNull = false
    let containsNaN = false
    let lower: Literal | null = null
    let upper: Literal | null = null
    for (const tuple of tuples) {
      const value = tuple[index] ?? null
      if (value === null) {
        containsNull = true
      } else if (isNaNValue(value)) {
        containsNaN = true
      } else {
        if (lower === null || compareLiterals(value, lower) < 0) lower = value
        if (upper === null || compareLiterals(value, upper) > 0) upper = value
      }
    }
    // The two zeros are equal in order but not in bytes: a bound takes the outer one.
    if (lower === 0 && (type === 'float' || type === 'double')) lower = -0
    if (upper === 0 && (type === 'float' || type === 'double')) upper = 0
    return {
      containsNull,
      containsNaN,
      ...(lower === null ? {} : { lowerBound: encodeSingleValue(type, lower) }),
      ...(upper === null ? {} : { upperBound: encodeSingleValue(type, upper) }),
    }
  })
}

/** The values that a summary admits in one field. */
interface Admitted {
  readonly lower: Literal | null
  readonly upper: Literal | null
  readonly containsNull: boolean
  readonly containsNaN: boolean
}

function admittedBy(type: PrimitiveType, summary: PartitionFieldSummary): Admitted {
  const { lowerBound, upperBound, containsNull, containsNaN } = summary
  return {
    lower: lowerBound === undefined ? null : decodeSingleValue(type, lowerBound),
    upper: upperBound === undefined ? null : decodeSingleValue(type, upperBound),
    containsNull,
    // Older writers don't say.
    containsNaN: containsNaN ?? (type === 'float' || type === 'double'),
  }
}

function admits(admitted: Admitted, value: Literal | null): boolean {
  if (value === null) return admitted.containsNull
  if (isNaNValue(value)) return admitted.containsNaN
  const { lower, upper } = admitted
  // A field without bounds holds nulls (or NaN) only; a summary with just one of them is taken as it is.
  if (lower === null && upper === null) return !admitted.containsNull && !admitted.containsNaN
  return (
    (lower === null || compareLiterals(value, lower) >= 0) && (upper === null || compareLiterals(value, upper) <= 0)
  )
}

/** Partitions to be looked for in many summaries: sorted by their first value, so that a range is found by halving. */
export class PartitionSearch {
  readonly #types: readonly (PrimitiveType | null)[]
  readonly #sorted: readonly PartitionTuple[]
  /** Tuples whose first value has no place in the order: null or NaN. */
  readonly #unordered: readonly PartitionTuple[]

  constructor(types: readonly (PrimitiveType | null)[], tuples: readonly PartitionTuple[]) {
    const ordered = ([first]: PartitionTuple): boolean => first !== undefined && first !== null && !isNaNValue(first)
    this.#types = types
    this.#sorted = tuples.filter(ordered).sort((a, b) => compareLiterals(a[0] as Literal, b[0] as Literal))
    this.#unordered = tuples.filter((tuple) => !ordered(tuple))
  }

  /** Whether a manifest with these summaries may hold one of the partitions; true also when nothing can be said. */
  mayOccurIn(summaries: readonly PartitionFieldSummary[] | undefined): boolean {
    if (summaries === undefined || summaries.length !== this.#types.length) return true
    const admitted = summaries.map((summary, index) => {
      const type = this.#types[index] ?? null
      return type === null ? null : admittedBy(type, summary)
    })
    const fits = (tuple: PartitionTuple): boolean =>
      admitted.every((field, index) => field === null || admits(field, tuple[index] ?? null))
    if (this.#unordered.some(fits)) return true
    const lower = admitted[0]?.lower ?? null
    const upper = admitted[0]?.upper ?? null
    for (let at = lower === null ? 0 : this.#firstNotBelow(lower); at < this.#sorted.length; at++) {
      const tuple = this.#sorted[at] as PartitionTuple
      if (upper !== null && compareLiterals(tuple[0] as Literal, upper) > 0) return false
      if (fits(tuple)) return true
    }
    return false
  }

  #firstNotBelow(bound: Literal): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareLiterals((this.#sorted[middle] as PartitionTuple)[0] as Literal, bound) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
