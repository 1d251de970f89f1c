/**
 * Sliding windows over mergeable partials.
 *
 * The events of an entity are aggregated per tile; four neighbouring tiles make a block of 4, four of those one of 16, and so on, always
 * on multiples of the block's size since 1970. A window is cut into the largest blocks that fit: at most six of each size, so a
 * 28-day window on a grid of minutes is some forty blocks and not 40,320 tiles. The cut follows from the window alone, never from the
 * slice, so that floating-point merges give the same bits in every slice. Written the other way round: a block belongs to the
 * rows whose window holds it but not the whole block of the next size around it.
 */
import { BLOCK_FANOUT, type Grid } from './grid.ts'
import type { Partial } from './partials.ts'
import { quoteIdentifier } from './quote.ts'

/** Name of a partial's column over one window. */
export const mergedColumn = (partial: Partial, window: string): string => `${partial.name} over ${window}`

/** Statement that makes `blocks` (entity, size, start, one column a partial) from `events` and `entities`. */
export function blocksTable(grid: Grid, keys: readonly string[], partials: readonly Partial[]): string {
  const levels = grid.blockSizes.slice(1).map((size) => {
    const merged = partials.map((partial) => `    ${partial.ofBlocks()} AS ${quoteIdentifier(partial.name)}`)
    return `blocks_${size} AS (
  SELECT
    entity,
${[`    start // ${size} * ${size} AS start`, ...merged].join(',\n')}
  FROM blocks_${size / BLOCK_FANOUT}
  GROUP BY ALL
)`
  })
  const tiles = partials.map(({ name, ofEvents }) => `    ${ofEvents} AS ${quoteIdentifier(name)}`)
  const by = keys.join(', ')
  const sized = grid.blockSizes.map((size) => `SELECT ${size} AS size, * FROM blocks_${size}`)
  return `CREATE TEMP TABLE blocks AS
WITH tiles AS (
  SELECT
    ${by},
${[`    tile AS start`, ...tiles].join(',\n')}
  FROM events
  GROUP BY ${by}, tile
),
${[`blocks_1 AS (SELECT entity, tiles.* EXCLUDE (${by}) FROM tiles JOIN entities USING (${by}))`, ...levels].join(',\n')}
${sized.join('\nUNION ALL\n')}`
}

/** A window, and the partials that features want over it. */
export interface WindowPartials {
  readonly window: string
  readonly partials: readonly Partial[]
}

/** Statement that makes `windowed` (entity, point, merged partials) from `blocks`: one row for each row of the view. */
export function windowedTable(grid: Grid, windows: readonly WindowPartials[]): string {
  const { first, end, stride } = grid
  const widthOf = (window: string): bigint => grid.widths.get(window) as bigint
  const widths = [...new Set(grid.widths.values())].sort((a, b) => (a < b ? -1 : 1))
  const rangeFrom = (low: string): string => {
    const clipped = `greatest(${low}, ${first})`
    return stride === 1n ? clipped : `(${clipped} + ${stride - 1n}) // ${stride} * ${stride}`
  }
  const points = (low: string, high: string): string => `range(${rangeFrom(low)}, least(${high}, ${end}), ${stride})`
  const around = `start // (${BLOCK_FANOUT} * size) * (${BLOCK_FANOUT} * size)`
  const merged = windows.flatMap(({ window, partials }) =>
    partials.map(
      (partial) =>
        `  ${partial.ofBlocks(`width = ${widthOf(window)}`)} AS ${quoteIdentifier(mergedColumn(partial, window))}`,
    ),
  )
  return `CREATE TEMP TABLE windowed AS
WITH windows AS (FROM (VALUES ${widths.map((width) => `(${width})`).join(', ')}) AS windows (width)),
seen AS (
  SELECT
    blocks.*,
    width,
    unnest(
      CASE
        WHEN ${BLOCK_FANOUT} * size > width THEN ${points('start + size', 'start + width + 1')}
        ELSE ${points('start + size', `${around} + ${BLOCK_FANOUT} * size`)}
          || ${points(`${around} + width + 1`, 'start + width + 1')}
      END
    ) AS point
  FROM blocks
  JOIN windows ON size <= width
  WHERE start + width >= ${first}
)
SELECT
${['  entity', '  point', ...merged].join(',\n')}
FROM seen
GROUP BY entity, point`
}
