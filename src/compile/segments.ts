/**
 * Windows of rows that follow events, where events become known late: what a window holds is no stretch of the entity's tiles then, but a tile
 * still is in a window over a stretch of the entity's points, from when it is known until it leaves.
 *
 * Over each entity's points lies a segment tree (de Berg, Cheong, van Kreveld, Overmars: Computational Geometry, 2008, 10.3): a tile is kept at
 * the few nodes that together make its stretch, at most two of each size, and a point's window is what is kept at the nodes above the point. So
 * n tiles and points cost n log n.
 */
import { quoteIdentifier } from './quote.ts'
import type { Grid, Window } from './time-grid.ts'
import {
  entry,
  mergedColumn,
  namesOf,
  placesBefore,
  whereOfPart,
  type Names,
  type WindowRequest,
} from './window-request.ts'

/** Node `leaves + p` is that of point p, from 0, and n's parent is n / 2: more leaves than an entity has points. */
const leaves = 2n ** 40n

/** Nodes above some points make at most so many sizes. */
const sizes = (points: string): string => `range(CAST(floor(log2(${points})) AS BIGINT) + 1)`

/**
 * SQL of the first of an entity's points, from 0, whose window has a tile, and of the first one after them.
 * @param ends of lookups among the points, @param relation of the tiles
 */
export function pointsWith(
  { width, offset }: Window,
  { ends, relation, grid, hasLateEvents }: { ends: Names; relation: string; grid: Grid; hasLateEvents: boolean },
): { readonly from: string; readonly until: string } {
  const tile = `${relation}.tile`
  return {
    from: ends.of(entry(offset + 1n, hasLateEvents, tile)),
    // The engine's ASOF joins want a time of the row's own, where it has none.
    until: ends.of(width === null ? `greatest(${tile}, ${grid.end})` : `${tile} + ${width + offset + 1n}`),
  }
}

/**
 * Common table expressions `kept` (entity, window_index, node, aggregates) and `above` (the columns of `ends`, node), from `stretches` (entity,
 * window_index, from, until, what is aggregated) and `ends` (entity, place).
 * @param aggregates columns
 */
export function segmentTree(aggregates: readonly string[]): string {
  return `-- Of each size, the nodes that lie within the stretch, and no other of them around.
nodes AS (
  SELECT * EXCLUDE (low, high), unnest(CASE
    WHEN low % 2 = 1 AND high % 2 = 1 THEN [low, high - 1]
    WHEN low % 2 = 1 THEN [low]
    WHEN high % 2 = 1 THEN [high - 1]
  END) AS node
  FROM (
    SELECT * EXCLUDE ("from", until, size), ("from" + ${leaves} + (1::BIGINT << size) - 1) >> size AS low, (until + ${leaves}) >> size AS high
    FROM (SELECT *, unnest(${sizes('until - "from"')}) AS size FROM stretches)
  )
  WHERE low < high
),
kept AS (
  SELECT
${list(['entity', 'window_index', 'node', ...aggregates])}
  FROM nodes
  GROUP BY entity, window_index, node
),
above AS (
  SELECT * EXCLUDE (place, size), (place + ${leaves - 1n}) >> size AS node
  FROM (SELECT *, unnest(${sizes('count(*) OVER (PARTITION BY entity)')}) AS size FROM ends)
)`
}

const list = (items: readonly string[]): string => items.map((item) => `    ${item}`).join(',\n')

/** @param points SELECT of the points (entity, point, next_point) that windows are made at, from `own_tiles` */
export function windowedBySegments(request: WindowRequest, points: string): string {
  const { scope, grid, windows, partials } = request
  const ends = namesOf('end')
  const columns = partials.map(({ name }) => quoteIdentifier(name))
  const merged = windows.flatMap(({ window, partials: of }, index) =>
    of.map(
      (partial) =>
        `${partial.ofPieces(`window_index = ${index}`)} AS ${quoteIdentifier(mergedColumn(partial, window.text))}`,
    ),
  )
  const stretches = windows.map(({ window }, index) => {
    const { from, until } = pointsWith(window, { ...request, ends, relation: 'own_tiles' })
    return `  SELECT ${['entity', ...columns, `${index} AS window_index`, `${from} AS "from"`, `${until} AS until`].join(', ')} FROM bounded WHERE ${from} < ${until}`
  })
  const places = placesBefore(ends, 'own_tiles')
  return `CREATE TEMP TABLE ${scope.table('windowed')} AS
WITH own_tiles AS (SELECT *, tile AS piece FROM ${scope.table('tiles')}${whereOfPart(grid)}),
points AS MATERIALIZED (
  ${points}
),
ends AS (
  SELECT entity, point AS tile, next_point, row_number() OVER (PARTITION BY entity ORDER BY point) AS place
  FROM points
),
bounded AS (
  SELECT ${['own_tiles.*', ...places.columns].join(', ')}
  FROM own_tiles
${places.joins}
),
stretches AS (
${stretches.join('\n  UNION ALL\n')}
),
${segmentTree(partials.map((partial) => `${partial.ofPieces()} AS ${quoteIdentifier(partial.name)}`))}
SELECT
${['entity', 'tile AS point', 'next_point', ...merged].map((column) => `  ${column}`).join(',\n')}
FROM above
JOIN kept USING (entity, node)
GROUP BY entity, tile, next_point`
}
