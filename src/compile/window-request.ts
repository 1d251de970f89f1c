import type { Partial } from './partials.ts'
import { plus, type Grid, type Window } from './time-grid.ts'

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
  /** SELECT of the points (entity, point, next_point) that alone are of use, where these are known. */
  readonly points?: string
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
  /** Rows at the points after events and no others, or whichever is quicker, at change points or at all. */
  readonly points: 'events' | 'any'
}

/** SQL of the events with a value, and their entities' numbers. @param value column of `events` */
export const eventsWith = (value: string, { keys, table }: Scope): string => `FROM events
  JOIN ${table('entities')} USING (${keys.join(', ')})
  WHERE ${value} IS NOT NULL`

/** SQL of the point at which a tile's events enter a window. */
export const entry = (by: bigint, hasLateEvents: boolean, tile = 'tile'): string =>
  hasLateEvents ? `greatest(${tile} + ${by}, seen + 1)` : `${tile} + ${by}`

/** Tiles before a point that some window still holds; null without end. */
export const back = (windows: readonly Window[]): bigint | null =>
  windows.reduce<bigint | null>((most, { width, offset }) => {
    if (most === null || width === null) return null
    return width + offset > most ? width + offset : most
  }, 0n)

export const minus = (sql: string, value: bigint): string => plus(sql, -value)

/**
 * WHERE of the tiles that some window holds, of a part of the slice: others would be in the way.
 * @param windows those that count, else the grid's
 */
export function whereOfPart(grid: Grid, windows: readonly Window[] = [...grid.windows.values()]): string {
  const { first, end, isPart = false } = grid
  const longest = back(windows)
  return isPart && longest !== null ? ` WHERE tile >= ${first - longest} AND tile < ${end}` : ''
}

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

/**
 * What looks up, for rows of a relation with an `entity`, how many of its events or tiles lie before a time: columns, and joins to `ends`
 * (entity, tile, place).
 * @param ends SQL of the times
 */
export function placesBefore(ends: Names, relation: string): { readonly columns: string[]; readonly joins: string } {
  return {
    columns: ends.all().map(([, name]) => `coalesce(${name}.place, 0) AS ${name}`),
    joins: ends
      .all()
      .map(
        ([time, name]) =>
          `  ASOF LEFT JOIN ends AS ${name} ON ${relation}.entity = ${name}.entity AND ${time} > ${name}.tile`,
      )
      .join('\n'),
  }
}

/**
 * SQL of the end of a ROWS frame, of rows `is_point`, which lie before all others. @param sql of its distance, @param ofOther of those that
 * are no points, whose frames are to be empty
 */
export const frameBound = (sql: string, ofOther: number): string =>
  `CASE WHEN is_point THEN ${sql} ELSE ${ofOther} END FOLLOWING`
