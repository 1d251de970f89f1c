import { HindcastError, type Micros } from '../contract/index.ts'
import { featureColumn, type FeatureDefinition, type ViewDefinition } from '../definition/index.ts'
import type { Schema } from '../iceberg/index.ts'
import { distinctTable, distinctTableName } from './distinct.ts'
import { entitiesTable, eventOrder, eventsTable, keyColumns, rejectedQuery } from './events.ts'
import { exactSumMacros } from './exact-sums.ts'
import { parenthesized, viewInputs, type EventFacts } from './inputs.ts'
import { listGroups, listTable, type ListGroup } from './lists.ts'
import { countAll, countOf, mergeablePlan, type Partial, type Plan, type PlanContext } from './partials.ts'
import { quoteIdentifier, quoteString } from './quote.ts'
import { timeGrid, type Grid } from './time-grid.ts'
import { mergedColumn, type WindowPartials } from './window-request.ts'
import { tilesTable, windowedTable, type TileCounts } from './windowed.ts'

/** Rows with feature time in `[from, to)`, and the shapes of what is read and written. */
export interface SliceRange {
  readonly from: Micros
  readonly to: Micros
  readonly sourceSchema: Schema
  readonly outputSchema: Schema
}

/** A slice as DuckDB's SQL, for a session in UTC that has the source's columns in a view `source_rows`. */
export interface CompiledSlice {
  /** Make temporary tables, to be run in this order, once a session: `events`, as `compileEvents` does, */
  readonly events: string
  /** then `entities` and `tiles`, */
  readonly tiles: readonly string[]
  /** then what the rows are selected from. */
  readonly windows: readonly string[]
  /** The slice's rows, with the columns of the output schema in its order. */
  readonly select: string
  /** ORDER BY of `select` that leaves no ties. */
  readonly orderBy: string
  /** One row `rejected`: source rows with an event time in `[from, to)` and a null key. */
  readonly rejected: string
}

/** Blocks of time lie on multiples of this many tiles. */
const alignment = 4n ** 9n

/**
 * The statement that makes `events`, from which the rest of the slice is compiled once the engine has told of their types and ranges.
 * @throws DEFINITION_INVALID when the source lacks the event time
 */
export const compileEvents = (definition: ViewDefinition, range: Omit<SliceRange, 'outputSchema'>): string =>
  eventsTable(definition, range.sourceSchema, timeGrid(definition, range, alignment), viewInputs(definition))

/**
 * Compiles the computation of one slice. What it computes for a row depends on the row's entity and feature time and the events of its
 * windows, not on the slice, the number of threads or the order of the source's rows.
 * @param facts of the slice's events, see `eventFacts`
 * @param counts of the slice's tiles, see `tileCountsQuery`: they choose how windows are made, which changes no value
 * @throws DEFINITION_INVALID when the source lacks the event time
 */
export function compileSlice(
  definition: ViewDefinition,
  range: SliceRange,
  facts: EventFacts,
  counts: TileCounts | null,
): CompiledSlice {
  const bucketed = definition.features.find(({ by }) => by !== undefined)
  if (bucketed !== undefined) {
    throw new HindcastError('FEATURE_UNSUPPORTED', `feature ${bucketed.name}: values by bucket are not computed yet`, {
      hint: 'Make a feature of each bucket, by its condition.',
      context: { view: definition.name, feature: bucketed.name },
    })
  }
  const grid = timeGrid(definition, range, alignment)
  const inputs = viewInputs(definition)
  const keys = keyColumns(definition)
  const order = eventOrder(definition, range.sourceSchema)
  const { hasLateEvents } = order
  const context: PlanContext = { inputs, facts, order }
  const plans = definition.features.map((feature): FeaturePlan => {
    const plan = mergeablePlan(feature, context, outputType(range.outputSchema, feature))
    const isListed = plan === null && feature.aggregate !== 'count_distinct'
    // A declared value takes the place of a window's that holds nothing to aggregate; a list's window is found by its count.
    return { feature, plan, count: isListed || feature.empty !== undefined ? countOf(inputs.of(feature)) : null }
  })
  const distinct = definition.features.filter(({ aggregate }) => aggregate === 'count_distinct')
  const listed = plans.flatMap(({ feature, plan }) =>
    plan === null && feature.aggregate !== 'count_distinct' ? [feature] : [],
  )
  const groups = listGroups(listed, context)
  const windows = [...grid.windows.values()].map((window): WindowPartials => ({
    window,
    partials: uniquePartials(
      plans.flatMap(({ feature, plan, count }) =>
        feature.windows.includes(window.text) ? [...(plan?.partials ?? []), ...(count === null ? [] : [count])] : [],
      ),
    ),
  }))
  const partials = uniquePartials(windows.flatMap((window) => window.partials))
  const request = {
    grid,
    keys,
    windows,
    hasLateEvents,
    onChange: definition.rows === 'on_change',
    partials: partials.length === 0 ? [countAll] : partials,
  }
  return {
    events: eventsTable(definition, range.sourceSchema, grid, inputs),
    tiles: [...exactSumMacros, entitiesTable(keys), tilesTable(request)],
    windows: [
      ...windowedTable(request, counts),
      ...distinct.map((feature) => distinctTable({ grid, keys, hasLateEvents }, feature, inputs.of(feature))),
      ...groups.map((group) => listTable(group, grid, keys, context)),
    ],
    select: selectRows(definition, range, grid, plans, groups),
    orderBy: [...definition.entity.keys.map(({ name }) => name), 'feature_time'].map(quoteIdentifier).join(', '),
    rejected: rejectedQuery(definition, range.sourceSchema, range),
  }
}

function outputType(output: Schema, feature: FeatureDefinition): unknown {
  const column = featureColumn(feature, feature.windows[0] ?? '')
  const field = output.fields.find(({ name }) => name === column)
  if (field !== undefined) return field.type
  throw new HindcastError('INVARIANT_VIOLATED', `the output schema has no column "${column}"`, { context: { column } })
}

const uniquePartials = (partials: readonly Partial[]): Partial[] => [
  ...new Map(partials.map((partial) => [partial.name, partial])).values(),
]

interface FeaturePlan {
  readonly feature: FeatureDefinition
  readonly plan: Plan | null
  readonly count: Partial | null
}

/** Values hold from a change point to the next; a row is made of each grid point in between. */
function selectRows(
  definition: ViewDefinition,
  range: SliceRange,
  grid: Grid,
  plans: readonly FeaturePlan[],
  groups: readonly ListGroup[],
): string {
  const keys = definition.entity.keys.map(({ name }, i) => ({ own: `key_${i + 1}`, name: quoteIdentifier(name) }))
  const timedLists = groups.filter(({ isTimed }) => isTimed)
  const isTimedList = (feature: FeatureDefinition): boolean =>
    timedLists.some(({ features }) => features.includes(feature))
  // Named by number: what the definition's names are is its authors' business.
  const columns = plans
    .flatMap((plan) => plan.feature.windows.map((text) => ({ ...plan, text })))
    .map((column, index) => ({
      ...column,
      name: featureColumn(column.feature, column.text),
      held: `value_${index + 1}`,
    }))
  const held = columns.flatMap(({ feature, plan, count, text, name, held: as }) => {
    if (isTimedList(feature)) return []
    const merged = (partial: Partial): string => quoteIdentifier(mergedColumn(partial, text))
    const value = plan === null ? listedValue(feature, quoteIdentifier(name)) : plan.value(merged)
    const isLast = plan?.atTime === undefined
    return [`${isLast ? withEmpty(feature, value, count === null ? null : merged(count)) : value} AS ${as}`]
  })
  const joins = [
    'JOIN entities USING (entity)',
    ...plans.flatMap(({ feature }) =>
      feature.aggregate === 'count_distinct' ? [`LEFT JOIN ${distinctTableName(feature)} USING (entity, point)`] : [],
    ),
    ...groups.flatMap(({ table, isTimed }) => (isTimed ? [] : [`LEFT JOIN ${table} USING (entity, point)`])),
  ]
  const final = columns.map(({ feature, plan, name, held: as }) => {
    const column = quoteIdentifier(name)
    if (isTimedList(feature)) return `${emptyAs(feature, column)} AS ${column}`
    if (plan?.atTime === undefined) return `${as} AS ${column}`
    return `${emptyAs(
      feature,
      plan.atTime(() => as, `epoch_us(${grid.timeOf('point')})`),
    )} AS ${column}`
  })
  const points = definition.rows === 'on_change' ? 'point' : 'unnest(range(point, next_point)) AS point'
  const derived = definition.derived.map(({ name, sql }) => `${parenthesized(sql)} AS ${quoteIdentifier(name)}`)
  const inRange = grid.isExact
    ? ''
    : `\nWHERE feature_time >= make_timestamptz(${range.from}) AND feature_time < make_timestamptz(${range.to})`
  const list = (items: readonly string[]): string => items.join(',\n    ')
  return `WITH held AS (
  SELECT
    ${list(['entity', 'point', 'next_point', ...keys.map(({ own }) => own), ...held])}
  FROM windowed
  ${joins.join('\n  ')}
),
points AS (SELECT * EXCLUDE (point, next_point), ${points} FROM held),
feature_columns AS (
  SELECT
    ${list([...keys.map(({ own, name }) => `${own} AS ${name}`), `${grid.timeOf('point')} AS feature_time`, ...final])}
  FROM ${['points', ...timedLists.map(({ table }) => `LEFT JOIN ${table} USING (entity, point)`)].join('\n  ')}
)
SELECT ${['*', ...derived].join(', ')}
FROM feature_columns${inRange}`
}

function listedValue(feature: FeatureDefinition, column: string): string {
  const isCount = feature.aggregate === 'count_distinct' || feature.aggregate === 'approx_count_distinct'
  return isCount ? `CAST(coalesce(${column}, 0) AS BIGINT)` : column
}

const emptyLiteral = (empty: FeatureDefinition['empty']): string =>
  empty === null || empty === undefined ? 'NULL' : typeof empty === 'string' ? quoteString(empty) : String(empty)

function withEmpty({ empty }: FeatureDefinition, value: string, count: string | null): string {
  if (empty === undefined || count === null) return value
  return `CASE WHEN coalesce(${count}, 0) = 0 THEN ${emptyLiteral(empty)} ELSE ${value} END`
}

/** For values that are null just where there is nothing to aggregate. */
const emptyAs = ({ empty }: FeatureDefinition, value: string): string =>
  empty === undefined ? value : `coalesce(${value}, ${emptyLiteral(empty)})`
