/**
 * Exact distinct counts over sliding windows, from the different values of each tile.
 *
 * Where windows hold few tiles, their values are gathered with the other partials. Else a value counts from where one of its sightings enters
 * the window, or from where the sighting before leaves it, to where it leaves itself: one up and one down, and the count is their running
 * sum, in time linear in what was seen.
 */
import { featureColumn, type FeatureDefinition } from '../definition/index.ts'
import { kindOf, valueColumn, type EventFacts, type Input } from './inputs.ts'
import { keptList } from './kept-forms.ts'
import type { Partial } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import type { Grid, Window } from './time-grid.ts'
import { entry, whereOfPart, type Scope } from './window-request.ts'

/** A tile's different values; windows that hold it have their number, null for none. Tiles keep those that are listable. */
export function valueList(input: Input): Partial {
  const name = `values of ${input.label}`
  const column = quoteIdentifier(name)
  return {
    name,
    isList: true,
    kept: keptList('values', [input], column),
    ofEvents: `list(DISTINCT ${valueColumn(input)}) FILTER (WHERE ${valueColumn(input)} IS NOT NULL)`,
    ofPieces: (where) => {
      const lists = `list(${column})${where === undefined ? '' : ` FILTER (WHERE ${where})`}`
      return `CASE len(${lists}) WHEN 1 THEN len((${lists})[1]) ELSE list_unique(flatten(${lists})) END`
    },
  }
}

const plainTypes = /^(BOOLEAN|VARCHAR|BLOB|UUID|DATE|TIME|TIMESTAMP.*)$/

/** Whether the engine's `list_distinct` tells values apart as GROUP BY does: it takes no NaN for another one's equal. */
export const isListable = (input: Input, facts: EventFacts): boolean => {
  const { kind } = kindOf(input, facts)
  return kind === 'integer' || kind === 'decimal' || plainTypes.test(facts.types.get(input.label) ?? '')
}

export const distinctTableName = (feature: FeatureDefinition): string => quoteIdentifier(`distinct ${feature.name}`)

export interface DistinctRequest {
  readonly scope: Scope
  readonly hasLateEvents: boolean
}

/** Statement that makes the feature's distinct counts (entity, point, one column a window) from `tiles` and `windowed`. */
export function distinctTable(
  { scope, hasLateEvents }: DistinctRequest,
  feature: FeatureDefinition,
  input: Input,
  grid: Grid,
): string {
  const { first, end } = grid
  const windows = feature.windows.map((text) => grid.windows.get(text) as Window)
  const sums = windows.map(
    ({ text }, index) =>
      `    sum(sum(change) FILTER (WHERE window_index = ${index})) OVER up_to_point AS ${quoteIdentifier(featureColumn(feature, text))}`,
  )
  const counted = windows.map((window, index) =>
    hasLateEvents ? lateStays(window, index, end) : stays(window, index, end),
  )
  const { name } = valueList(input)
  const time = hasLateEvents ? 'tile, seen' : 'tile'
  const own = whereOfPart(grid, windows)
  const seen = `SELECT entity, ${time}, unnest(${quoteIdentifier(name)}) AS value FROM ${scope.table('tiles')}${own}`
  const sightings = hasLateEvents
    ? seen
    : `SELECT *, lag(tile) OVER (PARTITION BY entity, value ORDER BY tile) AS previous FROM (${seen})`
  return `CREATE TEMP TABLE ${distinctTableName(feature)} AS
WITH sightings AS MATERIALIZED (
  ${sightings}
),
stays AS (
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

function stays({ width, offset }: Window, index: number, end: bigint): string {
  const enters = `tile + ${offset + 1n}`
  if (width === null) {
    return `  SELECT entity, ${index} AS window_index, ${enters} AS enters, ${end} AS leaves FROM sightings WHERE previous IS NULL`
  }
  const by = width + offset + 1n
  return `  SELECT entity, ${index} AS window_index, greatest(${enters}, coalesce(previous + ${by}, 0)) AS enters, tile + ${by} AS leaves FROM sightings`
}

/** Sightings enter when they are known, which need not be their order in time. */
function lateStays({ width, offset }: Window, index: number, end: bigint): string {
  const enters = entry(offset + 1n, true)
  const leaves = width === null ? String(end) : `tile + ${width + offset + 1n}`
  return `  SELECT entity, ${index} AS window_index, greatest(enters, coalesce(max(leaves) OVER (PARTITION BY entity, value ORDER BY enters, leaves ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) AS enters, leaves
  FROM (SELECT entity, value, ${enters} AS enters, ${leaves} AS leaves FROM sightings)
  WHERE enters < leaves`
}
