import type { Partial } from './partials.ts'
import type { Grid, Window } from './time-grid.ts'

/** Name of a partial's column over one window. */
export const mergedColumn = (partial: Partial, window: string): string => `${partial.name} over ${window}`

/** A window, and the partials that features want over it. */
export interface WindowPartials {
  readonly window: Window
  readonly partials: readonly Partial[]
}

/** What windows are made over. */
export interface WindowRequest {
  readonly grid: Grid
  readonly keys: readonly string[]
  readonly partials: readonly Partial[]
  readonly windows: readonly WindowPartials[]
  /** Whether events count from a later tile on than their own (column `seen` of events and tiles). */
  readonly hasLateEvents: boolean
  /** Whether each row is the point after an event, and none in between. */
  readonly onChange: boolean
}

/** SQL of the point at which a tile's events enter a window. */
export const entry = (by: bigint, hasLateEvents: boolean, tile = 'tile'): string =>
  hasLateEvents ? `greatest(${tile} + ${by}, seen + 1)` : `${tile} + ${by}`
