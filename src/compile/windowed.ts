/**
 * Sliding windows over mergeable partials.
 *
 * The events of an entity are aggregated to tiles. Between two change points (a tile enters a window, or leaves one) nothing changes, so
 * each window is merged once a change point and holds until the next: the cost follows the events, not the grid. Where windows hold many
 * tiles, merging them one by one would follow events times windows: there, neighbouring tiles are first merged into blocks, see blocks.ts.
 * All partials are exact, so both ways give the same bits.
 */
import { blocksTable, windowedByBlocks } from './blocks.ts'
import { quoteIdentifier } from './quote.ts'
import type { Window } from './time-grid.ts'
import { entry, mergedColumn, type WindowPartials, type WindowRequest } from './window-request.ts'

/** Tiles that a window may hold on average for them to be merged one by one. */
const mostTilesInWindow = 12

/** How many entities and tiles there are, and the sum over all entities of the square of their tiles. */
export interface TileCounts {
  readonly entities: number
  readonly tiles: number
  readonly squares: number
}

/** Query of one row of `TileCounts`. */
export const tileCountsQuery =
  'SELECT CAST(count(*) AS DOUBLE) AS entities, CAST(coalesce(sum(n), 0) AS DOUBLE) AS tiles, CAST(coalesce(sum(n * n), 0) AS DOUBLE) AS squares FROM (SELECT count(*) AS n FROM tiles GROUP BY entity)'

/**
 * Statements that make `windowed` (entity, point, next_point, merged partials) from `tiles`: each row holds from `point` to before
 * `next_point`.
 * @param counts of the tiles; without them, windows are taken for full
 */
export function windowedTable(request: WindowRequest, counts: TileCounts | null): string[] {
  const { windows, points, grid } = request
  const longest = windows.reduce<bigint | null>(
    (most, { window: { width } }) => (most === null || width === null ? null : width > most ? width : most),
    0n,
  )
  const share = longest === null || longest > grid.span ? 1 : Number(longest) / Number(grid.span)
  const held = counts === null ? Number(longest ?? grid.span) : (counts.squares / Math.max(counts.tiles, 1)) * share
  return points !== 'any' || held <= mostTilesInWindow
    ? [windowedByChange(request)]
    : [blocksTable(request, longest), windowedByBlocks(request, longest), `DROP TABLE ${request.scope.table('blocks')}`]
}

/** @param withPieces whether there are `kept_pieces`, made as these and of other events */
export function tilesTable({ scope, partials, hasLateEvents }: WindowRequest, withPieces = false): string {
  const by = scope.keys.join(', ')
  const time = hasLateEvents ? 'tile, seen' : 'tile'
  const columns = partials.map(({ name, ofEvents }) => `    ${ofEvents} AS ${quoteIdentifier(name)}`)
  return `CREATE TEMP TABLE ${scope.table('tiles')} AS
SELECT entity, tiles_by_key.* EXCLUDE (${by})
FROM (
  SELECT
${[`    ${by}`, `    ${time}`, ...columns].join(',\n')}
  FROM events
  GROUP BY ${by}, ${time}${withPieces ? `\n  UNION ALL BY NAME\n  SELECT ${[by, time, ...partials.map(({ name }) => quoteIdentifier(name))].join(', ')} FROM kept_pieces` : ''}
) AS tiles_by_key
JOIN ${scope.table('entities')} USING (${by})`
}

/** The tiles that some window holds at a point. */
const hull = (windows: readonly WindowPartials[]): { readonly back: bigint | null; readonly offset: bigint } => {
  let back: bigint | null = 0n
  let offset: bigint | null = null
  for (const { window } of windows) {
    const own = window.width === null ? null : window.width + window.offset
    back = back === null || own === null ? null : own > back ? own : back
    offset = offset === null || window.offset < offset ? window.offset : offset
  }
  return { back, offset: offset ?? 0n }
}

const minus = (sql: string, value: bigint): string => (value === 0n ? sql : `${sql} - ${value}`)

/** Condition that a window holds a tile at a point. */
function holds({ width, offset }: Window, tile = 'tile', point = 'point'): string[] {
  return [
    ...(width === null ? [] : [`${tile} >= ${minus(point, width + offset)}`]),
    `${tile} < ${minus(point, offset)}`,
  ]
}

/** SQL of the points at which a tile may change an entity's values. */
function changePoints({ windows, hasLateEvents, points: kind }: WindowRequest): string[] {
  // A row that follows an event does so at once, whatever the windows' offsets.
  if (kind === 'events') return ['tile + 1']
  const enters = new Set(windows.map(({ window }) => entry(window.offset + 1n, hasLateEvents)))
  const leaves = new Set(
    windows.flatMap(({ window: { width, offset: by } }) => (width === null ? [] : [width + by + 1n])),
  )
  return [...enters, ...[...leaves].map((by) => `tile + ${by}`)]
}

/** Bytes that a merged partial takes, roughly. */
const partialBytes = 16

/**
 * In how many parts of the grid `windowed` is made for about `bytes` each: all entities may have a row where a part begins, and one at each
 * change. A part is not so short that it has more of the former than of the latter.
 */
export function windowedParts(request: WindowRequest, { entities, tiles }: TileCounts, bytes: number): number {
  const { grid, windows } = request
  const width = partialBytes * (3 + windows.reduce((sum, { partials }) => sum + partials.length, 0))
  const points = Number(grid.end - grid.first)
  const changes = Math.min(
    (tiles * changePoints(request).length * points) / Math.max(points, Number(grid.span)),
    entities * (points - 1),
  )
  const ofEntities = entities * width
  return Math.max(1, Math.ceil((changes * width) / Math.max(bytes - ofEntities, ofEntities, 1)))
}

function windowedByChange(request: WindowRequest): string {
  const { scope, grid, windows, hasLateEvents, points: kind } = request
  const onChange = kind === 'events'
  const tiles = scope.table('tiles')
  const { first, end, isPart = false } = grid
  const { back, offset } = hull(windows)
  // It is there only if its event is known by then.
  const entering = onChange && hasLateEvents ? ' WHERE seen = tile' : ''
  const points = changePoints(request)
  const isHull = ({ window }: WindowPartials): boolean =>
    window.offset === offset && (back === null ? window.width === null : window.width === back - offset)
  const merged = windows.flatMap((one) =>
    one.partials.map(
      (partial) =>
        `  ${partial.ofPieces(isHull(one) ? undefined : holds(one.window, 'piece').join(' AND '))} AS ${quoteIdentifier(mergedColumn(partial, one.window.text))}`,
    ),
  )
  const seen = hasLateEvents ? ['seen < point'] : []
  // Joined within stretches of a window's length, else every tile of an entity would meet every point of it.
  const stretch = back === null || end - first <= 3n * back ? null : back
  // Of a part of the slice, other tiles than its own are in the way.
  const own = isPart && back !== null ? ` WHERE tile >= ${first - back} AND tile < ${end}` : ''
  const pieces =
    stretch === null
      ? `SELECT *, tile AS piece FROM ${tiles}${own}`
      : `SELECT *, tile AS piece, unnest([(tile + 1) // ${stretch}, (tile + 1) // ${stretch} + 1]) AS stretch FROM ${tiles}${own}`
  const joined = [
    'changes.entity = pieces.entity',
    ...(stretch === null ? [] : [`stretch = point // ${stretch}`]),
    ...holds({ text: '', width: back === null ? null : back - offset, offset }, 'piece'),
    ...seen,
  ]
  const any = windows.some(isHull)
    ? ''
    : `\nHAVING bool_or(${windows.map(({ window }) => `(${holds(window, 'piece').join(' AND ')})`).join(' OR ')})`
  return `CREATE TEMP TABLE ${scope.table('windowed')} AS
WITH changes AS (
  SELECT entity, point, ${onChange ? 'point + 1' : `lead(point, 1, ${end}) OVER (PARTITION BY entity ORDER BY point)`} AS next_point
  FROM (
    SELECT DISTINCT entity, ${onChange ? 'point' : `greatest(point, ${first}) AS point`}
    FROM (SELECT entity, unnest([${points.join(', ')}]) AS point FROM ${tiles}${entering})
    WHERE point < ${end}${onChange ? ` AND point >= ${first}` : ''}
  )
),
pieces AS (${pieces})
SELECT
${['  changes.entity', '  point', '  any_value(next_point) AS next_point', ...merged].join(',\n')}
FROM changes
JOIN pieces ON ${joined.join(' AND ')}
GROUP BY changes.entity, point${any}`
}
