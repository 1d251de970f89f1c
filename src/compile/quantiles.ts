/** Exact quantiles, from the events themselves: they have no partials that merge. */
import { featureColumn, type FeatureDefinition } from '../definition/index.ts'
import { mergedColumn } from './blocks.ts'
import type { Grid } from './grid.ts'
import type { Input } from './inputs.ts'
import { countOf, valueColumn } from './partials.ts'
import { quoteIdentifier } from './quote.ts'

/**
 * Up to this many grid points in the longest window, each row's quantile is taken from a slice of one list of the entity's values
 * (four times as fast for 28 daily points, and nothing is copied); beyond, by a window function, whose time grows with the logarithm of
 * what a window holds.
 */
const mostPointsForLists = 64n

export const quantileTableName = (feature: FeatureDefinition): string => quoteIdentifier(`quantile ${feature.name}`)

interface QuantileWindow {
  readonly column: string
  readonly width: bigint
  /** Column of `windowed` with the number of the window's values. */
  readonly count: string
}

/** Statement that makes the feature's quantiles (entity, point, one column a window) from `events`, `entities` and `windowed`. */
export function quantileTable(grid: Grid, keys: readonly string[], feature: FeatureDefinition, input: Input): string {
  const windows = feature.windows.map((window) => ({
    column: quoteIdentifier(featureColumn(feature, window)),
    width: grid.widths.get(window) as bigint,
    count: quoteIdentifier(mergedColumn(countOf(input), window)),
  }))
  const longest = windows.reduce((most, { width }) => (width > most ? width : most), 0n)
  const value = valueColumn(input)
  const seen = `${value} IS NOT NULL AND tile >= ${grid.first - longest}`
  const by = keys.join(', ')
  const q = String(feature.quantile ?? 0.5)
  return `CREATE TEMP TABLE ${quantileTableName(feature)} AS
${longest / grid.stride <= mostPointsForLists ? fromLists(by, value, seen, q, windows) : fromFrames(by, value, seen, q, windows)}`
}

// 0.0 + -0.0 is 0.0: which of two equal zeros a sort puts first must not show.
const withoutMinusZero = (quantile: string): string => `${quantile} + 0.0::DOUBLE`

function fromLists(by: string, value: string, seen: string, q: string, windows: readonly QuantileWindow[]): string {
  const columns = windows.map(({ column, count }) => {
    const values = `all_values[1 + so_far - CAST(coalesce(${count}, 0) AS BIGINT):so_far]`
    return `  ${withoutMinusZero(`list_aggregate(${values}, 'quantile_cont', ${q})`)} AS ${column}`
  })
  return `WITH tile_values AS MATERIALIZED (
  SELECT entity, tile, tile_values
  FROM (
    SELECT ${by}, tile, list(CAST(${value} AS DOUBLE)) AS tile_values
    FROM events
    WHERE ${seen}
    GROUP BY ${by}, tile
  )
  JOIN entities USING (${by})
),
tile_lists AS (
  -- Sorted below by position: an ORDER BY of lists inside the aggregate takes four times as long.
  SELECT entity, list({tile: tile, tile_values: tile_values}) AS tiles
  FROM tile_values
  GROUP BY entity
),
entity_values AS (
  SELECT
    entity,
    flatten(
      list_select(
        list_transform(tiles, lambda t: t.tile_values),
        list_grade_up(list_transform(tiles, lambda t: t.tile))
      )
    ) AS all_values
  FROM tile_lists
),
counts AS (
  SELECT
    entity,
    tile,
    CAST(sum(len(tile_values)) OVER (PARTITION BY entity ORDER BY tile ROWS UNBOUNDED PRECEDING) AS BIGINT) AS so_far
  FROM tile_values
)
SELECT
  windowed.entity,
  point,
${columns.join(',\n')}
FROM windowed
ASOF JOIN counts ON windowed.entity = counts.entity AND windowed.point > counts.tile
JOIN entity_values ON windowed.entity = entity_values.entity`
}

function fromFrames(by: string, value: string, seen: string, q: string, windows: readonly QuantileWindow[]): string {
  const columns = windows.map(
    ({ column, width }) => `    ${withoutMinusZero(`quantile_cont(value, ${q}) OVER last_${width}`)} AS ${column}`,
  )
  const frames = [...new Set(windows.map(({ width }) => width))].map(
    (width) => `last_${width} AS (PARTITION BY entity ORDER BY tile RANGE BETWEEN ${width} PRECEDING AND 1 PRECEDING)`,
  )
  return `WITH values_and_rows AS (
  SELECT entity, tile, CAST(${value} AS DOUBLE) AS value, false AS is_row
  FROM events
  JOIN entities USING (${by})
  WHERE ${seen}
  UNION ALL
  SELECT entity, point, NULL, true
  FROM windowed
),
quantiles AS (
  SELECT
    entity,
    tile AS point,
    is_row,
${columns.join(',\n')}
  FROM values_and_rows
  WINDOW
    ${frames.join(',\n    ')}
)
SELECT * EXCLUDE (is_row)
FROM quantiles
WHERE is_row`
}
