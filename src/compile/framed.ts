/**
 * Aggregates that need all values of a window: quantiles, most frequent values, first and last k.
 *
 * An entity's events are numbered in their order, and a window is a stretch of these places. Where entities have few events or points, they are
 * a slice of a list of the entity's values. Elsewhere it would take its events times its points to copy the list. There, most frequent values are
 * ranked, see ranked.ts, and the others are the engine's window frames, for which it keeps a tree of each entity's values, so that a window costs
 * the logarithm of what it holds. Where events become known late, a window is no stretch: more is ranked, quantiles are found bit by bit, see
 * nth-values.ts, and approximate distinct counts from their sketches' registers, see sketched.ts.
 */
import { featureColumn, type FeatureDefinition } from '../definition/index.ts'
import { doubleOf } from './doubles.ts'
import { kindOf, valueColumn, type Input } from './inputs.ts'
import { nthValuesTable } from './nth-values.ts'
import { withoutMinusZero, type EventField, type PlanContext } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import { rankedTable, rankingOf, type Ranking } from './ranked.ts'
import { sketchedTable } from './sketched.ts'
import type { Grid, Window } from './time-grid.ts'
import { inOrder, ofNumbers, valueOf, type Call, type Edge, type OfEvent } from './window-calls.ts'
import { eventsWith, frameBound, minus, namesOf, placesBefore, type Names, type Scope } from './window-request.ts'
import type { TileCounts } from './windowed.ts'

/** Features whose values are taken from the same events, in the same way. */
export interface FrameGroup {
  readonly table: string
  readonly input: Input
  readonly features: readonly FeatureDefinition[]
  readonly way: 'lists' | 'frames' | 'nth values' | 'sketches' | Ranking
}

/** Up to how many times each value is copied, at which lists take as long as frames. */
const mostCopies = 32

/** @param features those that are neither merged from tiles nor distinct counts, @param counts of the tiles; without them, lists are taken for long */
export function frameGroups(
  features: readonly FeatureDefinition[],
  counts: TileCounts | null,
  context: PlanContext,
  scope: Scope,
): FrameGroup[] {
  const isShort = counts !== null && counts.copied <= mostCopies * counts.framed
  const wayOf = (feature: FeatureDefinition): FrameGroup['way'] => {
    if (isShort) return 'lists'
    const ranking = rankingOf(feature, context)
    if (ranking !== null) return ranking
    if (!context.order.hasLateEvents) return 'frames'
    return ofNumbers.has(feature.aggregate) ? 'nth values' : 'sketches'
  }
  return [...Map.groupBy(features, (feature) => context.inputs.of(feature))]
    .flatMap(([input, all]) =>
      [...Map.groupBy(all, wayOf)].flatMap(([way, members]) =>
        (way === 'nth values' ? byWindow(members) : [members]).map((some) => ({ input, way, features: some })),
      ),
    )
    .map((group, index) => ({ ...group, table: `${scope.table('frames')}_${index + 1}` }))
}

/** Each feature with one of its windows, by these. */
const byWindow = (features: readonly FeatureDefinition[]): FeatureDefinition[][] => [
  ...Map.groupBy(
    features.flatMap((feature) => feature.windows.map((text) => ({ ...feature, windows: [text] }))),
    ({ windows }) => windows[0],
  ).values(),
]

/** What a window is of its entity's events: places, from after `from` to `until`. */
interface Bounds {
  readonly from: string
  readonly until: string
}

export interface FrameRequest {
  readonly group: FrameGroup
  readonly grid: Grid
  readonly scope: Scope
  /** Column of `windowed`: how many values of the group's input a window holds. */
  readonly countOver: (window: string) => string
  /** No fewer than the group has values. */
  readonly values: number
}

/** Statements that make a group's table (entity, point, one column a feature and window) from `events`, `entities` and `windowed`. */
export function framedTable(request: FrameRequest, context: PlanContext): string[] {
  const { group, ...common } = request
  const { way, ...ofGroup } = group
  if (way === 'nth values') return nthValuesTable({ ...ofGroup, ...common }, context)
  if (way === 'sketches') return [sketchedTable({ ...ofGroup, ...common }, context)]
  if (way === 'lists' || way === 'frames') return [tableOf(request, way === 'lists' ? byLists : byFrames, context)]
  return [rankedTable({ ...ofGroup, ...common, ranking: way }, context)]
}

function tableOf(
  { group, grid, scope, countOver }: FrameRequest,
  way: (fields: readonly EventField[], context: PlanContext) => Way,
  context: PlanContext,
): string {
  const { table, input, features } = group
  const fields = fieldsOf(group, context)
  const ends = namesOf('end')
  const counts = namesOf('count')
  const boundsOf = ({ text, width, offset }: Window): Bounds => {
    const until = ends.of(minus('point', offset))
    if (width === null) return { from: '0', until }
    // What came late is not in a window's count, but among its events.
    if (context.order.hasLateEvents) return { from: ends.of(minus('point', width + offset)), until }
    return { from: `${until} - ${counts.of(countOver(text))}`, until }
  }
  const { value, held } = way(fields, context)
  const values = features.flatMap((feature) =>
    feature.windows.map((text) => {
      const sql = value(feature, boundsOf(grid.windows.get(text) as Window))
      return `  ${sql} AS ${quoteIdentifier(featureColumn(feature, text))}`
    }),
  )
  const order = features.some(({ aggregate }) => inOrder.has(aggregate))
    ? [...context.order.fields.map(({ sql }) => sql), valueColumn(input)].join(', ')
    : 'tile'
  const placed = [
    'entity',
    'tile',
    `row_number() OVER (PARTITION BY entity ORDER BY ${order}) AS place`,
    ...fields.map(({ name, sql }) => (name === sql ? name : `${sql} AS ${name}`)),
  ]
  const windowed = scope.table('windowed')
  const places = placesBefore(ends, windowed)
  const points = [
    `${windowed}.entity`,
    'point',
    ...places.columns,
    ...counts.all().map(([count, name]) => `CAST(coalesce(${count}, 0) AS BIGINT) AS ${name}`),
  ]
  return `CREATE TEMP TABLE ${table} AS
WITH placed AS MATERIALIZED (
  SELECT ${placed.join(', ')}
  ${eventsWith(valueColumn(input), scope)}
),
ends AS (SELECT entity, tile, max(place) AS place FROM placed GROUP BY entity, tile),
points AS (
  SELECT ${points.join(', ')}
  FROM ${windowed}
${places.joins}
),
${held()}
SELECT
${['  entity', '  point', ...values].join(',\n')}
FROM held`
}

/** Columns of the events that a group's values are taken from. */
function fieldsOf({ input, features }: FrameGroup, { order, facts }: PlanContext): EventField[] {
  const column = valueColumn(input)
  const some = (kind: ReadonlySet<string>): boolean => features.some(({ aggregate }) => kind.has(aggregate))
  const number = { name: 'number', sql: `${doubleOf(column, kindOf(input, facts))} + 0` }
  const value = { name: 'value', sql: withoutMinusZero(column, input, facts) }
  return [
    ...(features.every(({ aggregate }) => ofNumbers.has(aggregate)) ? [] : [value]),
    ...(some(ofNumbers) ? [number] : []),
    ...(order.hasLateEvents ? [{ name: 'seen', sql: 'seen' }] : []),
  ]
}

/** How a feature's value over a window is taken, and the common table expressions that `held` ends, once it is known for all of them. */
interface Way {
  readonly value: (feature: FeatureDefinition, bounds: Bounds) => string
  readonly held: () => string
}

function byLists(fields: readonly EventField[], context: PlanContext): Way {
  const held = namesOf('held')
  // A struct costs more than its one field.
  const [only, ...others] = fields.map(({ name }) => name)
  const event = others.length === 0 ? only : `{${fields.map(({ name }) => `${name}: ${name}`).join(', ')}}`
  const field = (name: string): string => (others.length === 0 ? 'e' : `e.${name}`)
  const hasLateEvents = context.order.hasLateEvents
  return {
    value: (feature, { from, until }) => {
      const slice = `list_slice(entity_events, ${from} + 1, ${until})`
      const known = hasLateEvents ? `list_filter(${slice}, lambda e: e.seen < point)` : slice
      const take = (of: OfEvent, { ofList }: Call): string => {
        const sql = of(field)
        const list = held.of(sql === 'e' ? known : `list_transform(${known}, lambda e: ${sql})`)
        return `CASE WHEN len(${list}) > 0 THEN ${ofList(list)} END`
      }
      return valueOf(feature, take, context)
    },
    held: () => `entity_lists AS (
  -- An ORDER BY of the list takes twice the memory, and four times the time.
  SELECT entity, list_select(list(${event}), list_grade_up(list(place))) AS entity_events
  FROM placed
  GROUP BY entity
),
held AS (
  SELECT
${columns(['entity', 'point', ...named(held)])}
  FROM points
  JOIN entity_lists USING (entity)
)`,
  }
}

/**
 * Frames of ROWS are found by counting, where the engine searches for those of a RANGE. Points are rows that no frame holds, each as many places
 * before the first event as there are points from it on: a FILTER to leave them out would have each frame look at each of its rows.
 */
function byFrames(fields: readonly EventField[], context: PlanContext): Way {
  const held = namesOf('held')
  const frames = namesOf('frame')
  const frameOf = ({ from, until }: Bounds, edge?: Edge): string => {
    const first = edge?.of === 'last' ? `greatest(${from}, ${until} - ${edge.k})` : from
    const last = edge?.of === 'first' ? `least(${until}, ${from} + ${edge.k})` : until
    return frames.of(
      `(PARTITION BY entity ORDER BY place ROWS BETWEEN ${frameBound(`${first} - place`, 1)} AND ${frameBound(`${last} - 1 - place`, 0)})`,
    )
  }
  // Not null: where a value is, the engine's quantiles look at each of a frame's values to count them.
  const number = fields.some(({ name }) => name === 'number') ? ', 0::DOUBLE AS number' : ''
  return {
    value: (feature, bounds) =>
      valueOf(
        feature,
        (of, { ofFrame, edge }) => held.of(`${ofFrame(of((name) => name))} OVER ${frameOf(bounds, edge)}`),
        context,
      ),
    held: () => `framed AS (
  SELECT
${columns(['entity', 'point', 'is_point', ...named(held)])}
  FROM (
    SELECT * EXCLUDE (tile), false AS is_point FROM placed
    UNION ALL BY NAME
    SELECT *, true AS is_point, -row_number() OVER (PARTITION BY entity ORDER BY point DESC) AS place${number} FROM points
  )
  WINDOW
${columns(frames.all().map(([frame, name]) => `${name} AS ${frame}`))}
),
held AS (FROM framed WHERE is_point)`,
  }
}

const named = (names: Names): string[] => names.all().map(([sql, name]) => `${sql} AS ${name}`)

const columns = (all: readonly string[]): string => all.map((column) => `    ${column}`).join(',\n')
