import {
  canonicalView,
  entity,
  featureView,
  source,
  type FeatureView,
  type FeatureViewOptions,
  type ViewDefinition,
} from '../../../src/definition/index.ts'
import type { IcebergType, Schema } from '../../../src/iceberg/types/schema.ts'

export const origin = entity({ name: 'origin', keys: { origin: 'string' } })
export const flights = source({ name: 'flights', table: 'raw.flights', eventTime: 'date' })

/** A view over flights as an author may write it, also where TypeScript would object. */
export const authoredView = (options: object): FeatureView =>
  featureView({
    name: 'delays',
    entity: origin,
    source: flights,
    every: '1d',
    ...options,
  } as object as FeatureViewOptions)

export const definitionOf = (options: object): ViewDefinition => canonicalView(authoredView(options))

export const schemaOf = (columns: Readonly<Record<string, IcebergType>>): Schema => ({
  schemaId: 0,
  fields: Object.entries(columns).map(([name, type], index) => ({ id: index + 1, name, required: false, type })),
})

export const flightsSchema = schemaOf({
  date: 'timestamp',
  delay: 'long',
  distance: 'long',
  origin: 'string',
  destination: 'string',
})
