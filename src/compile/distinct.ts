/**
 * Exact distinct counts over sliding windows, in time linear in what was seen: a value seen in tile p and next in tile n counts at the
 * points from p + 1 to min(p + width, n). Each sighting is one up and one down, and the count is their running sum.
 */
import { featureColumn, type FeatureDefinition } from '../definition/index.ts'
import type { Grid } from './grid.ts'
import type { Input } from './inputs.ts'
import { valueColumn } from './partials.ts'
import { quoteIdentifier } from './quote.ts'

export const distinctTableName = (feature: FeatureDefinition): string => quoteIdentifier(`distinct ${feature.name}`)

/** Statement that makes the feature's distinct counts (entity, point, one column a window) from `events`, `entities` and `windowed`. */
export function distinctTable(grid: Grid, keys: readonly string[], feature: FeatureDefinition, input: Input): string {
  const widthOf = (window: string): bigint => grid.widths.get(window) as bigint
  const widths = [...new Set(feature.windows.map(widthOf))]
  const sums = feature.windows.map(
    (window) =>
      `    sum(sum(change) FILTER (WHERE width = ${widthOf(window)})) OVER up_to_point AS ${quoteIdentifier(featureColumn(feature, window))}`,
  )
  return `CREATE TEMP TABLE ${distinctTableName(feature)} AS
WITH windows AS (FROM (VALUES ${widths.map((width) => `(${width})`).join(', ')}) AS windows (width)),
sightings AS (
  SELECT DISTINCT ${keys.join(', ')}, tile, ${valueColumn(input)} AS value
  FROM events
  WHERE ${valueColumn(input)} IS NOT NULL
),
spans AS (
  SELECT entity, tile, lead(tile) OVER (PARTITION BY entity, value ORDER BY tile) AS next_tile
  FROM sightings
  JOIN entities USING (${keys.join(', ')})
),
counted AS (
  SELECT entity, width, tile + 1 AS first_point, least(tile + width, coalesce(next_tile, tile + width)) AS last_point
  FROM spans, windows
),
changes AS (
  SELECT entity, width, greatest(first_point, ${grid.first}) AS point, 1 AS change, false AS is_row
  FROM counted
  WHERE last_point >= ${grid.first} AND first_point < ${grid.end}
  UNION ALL
  SELECT entity, width, last_point + 1, -1, false
  FROM counted
  WHERE last_point >= ${grid.first} AND last_point + 1 < ${grid.end}
  UNION ALL
  SELECT entity, NULL, point, 0, true
  FROM windowed
),
counts AS (
  SELECT
    entity,
    point,
    bool_or(is_row) AS is_row,
${sums.join(',\n')}
  FROM changes
  GROUP BY entity, point
  WINDOW up_to_point AS (PARTITION BY entity ORDER BY point ROWS UNBOUNDED PRECEDING)
)
SELECT * EXCLUDE (is_row)
FROM counts
WHERE is_row`
}
