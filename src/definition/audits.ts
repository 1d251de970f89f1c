interface Blocking {
  /** Whether exceeding the limit keeps the snapshot from being published (default) or only warns. */
  readonly blocking?: boolean
}

export interface UniqueAudit {
  readonly kind: 'unique'
  readonly blocking: boolean
}

export interface NullRateAudit<C extends string = string> {
  readonly kind: 'null_rate'
  readonly column: C
  readonly max: number
  readonly blocking: boolean
}

export interface DriftAudit<C extends string = string> {
  readonly kind: 'drift'
  readonly column: C
  readonly psi: number
  readonly blocking: boolean
}

export type Audit<C extends string = string> = UniqueAudit | NullRateAudit<C> | DriftAudit<C>

/** No two rows have the same keys and feature time. */
export const unique = (options: Blocking = {}): UniqueAudit =>
  Object.freeze({ kind: 'unique', ...options, blocking: options.blocking ?? true })

/** At most the share `max` (0 to 1) of a column is null. */
export const nullRate = <const C extends string>(
  column: C,
  options: { readonly max: number } & Blocking,
): NullRateAudit<C> => Object.freeze({ kind: 'null_rate', column, ...options, blocking: options.blocking ?? true })

/** A column's distribution differs from the published one by a population stability index of at most `psi`. */
export const drift = <const C extends string>(column: C, options: { readonly psi: number } & Blocking): DriftAudit<C> =>
  Object.freeze({ kind: 'drift', column, ...options, blocking: options.blocking ?? true })
