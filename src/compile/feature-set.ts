/** Features that are computed over the same windows of the same entities: how the tables are made that their values come from. */
import { countAggregates, featureColumn, type FeatureDefinition } from '../definition/index.ts'
import { decayedPlan, decayedTable, decayedTableName, hasManyPeriods, isDecayed } from './decayed.ts'
import { distinctTable, distinctTableName, isListable, valueList } from './distinct.ts'
import { entitiesTable } from './events.ts'
import { frameGroups, framedTable } from './framed.ts'
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
import { mostValues } from './stays.ts'
import type { Grid } from './time-grid.ts'
import { mergedColumn, type Scope, type WindowPartials } from './window-request.ts'
import { mergingFor, tileCountsQuery, tilesTable, windowedParts, windowedTable, type TileCounts } from './windowed.ts'

/** One column of a feature, over one window. */
export interface ValueColumn {
  readonly feature: FeatureDefinition
  /** The output column's name. */
  readonly name: string
  /** SQL of the value over the set's joined tables. */
  readonly held: string
  /** SQL of the number of values that the window holds, where that is kept. */
  readonly count: string | null
  /** SQL of the value of a row at a time, given SQL of what was held and of the time in microseconds. */
  readonly atTime: ((held: string, micros: string) => string) | null
}

export interface FeatureSet {
  /** Statements that make `entities` and `tiles` from the events. */
  readonly tiles: readonly string[]
  /** About what a tile takes while it is made. */
  readonly tileBytes: number
  /** Query of one row of `TileCounts`, once there are the tiles. */
  readonly tileCounts: string
  /** How many times the statements read the events, beside for their entities. */
  readonly reads: number
  /** @param counts of the tiles, which choose how windows are made of them and change no value; without them windows are taken for full */
  readonly windowed: (counts: TileCounts | null) => WindowedSet
  /** Whether the windows need the events themselves, beside their tiles. */
  readonly needsEvents: boolean
  /** What tables of tiles have of the events. */
  readonly partials: readonly Partial[]
  /** Features that need the events themselves, not their tiles alone. */
  readonly ofEvents: readonly FeatureDefinition[]
}

/** A set's windows, and its values over them. */
export interface WindowedSet {
  /** Statements that make `windowed` and the tables joined to it. @param part of the grid, else the whole: the tiles are gone then, unless they are needed again */
  readonly windows: (part?: Grid) => readonly string[]
  /** Drops what `windows` made of a part. */
  readonly dropPart: readonly string[]
  /** Whether `windowed` is a view, so that each reading makes it. */
  readonly isView: boolean
  /** In how many parts of the grid the windows are made for about so many bytes each. */
  readonly partsFor: (bytes: number) => number
  readonly columns: readonly ValueColumn[]
  /** `windowed`, with what is computed before the held values. */
  readonly relation: string
  /** Joins to it that the held values need. */
  readonly joins: readonly string[]
}

export interface FeatureSetRequest {
  readonly scope: Scope
  readonly features: readonly FeatureDefinition[]
  readonly grid: Grid
  readonly points: 'events' | 'any'
  /** Whether each column's count is needed. */
  readonly isCounted: boolean
  /** Whether the tiles are those that are counted, and nothing but the slice's rows is made of its windows. */
  readonly isAlone: boolean
  /** Iceberg's type of a feature's value. */
  readonly typeOf: (feature: FeatureDefinition) => unknown
  /** Whether tiles come from a table of theirs (`pieces`), too, or go there; then they have the number of their events. */
  readonly tiles: 'made' | 'kept' | 'taken'
}

interface FeaturePlan {
  readonly feature: FeatureDefinition
  readonly plan: Plan | null
  /** Whether its values come from window frames. */
  readonly isFramed: boolean
  readonly count: Partial | null
  /** What windows have for it, the count among it. */
  readonly partials: readonly Partial[]
}

/** Of a tile's key and its place in a hash table, of a partial, and of a list that an aggregate begins. */
const [bytesOfTile, bytesOfPartial, bytesOfList] = [48, 16, 96]

export function featureSet(request: FeatureSetRequest, context: PlanContext): FeatureSet {
  const { scope, features, grid, points, isCounted, isAlone, typeOf, tiles } = request
  const { inputs, facts } = context
  const { hasLateEvents } = context.order
  const plans = features.map((feature): FeaturePlan => {
    const plan = isDecayed(feature)
      ? decayedPlan(feature, grid, context)
      : mergeablePlan(feature, context, typeOf(feature))
    const isFramed = plan === null && feature.aggregate !== 'count_distinct'
    // A declared value takes the place of a window's that holds nothing to aggregate; a frame is as long as its count.
    const needsCount = isCounted || isFramed || feature.empty !== undefined
    const count = needsCount ? countFor(feature, inputs) : null
    return { feature, plan, isFramed, count, partials: [...(plan?.partials ?? []), ...(count === null ? [] : [count])] }
  })
  const decayed = features.filter((feature) => hasManyPeriods(feature, grid, context))
  const distinct = features.filter(({ aggregate }) => aggregate === 'count_distinct')
  const lists = unique(distinct.map((feature) => valueList(inputs.of(feature))))
  const listable = distinct.filter((feature) => isListable(inputs.of(feature), facts))
  const framed = plans.flatMap(({ feature, isFramed }) => (isFramed ? [feature] : []))
  const framedCounts = unique(framed.map((feature) => countOf(inputs.of(feature))))
  const ofWindow = (text: string): Partial[] =>
    plans.flatMap(({ feature, partials }) => (feature.windows.includes(text) ? partials : []))
  const isOfTiles = (feature: FeatureDefinition, plan: Plan | null): boolean =>
    plan === null
      ? listable.includes(feature)
      : !decayed.includes(feature) && plan.partials.every(({ kept }) => kept !== null)
  const needsEvents = framed.length > 0 || decayed.length > 0
  const partials = unique([...grid.windows.keys()].flatMap(ofWindow))
  const ofTiles = tiles === 'made' ? (partials.length === 0 ? [countAll] : partials) : [...partials, eventCount]
  const countPartials = partials.filter(({ isCount }) => isCount === true)
  const windowed = (counts: TileCounts | null): WindowedSet => {
    // Where no values are missing, one count is as good as another.
    const [first, ...others] = countPartials
    const alike = new Set(others.flatMap(({ name }, index) => (counts?.areAlike[index] === true ? [name] : [])))
    const chosen = (partial: Partial): Partial => (first !== undefined && alike.has(partial.name) ? first : partial)
    const common = { scope, grid, hasLateEvents, points, partials: unique(ofTiles.map(chosen)) }
    const ofPartials = [...grid.windows.values()].map((window): WindowPartials => ({
      window,
      partials: unique(ofWindow(window.text).map(chosen)),
    }))
    const groups = frameGroups(framed, counts, context, scope)
    const merging = mergingFor({ ...common, windows: ofPartials }, counts)
    const gathered = new Set(isAlone && merging.way === 'changes' && merging.isOfLists ? listable : [])
    const apart = distinct.filter((feature) => !gathered.has(feature))
    const request = {
      ...common,
      windows: ofPartials.map(({ window, partials: merged }): WindowPartials => ({
        window,
        partials: [
          ...merged,
          ...unique(
            [...gathered]
              .filter(({ windows }) => windows.includes(window.text))
              .map((feature) => valueList(inputs.of(feature))),
          ),
        ],
      })),
    }
    const isView = isAlone && merging.way === 'changes' && apart.length === 0 && !needsEvents
    return {
      isView,
      windows: (part) => [
        ...windowedTable({ ...request, grid: part ?? grid }, merging, isView ? 'VIEW' : 'TABLE'),
        ...apart.map((feature) => distinctTable({ scope, hasLateEvents }, feature, inputs.of(feature), part ?? grid)),
        // What is merged is in the way of what comes: only tiles that are kept, or of which more is made, are needed again.
        ...(tiles === 'made' && part === undefined && !isView ? [`DROP TABLE ${scope.table('tiles')}`] : []),
        ...groups.flatMap((group) => {
          const countOver = (text: string): string => quoteIdentifier(mergedColumn(chosen(countOf(group.input)), text))
          return framedTable(
            { group, grid: part ?? grid, scope, countOver, values: counts?.framed ?? mostValues },
            context,
          )
        }),
        ...decayed.map((feature) =>
          decayedTable(
            scope,
            feature,
            { grid: part ?? grid, named: (step, text) => stepColumn(feature.name, step, text) },
            context,
          ),
        ),
      ],
      dropPart: isView
        ? []
        : [scope.table('windowed'), ...apart.map(distinctTableName)].map((table) => `DROP TABLE ${table}`),
      // A view's rows are never held: it takes memory only while they are aggregated.
      partsFor: (bytes) => (counts === null ? 1 : windowedParts(request, counts, isView ? 4 * bytes : bytes)),
      columns: plans.flatMap((plan) =>
        plan.feature.windows.map((text) =>
          valueColumn(plan, text, {
            chosen,
            atTime: plan.plan?.atTime ?? null,
            gathered: gathered.has(plan.feature) ? valueList(inputs.of(plan.feature)) : null,
          }),
        ),
      ),
      relation: withSteps(scope.table('windowed'), plans, chosen),
      joins: [
        ...apart.map((feature) => `LEFT JOIN ${distinctTableName(feature)} USING (entity, point)`),
        ...groups.map(({ table }) => `LEFT JOIN ${table} USING (entity, point)`),
        ...decayed.map((feature) => `LEFT JOIN ${decayedTableName(feature)} USING (entity, point)`),
      ],
    }
  }
  const entities = entitiesTable(scope, tiles === 'taken')
  // What rows alone are made of has them in its tiles.
  const hasEntities = !isAlone || needsEvents || tiles !== 'made'
  const tilesOfEvents = tilesTable({ scope, hasLateEvents }, [...ofTiles, ...lists], tiles === 'taken')
  return {
    tiles: scope.isNumbered ? [tilesOfEvents, ...(hasEntities ? [entities] : [])] : [entities, tilesOfEvents],
    tileBytes: bytesOfTile + bytesOfPartial * ofTiles.length + bytesOfList * lists.length,
    tileCounts: tileCountsQuery(
      { grid, hasLateEvents, points },
      {
        lists: lists.map(({ name }) => name),
        counts: countPartials.map(({ name }) => name),
        framed: framedCounts.map(({ name }) => name),
      },
    ),
    reads: 1 + framedCounts.length + decayed.length,
    windowed,
    needsEvents,
    partials: [...ofTiles, ...unique(listable.map((feature) => valueList(inputs.of(feature))))],
    ofEvents: plans.flatMap(({ feature, plan }) => (isOfTiles(feature, plan) ? [] : [feature])),
  }
}

const mergedOf =
  (chosen: (partial: Partial) => Partial, window: string) =>
  (partial: Partial): string =>
    quoteIdentifier(mergedColumn(chosen(partial), window))

const stepColumn = (name: string, step: string, window: string): string =>
  quoteIdentifier(`${step} of ${name} over ${window}`)

/** Every step of a computation is a SELECT of its own: what it names is computed once, also where it is used under a condition. */
function withSteps(table: string, plans: readonly FeaturePlan[], chosen: (partial: Partial) => Partial): string {
  const levels: Map<string, string>[] = []
  for (const { feature, plan } of plans)
    for (const text of plan?.steps === undefined ? [] : feature.windows) {
      const named = (step: string): string => stepColumn(plan?.steps?.name ?? '', step, text)
      for (const [index, columns] of plan?.steps?.of(mergedOf(chosen, text), named).entries() ?? []) {
        const level = (levels[index] ??= new Map())
        for (const [step, sql] of Object.entries(columns)) level.set(named(step), sql)
      }
    }
  const relation = levels.reduce(
    (from, level) =>
      `(\nSELECT *,\n${[...level].map(([name, sql]) => `  ${sql} AS ${name}`).join(',\n')}\nFROM ${from})`,
    table,
  )
  return levels.length === 0 ? table : `${relation} AS ${table}`
}

/** What a window counts as holding something by: for a ratio, a value of either sum. */
const countFor = (feature: FeatureDefinition, inputs: Inputs): Partial =>
  feature.divisor === undefined
    ? countOf(inputs.of(feature))
    : countOfEither(inputs.of(feature), inputs.divisorOf(feature))

const unique = (partials: readonly Partial[]): Partial[] => [
  ...new Map(partials.map((partial) => [partial.name, partial])).values(),
]

/**
 * @param how.chosen the partial whose merged column has another one's values, @param how.gathered the list that the windows' distinct values are
 *   counted from, where they are not in a table of their own
 */
function valueColumn(
  { feature, plan, count }: FeaturePlan,
  text: string,
  {
    chosen,
    atTime,
    gathered,
  }: {
    readonly chosen: (partial: Partial) => Partial
    readonly atTime: ValueColumn['atTime']
    readonly gathered: Partial | null
  },
): ValueColumn {
  const name = featureColumn(feature, text)
  const columnOf = (partial: Partial): string => quoteIdentifier(mergedColumn(partial, text))
  const merged = mergedOf(chosen, text)
  const counted = count === null ? null : merged(count)
  const column = { feature, name, count: counted }
  const value =
    plan === null
      ? listedValue(feature, gathered === null ? quoteIdentifier(name) : columnOf(gathered))
      : plan.value(merged, (step) => stepColumn(plan.steps?.name ?? '', step, text))
  if (atTime !== null)
    return { ...column, held: value, atTime: (held, micros) => emptyAs(feature, atTime(held, micros)) }
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
