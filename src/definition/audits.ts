/** What authors write for a view's audits. */

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
