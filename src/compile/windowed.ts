/**
 * Sliding windows over mergeable partials.
 *
 * The events of an entity are aggregated to tiles. Between two change points (a tile enters a window, or leaves one) nothing changes, so
 * each window is merged once a change point and holds until the next: the cost follows the events, not the grid. Where windows hold many
 * tiles, merging them one by one would follow events times windows: there, neighbouring tiles are first merged into blocks, see blocks.ts.
 * Rows that follow the events of a key with very many of them have tiles of microseconds, for which there are no blocks: the engine's window frames keep a tree
 * of each key's tiles. Where events become known late, there is a segment tree, see segments.ts. All partials are exact, so every way gives the same bits.
 */
import { blocksTable, windowedByBlocks } from './blocks.ts'
import type { Partial } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import { windowedBySegments } from './segments.ts'
import type { Window } from './time-grid.ts'
import {
  back,
  entry,
  frameBound,
  mergedColumn,
  minus,
  namesOf,
  placesBefore,
  whereOfPart,
  type WindowPartials,
  type WindowRequest,
} from './window-request.ts'

/** Tiles that a window may hold on average for them to be merged one by one; and where it would be segments else. */
const [mostTilesInWindow, fewForSegments] = [12, 200]

/** Rows of two of the engine's row groups: a scan of so few keeps no more than two threads busy, mostly one. */
const fewTiles = 245_760

/** What the tiles are, over all entities. */
export interface TileCounts {
  readonly entities: number
  readonly tiles: number
  /** Sum of the square of each entity's tiles. */
  readonly squares: number
  /** Values in the tiles' lists, see `ValueList`. */
  readonly values: number
  /** Sum of the product of each entity's tiles and values. */
  readonly products: number
  /** Values that are aggregated in frames, see `framedTable`. */
  readonly framed: number
  /** Sum of the product of each entity's points, at most, and framed values. */
  readonly copied: number
  /** Of each further one of the partials that are counts, whether it is the first one's equal in all tiles. */
  readonly areAlike: readonly boolean[]
}

/**
 * Query of one row of `TileCounts`.
 * @param columns names of columns of `tiles`: its lists, partials that are counts, and among them those of what is aggregated in frames
 */
export function tileCountsQuery(
  request: Pick<WindowRequest, 'grid' | 'hasLateEvents' | 'points'>,
  {
    lists,
    counts: [first = '', ...others],
    framed,
  }: { readonly lists: readonly string[]; readonly counts: readonly string[]; readonly framed: readonly string[] },
): string {
  const values = lists.map((name) => `coalesce(len(${quoteIdentifier(name)}), 0)`)
  const sum = (sql: string): string => `CAST(coalesce(sum(${sql}), 0) AS DOUBLE)`
  const { first: begin, end } = request.grid
  const points = `least(n * ${changePoints(request).length}, ${end - begin})`
  const sums = {
    tiles: 'n',
    squares: 'n * n',
    '"values"': 'v',
    products: 'n * v',
    framed: 'f',
    copied: `${points} * f`,
  }
  const columns = Object.entries(sums).map(([name, sql]) => `${sum(sql)} AS ${name}`)
  const alike = others.map((name, index) => ({
    as: `alike_${index}`,
    sql: `bool_and(${quoteIdentifier(name)} IS NOT DISTINCT FROM ${quoteIdentifier(first)})`,
  }))
  const ofEntity = [
    'count(*) AS n',
    `${values.length === 0 ? '0' : `sum(${values.join(' + ')})`} AS v`,
    `${framed.length === 0 ? '0' : `sum(${framed.map(quoteIdentifier).join(' + ')})`} AS f`,
    ...alike.map(({ as, sql }) => `${sql} AS ${as}`),
  ]
  return `SELECT
  CAST(count(*) AS DOUBLE) AS entities,
  ${columns.join(',\n  ')},
  [${alike.map(({ as }) => `coalesce(bool_and(${as}), false)`).join(', ')}] AS "areAlike"
FROM (SELECT ${ofEntity.join(', ')} FROM tiles GROUP BY entity)`
}

/** How windows are merged. */
export interface Merging {
  /** One tile after the other, at each change point; from blocks; or, for rows that follow events, by the engine's own window frames or segments. */
  readonly way: 'changes' | 'blocks' | 'frames' | 'segments'
  /** Whether windows hold so few tiles that lists of their values can be gathered, too. */
  readonly isOfLists: boolean
  /** Whether there are so few tiles that all threads have a part in them only by a copy, which the engine scans by smaller pieces. */
  readonly isCopied: boolean
}

/** @param counts of the tiles; without them, windows are taken for full */
export function mergingFor(
  { windows, points, grid, hasLateEvents }: Omit<WindowRequest, 'partials'>,
  counts: TileCounts | null,
): Merging {
  const longest = longestOf(windows)
  const share = longest === null || longest > grid.span ? 1 : Number(longest) / Number(grid.span)
  if (counts === null)
    return {
      way: points !== 'any' || Number(longest ?? grid.span) <= mostTilesInWindow ? 'changes' : 'blocks',
      isOfLists: false,
      isCopied: false,
    }
  const inWindow = (sum: number, of: number): number => (sum / Math.max(of, 1)) * share
  const { tiles, squares, values, products } = counts
  const ofTiles = inWindow(squares, tiles)
  const ofMany = wayFor(points, hasLateEvents)
  return {
    way: ofTiles <= (ofMany === 'segments' ? fewForSegments : mostTilesInWindow) ? 'changes' : ofMany,
    isOfLists: ofTiles <= mostTilesInWindow && inWindow(products, values) <= mostTilesInWindow,
    isCopied: tiles <= fewTiles,
  }
}

/** How windows of many tiles are merged. */
function wayFor(points: WindowRequest['points'], hasLateEvents: boolean): Merging['way'] {
  if (points === 'any') return 'blocks'
  return hasLateEvents ? 'segments' : 'frames'
}

/** Tiles in the longest window; null when one has no beginning. */
const longestOf = (windows: readonly WindowPartials[]): bigint | null =>
  windows.reduce<bigint | null>(
    (most, { window: { width } }) => (most === null || width === null ? null : width > most ? width : most),
    0n,
  )

/**
 * Statements that make `windowed` (entity, point, next_point, merged partials) from `tiles`: each row holds from `point` to before
 * `next_point`.
 * @param kind a view is made anew from the tiles wherever it is read; there is one by changes only
 */
export function windowedTable(request: WindowRequest, merging: Merging, kind: 'TABLE' | 'VIEW'): string[] {
  if (merging.way === 'changes') return [windowedByChange(request, merging, kind)]
  if (merging.way === 'frames') return [windowedByFrames(request)]
  if (merging.way === 'segments') return [windowedBySegments(request, pointsOf(request))]
  const longest = longestOf(request.windows)
  return [
    blocksTable(request, longest),
    windowedByBlocks(request, longest),
    `DROP TABLE ${request.scope.table('blocks')}`,
  ]
}

/** @param columns what a tile has of its events, @param withPieces whether there are `kept_pieces`, made as these and of other events */
export function tilesTable(
  { scope, hasLateEvents }: Pick<WindowRequest, 'scope' | 'hasLateEvents'>,
  columns: readonly Partial[],
  withPieces = false,
): string {
  const by = scope.keys.join(', ')
  const time = hasLateEvents ? 'tile, seen' : 'tile'
  const entity = scope.isNumbered ? `${by} AS entity` : by
  const known = scope.isNumbered ? [`WHERE ${by} IS NOT NULL`] : []
  const aggregates = columns.map(({ name, ofEvents }) => `${ofEvents} AS ${quoteIdentifier(name)}`)
  const pieces = [entity, time, ...columns.map(({ name }) => quoteIdentifier(name))].join(', ')
  const lines = [
    'SELECT',
    ...[entity, time, ...aggregates].map((column, index, { length }) => `  ${column}${index + 1 < length ? ',' : ''}`),
    'FROM events',
    ...known,
    `GROUP BY ${by}, ${time}`,
    ...(withPieces ? ['UNION ALL BY NAME', `SELECT ${pieces} FROM kept_pieces`] : []),
  ]
  return `CREATE TEMP TABLE ${scope.table('tiles')} AS
${
  scope.isNumbered
    ? lines.join('\n')
    : `SELECT entity, tiles_by_key.* EXCLUDE (${by})
FROM (
${lines.map((line) => `  ${line}`).join('\n')}
) AS tiles_by_key
JOIN ${scope.table('entities')} USING (${by})`
}`
}

/** The tiles that some window holds at a point. */
const hull = (windows: readonly WindowPartials[]): { readonly back: bigint | null; readonly offset: bigint } => {
  const offsets = windows.map(({ window: { offset } }) => offset)
  const [first = 0n, ...others] = offsets
  return {
    back: back(windows.map(({ window }) => window)),
    offset: others.reduce((least, offset) => (offset < least ? offset : least), first),
  }
}

/** Condition that a window holds a tile at a point. */
function holds({ width, offset }: Window, tile = 'tile', point = 'point'): string[] {
  return [
    ...(width === null ? [] : [`${tile} >= ${minus(point, width + offset)}`]),
    `${tile} < ${minus(point, offset)}`,
  ]
}

/** SQL of the points at which a tile may change an entity's values. */
function changePoints({
  grid,
  hasLateEvents,
  points: kind,
}: Pick<WindowRequest, 'grid' | 'hasLateEvents' | 'points'>): string[] {
  // A row that follows an event does so at once, whatever the windows' offsets.
  if (kind === 'events') return ['tile + 1']
  const windows = [...grid.windows.values()]
  const enters = new Set(windows.map(({ offset }) => entry(offset + 1n, hasLateEvents)))
  const leaves = new Set(windows.flatMap(({ width, offset: by }) => (width === null ? [] : [width + by + 1n])))
  return [...enters, ...[...leaves].map((by) => `tile + ${by}`)]
}

/** Bytes that a merged partial takes, roughly, and a value of a list. */
const [partialBytes, listedBytes] = [16, 8]

/**
 * In how many parts of the grid `windowed` is made for about `bytes` each: all entities may have a row where a part begins, and one at each
 * change. A part is not so short that it has more of the former than of the latter.
 */
export function windowedParts(request: WindowRequest, counts: TileCounts, bytes: number): number {
  const { entities, tiles, products } = counts
  const { grid, windows } = request
  const ofPartials = partialBytes * (3 + windows.reduce((sum, { partials }) => sum + partials.length, 0))
  const withLists = windows.filter(({ partials }) => partials.some(({ isList }) => isList === true)).length
  const width = ofPartials + withLists * listedBytes * (products / Math.max(tiles, 1))
  const points = Number(grid.end - grid.first)
  const changes = Math.min(
    (tiles * changePoints(request).length * points) / Math.max(points, Number(grid.span)),
    entities * (points - 1),
  )
  const ofEntities = entities * width
  return Math.max(1, Math.ceil((changes * width) / Math.max(bytes - ofEntities, ofEntities, 1)))
}

/** Tiles of a stretch of time, and of the one before it, hold all windows of its points; null where that is hardly less than all tiles. */
function stretchOf({ grid: { first, end }, windows }: WindowRequest): bigint | null {
  const { back: longest } = hull(windows)
  return longest === null || end - first <= 3n * longest ? null : longest
}

/** SQL of the stretches whose points may see a tile. */
const stretchesOf = (stretch: bigint): string =>
  `unnest([(tile + 1) // ${stretch}, (tile + 1) // ${stretch} + 1]) AS stretch`

/** SELECT of the points (entity, point, next_point) that windows are made at, from `own_tiles`. */
function pointsOf(request: WindowRequest): string {
  const { scope, grid, hasLateEvents, points } = request
  const { first, end } = grid
  if (scope.points !== undefined) {
    const stretch = stretchOf(request)
    if (stretch === null) return scope.points
    return `SELECT entity, point, next_point
  FROM (${scope.points})
  JOIN (SELECT DISTINCT entity, ${stretchesOf(stretch)} FROM own_tiles) AS stretches USING (entity)
  WHERE stretch = point // ${stretch}`
  }
  const onChange = points === 'events'
  // It is there only if its event is known by then.
  const entering = onChange && hasLateEvents ? ' WHERE seen = tile' : ''
  return `SELECT entity, point, ${onChange ? 'point + 1' : `lead(point, 1, ${end}) OVER (PARTITION BY entity ORDER BY point)`} AS next_point
  FROM (
    SELECT DISTINCT entity, ${onChange ? 'point' : `greatest(point, ${first}) AS point`}
    FROM (SELECT entity, unnest([${changePoints(request).join(', ')}]) AS point FROM own_tiles${entering})
    WHERE point < ${end}${onChange ? ` AND point >= ${first}` : ''}
  )`
}

function windowedByChange(request: WindowRequest, { isCopied }: Merging, kind: 'TABLE' | 'VIEW'): string {
  const { scope, grid, windows, hasLateEvents } = request
  const { back: longest, offset } = hull(windows)
  const isHull = ({ window }: WindowPartials): boolean =>
    window.offset === offset && (longest === null ? window.width === null : window.width === longest - offset)
  const merged = windows.flatMap((one) =>
    one.partials.map(
      (partial) =>
        `  ${partial.ofPieces(isHull(one) ? undefined : holds(one.window, 'piece').join(' AND '))} AS ${quoteIdentifier(mergedColumn(partial, one.window.text))}`,
    ),
  )
  const seen = hasLateEvents ? ['seen < point'] : []
  // Joined within stretches of a window's length, else every tile of an entity would meet every point of it.
  const stretch = stretchOf(request)
  const own = whereOfPart(grid)
  const pieces =
    stretch === null
      ? `SELECT *, tile AS piece FROM own_tiles`
      : `SELECT *, tile AS piece, ${stretchesOf(stretch)} FROM own_tiles`
  const joined = [
    'changes.entity = pieces.entity',
    ...(stretch === null ? [] : [`stretch = point // ${stretch}`]),
    ...holds({ text: '', width: longest === null ? null : longest - offset, offset }, 'piece'),
    ...seen,
  ]
  const any = windows.some(isHull)
    ? ''
    : `\nHAVING bool_or(${windows.map(({ window }) => `(${holds(window, 'piece').join(' AND ')})`).join(' OR ')})`
  return `CREATE ${kind === 'VIEW' ? 'OR REPLACE TEMP VIEW' : 'TEMP TABLE'} ${scope.table('windowed')} AS
WITH own_tiles AS ${isCopied ? '' : 'NOT '}MATERIALIZED (FROM ${scope.table('tiles')}${own}),
changes AS (
  ${pointsOf(request)}
),
pieces AS (${pieces})
SELECT
${['  changes.entity', '  point', '  next_point', ...merged].join(',\n')}
FROM changes
JOIN pieces ON ${joined.join(' AND ')}
GROUP BY changes.entity, point, next_point${any}`
}

/**
 * Where each tile is one piece. A window is a stretch of the entity's tiles by their number: frames of ROWS are found by counting, where the
 * engine searches for those of a RANGE. A tile's row is the window's that ends with it; other points are rows that no frame holds, see framed.ts.
 */
function windowedByFrames(request: WindowRequest): string {
  const { scope, grid, windows } = request
  const { first, end } = grid
  const isOfTiles = scope.points === undefined
  const point = isOfTiles ? 'placed.tile + 1' : 'point'
  const ends = namesOf('end')
  // Without an offset, a window ends with the tile itself.
  const named = windows.map(({ window: { text, width, offset }, partials }, index) => ({
    name: `window_${index + 1}`,
    text,
    partials,
    offset,
    from: width === null ? '0' : ends.of(minus(point, width + offset)),
    until: isOfTiles && offset === 0n ? 'place' : ends.of(minus(point, offset)),
  }))
  const merged = named.flatMap(({ name, partials, text }) =>
    partials.map(
      (partial) => `    ${partial.ofPieces()} OVER ${name} AS ${quoteIdentifier(mergedColumn(partial, text))}`,
    ),
  )
  const frames = named.map(({ name, from, until }) => {
    const rows = isOfTiles
      ? `place - ${from} - 1 PRECEDING AND place - ${until} PRECEDING`
      : `${frameBound(`${from} - place`, 1)} AND ${frameBound(`${until} - 1 - place`, 0)}`
    return `    ${name} AS (PARTITION BY entity ORDER BY place ROWS BETWEEN ${rows})`
  })
  // Without an offset, a window holds the event that its row follows.
  const isHeld =
    isOfTiles && named.some(({ offset }) => offset === 0n)
      ? null
      : `${isOfTiles ? '' : 'is_point AND '}(${named.map(({ from, until }) => `${from} < ${until}`).join(' OR ')})`
  const places = placesBefore(ends, isOfTiles ? 'placed' : 'points')
  const bounded = isOfTiles
    ? `SELECT ${['placed.*', ...places.columns].join(', ')}
  FROM placed
${places.joins}`
    : `SELECT *, false AS is_point FROM placed
  UNION ALL BY NAME
  SELECT *, true AS is_point, -row_number() OVER (PARTITION BY entity ORDER BY point DESC) AS place
  FROM (
    SELECT ${['points.*', ...places.columns].join(', ')}
    FROM points
${places.joins}
  )`
  const columns = [
    '    entity',
    ...(isOfTiles ? ['    tile + 1 AS point', '    tile + 2 AS next_point'] : ['    point', '    next_point']),
    ...merged,
    ...(isHeld === null ? [] : [`    ${isHeld} AS is_held`]),
  ]
  return `CREATE TEMP TABLE ${scope.table('windowed')} AS
WITH own_tiles AS (FROM ${scope.table('tiles')}${whereOfPart(grid)}),
placed AS MATERIALIZED (
  SELECT *, tile AS piece, row_number() OVER (PARTITION BY entity ORDER BY tile) AS place
  FROM own_tiles
),
ends AS (SELECT entity, tile, place FROM placed),
${isOfTiles ? '' : `points AS (${pointsOf(request)}),\n`}bounded AS (
  ${bounded}
),
merged AS (
  SELECT
${columns.join(',\n')}
  FROM bounded
  WINDOW
${frames.join(',\n')}
)
SELECT *${isHeld === null ? '' : ' EXCLUDE (is_held)'}
FROM merged
WHERE ${isHeld === null ? '' : 'is_held AND '}point >= ${first} AND point < ${end}`
}
