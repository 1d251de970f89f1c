// What a backfill publishes is what this SQL says. A window edge off by one leaks the future into training; a value that depends on where
// slices are cut, or on the order of rows, can never be reproduced.
import { describe, expect, test } from 'vitest'
import type { ViewDefinition } from '../../src/definition/index.ts'
import { computeRows, type Range, type Shape } from './engine.ts'
import { oracle, type Event, type Value } from './oracle.ts'
import { eventsSchema, judgedOutput, judgedView, micros, oracleFeatures } from './views.ts'

/** mulberry32: the same events for the same seed, everywhere. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const grids = [
  // 96 points in the longest window: quantiles by window function.
  { every: '15m', windows: ['15m', '1h', '1d'], time: 'timestamptz', span: '2d' },
  { every: '1h', windows: ['1h', '5h', '3d'], time: 'timestamp', span: '5d' },
  { every: '1d', windows: ['1d', '7d', '28d'], time: 'date', span: '40d' },
  { every: '1d', windows: ['2d', '30d'], time: 'timestamp_ns', span: '40d' },
] as const

interface Case {
  readonly view: ViewDefinition
  readonly shape: Shape
  readonly events: readonly Event[]
  readonly range: Range
  readonly every: bigint
}

function makeCase(grid: (typeof grids)[number], seed: number): Case {
  const next = random(seed)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)] as T
  const every = micros(grid.every)
  const span = micros(grid.span)
  const steps = Number(span / every)
  const instants = (): bigint => {
    // Around 1970, often on a grid point or a microsecond beside it, often at the same time as others.
    const point = BigInt(Math.floor((next() - 0.5) * steps)) * every
    if (grid.time === 'date') return (point / micros('1d')) * micros('1d')
    return point + pick([0n, 0n, -1n, 1n, BigInt(Math.floor(next() * Number(every)))])
  }
  const count = Math.floor(next() * 160)
  const events = Array.from({ length: count }, (): Event => ({
    key: next() < 0.05 ? null : pick(['a', 'b', 'ä']),
    shard: next() < 0.05 ? null : pick([-1n, 7n]),
    at: next() < 0.05 ? null : instants(),
    i: next() < 0.2 ? null : pick([0n, 1n, -3n, 15n, 4_000_000_007n, BigInt(Math.floor(next() * 100))]),
    x:
      next() < 0.2
        ? null
        : pick([0, -0, 0.1, 1e5 + 0.3, -7.25, next(), next() < 0.2 ? Infinity : 2, next() < 0.1 ? NaN : 3]),
    s: next() < 0.2 ? null : pick(['a', 'b', 'c', 'd', 'é', '']),
    d: next() < 0.2 ? null : BigInt(Math.floor((next() - 0.5) * 20_000)),
  }))
  const duplicates = events.filter(() => next() < 0.1)
  const source = eventsSchema(grid.time)
  const view = judgedView(grid.every, grid.windows)
  return {
    view,
    shape: { source, output: judgedOutput(view, source) },
    events: [...events, ...duplicates],
    range: { from: (-span / 4n / every) * every, to: (span / 2n / every) * every + every },
    every,
  }
}

/** Sums of doubles depend on the order of adding in the last bits; everything else does not. */
function agree(actual: unknown, expected: Value): boolean {
  if (typeof expected !== 'number' || typeof actual !== 'number') return actual === expected
  if (Number.isNaN(expected) || Number.isNaN(actual)) return Number.isNaN(expected) && Number.isNaN(actual)
  return actual === expected || Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected))
}

const bits = (rows: readonly Readonly<Record<string, unknown>>[]): string[] =>
  rows.map((row) =>
    Object.entries(row)
      .map(([name, value]) => `${name}=${Object.is(value, -0) ? '-0' : String(value)}`)
      .join(' '),
  )

const seeds = [1, 2, 3, 4, 5, 6]

describe.each(grids)('every $every, windows $windows, $time', (grid) => {
  test.each(seeds)('the naive judge agrees on every value (seed %i)', async (seed) => {
    const { view, shape, events, range, every } = makeCase(grid, seed)
    const expected = oracle(events, oracleFeatures(view), { ...range, every })
    const { rows, rejected } = await computeRows(view, shape, events, [range])

    const identity = (key: unknown, shard: unknown, at: unknown): string =>
      `${String(key)} ${String(shard)} ${String(at)}`
    const actual = new Map(rows.map((row) => [identity(row['Point'], row['tile'], row['feature_time']), row]))
    expect(rows).toHaveLength(actual.size)
    expect([...actual.keys()].sort()).toEqual(expected.map(({ key, shard, at }) => identity(key, shard, at)).sort())
    const differences = expected.flatMap(({ key, shard, at, values }) => {
      const row = actual.get(identity(key, shard, at))
      return [...values]
        .filter(([name, value]) => !agree(row?.[name], value))
        .map(([name, value]) => `${identity(key, shard, at)} ${name}: ${String(row?.[name])}, not ${String(value)}`)
    })
    expect(differences).toEqual([])
    const keyless = events.filter(
      ({ key, shard, at }) => (key === null || shard === null) && at !== null && at >= range.from && at < range.to,
    )
    expect(rejected).toBe(BigInt(keyless.length))
  })

  test.each(seeds.slice(0, 3))(
    'slices, threads and the order of rows leave no trace in any bit (seed %i)',
    async (seed) => {
      const { view, shape, events, range, every } = makeCase(grid, seed)
      const next = random(seed)
      const whole = await computeRows(view, shape, events, [range])

      const steps = Number((range.to - range.from) / every)
      const cuts = [0, ...[next(), next()].map((at) => Math.floor(at * steps)).sort((a, b) => a - b), steps]
      const slices = cuts.slice(1).map((cut, index) => ({
        from: range.from + BigInt(cuts[index] as number) * every,
        to: range.from + BigInt(cut) * every,
      }))
      const sliced = await computeRows(view, shape, events, slices)
      expect(bits(sliced.rows).sort()).toEqual(bits(whole.rows).sort())
      expect(sliced.rejected).toBe(whole.rejected)

      const shuffled = events.map((event) => ({ event, rank: next() })).sort((a, b) => a.rank - b.rank)
      const other = await computeRows(
        view,
        shape,
        shuffled.map(({ event }) => event),
        [range],
        2,
      )
      expect(bits(other.rows)).toEqual(bits(whole.rows))
    },
  )
})
