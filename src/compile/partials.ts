import type { FeatureDefinition } from '../definition/index.ts'
import type { Input } from './inputs.ts'
import { quoteIdentifier } from './quote.ts'

/**
 * A mergeable part of an aggregate, kept per block of time. Where the order of adding changes the result (floating point), events are
 * taken in the order of their time and value, blocks in the order of their time: the same events give the same bits, in whatever order
 * they were stored. DuckDB drops those ORDER BYs by itself for types whose sums are exact.
 */
export interface Partial {
  /** Its column's name: `sum of delay`. */
  readonly name: string
  /** Aggregate over a tile's events. */
  readonly ofEvents: string
  /** Aggregate over the blocks that hold the partial in the column of its name, optionally only those where a condition is true. */
  readonly ofBlocks: (where?: string) => string
}

/** How a feature's value follows from its partials. */
export interface Plan {
  readonly partials: readonly Partial[]
  /** SQL of the value, given the SQL of each partial's merged column. */
  readonly value: (merged: (partial: Partial) => string) => string
}

const filter = (where?: string): string => (where === undefined ? '' : ` FILTER (WHERE ${where})`)

export const valueColumn = ({ label }: Input): string => quoteIdentifier(`value of ${label}`)

const integerTypes = `('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'HUGEINT')`

const partial = (
  what: string,
  input: Input,
  ofEvents: string,
  ofBlocks: (column: string) => (where?: string) => string,
): Partial => {
  const name = `${what} of ${input.label}`
  return { name, ofEvents, ofBlocks: ofBlocks(quoteIdentifier(name)) }
}

const merge = (call: string) => (column: string) => (where?: string) => `${call}(${column})${filter(where)}`
const mergeInOrder = (call: string) => (column: string) => (where?: string) =>
  `${call}(${column} ORDER BY start)${filter(where)}`

/** Number of values. */
export const countOf = (input: Input): Partial =>
  partial('count', input, input.sql === null ? 'count(*)' : `count(${valueColumn(input)})`, merge('sum'))

const sumOf = (input: Input): Partial =>
  partial('sum', input, `sum(${valueColumn(input)} ORDER BY instant, ${valueColumn(input)})`, mergeInOrder('sum'))

/** The value when it is an integer. For an SQL expression DuckDB decides while it binds the query. */
const integerOnly = (input: Input): string =>
  input.kind === 'integer'
    ? `CAST(${valueColumn(input)} AS HUGEINT)`
    : `CASE WHEN typeof(${valueColumn(input)}) IN ${integerTypes} THEN CAST(${valueColumn(input)} AS HUGEINT) END`

const doubleOnly = (input: Input): string =>
  input.kind === 'unknown'
    ? `CASE WHEN typeof(${valueColumn(input)}) NOT IN ${integerTypes} THEN CAST(${valueColumn(input)} AS DOUBLE) END`
    : `CAST(${valueColumn(input)} AS DOUBLE)`

/** Count, sum and sum of squares as 128-bit integers: exact, and an overflow is an error. */
function integerVariance(input: Input): Plan {
  const integer = integerOnly(input)
  const known = input.kind === 'integer'
  const n = known ? countOf(input) : partial('integer count', input, `count(${integer})`, merge('sum'))
  const sum = known ? sumOf(input) : partial('integer sum', input, `sum(${integer})`, merge('sum'))
  const squares = partial('squares', input, `sum(${integer} * ${integer})`, merge('sum'))
  return {
    partials: [n, sum, squares],
    value: (merged) => {
      const [count, total] = [merged(n), merged(sum)]
      const numerator = `${count} * ${merged(squares)} - ${total} * ${total}`
      return `CASE WHEN ${count} > 1 THEN CAST(${numerator} AS DOUBLE) / CAST(${count} * (${count} - 1) AS DOUBLE) END`
    },
  }
}

/**
 * Count, mean and sum of squared distances from the mean (Welford), merged by Chan's formula: sums of squares would cancel. A window
 * that holds an infinity or a NaN has no finite variance: it is NaN.
 */
function doubleVariance(input: Input): Plan {
  const double = doubleOnly(input)
  const finite = `FILTER (WHERE isfinite(${double}))`
  const n = `count(${double}) ${finite}`
  const inOrder = `(${double} ORDER BY instant, ${double}) ${finite}`
  const extremes = ['min', 'max'].map((call) => `${call}(${double}) ${finite}`)
  // Dividing a sum rounds: the spread of a constant is to be zero exactly.
  const mean = `CASE WHEN ${extremes.join(' = ')} THEN ${extremes[0] ?? ''} ELSE sum${inOrder} / ${n} END`
  const moments = partial(
    'moments',
    input,
    `CASE WHEN ${n} > 0 THEN {n: ${n}, mean: ${mean}, m2: var_pop${inOrder} * ${n}} END`,
    (column) => (where) =>
      `list_reduce(list(${column} ORDER BY start) FILTER (WHERE ${column} IS NOT NULL${where === undefined ? '' : ` AND ${where}`}), ` +
      'lambda a, b: {n: a.n + b.n, mean: a.mean + (b.mean - a.mean) * b.n / (a.n + b.n), ' +
      'm2: a.m2 + b.m2 + (b.mean - a.mean) * (b.mean - a.mean) * a.n * b.n / (a.n + b.n)})',
  )
  const infinite = partial('non-finite', input, `count(*) FILTER (WHERE NOT isfinite(${double}))`, merge('sum'))
  return {
    partials: [moments, infinite],
    value: (merged) => {
      const [m, others] = [merged(moments), merged(infinite)]
      return (
        `CASE WHEN coalesce(${m}.n, 0) + coalesce(${others}, 0) < 2 THEN NULL ` +
        `WHEN ${others} > 0 THEN CAST('NaN' AS DOUBLE) ELSE ${m}.m2 / (${m}.n - 1) END`
      )
    },
  }
}

function variance(input: Input): Plan {
  if (input.kind === 'integer') return integerVariance(input)
  if (input.kind === 'other') return doubleVariance(input)
  const [integer, double] = [integerVariance(input), doubleVariance(input)]
  return {
    partials: [...integer.partials, ...double.partials],
    value: (merged) => `coalesce(${integer.value(merged)}, ${double.value(merged)})`,
  }
}

/** @param type Iceberg's type of the result column */
function extreme(input: Input, call: 'min' | 'max', type: unknown): Plan {
  const p = partial(call, input, `${call}(${withoutMinusZero(valueColumn(input), type)})`, merge(call))
  return { partials: [p], value: (merged) => merged(p) }
}

/** The event of the least or greatest (time, value). */
function edge(input: Input, what: 'first' | 'last', type: unknown): Plan {
  const call = what === 'first' ? 'min' : 'max'
  const column = valueColumn(input)
  const p = partial(
    what,
    input,
    `${call}({instant: instant, value: ${withoutMinusZero(column, type)}}) FILTER (WHERE ${column} IS NOT NULL)`,
    merge(call),
  )
  return { partials: [p], value: (merged) => `${merged(p)}.value` }
}

/** 0.0 and -0.0 are equal, and which of the two came first must not show. */
const withoutMinusZero = (sql: string, type: unknown): string =>
  type === 'float' || type === 'double' ? `${sql} + 0` : sql

/**
 * The plan of a feature whose aggregate merges from blocks; null for those that do not (distinct counts, quantiles).
 * @param type Iceberg's type of the feature's columns
 */
export function mergeablePlan(feature: FeatureDefinition, input: Input, type: unknown): Plan | null {
  switch (feature.aggregate) {
    case 'count': {
      const n = countOf(input)
      return { partials: [n], value: (merged) => `CAST(coalesce(${merged(n)}, 0) AS BIGINT)` }
    }
    case 'sum': {
      const sum = sumOf(input)
      // 128 bits down to 64: out of range is an error.
      return { partials: [sum], value: (merged) => (type === 'long' ? `CAST(${merged(sum)} AS BIGINT)` : merged(sum)) }
    }
    case 'avg': {
      const [sum, n] = [sumOf(input), countOf(input)]
      return { partials: [sum, n], value: (merged) => `CAST(${merged(sum)} AS DOUBLE) / CAST(${merged(n)} AS DOUBLE)` }
    }
    case 'variance':
      return variance(input)
    case 'stddev': {
      const plan = variance(input)
      return { partials: plan.partials, value: (merged) => `sqrt(${plan.value(merged)})` }
    }
    case 'min':
    case 'max':
      return extreme(input, feature.aggregate, type)
    case 'first':
    case 'last':
      return edge(input, feature.aggregate, type)
    case 'count_distinct':
    case 'quantile':
      return null
  }
}
