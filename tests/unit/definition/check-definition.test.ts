/** Rule: only row expressions that always give the same value are computed. Damage otherwise: rows that `reproduce` cannot make again. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  avg,
  boolAnd,
  canonicalView,
  count,
  countDistinct,
  decayedSum,
  entity,
  histogram,
  last,
  max,
  outputSchema,
  rate,
  ratio,
  source,
  sql,
  sum,
} from '../../../src/definition/index.ts'
import type { ViewDefinition } from '../../../src/definition/index.ts'
import { checkDefinition } from '../../../src/io/check-definition.ts'
import { openDuckDb, type DuckDb } from '../../../src/io/duckdb.ts'
import { originDelays } from '../../../features/origin-delays.ts'
import { routeDelays } from '../../../features/route-delays.ts'
import { definitionOf, flights, flightsSchema, schemaOf } from './authored.ts'
import { tempDir, type TempDir } from '../../support/temp-dir.ts'

let dir: TempDir
let db: DuckDb
beforeAll(async () => {
  dir = await tempDir()
  db = await openDuckDb({ threads: 1, memoryLimit: '500MB', tempDirectory: join(dir.path, 'spill') })
})
afterAll(async () => {
  await db.close()
  await dir[Symbol.asyncDispose]()
})

const file = 'features/delays.ts'
const schema = schemaOf({
  date: 'timestamp',
  delay: 'long',
  distance: 'int',
  origin: 'string',
  price: 'decimal(9, 2)',
  id: 'uuid',
  code: 'timestamptz_ns',
  tags: { type: 'list', elementId: 20, elementRequired: false, element: 'string' },
  info: { type: 'struct', fields: [{ id: 21, name: 'gate', required: false, type: 'long' }] },
  'air line': 'string',
})
const check = (definition: ViewDefinition) => checkDefinition(db, definition, schema, file)
const text = (expression: string) => ({ kind: 'sql', text: expression }) as const
const checkArgument = (expression: string) =>
  check(definitionOf({ features: { f: max(text(expression), { over: ['1d'] }) } }))

test('this repository’s views fit their source', async () => {
  const origins = await checkDefinition(db, canonicalView(originDelays), flightsSchema, 'features/origin-delays.ts')
  expect(origins.expressionTypes).toEqual({
    'feature:delay_avg': 'long',
    'feature:delay_max': 'long',
    'feature:delay_stddev': 'long',
    'feature:destinations': 'string',
    'feature:last_delay': 'long',
    'derived:late_share_7d': 'double',
  })
  const routes = await checkDefinition(db, canonicalView(routeDelays), flightsSchema, 'features/route-delays.ts')
  expect(routes.expressionTypes).toEqual({ 'feature:delay_avg': 'long', 'feature:delay_p90': 'long' })
})

test.each([
  ['delay', 'long'],
  ['DELAY', 'long'],
  ['distance', 'int'],
  ['delay + price', 'decimal(22, 2)'],
  ['delay / 60', 'double'],
  ["date_trunc('hour', date)", 'timestamp'],
  ['nullif(delay, 0)', 'long'],
  ['CASE WHEN delay > 15 THEN 1 ELSE 0 END', 'int'],
  ["split_part(origin, '-', 1)", 'string'],
  ['"air line"', 'string'],
  ['id', 'string'],
  ['info.gate', 'long'],
  ['len(tags)', 'long'],
  ['list_filter(tags, lambda tag: tag > origin)[1]', 'string'],
  ["origin::JSON -> '$.gate'", 'string'],
  ["list_aggregate(tags, 'max')", 'string'],
])('%s is %s', async (expression, type) => {
  expect((await checkArgument(expression)).expressionTypes).toEqual({ 'feature:f': type })
})

test.each([
  ['now()', 'now() depends on when or where'],
  ['main.now()', 'now() depends on when or where'],
  ['delay.random()', 'random() depends on when or where'],
  ['current_timestamp', 'current_timestamp() depends on when or where'],
  ['CURRENT_DATE', 'current_date() depends on when or where'],
  ["current_date -> '$.x'", 'current_date() depends on when or where'],
  ["now() -> '$.x'", 'now() depends on when or where'],
  ['list_transform(tags, lambda tag: random())[1]', 'random() depends on when or where'],
  ['date > ago(INTERVAL 1 DAY)', 'ago() depends on when or where'],
  ['age(date)', 'age() of one time depends on when'],
  ['uuid()', 'uuid() depends on when or where'],
  ["nextval('s')", 'nextval() depends on when or where'],
  ["getenv('HOME')", 'getenv() depends on when or where'],
  ["current_setting('TimeZone')", 'current_setting() depends on when or where'],
  ['count(*)', 'count() is an aggregate'],
  ['delay - sum(delay)', 'sum() is an aggregate'],
  ['wavg(delay, distance)', 'sum() is an aggregate'],
  ['row_number() OVER ()', 'a window function is not allowed'],
  ['(SELECT 1)', 'a subquery is not allowed'],
  ['EXISTS (FROM source_rows)', 'a subquery is not allowed'],
  ["read_text('secret')", 'read_text() gives a table'],
  ["(FROM read_csv('secret'))", 'a subquery is not allowed'],
  ['unnest(tags)', 'unnest() gives more than one row'],
  ['delay; SELECT 1', 'this is more than one expression'],
  ['delay, distance', 'this is more than one expression'],
  ['delay AS late', 'this is more than one expression'],
  ['delay FROM source_rows', 'this is more than one expression'],
  ['delay WHERE true', 'this is more than one expression'],
  ['DISTINCT delay', 'this is more than one expression'],
  ['delay UNION SELECT 1', 'this is more than one expression'],
  ['delay ORDER BY 1', 'this is more than one expression'],
  ['delay) + (delay', 'syntax error'],
  ['*', 'a * is not allowed'],
  ['COLUMNS(*)', 'a * is not allowed'],
  ['#1', 'a column by its position is not allowed'],
  ['$1', 'a parameter is not allowed'],
  ['tags', 'has a type that a feature table cannot hold'],
  ['delay::HUGEINT', 'has a type that a feature table cannot hold'],
  ['delay + origin', "No function matches the given name and argument types '+(BIGINT, VARCHAR)'"],
  ['nosuch(delay)', 'nosuch'],
  ['code', 'columns of type timestamptz_ns cannot be read'],
])('%s is refused', async (expression, message) => {
  await expect(checkArgument(expression)).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: expect.stringContaining(message),
    context: { file, view: 'delays', feature: 'f' },
  })
})

test('an unknown column comes with the nearest names, whether it is an argument or in SQL', async () => {
  await expect(check(definitionOf({ features: { a: avg('dely', { over: ['1d'] }) } }))).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: `${file}: view delays, feature a, column dely: source table raw.flights has no column "dely"`,
    hint: expect.stringContaining('delay'),
    context: { file, view: 'delays', feature: 'a', column: 'dely' },
  })
  await expect(
    check(definitionOf({ features: { late: count({ where: sql`dely > 15`, over: ['1d'] }) } })),
  ).rejects.toMatchObject({
    message: expect.stringContaining('feature late: `dely > 15`: source table raw.flights has no column "dely"'),
    hint: expect.stringContaining('delay'),
  })
})

test.each([
  [
    'a condition that is a number',
    { late: count({ where: sql`delay`, over: ['1d'] }) },
    'where: `delay` is long, not a condition',
  ],
  ['a condition that is unknown', { late: count({ where: sql`delay = `, over: ['1d'] }) }, 'syntax error'],
  ['the mean of text', { a: avg('origin', { over: ['1d'] }) }, 'avg needs a number, and `origin` is string'],
  [
    'the sum of conditions',
    { s: sum(sql`delay > 1`, { over: ['1d'] }) },
    'sum needs a number, and `delay > 1` is boolean',
  ],
  ['distinct lists', { d: countDistinct('tags', { over: ['1d'] }) }, 'has a type that a feature table cannot hold'],
])('%s is refused', async (_, features, message) => {
  await expect(check(definitionOf({ features }))).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: expect.stringContaining(message),
  })
})

test('derived columns see keys, feature time and features, each with its type', async () => {
  const features = { total: sum('price', { over: ['1d', '7d'] }), flights: count({ over: ['1d'] }) }
  const derived = {
    mean: sql`total_1d / flights_1d`,
    rest: sql`total_7d - total_1d`,
    label: sql`origin || strftime(feature_time, '%Y')`,
  }
  const definition = definitionOf({ features, derived })
  const { expressionTypes } = await check(definition)
  expect(expressionTypes).toMatchObject({
    'derived:mean': 'double',
    'derived:rest': 'decimal(38, 2)',
    'derived:label': 'string',
  })
  expect(outputSchema(definition, schema, expressionTypes).fields.at(-1)).toMatchObject({
    name: 'label',
    type: 'string',
  })
})

test.each([
  ['a source column', 'delay + 1', 'view delays has no column "delay"'],
  ['another derived column', 'twice + 1', 'view delays has no column "twice"'],
  ['a window that is not there', 'total_28d', 'view delays has no column "total_28d"'],
  ['the clock', 'feature_time - now()', 'now() depends on when'],
])('derived columns do not see %s', async (_, expression, message) => {
  const features = { total: sum('price', { over: ['1d', '7d'] }) }
  const derived = { twice: sql`total_1d * 2`, other: text(expression) }
  await expect(check(definitionOf({ features, derived }))).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: expect.stringContaining(message),
    context: { file, view: 'delays', column: 'other' },
  })
})

test.each([
  ['not there', 'dat', 'has no column "dat"'],
  ['text', 'origin', "the source's event time is string, not a time"],
  ['a number', 'delay', "the source's event time is long, not a time"],
])('an event time that is %s is refused', async (_, eventTime, message) => {
  const definition = definitionOf({
    features: { n: count({ over: ['1d'] }) },
    source: source({ ...flights, eventTime }),
  })
  await expect(check(definition)).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: expect.stringContaining(message),
    context: { file, column: eventTime },
  })
})

const onSource = (change: object, features: object = { n: count({ over: ['1d'] }) }) =>
  definitionOf({ source: source({ ...flights, ...change }), features })

test('computed columns see those before them, and features, conditions and keys see them all', async () => {
  const definition = definitionOf({
    source: source({
      ...flights,
      columns: { hours: sql`delay / 60`, late: sql`hours > 1`, carrier: sql`origin[1:2]` },
      where: sql`late OR hours < 0`,
      sequence: 'hours',
    }),
    entity: entity({ name: 'carrier', keys: { carrier: 'string' } }),
    features: { longest: max('hours', { over: ['1d'] }), share: rate('late', { over: ['1d'], by: 'carrier' }) },
  })
  const { expressionTypes } = await check(definition)
  expect(expressionTypes).toMatchObject({
    'column:hours': 'double',
    'column:late': 'boolean',
    'feature:longest': 'double',
    'feature:share': 'boolean',
  })
  expect(outputSchema(definition, schema, expressionTypes).fields.map(({ name, type }) => [name, type])).toEqual([
    ['carrier', 'string'],
    ['feature_time', 'timestamptz'],
    ['longest_1d', 'double'],
    ['share_1d', { type: 'map', keyId: 5, key: 'string', valueId: 6, valueRequired: false, value: 'double' }],
  ])
})

test.each([
  ['a computed column of one after it', { columns: { a: sql`b + 1`, b: sql`delay` } }, 'no column "b"', 'a'],
  ['a computed column of the clock', { columns: { a: sql`now()` } }, 'now() depends on when', 'a'],
  ['a computed column of no type', { columns: { a: sql`delay::HUGEINT` } }, 'computed column is of a type', 'a'],
  [
    'a computed column over one of the table',
    { columns: { delay: sql`1` } },
    'has the name of a column that source table raw.flights has already, "delay"',
    'delay',
  ],
  [
    'a condition of the source that is a number',
    { where: sql`delay` },
    'the source’s where: `delay` is long',
    undefined,
  ],
  ['a condition of the source that reads nothing', { where: sql`dely > 1` }, 'no column "dely"', undefined],
  ['a sequence that is not there', { sequence: 'dely' }, 'no column "dely"', 'dely'],
  ['a sequence of lists', { sequence: 'tags' }, 'sequence is no single value', 'tags'],
  ['a known time that is text', { knownTime: 'origin' }, "source's known time is string, not a time", 'origin'],
  ['a unit of a timestamp', { eventTimeUnit: 's' }, 'a unit is for whole numbers', 'date'],
  [
    'an event time that is computed',
    { eventTime: 'at', columns: { at: sql`date` } },
    'event time is a computed column',
    'at',
  ],
])('%s is refused', async (_, change, message, column) => {
  await expect(check(onSource(change))).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: expect.stringContaining(message),
    context: { file, view: 'delays', ...(column === undefined ? {} : { column }) },
  })
})

test.each([
  ['an epoch number', { eventTime: 'delay', eventTimeUnit: 'ms' }],
  ['an ingestion time', { knownTime: 'date' }],
  ['a sequence of numbers', { sequence: 'distance' }],
])('a source may have %s', async (_, change) => {
  await expect(check(onSource(change))).resolves.toBeDefined()
})

const over = ['1d'] as const
test.each([
  [
    'bool_and of a number',
    { f: boolAnd('delay', { over }) },
    'bool_and needs a condition, and `delay` is long',
    'delay',
  ],
  ['a rate of text', { f: rate('origin', { over }) }, 'rate needs a condition', 'origin'],
  ['a ratio of text', { f: ratio('origin', 'delay', { over }) }, 'ratio needs a number, and `origin`', 'origin'],
  ['a ratio to text', { f: ratio('delay', 'origin', { over }) }, 'ratio needs a number, and `origin`', 'origin'],
  ['a ratio to what is not there', { f: ratio('delay', 'dely', { over }) }, 'no column "dely"', 'dely'],
  ['a histogram of text', { f: histogram('origin', { over, edges: [0] }) }, 'histogram needs a number', 'origin'],
  ['a decayed sum of text', { f: decayedSum('origin', { over, halfLife: '1d' }) }, 'needs a number', 'origin'],
  ['buckets that are not there', { f: avg('delay', { over, by: 'orgin' }) }, 'no column "orgin"', 'orgin'],
  [
    'buckets of lists',
    { f: avg('delay', { over, by: 'tags' }) },
    'has a type that a feature table cannot hold',
    'tags',
  ],
  ['buckets by the clock', { f: avg('delay', { over, by: sql`now()` }) }, 'now() depends on when', undefined],
  ['a divisor of aggregates', { f: ratio('delay', sql`sum(delay)`, { over }) }, 'sum() is an aggregate', undefined],
  ['text for a number', { f: max('delay', { over, empty: 'none' }) }, 'empty: "none" is no value of', undefined],
  ['half for a whole number', { f: sum('delay', { over, empty: 0.5 }) }, 'column’s type, long', undefined],
  ['too many digits', { f: last('price', { over, empty: 0.125 }) }, 'column’s type, decimal(9, 2)', undefined],
  ['a number for text', { f: last('origin', { over, empty: 0 }) }, 'column’s type, string', undefined],
  ['no date', { f: last('date', { over, empty: 'yesterday' }) }, 'column’s type, timestamp', undefined],
])('%s is refused', async (_, features, message, column) => {
  await expect(check(definitionOf({ features }))).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: expect.stringContaining(message),
    context: { file, view: 'delays', feature: 'f', ...(column === undefined ? {} : { column }) },
  })
})

test.each([
  ['a whole number', sum('delay', { over, empty: -1 })],
  ['a decimal', last('price', { over, empty: 0.25 })],
  ['text', last('origin', { over, empty: 'none' })],
  ['a day', last('date', { over, empty: '1970-01-01' })],
  ['null', last('date', { over, empty: null })],
  ['a condition', boolAnd(sql`delay > 0`, { over, empty: false })],
])('an empty window may give %s', async (_, f) => {
  await expect(check(definitionOf({ features: { f } }))).resolves.toBeDefined()
})

test('a time zone that only JavaScript knows is refused', async () => {
  const definition = { ...definitionOf({ features: { n: count({ over }) } }), timeZone: 'Mars/Olympus' }
  await expect(check(definition)).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: `${file}: view delays: timeZone: the engine does not know "Mars/Olympus"`,
  })
})

const carriers = schemaOf({ code: 'int', since: 'date', alliance: 'string', name: 'string' })
const checkJoin = (join: object, features: object = { f: last('carrier_alliance', { over }) }) =>
  checkDefinition(
    db,
    onSource(
      { joins: { carrier: { table: 'raw.carriers', on: { delay: 'code' }, columns: ['alliance'], ...join } } },
      features,
    ),
    schema,
    file,
    new Map([['raw.carriers', carriers]]),
  )

test('joined columns are typed by their dimension', async () => {
  const { expressionTypes } = await checkJoin({ asOf: 'since' }, { f: last(sql`upper(carrier_alliance)`, { over }) })
  expect(expressionTypes).toEqual({ 'column:carrier_alliance': 'string', 'feature:f': 'string' })
})

test.each([
  ['of a table that is not there', { table: 'raw.carrier' }, 'join carrier: there is no table raw.carrier', undefined],
  [
    'by a column that the events have not',
    { on: { dely: 'code' } },
    'source table raw.flights has no column "dely"',
    'dely',
  ],
  ['by a column that the dimension has not', { on: { delay: 'cod' } }, 'table raw.carriers has no column "cod"', 'cod'],
  ['of another type', { on: { origin: 'code' } }, 'origin is string, and code of raw.carriers is int', 'origin'],
  ['of a column that is not there', { columns: ['aliance'] }, 'raw.carriers has no column "aliance"', 'aliance'],
  ['as of what is no time', { asOf: 'name' }, 'asOf is string, not a time', 'name'],
])('a join %s is refused', async (_, join, message, column) => {
  await expect(checkJoin(join)).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: expect.stringContaining(message),
    context: { file, view: 'delays', ...(column === undefined ? {} : { column }) },
  })
})

test('checking leaves nothing behind in the engine', async () => {
  await checkArgument('delay')
  expect(await db.rows('FROM duckdb_tables() SELECT table_name')).toEqual([])
})
