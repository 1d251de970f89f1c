/** The views of the design's section 5, and one each of months, of a view's rows, of joined columns, of buckets and most frequent values, and of rows that follow events, over flights as the import leaves them: the event time is a timestamp without a zone. */
import {
  avg,
  canonicalView,
  count,
  countDistinct,
  entity,
  featureView,
  last,
  max,
  outputSchema,
  quantile,
  source,
  sql,
  stddev,
  sum,
  topK,
  type ViewDefinition,
} from '../../src/definition/index.ts'
import type { Schema } from '../../src/iceberg/index.ts'

export const flightsSchema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'date', required: false, type: 'timestamp' },
    { id: 2, name: 'delay', required: false, type: 'long' },
    { id: 3, name: 'distance', required: false, type: 'long' },
    { id: 4, name: 'origin', required: false, type: 'string' },
    { id: 5, name: 'destination', required: false, type: 'string' },
  ],
}

const flights = source({ name: 'flights', table: 'raw.flights', eventTime: 'date' })

const originDelays = featureView({
  name: 'origin_delays',
  entity: entity({ name: 'origin', keys: { origin: 'string' } }),
  source: flights,
  every: '1d',
  features: {
    departures: count({ over: ['1d', '7d', '28d'] }),
    delay_avg: avg('delay', { over: ['1d', '7d', '28d'] }),
    delay_max: max('delay', { over: ['7d', '28d'] }),
    delay_stddev: stddev('delay', { over: ['28d'] }),
    late: count({ where: sql`delay > 15`, over: ['7d'] }),
    destinations: countDistinct('destination', { over: ['7d', '28d'] }),
    last_delay: last('delay', { over: ['7d'] }),
  },
  derived: { late_share_7d: sql`late_7d / departures_7d` },
})

const routeDelays = featureView({
  name: 'route_delays',
  entity: entity({ name: 'route', keys: { origin: 'string', destination: 'string' } }),
  source: flights,
  every: '1d',
  features: {
    departures: count({ over: ['7d', '28d'] }),
    delay_avg: avg('delay', { over: ['7d', '28d'] }),
    delay_p90: quantile('delay', 0.9, { over: ['7d', '28d'] }),
  },
})

/** Versions of what airports are called; a row each of their states. */
export const airportsSchema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'code', required: false, type: 'string' },
    { id: 2, name: 'since', required: false, type: 'date' },
    { id: 3, name: 'name', required: false, type: 'string' },
    { id: 4, name: 'region', required: false, type: 'string' },
  ],
}

const regionDelays = featureView({
  name: 'region_delays',
  entity: entity({ name: 'region', keys: { to_region: 'string', from_name: 'string' } }),
  source: source({
    name: 'flights',
    table: 'raw.flights',
    eventTime: 'date',
    joins: {
      from: { table: 'raw.airports', on: { origin: 'code' }, asOf: 'since', columns: ['name', 'region'] },
      to: { table: 'raw.regions', on: { destination: 'code' }, columns: ['region'] },
    },
  }),
  every: '1d',
  features: {
    departures: count({ over: ['7d'] }),
    delay_avg: avg('delay', { over: ['7d'] }),
    delay_max: max('delay', { over: ['7d'], where: sql`from_region <> to_region` }),
  },
})

const originMonths = featureView({
  name: 'origin_months',
  entity: entity({ name: 'origin', keys: { origin: 'string' } }),
  source: flights,
  every: '1mo',
  partitionBy: 'month',
  features: {
    departures: count({ over: ['1mo', { window: '1mo', offset: '1mo' }, 'lifetime'] }),
    delay_max: max('delay', { over: ['2mo'] }),
  },
})

const originMix = featureView({
  name: 'origin_mix',
  entity: entity({ name: 'origin', keys: { origin: 'string' } }),
  source: flights,
  every: '1d',
  features: {
    delay_avg: avg('delay', { over: ['7d'], by: 'destination' }),
    busiest: topK('destination', 3, { over: ['7d', '28d'] }),
  },
})

const routeChanges = featureView({
  name: 'route_changes',
  entity: entity({ name: 'route', keys: { origin: 'string', destination: 'string' } }),
  source: flights,
  every: '1d',
  rows: 'on_change',
  features: {
    departures: count({ over: ['7d'] }),
    delay_sum: sum('delay', { over: ['7d'] }),
  },
})

const delayTrends = featureView({
  name: 'delay_trends',
  entity: entity({ name: 'origin', keys: { origin: 'string' } }),
  source: source({ name: 'days', view: originDelays }),
  every: '1d',
  features: {
    days: count({ over: ['2d'] }),
    delay_max: max('delay_max_7d', { over: ['2d', { window: '2d', offset: '1d' }] }),
  },
})

export interface GoldenView {
  readonly definition: ViewDefinition
  readonly sourceSchema: Schema
  /** Of the joins' tables, by their names. */
  readonly dimensions?: ReadonlyMap<string, Schema>
  readonly outputSchema: Schema
  /** Dates of the feature times, from and to before. */
  readonly slice: readonly [from: string, to: string]
}

/** Two days, of which a view sees four weeks before. */
const twoDays = ['2001-02-01', '2001-02-03'] as const

const delayTypes = { 'feature:delay_max': 'long' } as const

const overFlights: readonly GoldenView[] = [originDelays, routeDelays, originMix, routeChanges].map((view) => {
  const definition = canonicalView(view)
  const types = { ...delayTypes, 'feature:last_delay': 'long', 'feature:busiest': 'string', 'feature:delay_sum': 'long', 'derived:late_share_7d': 'double' } as const
  const shape = outputSchema(definition, flightsSchema, types)
  return { definition, sourceSchema: flightsSchema, outputSchema: shape, slice: twoDays }
})

const months = canonicalView(originMonths)
const regions = canonicalView(regionDelays)
const trends = canonicalView(delayTrends)
const regionTypes = { ...delayTypes, 'column:to_region': 'string', 'column:from_name': 'string' } as const
const daysSchema = (overFlights[0] as GoldenView).outputSchema

export const goldenViews: readonly GoldenView[] = [
  ...overFlights,
  {
    definition: months,
    sourceSchema: flightsSchema,
    outputSchema: outputSchema(months, flightsSchema, delayTypes),
    slice: ['2001-02-01', '2001-05-01'],
  },
  {
    definition: regions,
    sourceSchema: flightsSchema,
    dimensions: new Map(['raw.airports', 'raw.regions'].map((name) => [name, airportsSchema])),
    outputSchema: outputSchema(regions, flightsSchema, regionTypes),
    slice: twoDays,
  },
  {
    definition: trends,
    sourceSchema: daysSchema,
    outputSchema: outputSchema(trends, daysSchema, delayTypes),
    slice: ['2001-02-03', '2001-02-05'],
  },
]
