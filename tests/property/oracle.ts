/**
 * The naive judge of compiled SQL: for every entity and grid point it goes through all events again, one aggregate after the other. It
 * shares no code with the compiler, and reads a definition only for names, windows and aggregates; arguments and conditions are given as
 * functions.
 */

export interface Event {
  readonly key: string | null
  readonly shard: bigint | null
  readonly at: bigint | null
  readonly i: bigint | null
  readonly x: number | null
  readonly s: string | null
  /** Hundredths. */
  readonly d: bigint | null
}

export type Value = bigint | number | string | null

export interface OracleFeature {
  readonly column: string
  readonly aggregate: string
  readonly window: bigint
  readonly quantile?: number
  readonly argument: (event: Event) => Value
  readonly where: (event: Event) => boolean
}

export interface OracleRow {
  readonly key: string
  readonly shard: bigint
  readonly at: bigint
  readonly values: ReadonlyMap<string, Value>
}

const compare = (a: Value, b: Value): number => {
  if (a === null || b === null) throw new Error('nulls are not compared')
  // DuckDB's order: NaN is the greatest number.
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  if (typeof a === 'string' || typeof b === 'string')
    return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)))
  return a < b ? -1 : a > b ? 1 : 0
}

const positiveZero = (value: Value): Value => (value === 0 ? 0 : value)

export function oracle(
  events: readonly Event[],
  features: readonly OracleFeature[],
  range: { readonly from: bigint; readonly to: bigint; readonly every: bigint },
): OracleRow[] {
  const longest = features.map(({ window }) => window).reduce((a, b) => (a > b ? a : b))
  const rows: OracleRow[] = []
  const entities = new Map(events.map((event) => [JSON.stringify([event.key, String(event.shard)]), event]))
  let first = (range.from / range.every) * range.every
  while (first < range.from) first += range.every
  while (first - range.every >= range.from) first -= range.every
  for (const { key, shard } of entities.values()) {
    if (key === null || shard === null) continue
    const own = events.filter((event) => event.key === key && event.shard === shard && event.at !== null)
    for (let at = first; at < range.to; at += range.every) {
      const within = (window: bigint): Event[] =>
        own.filter((event) => (event.at as bigint) >= at - window && (event.at as bigint) < at)
      if (within(longest).length === 0) continue
      const values = features.map((feature): [string, Value] => [
        feature.column,
        aggregate(feature, within(feature.window).filter(feature.where)),
      ])
      rows.push({ key, shard, at, values: new Map(values) })
    }
  }
  return rows
}

function aggregate(feature: OracleFeature, events: readonly Event[]): Value {
  if (feature.aggregate === 'count') return BigInt(events.length)
  const timed = events
    .map((event) => ({ at: event.at as bigint, value: feature.argument(event) }))
    .filter(({ value }) => value !== null)
    .sort((a, b) => (a.at === b.at ? compare(a.value, b.value) : a.at < b.at ? -1 : 1))
  const values = timed.map(({ value }) => value)
  if (feature.aggregate === 'count_distinct') return BigInt(new Set(values.map(positiveZero)).size)
  if (values.length === 0) return null
  switch (feature.aggregate) {
    case 'sum':
      return sum(values)
    case 'avg':
      return Number(sum(values)) / values.length
    case 'min':
      return positiveZero(values.reduce((a, b) => (compare(b, a) < 0 ? b : a)))
    case 'max':
      return positiveZero(values.reduce((a, b) => (compare(b, a) > 0 ? b : a)))
    case 'first':
      return positiveZero(values[0] as Value)
    case 'last':
      return positiveZero(values.at(-1) as Value)
    case 'variance':
      return variance(values)
    case 'stddev': {
      const squared = variance(values)
      return squared === null ? null : Math.sqrt(squared)
    }
    case 'quantile':
      return quantile(values.map(Number), feature.quantile as number)
    default:
      throw new Error(`no such aggregate: ${feature.aggregate}`)
  }
}

const sum = (values: readonly Value[]): bigint | number =>
  values.every((value) => typeof value === 'bigint')
    ? values.reduce<bigint>((total, value) => total + value, 0n)
    : values.reduce<number>((total, value) => total + Number(value), 0)

function variance(values: readonly Value[]): number | null {
  if (values.length < 2) return null
  const numbers = values.map(Number)
  if (numbers.some((value) => !Number.isFinite(value))) return Number.NaN
  // Over all pairs: slow, and nothing cancels.
  const squares = numbers.flatMap((value, i) => numbers.slice(i + 1).map((other) => (value - other) ** 2))
  return squares.reduce((total, square) => total + square, 0) / (numbers.length * (numbers.length - 1))
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted(compare)
  const position = q * (sorted.length - 1)
  const low = sorted[Math.floor(position)] as number
  const high = sorted[Math.ceil(position)] as number
  return low === high ? low : low + (high - low) * (position - Math.floor(position))
}
