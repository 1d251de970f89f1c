/**
 * Aggregates that need all values of a window: quantiles, most frequent values, first and last k, spreads of floating-point numbers, decay.
 * An entity's values lie in one list, in the order of time; a window is a slice of it, found by counting.
 */
import { parseDuration } from '../contract/index.ts'
import { DEFAULT_ERROR, featureColumn, type FeatureDefinition } from '../definition/index.ts'
import { doubleOf } from './doubles.ts'
import { kindOf, valueColumn, type Input } from './inputs.ts'
import { countOf, withoutMinusZero, type PlanContext } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import type { Grid, Window } from './time-grid.ts'
import { mergedColumn, type Scope } from './window-request.ts'

/** Features that share a list of values. */
export interface ListGroup {
  readonly table: string
  readonly input: Input
  readonly features: readonly FeatureDefinition[]
  readonly isNumeric: boolean
  readonly isOrdered: boolean
  /** Whether the values change with the row's time, not only with the events: one row a point. */
  readonly isTimed: boolean
}

const numeric: ReadonlySet<string> = new Set([
  'quantile',
  'approx_quantile',
  'variance',
  'stddev',
  'decayed_sum',
  'decayed_avg',
])
const ordered: ReadonlySet<string> = new Set(['first_k', 'last_k', 'variance', 'stddev', 'decayed_sum', 'decayed_avg'])
const timed: ReadonlySet<string> = new Set(['decayed_sum', 'decayed_avg'])

/** @param features those that are neither merged from tiles nor distinct counts */
export function listGroups(features: readonly FeatureDefinition[], { inputs }: PlanContext, scope: Scope): ListGroup[] {
  const groups = Map.groupBy(features, (feature) => {
    const flavours = [numeric, ordered, timed].map((kind) => kind.has(feature.aggregate))
    return JSON.stringify([inputs.of(feature).label, ...flavours])
  })
  return [...groups.values()].map((members, index) => {
    const [one] = members as [FeatureDefinition]
    return {
      table: `${scope.table('lists')}_${index + 1}`,
      input: inputs.of(one),
      features: members,
      isNumeric: numeric.has(one.aggregate),
      isOrdered: ordered.has(one.aggregate),
      isTimed: timed.has(one.aggregate),
    }
  })
}

/** Statement that makes a group's table (entity, point, one column a feature and window) from `events`, `entities` and `windowed`. */
export function listTable(group: ListGroup, grid: Grid, scope: Scope, context: PlanContext): string {
  const { input, isNumeric, isOrdered, isTimed } = group
  const { order, facts } = context
  const by = scope.keys.join(', ')
  const entities = scope.table('entities')
  const column = valueColumn(input)
  const value = isNumeric ? `${doubleOf(column, kindOf(input, facts))} + 0` : withoutMinusZero(column, input, facts)
  const isStruct = isOrdered || order.hasLateEvents
  const fields = [...order.fields, `value: ${value}`, ...(order.hasLateEvents ? ['seen: seen'] : [])]
  const windows = [...new Set(group.features.flatMap((feature) => feature.windows))].map((text, index) => ({
    ...(grid.windows.get(text) as Window),
    index,
  }))
  const offsets = [...new Set(windows.map(({ offset }) => offset))]
  const asOf = (name: string, back: bigint): string =>
    `ASOF LEFT JOIN counts AS ${name} ON points.entity = ${name}.entity AND points.point${back === 0n ? '' : ` - ${back}`} > ${name}.tile`
  const untils = offsets.map((offset, index) => ({ name: `until_${index}`, join: asOf(`until_${index}`, offset) }))
  // What came late is not in a window's count, but in the list: its beginning has to be looked up.
  const froms = windows.flatMap(({ width, offset, index }) =>
    width === null || !order.hasLateEvents
      ? []
      : [{ name: `from_${index}`, join: asOf(`from_${index}`, width + offset) }],
  )
  const places = [...untils, ...froms]
  const counted = order.hasLateEvents ? [] : windows.map(({ text, index }) => ({ as: `count_${index}`, text }))
  const countColumns = counted.map(
    ({ as, text }) => `CAST(coalesce(${quoteIdentifier(mergedColumn(countOf(input), text))}, 0) AS BIGINT) AS ${as}`,
  )
  const held = windows.map(({ width, offset, index }) => {
    const until = `until_${offsets.indexOf(offset)}`
    const from = width === null ? '1' : order.hasLateEvents ? `from_${index} + 1` : `${until} - count_${index} + 1`
    const slice = `list_slice(all_values, ${from}, ${until})`
    const known = order.hasLateEvents ? `list_filter(${slice}, lambda e: e.seen < point)` : slice
    const needsEvents = isTimed || !isStruct
    return `    ${needsEvents ? known : `list_transform(${known}, lambda e: e.value)`} AS held_${index}`
  })
  const columns = group.features.flatMap((feature) =>
    feature.windows.map((text) => {
      const index = windows.findIndex((window) => window.text === text)
      const list = `held_${index}`
      const sql = listValue(feature, list, context, grid)
      return `  CASE WHEN len(${list}) > 0 THEN ${sql} END AS ${quoteIdentifier(featureColumn(feature, text))}`
    }),
  )
  const point = isTimed ? 'unnest(range(point, next_point)) AS point' : 'point'
  const points = `SELECT ${['entity', point, ...countColumns].join(', ')} FROM ${scope.table('windowed')}`
  return `CREATE TEMP TABLE ${group.table} AS
WITH points AS (${points}),
${isStruct ? structLists(entities, by, column, fields) : plainLists(entities, by, column, value)},
counts AS (
  SELECT entity, tile, CAST(sum(n) OVER (PARTITION BY entity ORDER BY tile ROWS UNBOUNDED PRECEDING) AS BIGINT) AS so_far
  FROM (SELECT ${by}, tile, count(*) AS n FROM events WHERE ${column} IS NOT NULL GROUP BY ${by}, tile)
  JOIN ${entities} USING (${by})
),
places AS (
  SELECT
${['    points.*', ...places.map(({ name }) => `    coalesce(${name}.so_far, 0) AS ${name}`)].join(',\n')}
  FROM points
  ${places.map(({ join }) => join).join('\n  ')}
),
held AS (
  SELECT
${['    entity', '    point', ...held].join(',\n')}
  FROM places
  JOIN entity_values USING (entity)
)
SELECT
${['  entity', '  point', ...columns].join(',\n')}
FROM held`
}

/** Sorted by events as wholes: their time comes first. */
const structLists = (
  entities: string,
  by: string,
  column: string,
  fields: readonly string[],
): string => `entity_values AS (
  SELECT entity, list_sort(list({${fields.join(', ')}})) AS all_values
  FROM events
  JOIN ${entities} USING (${by})
  WHERE ${column} IS NOT NULL
  GROUP BY entity
)`

const plainLists = (entities: string, by: string, column: string, value: string): string => `tile_lists AS (
  -- Sorted below by position: an ORDER BY of lists inside the aggregate takes four times as long.
  SELECT entity, list({tile: tile, tile_values: tile_values}) AS tiles
  FROM (SELECT ${by}, tile, list(${value}) AS tile_values FROM events WHERE ${column} IS NOT NULL GROUP BY ${by}, tile)
  JOIN ${entities} USING (${by})
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
)`

/** Distinct values with their counts, the most frequent first, ties by value. */
function byFrequency(list: string, isFloat: boolean): string {
  // The engine's histogram of plain doubles takes NaN for one of the other values; in structs it tells them apart.
  const [values, key] = isFloat ? [`list_transform(${list}, lambda v: {v: v})`, 'e.key.v'] : [list, 'e.key']
  const counted = `list_transform(map_entries(list_aggregate(${values}, 'histogram')), lambda e: {n: -CAST(e.value AS BIGINT), v: ${key}})`
  return `list_transform(list_sort(${counted}), lambda e: e.v)`
}

/** Different values in ascending order, at most k. */
function distinctValues(list: string, k: number, isFloat: boolean): string {
  const found = (values: string): string => `list_sort(list_distinct(${values}))[1:${k}]`
  // For `list_distinct` no NaN is another one's equal; in structs they are.
  return isFloat ? `list_transform(${found(`list_transform(${list}, lambda v: {v: v})`)}, lambda e: e.v)` : found(list)
}

function listValue(feature: FeatureDefinition, list: string, context: PlanContext, grid: Grid): string {
  const { aggregate, k = 1 } = feature
  const isFloat = kindOf(context.inputs.of(feature), context.facts).kind === 'float'
  switch (aggregate) {
    case 'quantile':
      // 0.0 + -0.0 is 0.0: which of two equal zeros a sort puts first must not show.
      return `list_aggregate(${list}, 'quantile_cont', ${feature.quantile ?? 0.5}) + 0.0::DOUBLE`
    case 'approx_quantile':
      return bucketQuantile(list, feature.quantile ?? 0.5, feature.error ?? DEFAULT_ERROR)
    case 'variance':
      return spread(list)
    case 'stddev':
      return `sqrt(${spread(list)})`
    case 'mode':
      return `${byFrequency(list, isFloat)}[1]`
    case 'top_k':
      return `${byFrequency(list, isFloat)}[1:${k}]`
    case 'first_k':
      return `${list}[1:${k}]`
    case 'last_k':
      return `${list}[greatest(len(${list}) - ${k - 1}, 1):]`
    case 'collect_distinct':
      return distinctValues(list, k, isFloat)
    case 'approx_count_distinct':
      return `CAST(list_aggregate(${list}, 'approx_count_distinct') AS BIGINT)`
    case 'decayed_sum':
    case 'decayed_avg':
      return decayed(feature, list, context, grid)
    default:
      return list
  }
}

/** Squared distances from the mean: sums of squares would cancel. The spread of a constant is zero exactly. */
function spread(list: string): string {
  const call = (name: string): string => `list_aggregate(${list}, '${name}')`
  // The mean is bound once, as the one element of a list: inside the lambda it would be taken again for every value.
  const squares = `list_transform([${call('favg')}], lambda m: list_aggregate(list_transform(${list}, lambda v: (v - m) * (v - m)), 'fsum'))[1]`
  const isFinite = `list_aggregate(list_transform(${list}, lambda v: isfinite(v)), 'bool_and')`
  return (
    `CASE WHEN len(${list}) < 2 THEN NULL WHEN NOT ${isFinite} THEN CAST('NaN' AS DOUBLE) ` +
    `WHEN ${call('min')} = ${call('max')} THEN 0 ELSE ${squares} / (len(${list}) - 1) END`
  )
}

/**
 * Values fall into buckets whose bounds grow by a constant factor, so that the middle of a value's bucket is off by at most the error,
 * relatively (Masson, Rim, Lee: DDSketch, 2019).
 */
function bucketQuantile(list: string, q: number, error: number): string {
  const growth = (1 + error) / (1 - error)
  const log = Math.log(growth)
  // Beyond all buckets of doubles, which number at most 750 / log.
  const beyond = Math.ceil(2000 / log)
  const bucket =
    `CASE WHEN isnan(v) THEN ${2 * beyond + 1} WHEN isinf(v) THEN CAST(sign(v) AS BIGINT) * ${2 * beyond} WHEN v = 0 THEN 0 ` +
    `ELSE CAST(sign(v) AS BIGINT) * (CAST(ceil(ln(abs(v)) / ${log}) AS BIGINT) + ${beyond}) END`
  const found = `list_aggregate(list_transform(${list}, lambda v: ${bucket}), 'quantile_disc', ${q})`
  return (
    `CASE WHEN ${found} = ${2 * beyond + 1} THEN CAST('NaN' AS DOUBLE) ` +
    `WHEN abs(${found}) = ${2 * beyond} THEN sign(${found}) * CAST('Infinity' AS DOUBLE) WHEN ${found} = 0 THEN 0::DOUBLE ` +
    `ELSE sign(${found}) * exp((abs(${found}) - ${beyond}) * ${log}) * ${2 / (growth + 1)} END`
  )
}

function decayed(
  { aggregate, halfLife = '1d' }: FeatureDefinition,
  list: string,
  context: PlanContext,
  grid: Grid,
): string {
  const half = parseDuration(halfLife, 'halfLife') * context.order.perMicro
  const now = `epoch_us(${grid.timeOf('point')})${context.order.perMicro === 1n ? '' : ` * ${context.order.perMicro}`}`
  const weight = `pow(2::DOUBLE, -CAST(${now} - e.instant AS DOUBLE) / ${half})`
  const sum = (sql: string): string => `list_aggregate(list_transform(${list}, lambda e: ${sql}), 'fsum')`
  const total = sum(`e.value * ${weight}`)
  return aggregate === 'decayed_sum' ? total : `${total} / ${sum(weight)}`
}
