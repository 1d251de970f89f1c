import type { EpochUnit, KeyType } from './canonical.ts'
import type { Duration, FeatureColumns, Features } from './features.ts'
import type { SqlFragment } from './sql.ts'

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
  /** Column of a time type, or of numbers with `eventTimeUnit`. */
  readonly eventTime: string
  /** What a number of an event time counts from 1970 on. */
  readonly eventTimeUnit?: EpochUnit
  /** Column of when an event became known: no row before that sees it. */
  readonly knownTime?: string
  readonly knownTimeUnit?: EpochUnit
  /** Column that orders events of one time, null first. */
  readonly sequence?: string
  /** Only rows where this is true are events. */
  readonly where?: SqlFragment
  /** Computed columns, which see the table's columns and the computed ones before them. */
  readonly columns?: Readonly<Record<string, SqlFragment>>
}

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
  /** The step between feature times, counted from 1970 on. */
  readonly every: Duration
  /** An IANA name, such as `Europe/Berlin`, whose days, weeks and months steps and windows are; UTC unless given. */
  readonly timeZone?: string
  /** `on_change`: a row right after each event of an entity, in place of rows at every step. */
  readonly rows?: 'on_change'
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
