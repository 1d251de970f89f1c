import type { Partial } from './partials.ts'
import type { Grid, Window } from './time-grid.ts'

/** Name of a partial's column over one window. */
export const mergedColumn = ({ name }: Partial, window: string): string => `${name} over ${window}`

/** A window, and the partials that features want over it. */
export interface WindowPartials {
  readonly window: Window
  readonly partials: readonly Partial[]
}

/** What windows are made apart by, and the names of the tables in between. */
export interface Scope {
  /** Columns of `events`. */
  readonly keys: readonly string[]
  /** Whether the one key is an integer, and so its entity's number already. */
  readonly isNumbered: boolean
  readonly table: (name: 'entities' | 'tiles' | 'blocks' | 'windowed' | 'frames') => string
}

/** What windows are made over. */
export interface WindowRequest {
  readonly scope: Scope
  readonly grid: Grid
  /** What is merged to blocks. */
  readonly partials: readonly Partial[]
  readonly windows: readonly WindowPartials[]
  /** Whether events count from a later tile on than their own (column `seen` of events and tiles). */
  readonly hasLateEvents: boolean
  /** Rows at the points after events and no others; at change points; or whichever is quicker, of change points and all. */
  readonly points: 'events' | 'changes' | 'any'
}

/** SQL of the point at which a tile's events enter a window. */
export const entry = (by: bigint, hasLateEvents: boolean, tile = 'tile'): string =>
  hasLateEvents ? `greatest(${tile} + ${by}, seen + 1)` : `${tile} + ${by}`

/** Tiles before a point that some window still holds; null without end. */
export const back = (windows: readonly Window[]): bigint | null =>
  windows.reduce<bigint | null>((most, { width, offset }) => {
    if (most === null || width === null) return null
    return width + offset > most ? width + offset : most
  }, 0n)

export interface Names {
  readonly of: (sql: string) => string
  readonly all: () => (readonly [sql: string, name: string])[]
}

/** Gives each expression a name, once. */
export function namesOf(prefix: string): Names {
  const names = new Map<string, string>()
  return {
    of: (sql) => {
      const name = names.get(sql) ?? `${prefix}_${names.size + 1}`
      names.set(sql, name)
      return name
    },
    all: () => [...names],
  }
}
