/**
 * Windows of many tiles, merged from blocks.
 *
 * Four neighbouring tiles make a block of 4, four of those one of 16, and so on, always on multiples of the block's size. A window is cut
 * into the largest blocks that fit: at most six of each size, so a 28-day window on a grid of minutes is some forty blocks and not 40,320
 * tiles. Written the other way round: a block belongs to the rows whose window holds it but not the whole block of the next size around it.
 */
import { quoteIdentifier } from './quote.ts'
import { plus } from './time-grid.ts'
import { entry, mergedColumn, type WindowRequest } from './window-request.ts'

/** Blocks of one size that make up one of the next. */
const fanout = 4n

/** For windows without a beginning: half a century of hours. */
const largestBlock = fanout ** 9n

/** @param longest tiles in the longest window; null when one has no beginning */
function blockSizes(longest: bigint | null): bigint[] {
  const sizes = [1n]
  for (let size = fanout; size <= (longest ?? largestBlock); size *= fanout) sizes.push(size)
  return sizes
}

/** Statement that makes `blocks` (entity, size, piece, one column a partial) from `tiles`; a block is named by its first tile. */
export function blocksTable({ scope, partials, hasLateEvents }: WindowRequest, longest: bigint | null): string {
  const merged = partials.map((partial) => `    ${partial.ofPieces()} AS ${quoteIdentifier(partial.name)}`)
  const sizes = blockSizes(longest)
  const levels = sizes.slice(1).map(
    (size) => `blocks_${size} AS (
  SELECT
${['    entity', `    piece // ${size} * ${size} AS piece`, ...merged].join(',\n')}
  FROM blocks_${size / fanout}
  GROUP BY ALL
)`,
  )
  const columns = partials.map(({ name }) => quoteIdentifier(name))
  const ofTiles = ['entity', 'tile AS piece', ...columns].join(', ')
  const smallest = `blocks_1 AS (SELECT ${ofTiles} FROM ${scope.table('tiles')}${hasLateEvents ? ' WHERE seen = tile' : ''})`
  const all = sizes.map(
    (size) => `SELECT ${size} AS size, *${hasLateEvents ? ', piece AS seen' : ''} FROM blocks_${size}`,
  )
  // What became known late enters by itself, when it was known.
  const late = hasLateEvents
    ? [`SELECT 0 AS size, ${ofTiles}, seen FROM ${scope.table('tiles')} WHERE seen > tile`]
    : []
  return `CREATE TEMP TABLE ${scope.table('blocks')} AS
WITH ${[smallest, ...levels].join(',\n')}
${[...all, ...late].join('\nUNION ALL\n')}`
}

/** Statement that makes `windowed` from `blocks`: one row a point. */
export function windowedByBlocks(
  { scope, grid, windows, hasLateEvents }: WindowRequest,
  longest: bigint | null,
): string {
  const { first, end } = grid
  const top = blockSizes(longest).at(-1) as bigint
  const points = (low: string, high: string): string => `range(greatest(${low}, ${first}), least(${high}, ${end}))`
  const parent = `piece // (${fanout} * size) * (${fanout} * size)`
  const unnested = windows.map(({ window: { width, offset } }, index) => {
    const from = plus('piece + size', offset)
    const parentFits = plus(`${parent} + ${fanout} * size`, offset)
    // After the window's last point that holds the block's first tile.
    const to = width === null ? `${end}` : `piece + ${width + offset + 1n}`
    const parentLeaves = width === null ? null : `${parent} + ${width + offset + 1n}`
    const hasParent = width === null ? `size < ${top}` : `${fanout} * size <= ${width}`
    const within =
      parentLeaves === null ? points(from, parentFits) : `${points(from, parentFits)} || ${points(parentLeaves, to)}`
    const late = hasLateEvents ? `WHEN size = 0 THEN ${points(entry(offset + 1n, true, 'piece'), to)} ` : ''
    const fits = width === null ? '' : ` WHERE size <= ${width}`
    return `  SELECT ${scope.table('blocks')}.*, ${index} AS window_index, unnest(CASE ${late}WHEN ${hasParent} THEN ${within} ELSE ${points(from, to)} END) AS point FROM ${scope.table('blocks')}${fits}`
  })
  const merged = windows.flatMap(({ window, partials }, index) =>
    partials.map(
      (partial) =>
        `  ${partial.ofPieces(`window_index = ${index}`)} AS ${quoteIdentifier(mergedColumn(partial, window.text))}`,
    ),
  )
  return `CREATE TEMP TABLE ${scope.table('windowed')} AS
WITH held AS (
${unnested.join('\n  UNION ALL\n')}
)
SELECT
${['  entity', '  point', '  point + 1 AS next_point', ...merged].join(',\n')}
FROM held
GROUP BY entity, point`
}
