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
  'approx_quantile',
  'approx_count_distinct',
  'first_k',
  'last_k',
  'mode',
  'top_k',
  'histogram',
  'bool_and',
  'bool_or',
  'rate',
  'ratio',
  'decayed_sum',
  'decayed_avg',
  'time_since_last',
  'collect_distinct',
] as const
export type Aggregate = (typeof aggregates)[number]

/** Those that are 0 over an empty window, and null nowhere. */
export const countAggregates: ReadonlySet<Aggregate> = new Set(['count', 'count_distinct', 'approx_count_distinct'])

/** Greatest relative error of `approx_quantile` where a feature names none. */
export const DEFAULT_ERROR = 0.01

/** Types that an entity's key may have: any that is one value. */
export const keyTypes = [
  'string',
  'int',
  'long',
  'date',
  'boolean',
  'float',
  'double',
  'time',
  'timestamp',
  'timestamptz',
  'timestamp_ns',
  'uuid',
  'binary',
] as const
export type KeyType = (typeof keyTypes)[number] | `decimal(${number}, ${number})`

export const keyTypeSchema = z.union(
  [
    z.enum(keyTypes),
    z.templateLiteral(['decimal(', z.int().positive().max(38), ', ', z.int().nonnegative().max(38), ')']),
  ],
  `must be ${keyTypes.join(', ')} or decimal(p, s)`,
)

/** Units of numbers that count time from 1970 on. */
export const epochUnits = ['d', 's', 'ms', 'us', 'ns'] as const
export type EpochUnit = (typeof epochUnits)[number]

const description = z.string().min(1).exactOptional()
const blocking = z.boolean()

const argumentSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('column'), name: z.string().min(1) }).readonly(),
  z.strictObject({ kind: z.literal('sql'), sql: z.string().min(1) }).readonly(),
])

const featureSchema = z
  .strictObject({
    name: z.string(),
    aggregate: z.enum(aggregates),
    /** What is aggregated, of each event; null for `count` and `time_since_last`. */
    argument: argumentSchema.nullable(),
    /** A row expression over the source's columns: events where it is not true are left out. */
    where: z.string().min(1).nullable(),
    /** What a ratio's sum is divided by: a sum too. */
    divisor: z
      .strictObject({ argument: argumentSchema.nullable(), where: z.string().min(1).nullable() })
      .readonly()
      .exactOptional(),
    quantile: z.number().gt(0).lt(1).exactOptional(),
    /** Greatest relative error of an approximate quantile. */
    error: z.number().gt(0).lt(1).exactOptional(),
    /** How many values `first_k`, `last_k`, `top_k` and `collect_distinct` keep. */
    k: z.int().positive().exactOptional(),
    /** Bounds between a histogram's bins, ascending. */
    edges: z.array(z.number()).min(1).readonly().exactOptional(),
    /** After which a value weighs half. */
    halfLife: z.string().exactOptional(),
    /** What each of the values is kept apart by, in a map. */
    by: argumentSchema.nullable().exactOptional(),
    /** The value over a window that holds nothing to aggregate, where it is not the aggregate's own. */
    empty: z.union([z.number(), z.string(), z.boolean()]).nullable().exactOptional(),
    /** `7d`, `lifetime`, `7d offset 1d`. One output column each, see `featureColumn`. */
    windows: z.array(z.string()).min(1).readonly(),
    description,
    owner: z.string().min(1).exactOptional(),
    tags: z.array(z.string().min(1)).readonly().exactOptional(),
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

/** Columns of a dimension table, found for each event. */
const joinSchema = z
  .strictObject({
    /** Its columns come in as `<name>_<column>`. */
    name: z.string(),
    table: z.string(),
    /** `column` of the events, the table's own or a computed one, equals `equals` of the dimension. */
    on: z
      .array(z.strictObject({ column: z.string().min(1), equals: z.string().min(1) }).readonly())
      .min(1)
      .readonly(),
    /**
     * Valid-from column of the dimension: its row with the greatest valid-from at or before the event time counts. Without it the
     * dimension has one row a key; two are an error.
     */
    asOf: z.string().min(1).exactOptional(),
    columns: z.array(z.string().min(1)).min(1).readonly(),
  })
  .readonly()

const sourceSchema = z
  .strictObject({
    name: z.string(),
    /** `namespace.table`; absent where `view` is there, see `sourceTable`. */
    table: z.string().exactOptional(),
    /** Name of another feature view, whose table is read. */
    view: z.string().exactOptional(),
    eventTime: z.string().min(1),
    /** Where the event time is a number. */
    eventTimeUnit: z.enum(epochUnits).exactOptional(),
    /** When an event became known: before that no row sees it. */
    knownTime: z.string().min(1).exactOptional(),
    knownTimeUnit: z.enum(epochUnits).exactOptional(),
    /** What orders events of one time. */
    sequence: z.string().min(1).exactOptional(),
    /** A row expression over the table's, computed and joined columns: rows where it is not true are no events. */
    where: z.string().min(1).exactOptional(),
    /** Computed columns, which see the table's and those before them. */
    columns: z
      .array(z.strictObject({ name: z.string().min(1), sql: z.string().min(1) }).readonly())
      .readonly()
      .exactOptional(),
    joins: z.array(joinSchema).readonly().exactOptional(),
  })
  .readonly()

/** A feature view as JSON: what plans carry, fingerprints hash and compilers read. An absent member has the meaning it always had. */
export const viewDefinitionSchema = z
  .strictObject({
    version: z.literal(1),
    name: z.string(),
    entity: z
      .strictObject({
        name: z.string(),
        keys: z
          .array(z.strictObject({ name: z.string(), type: keyTypeSchema }).readonly())
          .min(1)
          .readonly(),
      })
      .readonly(),
    source: sourceSchema,
    /** Step of the grid of feature times, which has a point at 1970-01-01T00:00:00 in the time zone: `15m`, `1d`, `1mo`. */
    every: z.string(),
    /** An IANA name; UTC unless given. */
    timeZone: z.string().min(1).exactOptional(),
    /** A row after each event in place of one at each grid point. */
    rows: z.literal('on_change').exactOptional(),
    partitionBy: z.enum(['hour', 'day', 'month']),
    /** The view's tiles are kept in a table, to be read in place of events that were aggregated before. */
    tiles: z.literal('keep').exactOptional(),
    features: z.array(featureSchema).min(1).readonly(),
    derived: z.array(derivedSchema).readonly(),
    audits: z.array(auditSchema).readonly(),
    description,
    owner: z.string().min(1).exactOptional(),
    tags: z.array(z.string().min(1)).readonly().exactOptional(),
  })
  .readonly()

export type ViewDefinition = z.output<typeof viewDefinitionSchema>
export type SourceDefinition = ViewDefinition['source']
export type JoinDefinition = NonNullable<SourceDefinition['joins']>[number]
export type FeatureDefinition = ViewDefinition['features'][number]
export type ArgumentDefinition = z.output<typeof argumentSchema>
export type DerivedDefinition = ViewDefinition['derived'][number]
export type AuditDefinition = ViewDefinition['audits'][number]

/** A joined column, as the events have it. */
export const joinedColumn = ({ name }: JoinDefinition, column: string): string => `${name}_${column}`

/**
 * The table that a source reads.
 * @param namespace that of feature tables, where the source is another view
 */
export const sourceTable = ({ table, view }: SourceDefinition, namespace: string): string =>
  table ?? `${namespace}.${view ?? ''}`

/** What messages call a source: `source table raw.flights`. */
export const sourceLabel = ({ table, view }: SourceDefinition): string =>
  table === undefined ? `source view ${view ?? ''}` : `source table ${table}`
