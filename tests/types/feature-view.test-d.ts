import { expectTypeOf, test } from 'vitest'
import {
  avg,
  count,
  drift,
  entity,
  featureView,
  max,
  nullRate,
  quantile,
  source,
  sql,
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
