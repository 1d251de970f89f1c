/** The views of the design's section 5, over flights as the import leaves them: the event time is a timestamp without a zone. */
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

export interface GoldenView {
  readonly definition: ViewDefinition
  readonly sourceSchema: Schema
  readonly outputSchema: Schema
}

export const goldenViews: readonly GoldenView[] = [originDelays, routeDelays].map((view) => {
  const definition = canonicalView(view)
  const types = {
    'feature:delay_max': 'long',
    'feature:last_delay': 'long',
    'derived:late_share_7d': 'double',
  } as const
  return { definition, sourceSchema: flightsSchema, outputSchema: outputSchema(definition, flightsSchema, types) }
})
