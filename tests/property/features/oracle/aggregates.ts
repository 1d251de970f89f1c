/** What each aggregate makes of the values of a window (rules 4.1 to 6.14). */
import { nearest, spread, sumOfDoubles, varianceOfDoubles } from './exact.ts'
import {
  compare,
  decimalPrecision,
  decimalScale,
  identity,
  isFloating,
  written,
  type Scalar,
  type Value,
} from './values.ts'

/** Rules leave some values room: any number in it is right. */
export class Within {
  readonly low: number
  readonly high: number
  constructor(low: number, high: number) {
    this.low = low
    this.high = high
  }
}

/** A sum beyond its type fails the slice (rule 5.1). */
export class Overflow extends Error {}

export type Result = Value | Within | readonly Scalar[] | ReadonlyMap<string, Result>

/** An event that a feature's condition lets in. */
export interface Seen {
  /** Nanoseconds since 1970. */
  readonly at: bigint
  readonly value: Value
  readonly divisor: Value
}

export interface Aggregation {
  readonly aggregate: string
  /** Iceberg's type of the argument, and of the divisor. */
  readonly type: string | null
  readonly divisorType: string | null
  readonly quantile?: number
  readonly error?: number
  readonly k?: number
  /** Nanoseconds. */
  readonly halfLife?: bigint
  readonly edges?: readonly number[]
  readonly empty?: Value
  /** Whether event times have nanoseconds. */
  readonly isNanos: boolean
}

/** @param events in the order of rule 4.4 @param point nanoseconds since 1970 */
export function aggregate(feature: Aggregation, events: readonly Seen[], point: bigint): Result {
  if (isEmpty(feature, events)) {
    if (feature.empty !== undefined) return declared(feature, feature.empty)
    return ['count', 'count_distinct', 'approx_count_distinct'].includes(feature.aggregate) ? 0n : null
  }
  const timed = events.flatMap(({ at, value }) => (value === null ? [] : [{ at, value }]))
  const values = timed.map(({ value }) => value)
  const ascending = values.toSorted(compare)
  const type = feature.type ?? ''
  const numbers = (): number[] => values.map((value) => toDouble(value, type))
  switch (feature.aggregate) {
    case 'count':
      return BigInt(events.length)
    case 'sum':
      return sum(values, type)
    case 'avg':
      return sumAsDouble(values, type) / values.length
    case 'variance':
      return variance(values, type)
    case 'stddev':
      return root(variance(values, type))
    case 'min':
      return written(ascending[0] as Scalar)
    case 'max':
      return written(ascending.at(-1) as Scalar)
    case 'first':
      return written(values[0] as Scalar)
    case 'last':
      return written(values.at(-1) as Scalar)
    case 'first_k':
      return values.slice(0, feature.k).map(written)
    case 'last_k':
      return values.slice(-(feature.k as number)).map(written)
    case 'count_distinct':
      return BigInt(distinct(ascending).length)
    case 'collect_distinct':
      return distinct(ascending).slice(0, feature.k)
    case 'approx_count_distinct': {
      const n = distinct(ascending).length
      return new Within(Math.max(1, Math.floor(n * 0.4)), Math.ceil(n * 1.8))
    }
    case 'quantile':
      return quantile(numbers().sort(compare), feature.quantile as number)
    case 'approx_quantile':
      return approximateQuantile(numbers().sort(compare), feature.quantile as number, feature.error ?? 0.01)
    case 'mode':
      return byFrequency(ascending)[0] as Scalar
    case 'top_k':
      return byFrequency(ascending).slice(0, feature.k)
    case 'histogram':
      return histogram(numbers(), feature.edges as readonly number[])
    case 'bool_and':
      return values.every((value) => value === true)
    case 'bool_or':
      return values.includes(true)
    case 'rate':
      return values.filter((value) => value === true).length / events.length
    case 'ratio': {
      const divisors = events.flatMap(({ divisor }) => (divisor === null ? [] : [divisor]))
      if (values.length === 0 || divisors.length === 0) return null
      const below = sumAsDouble(divisors, feature.divisorType ?? '')
      return below === 0 ? null : written(sumAsDouble(values, type) / below)
    }
    case 'decayed_sum':
    case 'decayed_avg':
      return decayed(
        feature,
        timed.map(({ at, value }) => ({ at, value: toDouble(value, type) })),
        point,
      )
    case 'time_since_last': {
      const elapsed = point - (events.at(-1) as Seen).at
      return feature.isNanos ? Number(elapsed) / 1e9 : Number(elapsed / 1000n) / 1e6
    }
    default:
      throw new Error(`no such aggregate: ${feature.aggregate}`)
  }
}

/** A declared number in the unit of the result. */
function declared({ aggregate: name, type }: Aggregation, value: Value): Value {
  const scale = name === 'sum' ? decimalScale(type ?? '') : null
  return scale !== null && typeof value === 'number' ? BigInt(Math.round(value * 10 ** scale)) : value
}

/** Whether nothing is to be aggregated (rule 4.5). */
export function isEmpty({ aggregate: name }: Aggregation, events: readonly Seen[]): boolean {
  if (name === 'count' || name === 'rate' || name === 'time_since_last') return events.length === 0
  return events.every(({ value, divisor }) => value === null && divisor === null)
}

function toDouble(value: Scalar, type: string): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return nearest(value, 10n ** BigInt(decimalScale(type) ?? 0))
  throw new Error(`a ${typeof value} is no number`)
}

const wholes = (values: readonly Scalar[]): bigint[] => values.map((value) => value as bigint)
const total = (values: readonly Scalar[]): bigint => wholes(values).reduce((sum, value) => sum + value, 0n)

function sum(values: readonly Scalar[], type: string): Value {
  if (isFloating(type)) return sumOfDoubles(values as readonly number[])
  const exact = total(values)
  const limit = decimalScale(type) === null ? 2n ** 63n : 10n ** 38n
  if (exact >= limit || exact < (decimalScale(type) === null ? -limit : 1n - limit)) throw new Overflow()
  return exact
}

const sumAsDouble = (values: readonly Scalar[], type: string): number =>
  isFloating(type)
    ? sumOfDoubles(values as readonly number[])
    : nearest(total(values), 10n ** BigInt(decimalScale(type) ?? 0))

function variance(values: readonly Scalar[], type: string): number | null {
  if (values.length < 2) return null
  if (isFloating(type) || decimalPrecision(type) > 18) {
    const doubles = values.map((value) => toDouble(value, type))
    return doubles.every(Number.isFinite) ? varianceOfDoubles(doubles) : Number.NaN
  }
  const n = BigInt(values.length)
  const unscaled = nearest(spread(wholes(values)), 1n) / nearest(n * (n - 1n), 1n)
  return unscaled / Number(100n ** BigInt(decimalScale(type) ?? 0))
}

const root = (value: number | null): number | null => (value === null ? null : Math.sqrt(value))

const distinct = (ascending: readonly Scalar[]): Scalar[] => [
  ...new Map(ascending.map((value) => [identity(value), written(value)])).values(),
]

function byFrequency(ascending: readonly Scalar[]): Scalar[] {
  const counts = new Map<string, number>()
  for (const value of ascending) counts.set(identity(value), (counts.get(identity(value)) ?? 0) + 1)
  const count = (value: Scalar): number => counts.get(identity(value)) as number
  return distinct(ascending).sort((a, b) => count(b) - count(a) || compare(a, b))
}

function quantile(ascending: readonly number[], q: number): number {
  const position = q * (ascending.length - 1)
  const low = ascending[Math.floor(position)] as number
  const high = ascending[Math.ceil(position)] as number
  const share = position - Math.floor(position)
  return written(share === 0 ? low : low * (1 - share) + high * share)
}

function approximateQuantile(ascending: readonly number[], q: number, error: number): number | Within {
  // ⌈q·n⌉ with q as it is written, not as the double that it becomes.
  const [digits = '', exponent = '0'] = String(q).split('e-')
  const [whole = '0', fraction = ''] = digits.split('.')
  const scale = 10n ** BigInt(fraction.length + Number(exponent))
  const place = (BigInt(whole + fraction) * BigInt(ascending.length) + scale - 1n) / scale
  const value = ascending[Number(place) - 1] as number
  if (value === 0 || !Number.isFinite(value)) return written(value)
  const slack = Math.abs(value) * error * (1 + 1e-9)
  return new Within(value - slack, value + slack)
}

const histogram = (values: readonly number[], edges: readonly number[]): bigint[] =>
  [...edges, null].map((edge, bin) =>
    BigInt(
      values.filter(
        (value) =>
          (bin === 0 || compare(value, edges[bin - 1] as number) >= 0) && (edge === null || compare(value, edge) < 0),
      ).length,
    ),
  )

function decayed(
  { aggregate: name, halfLife, empty }: Aggregation,
  events: readonly { readonly at: bigint; readonly value: number }[],
  point: bigint,
): number | Within | null {
  const halfLives = (from: bigint, to: bigint): number => Number(to - from) / Number(halfLife as bigint)
  // What is left of a great value may be a double where its weight is none.
  const after = (value: number, lives: number): number => value * 2 ** (-lives / 2) * 2 ** (-lives / 2)
  const last = (events.at(-1) as { readonly at: bigint }).at
  const asOf = name === 'decayed_avg' ? last : point
  const products = events.map(({ at, value }) => (Number.isFinite(value) ? after(value, halfLives(at, asOf)) : value))
  const weights = name === 'decayed_avg' ? sumOfDoubles(events.map(({ at }) => 2 ** -halfLives(at, last))) : 1
  if (name === 'decayed_avg' && 2 ** -halfLives(last, point) === 0) return (empty ?? null) as number | null
  const sum = sumOfDoubles(products)
  if (!Number.isFinite(sum)) return sum / weights
  const slack = sumOfDoubles(products.map(Math.abs)) * 1e-9 + 1e-320
  return new Within((sum - slack) / weights, (sum + slack) / weights)
}
