/** Rule: what authors' functions write, the engine computes. Damage otherwise: a feature that is checked, and then fails or means another. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  approxCountDistinct,
  approxQuantile,
  avg,
  boolAnd,
  boolOr,
  collectDistinct,
  count,
  countDistinct,
  decayedAvg,
  decayedSum,
  first,
  firstK,
  histogram,
  last,
  lastK,
  max,
  min,
  mode,
  outputSchema,
  quantile,
  rate,
  ratio,
  source,
  sql,
  stddev,
  sum,
  timeSinceLast,
  topK,
  variance,
  type Window,
} from '../../../src/definition/index.ts'
import { checkDefinition } from '../../../src/io/check-definition.ts'
import { openDuckDb } from '../../../src/io/duckdb.ts'
import { computeInSession } from '../../../src/io/slice-session.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { definitionOf, flights, flightsSchema } from '../definition/authored.ts'

const events = `CREATE TABLE source_rows AS FROM (VALUES
  (TIMESTAMP '2026-01-01 10:00', 5::BIGINT, 100::BIGINT, 'A', 'X'),
  ('2026-01-01 10:00', 20, 50, 'A', 'Y'),
  ('2026-01-02 01:00', NULL, 10, 'A', 'X')
) AS events (date, delay, distance, origin, destination)`

const authored = source({
  ...flights,
  where: sql`distance > 0`,
  sequence: 'distance',
  columns: { late: sql`delay > 15` },
})
const never = sql`delay > 1000`

/** Each function once or more, with what it gives over the events of 1 January in that day's time. */
const expectations = (over: readonly [Window, ...Window[]]) =>
  [
    [count({ over, where: sql`delay > 0`, by: 'destination' }), { X: 1n, Y: 1n }],
    [count({ over, where: never, empty: null }), null],
    [sum('delay', { over }), 25n],
    [avg('delay', { over, where: never, empty: -0.5 }), -0.5],
    [min('delay', { over }), 5n],
    [max('origin', { over, where: never, empty: "it's" }), "it's"],
    [stddev('distance', { over, where: sql`late` }), null],
    [variance('delay', { over }), 112.5],
    [countDistinct('destination', { over }), 2n],
    [approxCountDistinct('destination', { over }), 2n],
    [first('delay', { over }), 20n],
    [last('delay', { over }), 5n],
    [firstK('delay', 2, { over }), [20n, 5n]],
    [lastK('delay', 1, { over, by: 'destination' }), { X: [5n], Y: [20n] }],
    [mode('destination', { over }), 'X'],
    [topK('destination', 2, { over }), ['X', 'Y']],
    [collectDistinct('destination', { over, limit: 1 }), ['X']],
    [histogram('delay', { over, edges: [0, 15] }), [0n, 1n, 1n]],
    [boolAnd('late', { over }), false],
    [boolOr('late', { over }), true],
    [rate('late', { over }), 0.5],
    [ratio('delay', 'distance', { over }), 25 / 150],
    [ratio('delay', 'distance', { over, where: sql`late` }), 20 / 50],
    [ratio('delay', { argument: 'distance' }, { over, where: sql`late` }), 20 / 150],
    [quantile('delay', 0.5, { over }), 12.5],
    [approxQuantile('delay', 0.5, { over, error: 0.001 }), expect.closeTo(5, 2)],
    [decayedSum('delay', { over, halfLife: '1h' }), expect.closeTo(25 * 2 ** -14, 12)],
    [decayedAvg('delay', { over, halfLife: '1h' }), expect.closeTo(12.5, 12)],
    [timeSinceLast({ over, where: sql`late` }), 14 * 3600],
  ] as const

/** The values at a feature time, maps as objects. */
async function valuesAt(options: object, over: readonly [Window, ...Window[]], at: string): Promise<unknown[]> {
  const features = Object.fromEntries(expectations(over).map(([feature], i) => [`f${i}`, feature]))
  const definition = definitionOf({ source: authored, ...options, features })
  await using dir = await tempDir()
  await using db = await openDuckDb({ threads: 1, memoryLimit: '500MB', tempDirectory: join(dir.path, 'spill') })
  const { expressionTypes } = await checkDefinition(db, definition, flightsSchema, 'features/delays.ts')
  await db.run(events)
  const compiled = await computeInSession(db, definition, {
    from: BigInt(Date.UTC(2026, 0, 1)) * 1000n,
    to: BigInt(Date.UTC(2026, 2, 1)) * 1000n,
    sourceSchema: flightsSchema,
    outputSchema: outputSchema(definition, flightsSchema, expressionTypes),
  })
  const [row = {}, ...others] = await db.rows<Readonly<Record<string, unknown>>>(
    `SELECT * EXCLUDE (origin, feature_time) FROM (${compiled.select}) WHERE feature_time = TIMESTAMPTZ '${at}'`,
  )
  expect(others).toEqual([])
  return Object.values(row).map(asObject)
}

const asObject = (value: unknown): unknown =>
  Array.isArray(value) && Array.isArray(value[0]) ? Object.fromEntries(value as [string, unknown][]) : value

test.each([
  ['a day', {}, ['1d'], '2026-01-02 00:00:00+00'],
  ['a day, ended before', {}, [{ window: '1d', offset: '1d' }], '2026-01-03 00:00:00+00'],
  ['hours', { every: '1h' }, ['24h'], '2026-01-02 00:00:00+00'],
] as const)('every function over %s', async (_, options, over, at) => {
  const values = await valuesAt(options, over, at)
  const late = at.startsWith('2026-01-03')
  // With an offset the time since the events is a day more, and what decays is less by a day's half-lives.
  const expected = expectations(over).map(([{ aggregate }, value]) => {
    if (!late) return value
    if (aggregate === 'time_since_last') return 38 * 3600
    return aggregate === 'decayed_sum' ? expect.closeTo(25 * 2 ** -38, 15) : value
  })
  expect(values).toEqual(expected)
})

test.each([
  [
    'months of a time zone',
    { every: '1mo', timeZone: 'Europe/Berlin', partitionBy: 'month' },
    ['1mo'],
    '2026-01-31 23:00:00+00',
  ],
  ['days of a time zone', { timeZone: 'America/New_York' }, ['lifetime'], '2026-01-03 05:00:00+00'],
  ['rows on change', { rows: 'on_change' }, ['36h'], '2026-01-02 01:00:00.000001+00'],
] as const)('every function has a column of %s', async (_, options, over, at) => {
  const values = await valuesAt(options, over, at)
  expect(values).toHaveLength(expectations(over).length)
  // The third event has no delay: it is one of the destinations.
  expect(values[2]).toBe(25n)
  expect(values[15]).toEqual(['X', 'Y'])
})
