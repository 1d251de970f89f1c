import type { Aggregate, Duration } from './aggregates.ts'
import type { Audit } from './audits.ts'
import type { Sql } from './sql.ts'

/** Iceberg types that a key column may have. */
export const keyTypes = ['string', 'int', 'long', 'boolean', 'date', 'uuid'] as const
export type KeyType = (typeof keyTypes)[number]

/** What a feature describes, and the source columns that identify it. */
export interface Entity<K extends string = string> {
  readonly kind: 'entity'
  readonly name: string
  readonly keys: Readonly<Record<K, KeyType>>
  readonly description?: string
}

/** An Iceberg table of events. */
export interface Source {
  readonly kind: 'source'
  readonly name: string
  /** `namespace.table` */
  readonly table: string
  /** Column of type timestamptz, timestamp or date; the latter two are UTC. */
  readonly eventTime: string
  readonly description?: string
}

export const entity = <const K extends string>(options: Omit<Entity<K>, 'kind'>): Entity<K> =>
  Object.freeze({ ...options, kind: 'entity' })

export const source = (options: Omit<Source, 'kind'>): Source => Object.freeze({ ...options, kind: 'source' })

type Features = Readonly<Record<string, Aggregate>>

/** Names of the windowed columns: `<feature>_<window>`. */
type WindowedColumn<F extends Features> = {
  [Name in keyof F & string]: F[Name] extends Aggregate<infer W> ? `${Name}_${W}` : never
}[keyof F & string]

export interface FeatureView<
  K extends string = string,
  F extends Features = Features,
  D extends Readonly<Record<string, Sql>> = Readonly<Record<string, Sql>>,
> {
  readonly kind: 'featureView'
  /** Also the name of its table. */
  readonly name: string
  readonly entity: Entity<K>
  readonly source: Source
  /** Step of the grid of feature times, counted from 1970-01-01T00:00Z. */
  readonly every: Duration
  readonly features: F
  /** Expressions over the windowed columns of the same row; division by zero gives null. */
  readonly derived?: D
  readonly audits?: readonly Audit[]
  /** Iceberg transform of `feature_time` that the table is partitioned by; `day` unless it says otherwise. */
  readonly partitionBy?: 'hour' | 'day' | 'month'
  readonly description?: string
  readonly owner?: string
  readonly tags?: readonly string[]
}

/** Every feature column of a view, derived ones too: what audits and training sets may name. */
export type FeatureColumn<V> =
  V extends FeatureView<string, infer F, infer D> ? WindowedColumn<F> | (keyof D & string) : never

type ViewOptions<K extends string, F extends Features, D extends Readonly<Record<string, Sql>>> = Omit<
  FeatureView<K, F, D>,
  'kind' | 'audits'
> & { readonly audits?: readonly Audit<NoInfer<K | 'feature_time' | WindowedColumn<F> | (keyof D & string)>>[] }

/** A named set of features of one entity from one source, on a time grid. */
export const featureView = <
  const K extends string,
  const F extends Features,
  const D extends Readonly<Record<string, Sql>> = Readonly<Record<never, Sql>>,
>(
  options: ViewOptions<K, F, D>,
): FeatureView<K, F, D> => Object.freeze({ ...options, kind: 'featureView' })

/** Tells a view by its discriminator, not its class, so that two copies of this library understand each other. */
export const isFeatureView = (value: unknown): value is FeatureView =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'featureView'
