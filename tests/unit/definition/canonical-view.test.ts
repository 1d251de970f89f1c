/** Rule: a definition that makes no sense is refused where it is written, with its place. Damage otherwise: a run fails hours later. */
import { expect, test } from 'vitest'
import {
  avg,
  canonicalView,
  count,
  drift,
  entity,
  isFeatureView,
  nullRate,
  quantile,
  source,
  sql,
  unique,
  viewDefinitionSchema,
} from '../../../src/definition/index.ts'
import { originDelays } from '../../../features/origin-delays.ts'
import { authoredView, definitionOf, flights, origin } from './authored.ts'

const departures = count({ over: ['7d'] })
const features = { departures }

test('the canonical form is JSON that its own schema reads back', () => {
  const definition = canonicalView(originDelays)
  expect(viewDefinitionSchema.parse(JSON.parse(JSON.stringify(definition)))).toEqual(definition)
  expect(definition).toMatchObject({
    version: 1,
    name: 'origin_delays',
    entity: { name: 'origin', keys: [{ name: 'origin', type: 'string' }] },
    source: { name: 'flights', table: 'raw.flights', eventTime: 'date' },
    every: '1d',
    partitionBy: 'day',
    derived: [{ name: 'late_share_7d', sql: 'late_7d / departures_7d' }],
  })
  expect(definition.features[4]).toEqual({
    name: 'late',
    aggregate: 'count',
    argument: null,
    where: 'delay > 15',
    windows: ['7d'],
  })
})

test('optional members are absent, not undefined', () => {
  const definition = definitionOf({ features, description: undefined, tags: ['ops'] })
  expect(Object.keys(definition)).not.toContain('description')
  expect(definition.tags).toEqual(['ops'])
})

test('derived columns may have a description', () => {
  const derived = { half: { sql: sql`departures_7d / 2`, description: 'half of them' } }
  expect(definitionOf({ features, derived }).derived).toEqual([
    { name: 'half', sql: 'departures_7d / 2', description: 'half of them' },
  ])
})

test('audits block unless told otherwise', () => {
  const audits = [
    unique(),
    nullRate('departures_7d', { max: 0.5, blocking: false }),
    drift('departures_7d', { psi: 0.25 }),
  ]
  expect(definitionOf({ features, audits }).audits).toEqual([
    { kind: 'unique', blocking: true },
    { kind: 'null_rate', column: 'departures_7d', max: 0.5, blocking: false },
    { kind: 'drift', column: 'departures_7d', psi: 0.25, blocking: true },
  ])
})

test('what is defined cannot be changed afterwards', () => {
  expect(Object.isFrozen(originDelays)).toBe(true)
  expect(Object.isFrozen(canonicalView(originDelays).features)).toBe(true)
})

test.each([
  ['a view', originDelays, true],
  ['an entity', origin, false],
  ['null', null, false],
  ['a function', count, false],
])('isFeatureView of %s', (_, value, expected) => expect(isFeatureView(value)).toBe(expected))

const accepted: readonly (readonly [string, object])[] = [
  ['steps that divide a day', { every: '15m', features: { departures: count({ over: ['1h'] }) } }],
  ['steps of whole days', { every: '7d', features: { departures: count({ over: ['28d'] }) } }],
  ['other words for the same window', { features: { departures: count({ over: ['7d', '1w'] }) } }],
  ['months of days', { partitionBy: 'month', features }],
  ['namespaces in namespaces', { source: source({ ...flights, table: 'lake.raw.flights' }), features }],
  ['a limit of nothing', { features, audits: [nullRate('departures_7d', { max: 0 })] }],
  ['comment signs in quotes', { features: { late: count({ where: sql`origin = '--' OR "/*" = 1`, over: ['7d'] }) } }],
]
test.each(accepted)('%s', (_, options) => {
  expect(definitionOf(options).version).toBe(1)
})

const refused: readonly (readonly [string, object, string, RegExp])[] = [
  ['no features', { features: {} }, 'view delays: it has no features', /count/],
  [
    'camel case',
    { features: { lateFlights: departures } },
    'feature lateFlights: the feature has a name that is not snake_case',
    /late_flights/,
  ],
  ['a name of our own', { features: { __p0: departures } }, 'begins with __', /kept/],
  ['an entity without keys', { entity: entity({ name: 'all', keys: {} }), features }, 'entity all has no keys', /keys/],
  [
    'a table without namespace',
    { source: source({ ...flights, table: 'flights' }), features },
    '"flights" is not the name of a table',
    /raw\.flights/,
  ],
  [
    'a step that splits no day evenly',
    { every: '7h', features },
    'every: 7h neither divides a day nor is whole days',
    /6h/,
  ],
  [
    'a step of a day and a half',
    { every: '36h', features },
    'every: 36h neither divides a day nor is whole days',
    /7d/,
  ],
  ['a step that is no length of time', { every: 'daily', features }, 'every: "daily" is not a length of time', /15m/],
  [
    'months on a grid of weeks',
    { every: '1w', partitionBy: 'month', features },
    'months do not begin on a grid of 1w',
    /day/,
  ],
  [
    'windows between steps',
    { features: { departures: count({ over: ['36h'] }) } },
    'feature departures: the window 36h is not a multiple of every: 1d',
    /whole steps/,
  ],
  [
    'a window that is no length of time',
    { features: { departures: count({ over: ['0d'] }) } },
    'feature departures: over: "0d" is not a length of time',
    /7d/,
  ],
  [
    'a window twice',
    { features: { departures: count({ over: ['7d', '7d'] }) } },
    'feature departures: the window 7d is there twice',
    /Leave/,
  ],
  [
    'no window',
    { features: { departures: count({ over: [] as never }) } },
    'feature departures: over: list at least one window',
    /types/,
  ],
  [
    'a feature and a derived column of one name',
    { features, derived: { departures_7d: sql`1` } },
    'column departures_7d: derived column departures_7d and feature departures give',
    /Rename/,
  ],
  [
    'a derived column named as a key',
    { features, derived: { origin: sql`1` } },
    'derived column origin and key origin',
    /Rename/,
  ],
  [
    'a derived column named as the feature time',
    { features, derived: { feature_time: sql`1` } },
    'derived column feature_time and the feature time',
    /Rename/,
  ],
  [
    'a key named as the feature time',
    { entity: entity({ name: 'x', keys: { feature_time: 'date' } }), features },
    'key feature_time and the feature time',
    /Rename/,
  ],
  [
    'an audit of a column that is not there',
    { features, audits: [nullRate('departure_7d', { max: 0 })] },
    'column departure_7d: null_rate audits a column that the view does not have',
    /departures_7d/,
  ],
  [
    'an audit of a feature instead of its column',
    { features, audits: [drift('departures', { psi: 1 })] },
    'drift audits a column',
    /departures_7d/,
  ],
  [
    'a share above 1',
    { features, audits: [nullRate('departures_7d', { max: 5 })] },
    'audit null_rate(departures_7d): max',
    /types/,
  ],
  [
    'no drift at all',
    { features, audits: [drift('departures_7d', { psi: 0 })] },
    'audit drift(departures_7d): psi',
    /types/,
  ],
  [
    'a quantile of 1',
    { features: { p: quantile('delay', 1, { over: ['7d'] }) } },
    'feature p: quantile: must lie between 0 and 1',
    /types/,
  ],
  [
    'a quantile of a percentage',
    { features: { p: quantile('delay', 90, { over: ['7d'] }) } },
    'feature p: quantile: must lie',
    /types/,
  ],
  [
    'a comment in SQL',
    { features: { late: count({ where: sql`delay > 15 -- minutes`, over: ['7d'] }) } },
    'feature late: its SQL has a comment',
    /comment/,
  ],
  [
    'a comment in a derived column',
    { features, derived: { half: sql`departures_7d /* all */ / 2` } },
    'column half: its SQL has a comment',
    /comment/,
  ],
  [
    'SQL as a string',
    { features: { late: count({ where: 'delay > 15' as never, over: ['7d'] }) } },
    'feature late: where: write sql`…`',
    /types/,
  ],
  [
    'a misspelt option',
    { features: { late: count({ wher: sql`true`, over: ['7d'] } as never) } },
    'feature late: unknown field options.wher',
    /types/,
  ],
  [
    'a misspelt limit',
    { features, audits: [nullRate('departures_7d', { maximum: 1 } as never)] },
    'audit null_rate(departures_7d)',
    /types/,
  ],
  [
    'options forgotten',
    { features: { delay_avg: avg('delay', undefined as never) } },
    "feature delay_avg: options: give the windows: { over: ['7d'] }",
    /types/,
  ],
  [
    'the column forgotten',
    { features: { delay_avg: avg(undefined as never, { over: ['7d'] }) } },
    'feature delay_avg: argument: name a column',
    /types/,
  ],
  [
    'something that is no feature',
    { features: { delay_avg: 'avg(delay)' } },
    'feature delay_avg: must be made by count',
    /types/,
  ],
  [
    'a key type that is no key’s',
    { entity: entity({ name: 'x', keys: { price: 'variant' as never } }), features },
    'view delays: entity.keys.price',
    /types/,
  ],
  ['a misspelt member', { features, partitionedBy: 'month' }, 'view delays: unknown field partitionedBy', /types/],
]
test.each(refused)('%s is refused', (_, options, message, hint) => {
  expect(() => definitionOf(options)).toThrow(
    expect.objectContaining({
      code: 'DEFINITION_INVALID',
      message: expect.stringContaining(message),
      hint: expect.stringMatching(hint),
    }),
  )
})

test('a refusal carries its place for programs', () => {
  const view = authoredView({ features, audits: [nullRate('departure_7d', { max: 0 })] })
  expect(() => canonicalView(view)).toThrow(
    expect.objectContaining({ context: { view: 'delays', column: 'departure_7d' } }),
  )
})
