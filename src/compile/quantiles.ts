/** Exact quantiles, from the events themselves: they have no partials that merge. */
import { featureColumn, type FeatureDefinition } from '../definition/index.ts'
import type { Grid } from './grid.ts'
import type { Input } from './inputs.ts'
import { valueColumn } from './partials.ts'
import { quoteIdentifier } from './quote.ts'

/**
 * Up to this many grid points in the longest window, handing each event to all the points that see it is the faster way (twice as fast
 * for 28 daily points); beyond, a window function, whose time does not grow with the points that see an event.
 */
const mostCopies = 64n

export const quantileTableName = (feature: FeatureDefinition): string => quoteIdentifier(`quantile ${feature.name}`)

/** Statement that makes the feature's quantiles (entity, point, one column a window) from `events`, `entities` and `windowed`. */
export function quantileTable(grid: Grid, keys: readonly string[], feature: FeatureDefinition, input: Input): string {
  const windows = feature.windows.map((window) => ({
    column: quoteIdentifier(featureColumn(feature, window)),
    width: grid.widths.get(window) as bigint,
  }))
  const longest = windows.reduce((most, { width }) => (width > most ? width : most), 0n)
  const values = `SELECT entity, tile, CAST(${valueColumn(input)} AS DOUBLE) AS value
  FROM events
  JOIN entities USING (${keys.join(', ')})
  WHERE ${valueColumn(input)} IS NOT NULL AND tile + ${longest} >= ${grid.first}`
  const quantile = `quantile_cont(value, ${feature.quantile ?? 0.5})`
  const body =
    longest / grid.stride <= mostCopies
      ? byCopies(grid, quantile, values, windows, longest)
      : byWindowFunction(quantile, values, windows)
  return `CREATE TEMP TABLE ${quantileTableName(feature)} AS\n${body}`
}

interface QuantileWindow {
  readonly column: string
  readonly width: bigint
}

function byCopies(
  { first, end, stride }: Grid,
  quantile: string,
  values: string,
  windows: readonly QuantileWindow[],
  longest: bigint,
): string {
  const low = `greatest(tile + 1, ${first})`
  const aligned = stride === 1n ? low : `(${low} + ${stride - 1n}) // ${stride} * ${stride}`
  // 0.0 + -0.0 is 0.0: which of two equal zeros a sort puts first must not show.
  const columns = windows.map(({ column, width }) => {
    const only = width === longest ? '' : ` FILTER (WHERE tile >= point - ${width})`
    return `  ${quantile}${only} + 0.0::DOUBLE AS ${column}`
  })
  return `WITH input_values AS (
  ${values}
),
seen AS (
  SELECT entity, tile, value, unnest(range(${aligned}, least(tile + ${longest} + 1, ${end}), ${stride})) AS point
  FROM input_values
)
SELECT
  entity,
  point,
${columns.join(',\n')}
FROM seen
GROUP BY entity, point`
}

function byWindowFunction(quantile: string, values: string, windows: readonly QuantileWindow[]): string {
  const columns = windows.map(({ column, width }) => `    ${quantile} OVER last_${width} + 0.0::DOUBLE AS ${column}`)
  const frames = [...new Set(windows.map(({ width }) => width))].map(
    (width) => `last_${width} AS (PARTITION BY entity ORDER BY tile RANGE BETWEEN ${width} PRECEDING AND 1 PRECEDING)`,
  )
  return `WITH input_values AS (
  ${values}
),
values_and_rows AS (
  SELECT entity, tile, value, false AS is_row FROM input_values
  UNION ALL
  SELECT entity, point, NULL, true FROM windowed
),
quantiles AS (
  SELECT
    entity,
    tile AS point,
    is_row,
${columns.join(',\n')}
  FROM values_and_rows
  WINDOW ${frames.join(',\n    ')}
)
SELECT * EXCLUDE (is_row)
FROM quantiles
WHERE is_row`
}
