/**
 * What may be concluded of many values from what is known of them as a whole: whether nulls, NaNs and others are among them, and
 * bounds of the others. A predicate is split the same way: does it match null, does it match NaN, which values does it match.
 */
import type { Literal } from '../manifest/model.ts'
import type { PrimitiveType } from '../types/schema.ts'
import { compareLiterals, decodeSingleValue } from '../types/single-value.ts'
import type { BoundPredicate } from './bound.ts'
import { firstNotBelow } from './evaluate.ts'

/** Where nothing is known, all three are true and the bounds undefined. */
export interface ColumnFacts {
  readonly mayHoldNull: boolean
  readonly mayHoldNaN: boolean
  /** A value that is neither. */
  readonly mayHoldValue: boolean
  /** In single-value binary form, as manifests have them. */
  readonly lower: Uint8Array | undefined
  readonly upper: Uint8Array | undefined
}

export const nothingKnown: ColumnFacts = {
  mayHoldNull: true,
  mayHoldNaN: true,
  mayHoldValue: true,
  lower: undefined,
  upper: undefined,
}

/** Whether one of the values may match. */
export function mayMatch(predicate: BoundPredicate): (facts: ColumnFacts) => boolean {
  const { matchesNull, matchesNaN, may } = split(predicate)
  const boundsOf = boundsReader(predicate)
  return (facts) =>
    (matchesNull && facts.mayHoldNull) ||
    (matchesNaN && facts.mayHoldNaN) ||
    (facts.mayHoldValue && may(boundsOf(facts)))
}

/** Whether all of the values certainly match. */
export function mustMatch(predicate: BoundPredicate): (facts: ColumnFacts) => boolean {
  const { matchesNull, matchesNaN, must } = split(predicate)
  const boundsOf = boundsReader(predicate)
  return (facts) =>
    (matchesNull || !facts.mayHoldNull) &&
    (matchesNaN || !facts.mayHoldNaN) &&
    (!facts.mayHoldValue || must(boundsOf(facts)))
}

/** Null where unknown. Text is taken as its UTF-8 bytes: their order is that of the text, also where a bound was cut inside a character. */
interface Bounds {
  readonly lower: Literal | null
  readonly upper: Literal | null
}

interface Split {
  readonly matchesNull: boolean
  readonly matchesNaN: boolean
  /** Of values other than null and NaN within the bounds: may one match, must all match. */
  readonly may: (bounds: Bounds) => boolean
  readonly must: (bounds: Bounds) => boolean
}

const never = (): boolean => false

const comparisons = (may: Split['may'], must: Split['must']): Split => ({
  matchesNull: false,
  matchesNaN: false,
  may,
  must,
})

const opposite = ({ matchesNull, matchesNaN, may, must }: Split): Split => ({
  matchesNull: !matchesNull,
  matchesNaN: !matchesNaN,
  may: (bounds) => !must(bounds),
  must: (bounds) => !may(bounds),
})

function split(predicate: BoundPredicate): Split {
  switch (predicate.kind) {
    case 'is-null':
      return { matchesNull: true, matchesNaN: false, may: never, must: never }
    case 'not-null':
      return opposite(split({ ...predicate, kind: 'is-null' }))
    case 'is-nan':
      return { matchesNull: false, matchesNaN: true, may: never, must: never }
    case 'not-nan':
      return opposite(split({ ...predicate, kind: 'is-nan' }))
    case 'lt':
      return below(encoded(predicate.value), (order) => order < 0)
    case 'lt-eq':
      return below(encoded(predicate.value), (order) => order <= 0)
    case 'gt':
      return above(encoded(predicate.value), (order) => order > 0)
    case 'gt-eq':
      return above(encoded(predicate.value), (order) => order >= 0)
    case 'eq':
      return oneOf([encoded(predicate.value)])
    case 'not-eq':
      return opposite(split({ ...predicate, kind: 'eq' }))
    case 'in':
      return oneOf(predicate.values.map(encoded))
    case 'not-in':
      return opposite(split({ ...predicate, kind: 'in' }))
    case 'starts-with':
      return prefixed(encoded(predicate.value) as Uint8Array)
    case 'not-starts-with':
      return opposite(split({ ...predicate, kind: 'starts-with' }))
  }
}

const encoded = (value: Literal): Literal => (typeof value === 'string' ? new TextEncoder().encode(value) : value)

const below = (value: Literal, fits: (order: number) => boolean): Split =>
  comparisons(
    ({ lower }) => lower === null || fits(compareLiterals(lower, value)),
    ({ upper }) => upper !== null && fits(compareLiterals(upper, value)),
  )

const above = (value: Literal, fits: (order: number) => boolean): Split =>
  comparisons(
    ({ upper }) => upper === null || fits(compareLiterals(upper, value)),
    ({ lower }) => lower !== null && fits(compareLiterals(lower, value)),
  )

/** @param values in ascending order */
const oneOf = (values: readonly Literal[]): Split =>
  comparisons(
    ({ lower, upper }) => {
      const first = values[lower === null ? 0 : firstNotBelow(values, lower)]
      return first !== undefined && (upper === null || compareLiterals(first, upper) <= 0)
    },
    ({ lower, upper }) => {
      if (lower === null || upper === null || compareLiterals(lower, upper) !== 0) return false
      const first = values[firstNotBelow(values, lower)]
      return first !== undefined && compareLiterals(first, lower) === 0
    },
  )

const prefixed = (prefix: Uint8Array): Split => {
  const order = (bound: Literal): number => compareLiterals((bound as Uint8Array).subarray(0, prefix.length), prefix)
  return comparisons(
    ({ lower, upper }) => (lower === null || order(lower) <= 0) && (upper === null || order(upper) >= 0),
    ({ lower, upper }) => lower !== null && upper !== null && order(lower) === 0 && order(upper) === 0,
  )
}

const unbounded: Bounds = { lower: null, upper: null }

function boundsReader({ column: { type } }: BoundPredicate): (facts: ColumnFacts) => Bounds {
  if (typeof type !== 'string') return () => unbounded
  return (facts) => {
    const lower = decoded(type, facts.lower)
    const upper = decoded(type, facts.upper)
    // Old ORC writers left NaN as both bounds of a column that holds others too, and old Java writers ordered UUIDs as signed numbers.
    if (isNaNValue(lower) || isNaNValue(upper)) return unbounded
    if (lower !== null && upper !== null && compareLiterals(lower, upper) > 0) return unbounded
    return { lower, upper }
  }
}

const isNaNValue = (value: Literal | null): boolean => typeof value === 'number' && Number.isNaN(value)

/** A bound that cannot be understood counts as missing. */
function decoded(type: PrimitiveType, bytes: Uint8Array | undefined): Literal | null {
  if (bytes === undefined) return null
  if (type === 'string') return bytes
  try {
    return decodeSingleValue(type, bytes)
  } catch {
    return null
  }
}
