/** Features that are computed over the same windows of the same entities: how the tables are made that their values come from. */
import { countAggregates, featureColumn, type FeatureDefinition } from '../definition/index.ts'
import { distinctTable, distinctTableName, sightingsTable } from './distinct.ts'
import { entitiesTable } from './events.ts'
import { listGroups, listTable, type ListGroup } from './lists.ts'
import type { Inputs } from './inputs.ts'
import {
  countAll,
  countOf,
  countOfEither,
  eventCount,
  mergeablePlan,
  type Partial,
  type Plan,
  type PlanContext,
} from './partials.ts'
import { quoteIdentifier, quoteString } from './quote.ts'
import type { Grid } from './time-grid.ts'
import { mergedColumn, type Scope, type WindowPartials } from './window-request.ts'
import { tilesTable, windowedParts, windowedTable, type TileCounts } from './windowed.ts'

/** One column of a feature, over one window. */
export interface ValueColumn {
  readonly feature: FeatureDefinition
  /** The output column's name. */
  readonly name: string
  /** SQL of the value over the set's joined tables; null when it is known only with each row's time. */
  readonly held: string | null
  /** SQL of the number of values that the window holds, where that is kept. */
  readonly count: string | null
  /** SQL of the value of a row at a time, given SQL of what was held and of the time in microseconds. */
  readonly atTime: ((held: string, micros: string) => string) | null
}

export interface FeatureSet {
  readonly tiles: readonly string[]
  /** How many times the statements read the events, beside for their entities. */
  readonly reads: number
  /** @param counts of the tiles, see `tileCountsQuery`; @param part of the grid, else the whole: the tiles are gone then, unless they are kept */
  readonly windows: (counts: TileCounts | null, part?: Grid) => readonly string[]
  /** Drops what `windows` made of a part; null where it needs the events themselves. */
  readonly dropPart: readonly string[] | null
  /** In how many parts of the grid the windows are made for about so many bytes each. */
  readonly partsFor: (counts: TileCounts, bytes: number) => number
  readonly columns: readonly ValueColumn[]
  /** Joins to `windowed` that the held values need. */
  readonly joins: readonly string[]
  /** Tables of one row an entity and point, for values that change with the time. */
  readonly timed: readonly ListGroup[]
  /** What the tiles have of their events. */
  readonly partials: readonly Partial[]
  /** Features that need the events themselves, not their tiles alone. */
  readonly ofEvents: readonly FeatureDefinition[]
}

export interface FeatureSetRequest {
  readonly scope: Scope
  readonly features: readonly FeatureDefinition[]
  readonly grid: Grid
  readonly points: 'events' | 'changes' | 'any'
  /** Whether each column's count is needed. */
  readonly isCounted: boolean
  /** Iceberg's type of a feature's value. */
  readonly typeOf: (feature: FeatureDefinition) => unknown
  /** Whether tiles come from a table of theirs (`pieces`), too, or go there; then they have the number of their events. */
  readonly tiles: 'made' | 'kept' | 'taken'
}

interface FeaturePlan {
  readonly feature: FeatureDefinition
  readonly plan: Plan | null
  /** Whether its values come from a list. */
  readonly isListed: boolean
  readonly count: Partial | null
}

export function featureSet(request: FeatureSetRequest, context: PlanContext): FeatureSet {
  const { scope, features, grid, points, isCounted, typeOf, tiles } = request
  const { hasLateEvents } = context.order
  const plans = features.map((feature): FeaturePlan => {
    const plan = mergeablePlan(feature, context, typeOf(feature))
    const isListed = plan === null && feature.aggregate !== 'count_distinct'
    // A declared value takes the place of a window's that holds nothing to aggregate; a list's window is found by its count.
    const needsCount = isCounted || isListed || feature.empty !== undefined
    return { feature, plan, isListed, count: needsCount ? countFor(feature, context.inputs) : null }
  })
  const distinct = features.filter(({ aggregate }) => aggregate === 'count_distinct')
  const groups = listGroups(
    plans.flatMap(({ feature, isListed }) => (isListed ? [feature] : [])),
    context,
    scope,
  )
  const windows = [...grid.windows.values()].map((window): WindowPartials => ({
    window,
    partials: uniquePartials(
      plans.flatMap(({ feature, plan, count }) =>
        feature.windows.includes(window.text) ? [...(plan?.partials ?? []), ...(count === null ? [] : [count])] : [],
      ),
    ),
  }))
  const partials = uniquePartials(windows.flatMap((window) => window.partials))
  const ofTiles = tiles === 'made' ? (partials.length === 0 ? [countAll] : partials) : [...partials, eventCount]
  const windowed = {
    scope,
    grid,
    windows,
    hasLateEvents,
    points,
    partials: ofTiles,
  }
  const timed = groups.filter(({ isTimed }) => isTimed)
  return {
    tiles: [
      entitiesTable(scope, tiles === 'taken'),
      tilesTable(windowed, tiles === 'taken'),
      ...distinct.map((feature) => sightingsTable({ scope, hasLateEvents }, feature, context.inputs.of(feature))),
    ],
    // A list is made from values and from their counts.
    reads: 1 + distinct.length + 2 * groups.length,
    windows: (counts, part) => [
      ...windowedTable({ ...windowed, grid: part ?? grid }, counts),
      // What is merged is in the way of what comes: only tiles that are kept, or of which other parts are made, are needed again.
      ...(tiles === 'made' && part === undefined ? [`DROP TABLE ${scope.table('tiles')}`] : []),
      ...distinct.map((feature) => distinctTable({ scope, hasLateEvents }, feature, part ?? grid)),
      ...groups.map((group) => listTable(group, part ?? grid, scope, context)),
    ],
    dropPart:
      groups.length > 0
        ? null
        : [scope.table('windowed'), ...distinct.map(distinctTableName)].map((table) => `DROP TABLE ${table}`),
    partsFor: (counts, bytes) => windowedParts(windowed, counts, bytes),
    columns: plans.flatMap((plan) => plan.feature.windows.map((text) => valueColumn(plan, text, timed))),
    joins: [
      ...distinct.map((feature) => `LEFT JOIN ${distinctTableName(feature)} USING (entity, point)`),
      ...groups.flatMap(({ table, isTimed }) => (isTimed ? [] : [`LEFT JOIN ${table} USING (entity, point)`])),
    ],
    timed,
    partials: ofTiles,
    ofEvents: plans.flatMap(({ feature, plan }) => (plan === null ? [feature] : [])),
  }
}

/** What a window counts as holding something by: for a ratio, a value of either sum. */
const countFor = (feature: FeatureDefinition, inputs: Inputs): Partial =>
  feature.divisor === undefined
    ? countOf(inputs.of(feature))
    : countOfEither(inputs.of(feature), inputs.divisorOf(feature))

const uniquePartials = (partials: readonly Partial[]): Partial[] => [
  ...new Map(partials.map((partial) => [partial.name, partial])).values(),
]

function valueColumn({ feature, plan, count }: FeaturePlan, text: string, timed: readonly ListGroup[]): ValueColumn {
  const name = featureColumn(feature, text)
  const merged = (partial: Partial): string => quoteIdentifier(mergedColumn(partial, text))
  const counted = count === null ? null : merged(count)
  const column = { feature, name, count: counted }
  if (timed.some(({ features }) => features.includes(feature))) {
    return { ...column, held: null, atTime: () => emptyAs(feature, quoteIdentifier(name)) }
  }
  const value = plan === null ? listedValue(feature, quoteIdentifier(name)) : plan.value(merged)
  const atTime = plan?.atTime
  if (atTime !== undefined) {
    return {
      ...column,
      held: value,
      atTime: (held, micros) =>
        emptyAs(
          feature,
          atTime(() => held, micros),
        ),
    }
  }
  return { ...column, held: withEmpty(feature, value, counted), atTime: null }
}

function listedValue(feature: FeatureDefinition, column: string): string {
  return countAggregates.has(feature.aggregate) ? `CAST(coalesce(${column}, 0) AS BIGINT)` : column
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
