import type { Aggregate } from './canonical.ts'
import type { SqlFragment } from './sql.ts'

/** A length of time, fixed (`15m`, `1h`, `7d`, `2w`) or of the calendar's months (`1mo`). */
export type Duration = `${number}${'s' | 'm' | 'h' | 'd' | 'w' | 'mo'}`

/** How long before its end a window begins; `lifetime` begins with the first event. */
export type WindowLength = Duration | 'lifetime'

/** A window that ends `offset` before the feature time: `{ window: '7d', offset: '1d' }`. */
export interface OffsetWindow<Length extends WindowLength = WindowLength, Offset extends Duration = Duration> {
  readonly window: Length
  readonly offset: Offset
}

export type Window = WindowLength | OffsetWindow

type Windows<W extends Window = Window> = readonly [W, ...W[]]

/** A source column's name, or a row expression over the source's columns. */
export type Argument = string | SqlFragment

type Scalar = number | string | boolean

interface CommonOptions<Over extends Windows> {
  /** The windows before the feature time; each becomes a column: `'7d'`, `'lifetime'`, `{ window: '7d', offset: '1d' }`. */
  readonly over: Over
  /** Only events where this is true count. */
  readonly where?: SqlFragment
  readonly description?: string
  readonly owner?: string
  readonly tags?: readonly string[]
}

interface ByOption {
  /** What values are kept apart by: the column is a map from each of its values, as text, to the aggregate over its events. */
  readonly by?: Argument
}

interface EmptyOption<Empty extends Scalar> {
  /** The value over a window that holds nothing to aggregate, in place of 0 for counts and null for all others. */
  readonly empty?: Empty | null
}

export interface FeatureOptions<Over extends Windows = Windows, Empty extends Scalar = Scalar>
  extends CommonOptions<Over>, ByOption, EmptyOption<Empty> {}

/** Options of features whose value is a list. */
export interface ListOptions<Over extends Windows = Windows> extends CommonOptions<Over>, ByOption {}

/** Options of features whose value depends on the row's time. */
export interface TimedOptions<Over extends Windows = Windows> extends CommonOptions<Over>, EmptyOption<number> {}

interface Limit {
  /** How many values are kept at most. */
  readonly limit: number
}
interface Edges {
  /** Bounds between the bins, ascending: n of them make n + 1 bins. */
  readonly edges: readonly [number, ...number[]]
}
interface HalfLife {
  /** After which a value weighs half; a fixed length of time. */
  readonly halfLife: Duration
}
interface RelativeError {
  /** Greatest relative error of the value, in (0, 1); 0.01 unless given. */
  readonly error?: number
}

/** What a ratio divides by, with a condition of its own. */
export interface Divisor {
  readonly argument: Argument
  readonly where?: SqlFragment
}

export interface Feature<A extends Aggregate = Aggregate, W extends Window = Window> {
  readonly kind: 'feature'
  readonly aggregate: A
  readonly argument: Argument | null
  readonly quantile?: number
  readonly k?: number
  readonly divisor?: Argument | Divisor
  readonly options: FeatureOptions<Windows<W>> & Partial<Limit & Edges & HalfLife & RelativeError>
}

export type Features = Readonly<Record<string, Feature>>

type WindowOf<F> = F extends Feature<Aggregate, infer W> ? W : never

type WindowName<W> =
  W extends OffsetWindow<infer Length, infer Offset> ? `${Length}_offset_${Offset}` : W extends string ? W : never

/** Names of the columns that features give: `delay_avg_7d`, `delay_avg_7d_offset_1d`. */
export type FeatureColumns<F extends Features> = {
  [Name in keyof F & string]: `${Name}_${WindowName<WindowOf<F[Name]>>}`
}[keyof F & string]

type Parameters = Pick<Feature, 'quantile' | 'k' | 'divisor'>

const feature = <A extends Aggregate, Over extends Windows>(
  aggregate: A,
  argument: Argument | null,
  options: FeatureOptions<Over>,
  parameters: Parameters = {},
): Feature<A, Over[number]> =>
  // A tuple of windows is one of its elements, which TypeScript cannot tell of a tuple that it does not know yet.
  Object.freeze({ kind: 'feature', aggregate, argument, ...parameters, options }) as Feature<A, Over[number]>

const aggregateOf =
  <Empty extends Scalar>() =>
  <A extends Aggregate>(aggregate: A) =>
  /** @param argument a source column's name, or a row expression */
  <const Over extends Windows>(argument: Argument, options: FeatureOptions<Over, Empty>): Feature<A, Over[number]> =>
    feature(aggregate, argument, options)

const numeric = aggregateOf<number>()
const logical = aggregateOf<boolean>()
/** Of the argument's type. */
const value = aggregateOf<Scalar>()

const firstValues =
  <A extends Aggregate>(aggregate: A) =>
  /** @param k how many values at most, above 0 */
  <const Over extends Windows>(argument: Argument, k: number, options: ListOptions<Over>): Feature<A, Over[number]> =>
    feature(aggregate, argument, options, { k })

const decayed =
  <A extends Aggregate>(aggregate: A) =>
  <const Over extends Windows>(argument: Argument, options: TimedOptions<Over> & HalfLife): Feature<A, Over[number]> =>
    feature(aggregate, argument, options)

/** Number of events. */
export const count = <const Over extends Windows>(
  options: FeatureOptions<Over, number>,
): Feature<'count', Over[number]> => feature('count', null, options)

export const sum = numeric('sum')
export const avg = numeric('avg')
export const min = value('min')
export const max = value('max')
/** The sample's standard deviation: null below two values. */
export const stddev = numeric('stddev')
/** The sample's variance: null below two values. */
export const variance = numeric('variance')
/** Number of distinct values, nulls aside. */
export const countDistinct = numeric('count_distinct')
/** An estimate of the number of distinct values, nulls aside: some 13 % off. */
export const approxCountDistinct = numeric('approx_count_distinct')
/** Value of the earliest event; the smaller one where events tie. */
export const first = value('first')
/** Value of the latest event; the larger one where events tie. */
export const last = value('last')
/** Values of the k earliest events, the earliest first. */
export const firstK = firstValues('first_k')
/** Values of the k latest events, the earliest first. */
export const lastK = firstValues('last_k')
/** The most frequent value; the smallest of several. */
export const mode = value('mode')
/** The k most frequent values, the most frequent first; ties by value, the smallest first. */
export const topK = firstValues('top_k')
/** Whether the condition is true for all events, nulls aside. */
export const boolAnd = logical('bool_and')
/** Whether the condition is true for any event. */
export const boolOr = logical('bool_or')
/** The share of events for which the condition is true, in [0, 1]; null counts as not true. */
export const rate = numeric('rate')

/** The exact quantile, linearly interpolated. @param q in (0, 1): 0.5 is the median */
export const quantile = <const Over extends Windows>(
  argument: Argument,
  q: number,
  options: FeatureOptions<Over, number>,
): Feature<'quantile', Over[number]> => feature('quantile', argument, options, { quantile: q })

/** The quantile to within a relative error. @param q in (0, 1): 0.5 is the median */
export const approxQuantile = <const Over extends Windows>(
  argument: Argument,
  q: number,
  options: FeatureOptions<Over, number> & RelativeError,
): Feature<'approx_quantile', Over[number]> => feature('approx_quantile', argument, options, { quantile: q })

/** The distinct values in ascending order: the `limit` smallest of them. */
export const collectDistinct = <const Over extends Windows>(
  argument: Argument,
  options: ListOptions<Over> & Limit,
): Feature<'collect_distinct', Over[number]> => feature('collect_distinct', argument, options)

/** How many values lie below the first edge, from each edge to before the next, and from the last edge up. */
export const histogram = <const Over extends Windows>(
  argument: Argument,
  options: ListOptions<Over> & Edges,
): Feature<'histogram', Over[number]> => feature('histogram', argument, options)

/**
 * The sum of one argument over the sum of another; null where that is 0.
 * @param divisor counts where the options' `where` lets events in, too, unless it is given with a condition of its own:
 * `{ argument: 'seats', where: sql`…` }`, or `{ argument: 'seats' }` for all events
 */
export const ratio = <const Over extends Windows>(
  argument: Argument,
  divisor: Argument | Divisor,
  options: FeatureOptions<Over, number>,
): Feature<'ratio', Over[number]> => feature('ratio', argument, options, { divisor })

/** The sum of values that weigh half as much after each `halfLife`. */
export const decayedSum = decayed('decayed_sum')
/** The average of values that weigh half as much after each `halfLife`. */
export const decayedAvg = decayed('decayed_avg')

/** Seconds from the last event to the feature time. */
export const timeSinceLast = <const Over extends Windows>(
  options: TimedOptions<Over>,
): Feature<'time_since_last', Over[number]> => feature('time_since_last', null, options)
