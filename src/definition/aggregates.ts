import type { Sql } from './sql.ts'

/** A fixed length of time: `15m`, `1h`, `7d`, `2w`. */
export type Duration = `${number}${'s' | 'm' | 'h' | 'd' | 'w'}`

/** The aggregate functions, as canonical definitions name them. */
export const aggregateFunctions = [
  'count',
  'avg',
  'sum',
  'min',
  'max',
  'stddev',
  'variance',
  'count_distinct',
  'first',
  'last',
  'quantile',
] as const
export type AggregateFunction = (typeof aggregateFunctions)[number]

export interface AggregateOptions<W extends Duration = Duration> {
  /** Windows before feature time; each gives one output column, `<feature>_<window>`. */
  readonly over: readonly W[]
  /** Only events for which this holds take part. */
  readonly where?: Sql
  readonly description?: string
}

/** One feature: an aggregate of a source column or row expression, over one or more windows. */
export interface Aggregate<W extends Duration = Duration> extends AggregateOptions<W> {
  readonly kind: 'aggregate'
  readonly function: AggregateFunction
  /** Null for `count`, which counts events. */
  readonly input: string | Sql | null
  readonly quantile?: number
}

function aggregate<W extends Duration>(
  name: AggregateFunction,
  input: string | Sql | null,
  options: AggregateOptions<W>,
  quantile?: number,
): Aggregate<W> {
  // What the options hold beyond their type is kept, for `canonicalView` to refuse by name.
  return Object.freeze({
    ...options,
    kind: 'aggregate',
    function: name,
    input,
    ...(quantile === undefined ? {} : { quantile }),
  })
}

type OfColumn = <const W extends Duration>(column: string | Sql, options: AggregateOptions<W>) => Aggregate<W>

const ofColumn =
  (name: AggregateFunction): OfColumn =>
  (column, options) =>
    aggregate(name, column, options)

/** Number of events; 0 over an empty window. */
export const count = <const W extends Duration>(options: AggregateOptions<W>): Aggregate<W> =>
  aggregate('count', null, options)
/** Arithmetic mean, as a double. */
export const avg: OfColumn = ofColumn('avg')
/** Sum; of integers as a 64-bit integer, which fails when it does not fit rather than wrap. */
export const sum: OfColumn = ofColumn('sum')
export const min: OfColumn = ofColumn('min')
export const max: OfColumn = ofColumn('max')
/** The sample's standard deviation; null for fewer than two values. */
export const stddev: OfColumn = ofColumn('stddev')
/** The sample's variance; null for fewer than two values. */
export const variance: OfColumn = ofColumn('variance')
/** Number of distinct non-null values, exact; 0 over an empty window. */
export const countDistinct: OfColumn = ofColumn('count_distinct')
/** Value of the earliest event; of several at the same time, the larger value. */
export const first: OfColumn = ofColumn('first')
/** Value of the latest event; of several at the same time, the larger value. */
export const last: OfColumn = ofColumn('last')
/** Exact quantile with linear interpolation, as a double; `q` from 0 to 1. */
export const quantile = <const W extends Duration>(
  column: string | Sql,
  q: number,
  options: AggregateOptions<W>,
): Aggregate<W> => aggregate('quantile', column, options, q)
