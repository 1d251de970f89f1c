/**
 * Exact distinct counts over sliding windows, in time linear in what was seen. A value counts from where one of its sightings enters the
 * window, or from where the sighting before leaves it, to where it leaves itself: one up and one down, and the count is their running sum.
 */
import { featureColumn, type FeatureDefinition } from '../definition/index.ts'
import { valueColumn, type Input } from './inputs.ts'
import { quoteIdentifier } from './quote.ts'
import type { Grid, Window } from './time-grid.ts'
import { entry, type Scope } from './window-request.ts'

export const distinctTableName = (feature: FeatureDefinition): string => quoteIdentifier(`distinct ${feature.name}`)

const sightingsName = (feature: FeatureDefinition): string => quoteIdentifier(`sightings ${feature.name}`)

export interface DistinctRequest {
  readonly scope: Scope
  readonly hasLateEvents: boolean
}

/** Statement that makes the tiles in which each entity saw each value, from `events` and `entities`. */
export function sightingsTable(
  { scope, hasLateEvents }: DistinctRequest,
  feature: FeatureDefinition,
  input: Input,
): string {
  const keys = scope.keys.join(', ')
  const time = hasLateEvents ? 'tile, seen' : 'tile'
  const previous = hasLateEvents ? '' : ', lag(tile) OVER (PARTITION BY entity, value ORDER BY tile) AS previous'
  return `CREATE TEMP TABLE ${sightingsName(feature)} AS
SELECT entity, value, ${time}${previous}
FROM (
  SELECT DISTINCT ${keys}, ${time}, ${valueColumn(input)} AS value
  FROM events
  WHERE ${valueColumn(input)} IS NOT NULL
)
JOIN ${scope.table('entities')} USING (${keys})`
}

/** Statement that makes the feature's distinct counts (entity, point, one column a window) from its sightings and `windowed`. */
export function distinctTable(
  { scope, hasLateEvents }: DistinctRequest,
  feature: FeatureDefinition,
  grid: Grid,
): string {
  const { first, end } = grid
  const windows = feature.windows.map((text) => grid.windows.get(text) as Window)
  const sums = windows.map(
    ({ text }, index) =>
      `    sum(sum(change) FILTER (WHERE window_index = ${index})) OVER up_to_point AS ${quoteIdentifier(featureColumn(feature, text))}`,
  )
  const sightings = sightingsName(feature)
  const counted = windows.map((window, index) =>
    hasLateEvents ? lateStays(window, index, end, sightings) : stays(window, index, end, sightings),
  )
  return `CREATE TEMP TABLE ${distinctTableName(feature)} AS
WITH stays AS (
${counted.join('\n  UNION ALL\n')}
),
changes AS (
  SELECT entity, window_index, greatest(enters, ${first}) AS point, 1 AS change, false AS is_row
  FROM stays
  WHERE enters < leaves AND leaves > ${first} AND enters < ${end}
  UNION ALL
  SELECT entity, window_index, leaves, -1, false
  FROM stays
  WHERE enters < leaves AND leaves > ${first} AND leaves < ${end}
  UNION ALL
  SELECT entity, NULL, point, 0, true
  FROM ${scope.table('windowed')}
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

function stays({ width, offset }: Window, index: number, end: bigint, sightings: string): string {
  const enters = `tile + ${offset + 1n}`
  if (width === null) {
    return `  SELECT entity, ${index} AS window_index, ${enters} AS enters, ${end} AS leaves FROM ${sightings} WHERE previous IS NULL`
  }
  const by = width + offset + 1n
  return `  SELECT entity, ${index} AS window_index, greatest(${enters}, coalesce(previous + ${by}, 0)) AS enters, tile + ${by} AS leaves FROM ${sightings}`
}

/** Sightings enter when they are known, which need not be their order in time. */
function lateStays({ width, offset }: Window, index: number, end: bigint, sightings: string): string {
  const enters = entry(offset + 1n, true)
  const leaves = width === null ? String(end) : `tile + ${width + offset + 1n}`
  return `  SELECT entity, ${index} AS window_index, greatest(enters, coalesce(max(leaves) OVER (PARTITION BY entity, value ORDER BY enters, leaves ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) AS enters, leaves
  FROM (SELECT entity, value, ${enters} AS enters, ${leaves} AS leaves FROM ${sightings})
  WHERE enters < leaves`
}
