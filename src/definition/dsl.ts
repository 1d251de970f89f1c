import type { Aggregate, KeyType } from './canonical.ts'
import type { SqlFragment } from './sql.ts'

/** A fixed length of time: `15m`, `1h`, `7d`, `2w`. */
export type Duration = `${number}${'s' | 'm' | 'h' | 'd' | 'w'}`

/** What a feature describes, and its key columns, which the source has by the same names. */
export interface Entity<Keys extends Readonly<Record<string, KeyType>> = Readonly<Record<string, KeyType>>> {
  readonly kind: 'entity'
  readonly name: string
  readonly keys: Keys
}

/** An Iceberg table of events with an event-time column. */
export interface Source {
  readonly kind: 'source'
  readonly name: string
  /** `namespace.table` */
  readonly table: string
  readonly eventTime: string
}

export interface FeatureOptions<Window extends Duration = Duration> {
  /** Lengths of the windows before the feature time; each becomes a column. */
  readonly over: readonly [Window, ...Window[]]
  /** Only events where this is true count. */
  readonly where?: SqlFragment
  readonly description?: string
}

export interface Feature<A extends Aggregate = Aggregate, Window extends Duration = Duration> {
  readonly kind: 'feature'
  readonly aggregate: A
  readonly argument: string | SqlFragment | null
  readonly quantile?: number
  readonly options: FeatureOptions<Window>
}

export type Features = Readonly<Record<string, Feature>>

export interface DescribedSql {
  readonly sql: SqlFragment
  readonly description?: string
}
export type Derived = Readonly<Record<string, SqlFragment | DescribedSql>>

export interface UniqueAudit {
  readonly kind: 'unique'
  readonly blocking: boolean
}
export interface NullRateAudit<Column extends string = string> {
  readonly kind: 'null_rate'
  readonly column: Column
  readonly max: number
  readonly blocking: boolean
}
export interface DriftAudit<Column extends string = string> {
  readonly kind: 'drift'
  readonly column: Column
  readonly psi: number
  readonly blocking: boolean
}
export type Audit<Column extends string = string> = UniqueAudit | NullRateAudit<Column> | DriftAudit<Column>

type WindowOf<F> = F extends Feature<Aggregate, infer Window> ? Window : never

/** Names of the columns that features give: `delay_avg_7d`. */
export type FeatureColumns<F extends Features> = {
  [Name in keyof F & string]: `${Name}_${WindowOf<F[Name]>}`
}[keyof F & string]

export interface FeatureViewOptions<
  Name extends string = string,
  Keys extends Readonly<Record<string, KeyType>> = Readonly<Record<string, KeyType>>,
  F extends Features = Features,
  D extends Derived = Derived,
> {
  /** Also the name of its table. */
  readonly name: Name
  readonly entity: Entity<Keys>
  readonly source: Source
  /** The step between feature times. */
  readonly every: Duration
  /** What one partition of the table holds; by default a day. */
  readonly partitionBy?: 'hour' | 'day' | 'month'
  readonly features: F
  /** Columns computed from the row's other columns. */
  readonly derived?: D
  readonly audits?: readonly Audit<NoInfer<FeatureColumns<F> | (keyof D & string)>>[]
  readonly description?: string
  readonly owner?: string
  readonly tags?: readonly string[]
}

export type FeatureView<
  Name extends string = string,
  Keys extends Readonly<Record<string, KeyType>> = Readonly<Record<string, KeyType>>,
  F extends Features = Features,
  D extends Derived = Derived,
> = FeatureViewOptions<Name, Keys, F, D> & { readonly kind: 'feature_view' }

type NoDerived = Readonly<Record<never, never>>

/** An entity: `entity({ name: 'origin', keys: { origin: 'string' } })`. */
export const entity = <const Keys extends Readonly<Record<string, KeyType>>>(options: {
  readonly name: string
  readonly keys: Keys
}): Entity<Keys> => Object.freeze({ ...options, kind: 'entity' })

/** A source: `source({ name: 'flights', table: 'raw.flights', eventTime: 'date' })`. */
export const source = (options: Omit<Source, 'kind'>): Source => Object.freeze({ ...options, kind: 'source' })

/** A named set of features of one entity from one source. It is checked when the project loads it. */
export const featureView = <
  const Name extends string,
  const Keys extends Readonly<Record<string, KeyType>>,
  const F extends Features,
  const D extends Derived = NoDerived,
>(
  options: FeatureViewOptions<Name, Keys, F, D>,
): FeatureView<Name, Keys, F, D> => Object.freeze({ ...options, kind: 'feature_view' })

export const isFeatureView = (value: unknown): value is FeatureView =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'feature_view'

const aggregateOf =
  <A extends Aggregate>(aggregate: A) =>
  /** @param argument a source column's name, or a row expression */
  <const Window extends Duration>(
    argument: string | SqlFragment,
    options: FeatureOptions<Window>,
  ): Feature<A, Window> =>
    Object.freeze({ kind: 'feature', aggregate, argument, options })

/** Number of events. */
export const count = <const Window extends Duration>(options: FeatureOptions<Window>): Feature<'count', Window> =>
  Object.freeze({ kind: 'feature', aggregate: 'count', argument: null, options })

export const sum = aggregateOf('sum')
export const avg = aggregateOf('avg')
export const min = aggregateOf('min')
export const max = aggregateOf('max')
/** The sample's standard deviation: null below two values. */
export const stddev = aggregateOf('stddev')
/** The sample's variance: null below two values. */
export const variance = aggregateOf('variance')
/** Number of distinct values, nulls aside. */
export const countDistinct = aggregateOf('count_distinct')
/** Value of the earliest event; the smaller one where event times tie. */
export const first = aggregateOf('first')
/** Value of the latest event; the larger one where event times tie. */
export const last = aggregateOf('last')

/** The exact quantile, linearly interpolated. @param q in (0, 1): 0.5 is the median */
export const quantile = <const Window extends Duration>(
  argument: string | SqlFragment,
  q: number,
  options: FeatureOptions<Window>,
): Feature<'quantile', Window> =>
  Object.freeze({ kind: 'feature', aggregate: 'quantile', argument, quantile: q, options })

interface Blocking {
  /** Whether failing it keeps the run from being published (the default), or only warns. */
  readonly blocking?: boolean
}

/** No two rows of one entity and feature time. */
export const unique = (options: Blocking = {}): UniqueAudit =>
  Object.freeze({ blocking: true, ...options, kind: 'unique' })

/** At most this share of a column's rows, in [0, 1], is null. */
export const nullRate = <const Column extends string>(
  column: Column,
  options: Blocking & { readonly max: number },
): NullRateAudit<Column> => Object.freeze({ blocking: true, ...options, kind: 'null_rate', column })

/** The population stability index between a column's rows and what `main` shows stays at or below `psi`; 0.25 is a large shift. */
export const drift = <const Column extends string>(
  column: Column,
  options: Blocking & { readonly psi: number },
): DriftAudit<Column> => Object.freeze({ blocking: true, ...options, kind: 'drift', column })
