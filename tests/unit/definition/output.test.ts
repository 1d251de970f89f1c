/** Rule: a table's columns hold every value that its features can have. Damage otherwise: overflow, lost decimals, unreadable tables. */
import { expect, test } from 'vitest'
import {
  canonicalView,
  count,
  describingProperties,
  entity,
  first,
  last,
  max,
  min,
  outputSchema,
  sql,
  sum,
  type ViewDefinition,
} from '../../../src/definition/index.ts'
import type { PrimitiveType } from '../../../src/iceberg/types/schema.ts'
import { originDelays } from '../../../features/origin-delays.ts'
import { definitionOf, flightsSchema, schemaOf } from './authored.ts'

test('keys, feature time, features window by window, derived columns', () => {
  const schema = outputSchema(canonicalView(originDelays), flightsSchema, {
    'feature:delay_max': 'long',
    'feature:last_delay': 'long',
    'derived:late_share_7d': 'double',
  })
  expect(
    schema.fields.map(({ id, name, required, type }) => `${id} ${name} ${String(type)}${required ? ' required' : ''}`),
  ).toEqual([
    '1 origin string required',
    '2 feature_time timestamptz required',
    '3 departures_1d long',
    '4 departures_7d long',
    '5 departures_28d long',
    '6 delay_avg_1d double',
    '7 delay_avg_7d double',
    '8 delay_avg_28d double',
    '9 delay_max_7d long',
    '10 delay_max_28d long',
    '11 delay_stddev_28d double',
    '12 late_7d long',
    '13 destinations_7d long',
    '14 destinations_28d long',
    '15 last_delay_7d long',
    '16 late_share_7d double',
  ])
  expect(schema.identifierFieldIds).toEqual([1, 2])
})

test('columns say what they are', () => {
  const definition = definitionOf({
    features: {
      late: count({ where: sql`delay   > 15`, over: ['7d'] }),
      total: sum(sql`delay + 1`, { over: ['7d'] }),
      longest: max('delay', { over: ['7d'], description: 'worst delay' }),
    },
    derived: { share: { sql: sql`late_7d / total_7d`, description: 'late a minute' }, twice: sql`late_7d * 2` },
  })
  const types = {
    'feature:total': 'long',
    'feature:longest': 'long',
    'derived:share': 'double',
    'derived:twice': 'long',
  } as const
  expect(
    outputSchema(definition, flightsSchema, types)
      .fields.slice(2)
      .map(({ doc }) => doc),
  ).toEqual([
    'events over 7d before feature_time where delay > 15',
    'sum of delay + 1 over 7d before feature_time',
    'worst delay (over 7d before feature_time)',
    'late a minute',
    'late_7d * 2',
  ])
})

const sums: readonly (readonly [PrimitiveType, PrimitiveType])[] = [
  ['int', 'long'],
  ['long', 'long'],
  ['decimal(9, 2)', 'decimal(38, 2)'],
  ['decimal(38, 10)', 'decimal(38, 10)'],
  ['float', 'double'],
  ['double', 'double'],
]
test.each(sums)('the sum of %s is %s', (argument, expected) => {
  const definition = definitionOf({ features: { total: sum('x', { over: ['1d'] }) } })
  expect(outputSchema(definition, flightsSchema, { 'feature:total': argument }).fields[2]?.type).toBe(expected)
})

test.each([
  ['min', min],
  ['max', max],
  ['first', first],
  ['last', last],
] as const)('%s keeps its argument’s type', (_, of) => {
  const definition = definitionOf({ features: { value: of('x', { over: ['1d'] }) } })
  expect(outputSchema(definition, flightsSchema, { 'feature:value': 'decimal(9, 2)' }).fields[2]?.type).toBe(
    'decimal(9, 2)',
  )
})

const features = { departures: count({ over: ['7d'] }) }

test('a key that the source lacks is refused with the nearest names', () => {
  const definition = definitionOf({ features, entity: entity({ name: 'origin', keys: { orgin: 'string' } }) })
  expect(() => outputSchema(definition, flightsSchema, {})).toThrow(
    expect.objectContaining({
      code: 'DEFINITION_INVALID',
      message: 'view delays: entity origin, key orgin: source table raw.flights has no such column',
      hint: 'Did you mean origin?',
    }),
  )
})

test.each([
  ['long', 'string', 'long'],
  ['int', 'long', 'int'],
  ['a list', 'string', 'list'],
] as const)('a key that is %s in the source is not declared as %s', (_, declared, found) => {
  const type =
    found === 'list' ? ({ type: 'list', elementId: 9, elementRequired: false, element: 'long' } as const) : found
  const definition = definitionOf({ features, entity: entity({ name: 'x', keys: { origin: declared } }) })
  expect(() => outputSchema(definition, schemaOf({ date: 'timestamp', origin: type }), {})).toThrow(
    expect.objectContaining({
      code: 'DEFINITION_INVALID',
      message: expect.stringContaining(`key origin: declared as ${declared}, but the source's column is ${found}`),
    }),
  )
})

const featureOf = (feature: Partial<ViewDefinition['features'][number]>): ViewDefinition => ({
  ...definitionOf({ features: { n: count({ over: ['7d'] }) } }),
  features: [
    {
      name: 'f',
      aggregate: 'last_k',
      argument: { kind: 'column', name: 'delay' },
      where: null,
      windows: ['7d', 'lifetime', '7d offset 1d'],
      ...feature,
    },
  ],
})

const nested = (feature: Partial<ViewDefinition['features'][number]>) =>
  outputSchema(featureOf(feature), flightsSchema, { 'feature:f': 'long' }).fields.slice(2)

test('lists and maps of buckets have ids of their own, after those of all columns', () => {
  const [first, second, third] = nested({})
  expect([first?.name, second?.name, third?.name]).toEqual(['f_7d', 'f_lifetime', 'f_7d_offset_1d'])
  expect(first?.type).toEqual({ type: 'list', elementId: 6, elementRequired: false, element: 'long' })
  expect(third?.type).toMatchObject({ elementId: 8 })
  const [histogram] = nested({ aggregate: 'histogram', edges: [0], by: { kind: 'column', name: 'origin' } })
  expect(histogram?.type).toMatchObject({ type: 'map', key: 'string', value: { type: 'list', element: 'long' } })
})

test('docs tell windows that end before the feature time, and those without a beginning', () => {
  expect(nested({ aggregate: 'sum' }).map(({ doc }) => doc)).toEqual([
    'sum of delay over 7d before feature_time',
    'sum of delay from the first event to feature_time',
    'sum of delay over 7d to 1d before feature_time',
  ])
})

test('a table’s properties tell of its view, and of the features that say more', () => {
  const view = { ...featureOf({ owner: 'ops', tags: ['a', 'b'] }), description: 'late planes', tags: ['x'] }
  expect(describingProperties(view)).toEqual({
    comment: 'late planes',
    'hindcast.tags': 'x',
    'hindcast.feature.f.owner': 'ops',
    'hindcast.feature.f.tags': 'a, b',
  })
})
