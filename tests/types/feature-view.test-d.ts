import { expectTypeOf, test } from 'vitest'
import {
  approxQuantile,
  avg,
  boolAnd,
  collectDistinct,
  count,
  decayedSum,
  drift,
  entity,
  featureView,
  firstK,
  histogram,
  last,
  max,
  nullRate,
  quantile,
  rate,
  ratio,
  source,
  sql,
  timeSinceLast,
  topK,
  unique,
  type Feature,
  type FeatureColumns,
} from 'hindcast'

const origin = entity({ name: 'origin', keys: { origin: 'string' } })
const flights = source({ name: 'flights', table: 'raw.flights', eventTime: 'date' })

const view = featureView({
  name: 'delays',
  entity: origin,
  source: flights,
  every: '1d',
  features: { departures: count({ over: ['1d', '7d'] }), delay_avg: avg('delay', { over: ['7d'] }) },
  derived: { share: sql`departures_1d / departures_7d` },
  audits: [unique(), nullRate('delay_avg_7d', { max: 0.01 }), drift('share', { psi: 0.25, blocking: false })],
})

test('names are literal', () => {
  expectTypeOf(view.name).toEqualTypeOf<'delays'>()
  expectTypeOf<keyof typeof view.features>().toEqualTypeOf<'departures' | 'delay_avg'>()
  expectTypeOf<FeatureColumns<typeof view.features>>().toEqualTypeOf<
    'departures_1d' | 'departures_7d' | 'delay_avg_7d'
  >()
  expectTypeOf(view.entity.keys).toEqualTypeOf<{ readonly origin: 'string' }>()
  expectTypeOf(view.features.delay_avg).toEqualTypeOf<Feature<'avg', '7d'>>()
})

test('wrong options are type errors', () => {
  // @ts-expect-error a feature has windows
  count({})
  // @ts-expect-error at least one
  count({ over: [] })
  // @ts-expect-error a window has a unit
  count({ over: ['7'] })
  // @ts-expect-error count takes no column
  count('delay', { over: ['7d'] })
  // @ts-expect-error a misspelt option
  count({ over: ['7d'], wher: sql`true` })
  // @ts-expect-error a condition is SQL, not text
  count({ over: ['7d'], where: 'delay > 15' })
  // @ts-expect-error what to average?
  avg({ over: ['7d'] })
  // @ts-expect-error which quantile?
  quantile('delay', { over: ['7d'] })
  // @ts-expect-error a limit is needed
  nullRate('delay_avg_7d')
  // @ts-expect-error and a number
  drift('delay_avg_7d', { psi: '0.25' })
  // @ts-expect-error a value that has no SQL
  void sql`delay > ${true}`
  // @ts-expect-error a type that no key has
  entity({ name: 'x', keys: { price: 'variant' } })
  // @ts-expect-error a source has an event time
  source({ name: 'flights', table: 'raw.flights' })
  max(sql`delay / 60`, { over: ['7d'], where: sql`delay > ${15}`, description: 'in hours' })
})

test('audits name columns of the view', () => {
  const rest = { name: 'delays', entity: origin, source: flights, every: '1d' } as const
  const features = { departures: count({ over: ['7d'] }) }
  featureView({ ...rest, features, audits: [nullRate('departures_7d', { max: 0 })] })
  // @ts-expect-error no such window
  featureView({ ...rest, features, audits: [nullRate('departures_28d', { max: 0 })] })
  // @ts-expect-error a feature's name is not a column's
  featureView({ ...rest, features, audits: [drift('departures', { psi: 1 })] })
  // @ts-expect-error a step has a unit
  featureView({ ...rest, every: 'daily', features })
  // @ts-expect-error no such unit
  featureView({ ...rest, partitionBy: 'week', features })
})

test('windows name columns: with an offset, of a lifetime, of months', () => {
  const features = {
    departures: count({ over: ['1mo', 'lifetime', { window: '7d', offset: '1d' }] }),
    usual: topK('destination', 3, { over: [{ window: 'lifetime', offset: '2w' }] }),
    idle: timeSinceLast({ over: ['1d'] }),
  }
  expectTypeOf<FeatureColumns<typeof features>>().toEqualTypeOf<
    'departures_1mo' | 'departures_lifetime' | 'departures_7d_offset_1d' | 'usual_lifetime_offset_2w' | 'idle_1d'
  >()
  const rest = { name: 'delays', entity: origin, source: flights, every: '1mo', timeZone: 'Europe/Berlin' } as const
  featureView({ ...rest, features, audits: [nullRate('departures_7d_offset_1d', { max: 0 })] })
  // @ts-expect-error it has an offset
  featureView({ ...rest, features, audits: [nullRate('departures_7d', { max: 0 })] })
  // @ts-expect-error rows come at every step or on change
  featureView({ ...rest, features, rows: 'daily' })
})

test('each function asks for what its aggregate needs, and for nothing else', () => {
  const over = ['7d'] as const
  expectTypeOf(firstK('delay', 3, { over })).toEqualTypeOf<Feature<'first_k', '7d'>>()
  expectTypeOf(ratio('delay', { argument: 'distance', where: sql`delay > 0` }, { over })).toEqualTypeOf<
    Feature<'ratio', '7d'>
  >()
  expectTypeOf(approxQuantile('delay', 0.9, { over, error: 0.001 })).toEqualTypeOf<Feature<'approx_quantile', '7d'>>()
  last('origin', { over, empty: 'none', by: sql`upper(destination)`, owner: 'ops', tags: ['daily'] })
  // @ts-expect-error how many?
  topK('delay', { over })
  // @ts-expect-error at most how many?
  collectDistinct('delay', { over })
  // @ts-expect-error which bins?
  histogram('delay', { over })
  // @ts-expect-error a list has no value of one's own when empty
  histogram('delay', { over, edges: [0], empty: 0 })
  // @ts-expect-error half after how long?
  decayedSum('delay', { over })
  // @ts-expect-error a weight is not kept apart by
  decayedSum('delay', { over, halfLife: '1d', by: 'origin' })
  // @ts-expect-error divided by what?
  ratio('delay', { over })
  // @ts-expect-error of what condition?
  rate({ over })
  // @ts-expect-error true or false, not a number
  boolAnd('is_late', { over, empty: 0 })
  // @ts-expect-error an offset is a length of time
  count({ over: [{ window: '7d', offset: 'lifetime' }] })
  // @ts-expect-error an exact quantile has no error
  quantile('delay', 0.9, { over, error: 0.1 })
})

test('sources and keys', () => {
  source({
    ...flights,
    eventTimeUnit: 'ms',
    knownTime: 'loaded_at',
    knownTimeUnit: 's',
    sequence: 'number',
    where: sql`NOT cancelled`,
    columns: { late: sql`delay > 15` },
  })
  // @ts-expect-error no such unit
  source({ ...flights, eventTimeUnit: 'minutes' })
  // @ts-expect-error a computed column is SQL
  source({ ...flights, columns: { late: 'delay > 15' } })
  entity({ name: 'price', keys: { price: 'decimal(9, 2)', at: 'timestamp_ns', id: 'uuid' } })
  // @ts-expect-error a decimal has a scale
  entity({ name: 'price', keys: { price: 'decimal(9)' } })
})
