import { z } from 'zod'

/** What a feature aggregates a window's events to. */
export const aggregates = [
  'count',
  'sum',
  'avg',
  'min',
  'max',
  'stddev',
  'variance',
  'count_distinct',
  'first',
  'last',
  'quantile',
] as const
export type Aggregate = (typeof aggregates)[number]

/** Types that an entity's key may have: those that every engine compares and hashes alike. */
export const keyTypes = ['string', 'int', 'long', 'date', 'boolean'] as const
export type KeyType = (typeof keyTypes)[number]

const description = z.string().min(1).exactOptional()
const blocking = z.boolean()

const argumentSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('column'), name: z.string().min(1) }).readonly(),
    z.strictObject({ kind: z.literal('sql'), sql: z.string().min(1) }).readonly(),
  ])
  .nullable()

const featureSchema = z
  .strictObject({
    name: z.string(),
    aggregate: z.enum(aggregates),
    /** What is aggregated, of each event; null for `count`. */
    argument: argumentSchema,
    /** A row expression over the source's columns: events where it is not true are left out. */
    where: z.string().min(1).nullable(),
    quantile: z.number().gt(0).lt(1).exactOptional(),
    /** As written: `7d`. One output column each, `<feature>_<window>`. */
    windows: z.array(z.string()).min(1).readonly(),
    description,
  })
  .readonly()

const derivedSchema = z
  .strictObject({
    name: z.string(),
    /** A row expression over the keys, `feature_time` and the features' columns; it does not see other derived columns. */
    sql: z.string().min(1),
    description,
  })
  .readonly()

const auditSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('unique'), blocking }).readonly(),
  z
    .strictObject({ kind: z.literal('null_rate'), column: z.string(), max: z.number().min(0).max(1), blocking })
    .readonly(),
  z.strictObject({ kind: z.literal('drift'), column: z.string(), psi: z.number().positive(), blocking }).readonly(),
])

/** A feature view as JSON: what plans carry, fingerprints hash and compilers read. */
export const viewDefinitionSchema = z
  .strictObject({
    version: z.literal(1),
    name: z.string(),
    entity: z
      .strictObject({
        name: z.string(),
        keys: z
          .array(z.strictObject({ name: z.string(), type: z.enum(keyTypes) }).readonly())
          .min(1)
          .readonly(),
      })
      .readonly(),
    source: z.strictObject({ name: z.string(), table: z.string(), eventTime: z.string().min(1) }).readonly(),
    /** Step of the grid of feature times, which has a point at 1970-01-01T00:00:00Z. */
    every: z.string(),
    partitionBy: z.enum(['hour', 'day', 'month']),
    features: z.array(featureSchema).min(1).readonly(),
    derived: z.array(derivedSchema).readonly(),
    audits: z.array(auditSchema).readonly(),
    description,
    owner: z.string().min(1).exactOptional(),
    tags: z.array(z.string().min(1)).readonly().exactOptional(),
  })
  .readonly()

export type ViewDefinition = z.output<typeof viewDefinitionSchema>
export type FeatureDefinition = ViewDefinition['features'][number]
export type DerivedDefinition = ViewDefinition['derived'][number]
export type AuditDefinition = ViewDefinition['audits'][number]

/** The output column of a feature over one of its windows. */
export const featureColumn = (feature: { readonly name: string }, window: string): string => `${feature.name}_${window}`
