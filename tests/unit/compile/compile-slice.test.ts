// The hazards of the compiled SQL that random events do not meet: numbers at the edge of their types, names that need quotes, spreads far
// from zero, and windows so long against their grid that a wrong plan would never end.
import { expect, test } from 'vitest'
import { compileEvents, eventRanges, requiredColumns } from '../../../src/compile/index.ts'
import { parseInstant } from '../../../src/contract/index.ts'
import { outputSchema, type FeatureDefinition, type ViewDefinition } from '../../../src/definition/index.ts'
import type { PrimitiveType, Schema } from '../../../src/iceberg/index.ts'
import { openDuckDb } from '../../../src/io/duckdb.ts'
import { computeInSession } from '../../../src/io/slice-session.ts'
import { tempDir } from '../../support/temp-dir.ts'

type Row = Readonly<Record<string, unknown>>

interface Setup {
  readonly features: readonly Omit<FeatureDefinition, 'where'>[]
  readonly every?: string
  readonly derived?: ViewDefinition['derived']
  readonly valueName?: string
  readonly valueType?: PrimitiveType
  readonly timeType?: PrimitiveType
}

const define = ({ features, every = '1d', derived = [] }: Setup): ViewDefinition => ({
  version: 1,
  name: 'view',
  entity: { name: 'thing', keys: [{ name: 'key', type: 'string' }] },
  source: { name: 'events', table: 'raw.events', eventTime: 'at' },
  every,
  partitionBy: 'day',
  features: features.map((feature) => ({ where: null, ...feature })),
  derived,
  audits: [],
})

const sourceOf = ({ valueName = 'v', valueType = 'long', timeType = 'timestamp' }: Setup): Schema => ({
  schemaId: 0,
  fields: [
    { id: 1, name: 'key', required: false, type: 'string' },
    { id: 2, name: 'at', required: false, type: timeType },
    { id: 3, name: valueName, required: false, type: valueType },
  ],
})

const rangeOf = (setup: Setup, from = '2001-01-02', to = '2001-01-03') => {
  const definition = define(setup)
  const source = sourceOf(setup)
  const types = Object.fromEntries([
    ...definition.features.map(({ name }) => [`feature:${name}`, setup.valueType ?? 'long']),
    ...definition.derived.map(({ name }) => [`derived:${name}`, 'double']),
  ]) as Readonly<Record<string, PrimitiveType>>
  return {
    from: parseInstant(from, 'from'),
    to: parseInstant(to, 'to'),
    sourceSchema: source,
    outputSchema: outputSchema(definition, source, types),
  }
}

/** Rows of the slice; `events` is a SELECT of key, at and the value. */
async function compute(
  setup: Setup,
  events: string,
  options: { from?: string; to?: string; threads?: number; columns?: string } = {},
): Promise<Row[]> {
  await using scratch = await tempDir()
  await using db = await openDuckDb({ threads: options.threads ?? 1, memoryLimit: '1GB', tempDirectory: scratch.path })
  await db.run(`CREATE TEMP TABLE source_rows AS ${events}`)
  const { select, orderBy } = await computeInSession(db, define(setup), rangeOf(setup, options.from, options.to))
  // Awaited here: the engine must not be closed under its query.
  return await db.rows(`SELECT ${options.columns ?? '*'} FROM (${select}) ORDER BY ${orderBy}`)
}

const over = (aggregate: FeatureDefinition['aggregate'], window = '1d', name = 'v') =>
  ({ name: aggregate, aggregate, argument: { kind: 'column', name }, windows: [window] }) as const

const values = (type: string, list: readonly string[]): string =>
  `SELECT 'a' AS key, TIMESTAMP '2001-01-01 10:00:00' + to_microseconds(i) AS at, v::${type} AS v
   FROM (VALUES ${list.map((value, i) => `(${i}, ${value})`).join(', ')}) AS given (i, v)`

const half = '9223372036854775807'

test('a sum of longs beyond 64 bits is refused, one that comes back inside is exact, and an average needs no room', async () => {
  const sum = { features: [over('sum')] }
  await expect(compute(sum, values('BIGINT', [half, '1']))).rejects.toThrow(/out of range|Conversion/i)
  expect(await compute(sum, values('BIGINT', [half, half, `-${half}`]))).toMatchObject([{ sum_1d: BigInt(half) }])
  expect(await compute({ features: [over('avg')] }, values('BIGINT', [half, half]))).toMatchObject([
    { avg_1d: 2 ** 63 },
  ])
})

test('squares of longs beyond 128 bits are refused, never wrapped', async () => {
  const spread = { features: [over('variance')] }
  await expect(compute(spread, values('BIGINT', [half, half, half]))).rejects.toThrow(/overflow/i)
  expect(await compute(spread, values('BIGINT', ['1000000000000000000', '1000000000000000002']))).toMatchObject([
    { variance_1d: 2 },
  ])
})

test('a small spread far from zero keeps its digits, and a constant has none', async () => {
  const spread = { features: [over('variance'), over('stddev')], valueType: 'double' } as const
  const far = await compute(spread, values('DOUBLE', ['1e9 + 4', '1e9 + 7', '1e9 + 13', '1e9 + 16']))
  expect(far).toMatchObject([{ variance_1d: 30 }])
  const constant = await compute(
    { ...spread, valueType: 'double' },
    values('DOUBLE', ['0.1', '0.1', '0.1', '0.1', '0.1', '0.1']),
  )
  expect(constant).toMatchObject([{ variance_1d: 0, stddev_1d: 0 }])
})

test('the sample of one value has no spread, also when it is an infinity; with two the infinity makes it NaN', async () => {
  const spread = { features: [over('stddev')], valueType: 'double' } as const
  expect(await compute(spread, values('DOUBLE', ["'inf'", 'NULL']))).toMatchObject([{ stddev_1d: null }])
  expect(await compute(spread, values('DOUBLE', ["'inf'", "'1'"]))).toMatchObject([{ stddev_1d: Number.NaN }])
})

test('a sum of both infinities is the NaN that is among the values elsewhere, to its sign', async () => {
  const sum = { features: [over('sum'), over('avg')], valueType: 'double' } as const
  const columns = 'CAST(sum_1d AS VARCHAR) AS sum, CAST(avg_1d AS VARCHAR) AS avg'
  for (const given of [
    ["'inf'", "'-inf'"],
    ["'-inf'", "'1'", "'inf'"],
    ["'nan'", "'1'"],
    ["'nan'", "'-inf'"],
  ])
    expect(await compute(sum, values('DOUBLE', given), { columns })).toEqual([{ sum: 'nan', avg: 'nan' }])
})

test('decimals add up exactly', async () => {
  const rows = await compute(
    { features: [over('sum')], valueType: 'decimal(9, 2)' },
    values(
      'DECIMAL(9, 2)',
      Array.from({ length: 11 }, () => '0.10'),
    ),
  )
  expect(rows).toMatchObject([{ sum_1d: 110n }])
})

test('an event at the feature time or at the far edge of the window, to the microsecond', async () => {
  const events = `SELECT 'a' AS key, CAST("at" AS TIMESTAMP) AS "at", v FROM (VALUES
    ('2000-12-31 23:59:59.999999', 1), ('2001-01-01 00:00:00', 2), ('2001-01-01 23:59:59.999999', 4), ('2001-01-02 00:00:00', 8)
  ) AS given ("at", v)`
  const rows = await compute({ features: [over('sum')] }, events, { from: '2001-01-01', to: '2001-01-04' })
  expect(rows.map((row) => row['sum_1d'])).toEqual([1n, 6n, 8n])
})

test('a grid of minutes under a window of four weeks: each minute sees exactly its four weeks', async () => {
  const features = [
    over('count', '28d'),
    over('max', '28d'),
    over('quantile', '28d'),
    over('count_distinct', '28d'),
  ].map((feature) => (feature.aggregate === 'quantile' ? { ...feature, quantile: 0.5 } : feature))
  // One event each ten minutes for sixty days, its value the number of its ten minutes.
  const events = `SELECT 'a' AS key, TIMESTAMP '2001-01-01' + to_minutes(10 * i) AS at, i AS v FROM range(60 * 144) AS given (i)`
  const rows = await compute({ features, every: '1m' }, events, { from: '2001-02-10', to: '2001-02-11' })
  expect(rows).toHaveLength(1440)
  const perWindow = BigInt(28 * 144)
  for (const [minute, row] of rows.entries()) {
    const newest = BigInt(40 * 144 + Math.ceil(minute / 10) - 1)
    expect(row).toMatchObject({ count_28d: perWindow, count_distinct_28d: perWindow, max_28d: newest })
    expect(row['quantile_28d']).toBe(Number(newest) - (Number(perWindow) - 1) / 2)
  }
})

test('sums of doubles come out the same bit for bit from many rows, in any order, on one thread or two', async () => {
  const setup = {
    features: [over('sum', '7d'), over('avg', '7d'), over('stddev', '7d'), over('last', '7d')],
    valueType: 'double',
  } as const
  const events = (order: string): string => `
    SELECT 'k' || (hash(i) % 7) AS key, TIMESTAMP '2001-01-01' + to_seconds(hash(i, 1) % 604800) AS at,
      (hash(i, 2) % 1000003) / 7.0::DOUBLE AS v
    FROM range(400000) AS given (i) ORDER BY ${order}`
  const range = { from: '2001-01-05', to: '2001-01-10' }
  const ordered = await compute(setup, events('i'), range)
  const shuffled = await compute(setup, events('hash(i, 3)'), { ...range, threads: 2 })
  expect(ordered).toHaveLength(35)
  expect(shuffled).toEqual(ordered)
})

test('names with quotes, spaces and the compiler’s own words are only names', async () => {
  const valueName = 'value of "rows" -- entity'
  const rows = await compute(
    {
      valueName,
      features: [
        { ...over('sum', '1d', valueName), name: 'windowed' },
        { ...over('count_distinct', '1d', valueName), name: 'point' },
      ],
    },
    values('BIGINT', ['3', '4']).replace('AS v\n', `AS "${valueName.replaceAll('"', '""')}"\n`),
  )
  expect(rows).toMatchObject([{ key: 'a', windowed_1d: 7n, point_1d: 2n }])
})

test('derived columns see keys, feature time and features, and a line comment ends with its expression', async () => {
  const rows = await compute(
    {
      features: [over('sum'), over('count_distinct')],
      derived: [
        { name: 'mean', sql: 'sum_1d / count_distinct_1d -- of the distinct' },
        { name: 'day', sql: `dayofmonth(feature_time) + length(key)` },
      ],
    },
    values('BIGINT', ['3', '4']),
  )
  expect(rows).toMatchObject([{ mean: 3.5, day: 3n }])
})

test('a view that only counts distinct values or takes quantiles has its rows too', async () => {
  const events = values('BIGINT', ['3', '4', 'NULL'])
  expect(await compute({ features: [over('count_distinct')] }, events)).toMatchObject([{ count_distinct_1d: 2n }])
  const quantile = { ...over('quantile'), quantile: 0.5 }
  expect(await compute({ features: [quantile] }, events)).toMatchObject([{ quantile_1d: 3.5 }])
  expect(await compute({ features: [quantile] }, values('BIGINT', ['NULL']))).toMatchObject([{ quantile_1d: null }])
})

test('a range without a grid point, and a source without rows, have no rows', async () => {
  const setup = {
    features: [over('count', '7d'), over('count_distinct', '7d'), { ...over('quantile', '7d'), quantile: 0.5 }],
    every: '7d',
  }
  const events = values('BIGINT', ['3', '4'])
  expect(await compute(setup, events, { from: '2001-01-05', to: '2001-01-06' })).toEqual([])
  expect(await compute(setup, `${events} WHERE false`, { from: '2001-01-01', to: '2001-02-01' })).toEqual([])
})

test('an event time that is no time is refused with the column’s name', () => {
  const setup: Setup = { features: [over('count')], timeType: 'string' }
  expect(() => compileEvents(define(setup), rangeOf(setup))).toThrow(/"at" cannot be the event time.*string/)
})

test('rows see events back to the longest window before their first point, and none after their last', () => {
  const at = (text: string) => parseInstant(text, 'at')
  const eventsOf = eventRanges(define({ features: [over('count', '36h'), over('max', '2h')], every: '1h' }))
  expect(eventsOf({ from: at('2001-01-05'), to: at('2001-01-06') })).toEqual({
    from: at('2001-01-03T12:00:00Z'),
    to: at('2001-01-05T23:00:00Z'),
  })
})

test('the columns that are read are those that the view names, in the source’s order', () => {
  const view = define({
    features: [over('max', '1d', 'b'), { ...over('sum'), name: 's', argument: { kind: 'sql', sql: 'C + 1' } }],
  })
  expect(requiredColumns(view, ['z', 'c', 'b', 'at', 'key', 'y'])).toEqual(['c', 'b', 'at', 'key'])
})

test('more tiles than there is room for are refused before they are made, by their number and not that of the rows', async () => {
  await using scratch = await tempDir()
  await using db = await openDuckDb({ threads: 1, memoryLimit: '1GB', tempDirectory: scratch.path })
  await db.run(`CREATE TEMP TABLE source_rows AS
    SELECT CAST(i % 1000 AS VARCHAR) AS key, TIMESTAMP '2001-01-01' + to_microseconds(i) AS at, i AS v FROM range(20000) AS r (i)`)
  const setup = { features: [over('sum')] }
  const withRoomFor = (bytes: number) =>
    computeInSession(db, define(setup), rangeOf(setup), {}, { tileBudget: { bytes, rows: 20_000 } })
  await expect(withRoomFor(50_000)).rejects.toMatchObject({ code: 'ENGINE_OUT_OF_MEMORY' })
  await db.run('DROP TABLE events')
  const { select } = await withRoomFor(200_000)
  expect(await db.rows(select)).toHaveLength(1000)
})
