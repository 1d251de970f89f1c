/** Rule: parameters that make no sense are refused with their place. Damage otherwise: a column that means nothing, or hours lost. */
import { expect, test } from 'vitest'
import {
  aggregates,
  approxCountDistinct,
  approxQuantile,
  avg,
  boolAnd,
  boolOr,
  canonicalView,
  collectDistinct,
  count,
  countDistinct,
  decayedAvg,
  decayedSum,
  entity,
  first,
  firstK,
  histogram,
  last,
  lastK,
  max,
  min,
  mode,
  quantile,
  rate,
  ratio,
  source,
  sql,
  stddev,
  sum,
  timeSinceLast,
  topK,
  unique,
  variance,
  viewDefinitionSchema,
} from '../../../src/definition/index.ts'
import { originDelays } from '../../../features/origin-delays.ts'
import { authoredView, definitionOf, flights } from './authored.ts'

const over = ['7d'] as const
const departures = count({ over })

const everyAggregate = {
  count: count({ over, where: sql`delay > 15`, by: 'carrier' }),
  sum: sum('delay', { over, empty: 0 }),
  avg: avg('delay', { over, by: sql`upper(carrier)` }),
  min: min('delay', { over, empty: -1 }),
  max: max('carrier', { over, empty: 'none' }),
  stddev: stddev('delay', { over }),
  variance: variance('delay', { over, empty: 0 }),
  count_distinct: countDistinct('carrier', { over, empty: null }),
  approx_count_distinct: approxCountDistinct('carrier', { over }),
  first: first('delay', { over }),
  last: last('delay', { over }),
  first_k: firstK('delay', 3, { over }),
  last_k: lastK('delay', 3, { over, by: 'carrier' }),
  quantile: quantile('delay', 0.9, { over }),
  approx_quantile: approxQuantile('delay', 0.9, { over, error: 0.02 }),
  mode: mode('carrier', { over }),
  top_k: topK('carrier', 3, { over }),
  histogram: histogram('delay', { over, edges: [-0, 15, 60] }),
  bool_and: boolAnd(sql`delay > 0`, { over, empty: true }),
  bool_or: boolOr(sql`delay > 0`, { over }),
  rate: rate(sql`delay > 15`, { over, empty: 0 }),
  ratio: ratio('delay', sql`distance / 2`, { over, where: sql`delay > 0` }),
  own_ratio: ratio('delay', { argument: 'distance', where: sql`distance > 0` }, { over, where: sql`delay > 0` }),
  decayed_sum: decayedSum('delay', { over: ['7d', 'lifetime'], halfLife: '12h' }),
  decayed_avg: decayedAvg('delay', { over, halfLife: '1w' }),
  time_since_last: timeSinceLast({ over, where: sql`delay > 0`, empty: 1e9 }),
  collect_distinct: collectDistinct('carrier', { over, limit: 10 }),
}

test('every aggregate in canonical form', () => {
  const definition = definitionOf({ features: everyAggregate })
  expect(viewDefinitionSchema.parse(JSON.parse(JSON.stringify(definition)))).toEqual(definition)
  const of = (name: string) => definition.features.find((feature) => feature.name === name)
  for (const [name, { aggregate }] of Object.entries(everyAggregate)) expect(of(name)?.aggregate).toBe(aggregate)
  expect(of('count')).toEqual({
    name: 'count',
    aggregate: 'count',
    argument: null,
    where: 'delay > 15',
    by: { kind: 'column', name: 'carrier' },
    windows: ['7d'],
  })
  expect(of('ratio')).toMatchObject({
    argument: { kind: 'column', name: 'delay' },
    where: 'delay > 0',
    divisor: { argument: { kind: 'sql', sql: 'distance / 2' }, where: 'delay > 0' },
  })
  expect(of('own_ratio')?.divisor?.where).toBe('distance > 0')
  expect(of('histogram')?.edges).toEqual([0, 15, 60])
  expect(of('collect_distinct')?.k).toBe(10)
  expect(of('decayed_sum')).toMatchObject({ halfLife: '12h', windows: ['7d', 'lifetime'] })
  expect(of('approx_quantile')).toMatchObject({ quantile: 0.9, error: 0.02 })
  expect(of('count_distinct')?.empty).toBe(null)
})

test('windows before windows, of a lifetime, of months', () => {
  const views = { window: '1mo', offset: '2mo' } as const
  const definition = definitionOf({
    every: '1mo',
    timeZone: 'America/New_York',
    partitionBy: 'month',
    features: { departures: count({ over: ['1mo', 'lifetime', views], owner: 'ops', tags: ['a'] }) },
  })
  expect(definition).toMatchObject({ every: '1mo', timeZone: 'America/New_York' })
  expect(definition.features[0]).toMatchObject({
    windows: ['1mo', 'lifetime', '1mo offset 2mo'],
    owner: 'ops',
    tags: ['a'],
  })
})

test('everything of a source', () => {
  const authored = source({
    name: 'flights',
    table: 'raw.flights',
    eventTime: 'at',
    eventTimeUnit: 'ms',
    knownTime: 'loaded',
    knownTimeUnit: 's',
    sequence: 'number',
    where: sql`NOT cancelled`,
    columns: { late: sql`delay > 15`, very_late: sql`late AND delay > 60` },
    joins: {
      carrier: { table: 'raw.carriers', on: { carrier: 'code' }, columns: ['alliance'] },
      fare: { table: 'raw.fares', on: { origin: 'origin', carrier: 'code' }, asOf: 'valid_from', columns: ['price'] },
    },
  })
  const definition = definitionOf({ source: authored, features: { departures } })
  expect(definition.source).toEqual({
    name: 'flights',
    table: 'raw.flights',
    eventTime: 'at',
    eventTimeUnit: 'ms',
    knownTime: 'loaded',
    knownTimeUnit: 's',
    sequence: 'number',
    where: 'NOT cancelled',
    columns: [
      { name: 'late', sql: 'delay > 15' },
      { name: 'very_late', sql: 'late AND delay > 60' },
    ],
    joins: [
      {
        name: 'carrier',
        table: 'raw.carriers',
        on: [{ column: 'carrier', equals: 'code' }],
        columns: ['alliance'],
      },
      {
        name: 'fare',
        table: 'raw.fares',
        on: [
          { column: 'origin', equals: 'origin' },
          { column: 'carrier', equals: 'code' },
        ],
        asOf: 'valid_from',
        columns: ['price'],
      },
    ],
  })
})

test('a view whose source is another view', () => {
  const features = { worst: max('delay_avg_7d', { over: ['28d'] }) }
  const expected = { name: 'days', view: 'origin_delays', eventTime: 'feature_time' }
  expect(definitionOf({ source: source({ name: 'days', view: originDelays }), features }).source).toEqual(expected)
  expect(definitionOf({ source: source({ name: 'days', view: 'origin_delays' }), features }).source).toEqual(expected)
})

test.each([
  ['decimals', 'decimal(9, 2)'],
  ['instants with nanoseconds', 'timestamp_ns'],
  ['binaries', 'binary'],
  ['doubles', 'double'],
] as const)('keys may be %s', (_, type) => {
  const definition = definitionOf({ entity: entity({ name: 'x', keys: { id: type } }), features: { departures } })
  expect(definition.entity.keys).toEqual([{ name: 'id', type }])
})

test('old definitions keep their canonical text', () => {
  expect(JSON.stringify(canonicalView(originDelays))).toMatch(
    /^{"version":1,"name":"origin_delays","entity":{"name":"origin","keys":\[{"name":"origin","type":"string"}\]},"source":{"name":"flights","table":"raw.flights","eventTime":"date"},"every":"1d","partitionBy":"day","features":\[{"name":"departures","aggregate":"count","argument":null,"where":null,"windows":\["1d","7d","28d"\]},/,
  )
})

test('every aggregate of the language has its function', () => {
  expect(new Set(Object.values(everyAggregate).map(({ aggregate }) => aggregate))).toEqual(new Set(aggregates))
})

test.each([
  ['quarters, and years of them', { every: '3mo', features: { f: count({ over: ['12mo', 'lifetime'] }) } }],
  ['a lifetime that ended', { features: { f: count({ over: [{ window: 'lifetime', offset: '1d' }] }) } }],
  ['offsets in other units', { features: { f: count({ over: [{ window: '7d', offset: '24h' }] }) } }],
  ['a day of a zone in hours', { every: '24h', timeZone: 'America/New_York', features: { departures } }],
  ['a zone by its alias', { every: '1w', timeZone: 'Asia/Kolkata', features: { departures } }],
  ['months of UTC', { every: '1mo', timeZone: 'UTC', features: { f: count({ over: ['1mo'] }) } }],
  [
    'any fixed length without a grid',
    {
      rows: 'on_change',
      every: '7h',
      features: { f: count({ over: ['90s', '36h', { window: '1h', offset: '1m' }] }) },
    },
  ],
])('%s', (_, options) => {
  expect(definitionOf(options)).toMatchObject(Object.fromEntries(Object.entries(options).slice(0, -1)))
})

const priced = (type: string) => ({
  entity: entity({ name: 'x', keys: { price: type as 'uuid' } }),
  features: { departures },
})

const onFlights = (change: object) => ({ source: source({ ...flights, ...change }), features: { departures } })
const carriers = { table: 'raw.carriers', on: { carrier: 'code' }, columns: ['alliance'] }

const refused: readonly (readonly [string, object, string, RegExp])[] = [
  [
    'more digits after the point',
    priced('decimal(9, 10)'),
    'column price: key price: there is no decimal(9, 10)',
    /38/,
  ],
  ['too many digits', priced('decimal(39, 2)'), 'decimal(39, 2)', /./],
  ['a decimal of no digits', priced('decimal(0, 0)'), 'decimal(0, 0)', /./],
  ['a decimal without a scale', priced('decimal(9)'), 'entity.keys.price: must be string, int, long', /types/],
  [
    'a limit beside k',
    { features: { f: topK('x', 3, { over, limit: 5 } as never) } },
    'feature f: limit: is for collectDistinct',
    /types/,
  ],
  ['a limit of a number', { features: { f: avg('x', { over, limit: 5 } as never) } }, 'avg has no number', /avg\(/],
  [
    'how many forgotten',
    { features: { f: firstK('x', { over } as never, undefined as never) } },
    'k: must be',
    /types/,
  ],
  [
    'an empty value of no size',
    { features: { f: avg('x', { over, empty: NaN }) } },
    'empty: must be a finite',
    /types/,
  ],
  [
    'a window without its offset',
    { features: { f: count({ over: [{ window: '7d' } as never] }) } },
    "over.0: write '7d', 'lifetime' or { window",
    /types/,
  ],
  ['a zone in small letters', { timeZone: 'europe/berlin', features: { departures } }, 'is not how', /Europe\/Berlin/],
  [
    'a zone mistyped',
    { timeZone: 'Europe/Berln', features: { departures } },
    '"Europe/Berln" is not',
    /Europe\/Berlin/,
  ],
  [
    'a window of months without a grid',
    { rows: 'on_change', features: { f: count({ over: ['1mo'] }) } },
    'feature f: the window 1mo has no fixed length',
    /30d/,
  ],
  [
    'an offset of months without a grid',
    { rows: 'on_change', features: { f: count({ over: [{ window: '7d', offset: '1mo' }] }) } },
    'feature f: the offset 1mo has no fixed length',
    /30d/,
  ],
  [
    'a comment in a condition on events',
    onFlights({ where: sql`true -- all` }),
    'source flights: where has a',
    /comment/,
  ],
  ['a k of 0', { features: { f: firstK('x', 0, { over }) } }, 'feature f: k: must be a whole number above 0', /types/],
  ['half a value', { features: { f: topK('x', 1.5, { over }) } }, 'feature f: k: must be a whole', /types/],
  [
    'lists without limit',
    { features: { f: collectDistinct('x', { over } as never) } },
    'needs its limit',
    /limit: 100/,
  ],
  ['no edges', { features: { f: histogram('x', { over } as never) } }, 'histogram needs its edges', /edges: \[/],
  ['an empty list of edges', { features: { f: histogram('x', { over, edges: [] as never }) } }, 'edges', /./],
  [
    'edges that descend',
    { features: { f: histogram('x', { over, edges: [0, 15, 15] }) } },
    'feature f: edges: 15 comes after 15',
    /ascending/,
  ],
  ['an infinite edge', { features: { f: histogram('x', { over, edges: [0, Infinity] }) } }, 'edges.1', /types/],
  ['no half-life', { features: { f: decayedSum('x', { over } as never) } }, 'needs its halfLife', /halfLife: '7d'/],
  [
    'a half-life of months',
    { features: { f: decayedSum('x', { over, halfLife: '1mo' }) } },
    'feature f: halfLife: "1mo" is not a length of time',
    /30s/,
  ],
  ['an error of 1', { features: { f: approxQuantile('x', 0.5, { over, error: 1 }) } }, 'error: must lie', /types/],
  [
    'an error that doubles have not',
    { features: { f: approxQuantile('x', 0.5, { over, error: 1e-9 }) } },
    'error: 1e-9 is less than',
    /exact/,
  ],
  [
    'an error of what is exact',
    { features: { f: quantile('x', 0.5, { over, error: 0.1 } as never) } },
    'quantile has no error',
    /Leave/,
  ],
  [
    'a quantile of a sum',
    { features: { f: { ...sum('x', { over }), quantile: 0.5 } } },
    'sum has no quantile',
    /sum\(/,
  ],
  ['a ratio to nothing', { features: { f: ratio('x', undefined as never, { over }) } }, 'needs its divisor', /ratio\(/],
  [
    'a column for time since last',
    { features: { f: { ...timeSinceLast({ over }), argument: 'x' } } },
    'time_since_last takes no argument',
    /timeSinceLast/,
  ],
  [
    'what changes with time by bucket',
    { features: { f: timeSinceLast({ over, by: 'carrier' } as never) } },
    'by: time_since_last changes with the time',
    /each bucket/,
  ],
  [
    'a map with a value of nothing',
    { features: { f: avg('x', { over, by: 'carrier', empty: 0 }) } },
    'feature f: empty: a map has no entry',
    /Leave/,
  ],
  ['half an event', { features: { f: count({ over, empty: 0.5 }) } }, 'count gives a whole number, which 0.5', /null/],
  ['a mean of text', { features: { f: avg('x', { over, empty: 'none' as never }) } }, 'avg gives a number', /null/],
  ['a number for a truth', { features: { f: boolAnd('x', { over, empty: 0 as never }) } }, 'gives a boolean', /true/],
  ['a value for a list', { features: { f: topK('x', 2, { over, empty: 0 } as never) } }, 'top_k gives a list', /null/],
  [
    'a comment in a divisor',
    { features: { f: ratio('x', sql`y -- z`, { over }) } },
    'feature f: its SQL has a comment',
    /comment/,
  ],
  ['a comment in a bucket', { features: { f: avg('x', { over, by: sql`y /* z */` }) } }, 'has a comment', /comment/],
  [
    'an offset between steps',
    { features: { f: count({ over: [{ window: '7d', offset: '12h' }] }) } },
    'feature f: the offset 12h is not a multiple of every: 1d',
    /offsets of whole steps/,
  ],
  [
    'an offset that is no length of time',
    { features: { f: count({ over: [{ window: '7d', offset: 'yesterday' as never }] }) } },
    'feature f: over: "7d offset yesterday" is not a length of time',
    /offset: '1d'/,
  ],
  [
    'months on a grid of days',
    { features: { f: count({ over: ['1mo'] }) } },
    'the window 1mo is not a multiple of every: 1d',
    /whole steps.*'1mo'/,
  ],
  [
    'days on a grid of months',
    { every: '1mo', features: { f: count({ over: ['30d'] }) } },
    'the window 30d is not a multiple of every: 1mo',
    /whole steps/,
  ],
  [
    'a month on a grid of quarters',
    { every: '3mo', features: { f: count({ over: ['1mo'] }) } },
    'the window 1mo is not a multiple of every: 3mo',
    /whole steps/,
  ],
  [
    'the name of the partition field',
    { features: { f: count({ over: ['7d'] }) }, derived: { feature_time_day: sql`1` } },
    'column feature_time_day: derived column feature_time_day and the partition field give a column of the same name',
    /Rename/,
  ],
  [
    'one column of two windows',
    { features: { f: count({ over: [{ window: '7d', offset: '1d' }] }), f_7d_offset: count({ over: ['1d'] }) } },
    'column f_7d_offset_1d: feature f_7d_offset and feature f give a column of the same name',
    /Rename/,
  ],
  [
    'a time zone of hours',
    { every: '1h', timeZone: 'Europe/Berlin', features: { f: count({ over: ['1h'] }) } },
    'timeZone: a grid of 1h is the same in every time zone',
    /days, weeks/,
  ],
  ['a place that is no time zone', { timeZone: 'Mars/Olympus', features: { departures } }, 'Mars/Olympus', /IANA/],
  ['an offset as time zone', { timeZone: '+01:00', features: { departures } }, '"+01:00" is not a time zone', /IANA/],
  [
    'a time zone without a grid',
    { timeZone: 'Europe/Berlin', rows: 'on_change', features: { departures } },
    'timeZone: rows',
    /24 hours/,
  ],
  [
    'months without a grid',
    { every: '1mo', rows: 'on_change', features: { f: count({ over: ['1mo'] }) } },
    'every: months have no fixed length',
    /days/,
  ],
  ['rows of another kind', { rows: 'daily', features: { departures } }, "rows: must be 'on_change'", /types/],
  ['no source of data', onFlights({ table: undefined }), 'names neither a table nor a view', /raw\.flights/],
  ['two sources of data', onFlights({ view: 'days' }), 'names a table and a view', /one of them/],
  ['no event time', onFlights({ eventTime: undefined }), 'source flights has no event time', /eventTime/],
  ['a unit that no clock has', onFlights({ eventTimeUnit: 'minutes' }), 'source.eventTimeUnit', /types/],
  ['a unit of nothing', onFlights({ knownTimeUnit: 's' }), 'knownTimeUnit: there is no knownTime', /column/],
  [
    'a number as feature time',
    { source: source({ name: 'days', view: 'days', eventTimeUnit: 's' }), features: { departures } },
    'eventTimeUnit: a feature time is no number',
    /Leave/,
  ],
  ['text as condition', onFlights({ where: 'delay > 15' }), 'source.where: write sql', /types/],
  [
    'a comment in a computed column',
    onFlights({ columns: { late: sql`delay -- min` } }),
    'column late: its SQL has a comment',
    /comment/,
  ],
  ['a computed column in capitals', onFlights({ columns: { Late: sql`1` } }), 'computed column has a name', /late/],
  [
    'a dimension without a namespace',
    onFlights({ joins: { carrier: { ...carriers, table: 'carriers' } } }),
    'join carrier: "carriers" is not the name of a table',
    /raw\.flights/,
  ],
  ['a join by nothing', onFlights({ joins: { carrier: { ...carriers, on: {} } } }), 'on which columns?', /code/],
  ['a join of nothing', onFlights({ joins: { carrier: { ...carriers, columns: [] } } }), 'brings in no column', /name/],
  [
    'a join in camel case',
    onFlights({ joins: { carrierName: carriers } }),
    'join carrierName has a name',
    /carrier_name/,
  ],
  [
    'a joined column as a computed one',
    onFlights({ columns: { carrier_alliance: sql`1` }, joins: { carrier: carriers } }),
    'column carrier_alliance: join carrier and a computed column give',
    /Rename/,
  ],
]
test.each(refused)('%s is refused', (_, options, message, hint) => {
  expect(() => definitionOf(options)).toThrow(
    expect.objectContaining({
      code: 'DEFINITION_INVALID',
      message: expect.stringContaining(message),
      hint: expect.stringMatching(hint),
      context: expect.objectContaining({ view: 'delays' }),
    }),
  )
})

test('audits name columns of windows before windows', () => {
  const features = { departures: count({ over: [{ window: '7d', offset: '1d' }, 'lifetime'] }) }
  const audits = [unique(), { kind: 'null_rate', column: 'departures_7d_offset_1d', max: 0, blocking: true }]
  expect(canonicalView(authoredView({ features, audits })).audits).toHaveLength(2)
})
