/** What authors write: entities, sources, feature views. */
import type { Audit } from './audits.ts'
import type { EpochUnit, KeyType } from './canonical.ts'
import type { Duration, FeatureColumns, Features } from './features.ts'
import type { SqlFragment } from './sql.ts'

/** What a feature describes, and its key columns, which the source has by the same names. */
export interface Entity<Keys extends Readonly<Record<string, KeyType>> = Readonly<Record<string, KeyType>>> {
  readonly kind: 'entity'
  readonly name: string
  readonly keys: Keys
}

/** A dimension table whose columns are found for each event, by its key. */
export interface Join {
  /** `namespace.table` */
  readonly table: string
  /** Columns of the events, and the columns of the dimension that equal them: `{ carrier: 'code' }`. */
  readonly on: Readonly<Record<string, string>>
  /**
   * The dimension's valid-from column, where it holds a row for each change: the row with the greatest one at or before the event time
   * counts. Without it the dimension has one row a key.
   */
  readonly asOf?: string
  /** They come in as `<join>_<column>`; null where the dimension has no such row. */
  readonly columns: readonly [string, ...string[]]
}

interface SourceMembers {
  readonly name: string
  /** What its integer (for seconds, also a double) counts since 1970; absent for a timestamp or date. */
  readonly eventTimeUnit?: EpochUnit
  /** Column that says when an event became known: a row sees only those known before its feature time. */
  readonly knownTime?: string
  readonly knownTimeUnit?: EpochUnit
  /** Column that orders events of equal event time. */
  readonly sequence?: string
  /** Only rows where this is true are events. */
  readonly where?: SqlFragment
  /** Computed columns: row expressions over the table's columns and the computed ones before them. */
  readonly columns?: Readonly<Record<string, SqlFragment>>
  readonly joins?: Readonly<Record<string, Join>>
}

/** An Iceberg table of events. */
export interface TableSource extends SourceMembers {
  /** `namespace.table` */
  readonly table: string
  /** Column of a time type, or of numbers with `eventTimeUnit`. */
  readonly eventTime: string
  readonly view?: never
}

/** The table of another feature view: each of its rows is an event at its feature time. */
export interface ViewSource extends SourceMembers {
  readonly view: string | { readonly kind: 'feature_view'; readonly name: string }
  /** By default `feature_time`. */
  readonly eventTime?: string
  readonly table?: never
}

export type Source = (TableSource | ViewSource) & { readonly kind: 'source' }

export interface DescribedSql {
  readonly sql: SqlFragment
  readonly description?: string
}
export type Derived = Readonly<Record<string, SqlFragment | DescribedSql>>

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
  /** The step between feature times, counted from 1970 on: it divides a day, or is whole days, weeks or months. */
  readonly every: Duration
  /** An IANA name, such as `Europe/Berlin`, whose days, weeks and months steps and windows are; UTC unless given. */
  readonly timeZone?: string
  /** `on_change`: a row right after each event of an entity, in place of rows at every step. */
  readonly rows?: 'on_change'
  /** What one partition of the table holds; by default a day. */
  readonly partitionBy?: 'hour' | 'day' | 'month'
  /**
   * `keep`: what the events of each step add up to is kept in a table of its own, `<view>__tiles`, so that a new window, or a day of late
   * events, does not read them all again. It changes no value.
   */
  readonly tiles?: 'keep'
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

/** A source: `source({ name: 'flights', table: 'raw.flights', eventTime: 'date' })`, or `source({ name: 'days', view: dailyDelays })`. */
export function source(options: TableSource): TableSource & { readonly kind: 'source' }
export function source(options: ViewSource): ViewSource & { readonly kind: 'source' }
export function source(options: TableSource | ViewSource): Source {
  return Object.freeze({ ...options, kind: 'source' })
}

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
