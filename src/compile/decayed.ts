/**
 * Exponentially decayed sums and averages over sliding windows.
 *
 * Time is cut into periods of some half-lives, at the same places whatever the slice. A value counts in its period as of the period's end, which
 * is a double, and the doubles of a period that a window holds are added exactly (exact-sums.ts). A window's value is made of its few periods'
 * sums, as of the window's last event: from there on all of it decays alike, so that it holds from change to change as other values do, and a
 * row's time only scales it.
 *
 * A window that is no longer than two periods, say, reaches into three of them: of the sums over every third period each is the sum of one. They
 * are partials as others are. Where windows may reach into more periods, they are sums of what entered and left, period by period.
 */
import { parseDuration } from '../contract/index.ts'
import type { FeatureDefinition } from '../definition/index.ts'
import { doubleOf } from './doubles.ts'
import { nearestDouble, partsFor, roundedSum, shares, type FloatRange, type Part } from './exact-sums.ts'
import { kindOf, rangeOf, valueColumn } from './inputs.ts'
import { ifFinite, latestOf, nonFiniteOf, summed, type Partial, type Plan, type PlanContext } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import type { Grid, Window } from './time-grid.ts'
import { entry, eventsWith, mergedColumn, minus, type Scope } from './window-request.ts'

export const isDecayed = ({ aggregate }: FeatureDefinition): boolean =>
  aggregate === 'decayed_sum' || aggregate === 'decayed_avg'

/** Few enough for values of ordinary size, weighted, to be added as 128-bit integers. */
const halfLivesInPeriod = 16n
const weightRange: FloatRange = { least: 2 ** -Number(halfLivesInPeriod), greatest: 1, hasNonFinite: false }

/** Periods whose sums windows are made of as of partials. */
const mostPeriods = 4n

/** In the unit of events' instants. */
interface Decay {
  readonly halfLife: bigint
  readonly period: bigint
}

function decayOf({ halfLife: text = '1d' }: FeatureDefinition, { order }: PlanContext): Decay {
  const halfLife = parseDuration(text, 'halfLife') * order.perMicro
  const longest = 2n ** 60n
  const period = halfLivesInPeriod * halfLife
  return { halfLife, period: period < longest ? period : longest }
}

/** @param elapsed SQL of a time in the unit of events' instants, of any sign, @param lives half-lives that the weight is halved in */
const weightAfter = (elapsed: string, { halfLife }: Decay, lives = 1n): string =>
  `pow(2::DOUBLE, -CAST(${elapsed} AS DOUBLE) / ${lives * halfLife})`

/** In two steps: what is left of a great value may be a double where its weight is none. @param root SQL of the weight's square root */
const times = (value: string, root: string): string => `${value} * ${root} * ${root}`

/** SQL of an instant's period. */
const periodOf = (instant: string, { period }: Decay): string =>
  `${instant} // ${period} - CAST(${instant} % ${period} < 0 AS BIGINT)`

/** Sums of one double of each event. */
interface Added {
  readonly what: 'product' | 'weight'
  /** SQL of what is added up of an event. */
  readonly shares: readonly string[]
  /** SQL of the double nearest to the whole, given the sums. */
  readonly rounded: (sums: readonly string[]) => string
}

const addedAs = (what: Added['what'], double: string, parts: readonly Part[]): Added => ({
  what,
  shares: shares(double, parts),
  rounded: (sums) => `coalesce(${roundedSum(sums, parts)}, 0)`,
})

/** What a feature is made of: numbers times their weights, and for an average the weights. */
function addedOf(feature: FeatureDefinition, { inputs, facts }: PlanContext, decay: Decay): Added[] {
  const input = inputs.of(feature)
  const range = rangeOf(input, facts)
  const weight = weightAfter(
    `CASE WHEN instant % ${decay.period} < 0 THEN 0 ELSE ${decay.period} END - instant % ${decay.period}`,
    decay,
  )
  const number = doubleOf(valueColumn(input), kindOf(input, facts))
  const least = range.least === null ? null : Math.max(range.least * (weightRange.least ?? 1), Number.MIN_VALUE)
  const product = addedAs('product', `${number} * ${weight}`, partsFor({ ...range, least }))
  return [
    { ...product, shares: product.shares.map((share) => ifFinite(number, range, share)) },
    ...(feature.aggregate === 'decayed_avg' ? [addedAs('weight', weight, partsFor(weightRange))] : []),
  ]
}

/** In how many periods a feature's windows may lie, where these are few; null where they may be many. */
function fewPeriods(feature: FeatureDefinition, grid: Grid, context: PlanContext): bigint | null {
  const { period } = decayOf(feature, context)
  const counts = feature.windows.map((text) => {
    const { width } = grid.windows.get(text) as Window
    return width === null ? null : (grid.longest(width) * context.order.perMicro + period - 1n) / period + 1n
  })
  return counts.reduce((most, count) => {
    if (most === null || count === null || count > mostPeriods) return null
    return count > most ? count : most
  }, 0n)
}

/** Whether a feature's values come from a table of its own, see `decayedTable`. */
export const hasManyPeriods = (feature: FeatureDefinition, grid: Grid, context: PlanContext): boolean =>
  isDecayed(feature) && fewPeriods(feature, grid, context) === null

/** Doubles of few periods: the same sum in whatever order they come. */
const sumOf = (list: string): string => `list_sum(list_sort(${list}))`

/** The plan of a decayed feature: `{last, value}`, the time of the last event and what `decayedAt` scales, its value as of then. */
export function decayedPlan(feature: FeatureDefinition, grid: Grid, context: PlanContext): Plan {
  const { inputs, facts } = context
  const input = inputs.of(feature)
  const last = latestOf(input)
  const others = nonFiniteOf(input, facts)
  const periods = fewPeriods(feature, grid, context)
  const classes = periods === null ? null : byClasses(feature, Number(periods), context)
  return {
    partials: [last, ...(others === null ? [] : [others.partial]), ...(classes?.partials ?? [])],
    steps: { name: feature.name, of: (merged, named) => classes?.steps(merged, named) ?? [] },
    value: (merged, named) => {
      const products = others === null ? named('products') : `coalesce(${others.value(merged)}, ${named('products')})`
      const value = feature.aggregate === 'decayed_avg' ? `${products} / ${named('weights')}` : products
      return `{last: ${merged(last)}, value: ${value}}`
    },
    atTime: decayedAt(feature, context),
  }
}

/** Periods are told apart by their number modulo `count`, which no two of a window have in common. */
function byClasses(
  feature: FeatureDefinition,
  count: number,
  context: PlanContext,
): { readonly partials: readonly Partial[]; readonly steps: NonNullable<Plan['steps']>['of'] } {
  const decay = decayOf(feature, context)
  const last = latestOf(context.inputs.of(feature))
  const classOf = (period: string): string => `((${period}) % ${count} + ${count}) % ${count}`
  const isOf = (index: number): string =>
    `${classOf(periodOf('instant', decay))} = ${index} AND ${valueColumn(context.inputs.of(feature))} IS NOT NULL`
  const all = Array.from({ length: count }, (_, index) => index)
  const added = addedOf(feature, context, decay).map((one) => ({
    ...one,
    partials: all.map((index) =>
      one.shares.map((share, part) =>
        summed(
          `${one.what} ${index + 1} of ${count}${one.shares.length > 1 ? `, part ${part + 1},` : ''} of ${feature.name}`,
          `sum(${share}) FILTER (WHERE ${isOf(index)})`,
          null,
        ),
      ),
    ),
  }))
  return {
    partials: added.flatMap(({ partials }) => partials.flat()),
    steps: (merged, named) => {
      const since = `${merged(last)} - ${named('period')} * ${decay.period}`
      return [
        {
          period: periodOf(merged(last), decay),
          ...Object.fromEntries(
            added.flatMap(({ what, partials, rounded }) =>
              partials.map((sums, index) => [`${what} ${index}`, rounded(sums.map(merged))]),
            ),
          ),
        },
        {
          class: classOf(named('period')),
          // A period's sum is as of its end.
          ...Object.fromEntries(
            all.map((back) => [
              `root ${back} back`,
              weightAfter(`${since} + ${BigInt(back - 1) * decay.period}`, decay, 2n),
            ]),
          ),
        },
        Object.fromEntries(
          added.map(({ what }) => {
            const sums = all.map((back) => {
              const cases = all
                .slice(1)
                .map((index) => `WHEN ${index} THEN ${named(`${what} ${(index - back + count) % count}`)}`)
              const ofPeriod = `CASE ${named('class')} ${cases.join(' ')} ELSE ${named(`${what} ${(count - back) % count}`)} END`
              return times(ofPeriod, named(`root ${back} back`))
            })
            return [`${what}s`, sumOf(`[${sums.join(', ')}]`)]
          }),
        ),
      ]
    },
  }
}

export const decayedTableName = ({ name }: FeatureDefinition): string => quoteIdentifier(`decayed ${name}`)

/**
 * Statement that makes the table of a feature with many periods (entity, point, and for each window the columns that its plan names `products`
 * and `weights`) from `events`, `entities` and `windowed`.
 */
export function decayedTable(
  scope: Scope,
  feature: FeatureDefinition,
  { grid, named }: { readonly grid: Grid; readonly named: (step: string, window: string) => string },
  context: PlanContext,
): string {
  const { inputs, order } = context
  const { first, end } = grid
  const input = inputs.of(feature)
  const decay = decayOf(feature, context)
  const time = order.hasLateEvents ? 'tile, seen' : 'tile'
  const added = addedOf(feature, context, decay).map((one) => ({
    ...one,
    columns: one.shares.map((_, index) => `${one.what}_${index + 1}`),
  }))
  const columns = added.flatMap((one) => one.columns)
  const windows = feature.windows.map((text) => grid.windows.get(text) as Window)
  const windowed = scope.table('windowed')
  const moves = windows.flatMap(({ width, offset }, index) => {
    const enters = entry(offset + 1n, order.hasLateEvents)
    const leaves = width === null ? null : `tile + ${width + offset + 1n}`
    const isHeld = leaves === null ? '' : ` AND ${enters} < ${leaves} AND ${leaves} > ${first}`
    const moved = (point: string, sign: string): string =>
      `SELECT entity, ${index} AS window_index, period, ${point} AS point, false AS is_row, NULL AS last, ${columns.map((name) => `${sign}${name} AS ${name}`).join(', ')} FROM pieces`
    return [
      `${moved(`greatest(${enters}, ${first})`, '')} WHERE ${enters} < ${end}${isHeld}`,
      ...(leaves === null ? [] : [`${moved(leaves, '-')} WHERE ${leaves} < ${end}${isHeld}`]),
    ]
  })
  const rows = windows.map(({ text, width, offset }, index) => {
    const last = quoteIdentifier(mergedColumn(latestOf(input), text))
    const mayHold = [
      `${last} IS NOT NULL`,
      `first_tile < ${minus('point', offset)}`,
      ...(width === null ? [] : [`last_tile >= ${minus('point', width + offset)}`]),
    ]
    return `SELECT entity, ${index} AS window_index, period, point, true AS is_row, ${last} AS last FROM ${windowed} JOIN periods USING (entity) WHERE ${mayHold.join(' AND ')}`
  })
  const sums = windows.flatMap(({ text }, index) =>
    added.map(
      ({ what }) => `  ${sumOf(`list(${what}) FILTER (WHERE window_index = ${index})`)} AS ${named(`${what}s`, text)}`,
    ),
  )
  const root = weightAfter(nearestDouble(`(last - CAST(period + 1 AS HUGEINT) * ${decay.period})`), decay, 2n)
  return `CREATE TEMP TABLE ${decayedTableName(feature)} AS
WITH pieces AS MATERIALIZED (
  SELECT
${['    entity', `    ${time}`, `    ${periodOf('instant', decay)} AS period`, ...added.flatMap((one) => one.shares.map((share, index) => `    sum(${share}) AS ${one.columns[index]}`))].join(',\n')}
  ${eventsWith(valueColumn(input), scope)}
  GROUP BY entity, ${time}, period
),
periods AS (
  SELECT entity, period, min(tile) AS first_tile, max(tile) AS last_tile FROM pieces GROUP BY entity, period
),
changes AS (
  ${[...moves, ...rows].join('\n  UNION ALL BY NAME\n  ')}
),
running AS (
  SELECT entity, window_index, period, point, is_row, last, ${columns.map((name) => `sum(${name}) OVER so_far AS ${name}`).join(', ')}
  FROM changes
  WINDOW so_far AS (PARTITION BY entity, window_index, period ORDER BY point, is_row ROWS UNBOUNDED PRECEDING)
),
of_periods AS (
  SELECT entity, window_index, point, ${added.map((one) => `${times(one.rounded(one.columns), root)} AS ${one.what}`).join(', ')}
  FROM running
  WHERE is_row
)
SELECT
  entity,
  point,
${sums.join(',\n')}
FROM of_periods
GROUP BY entity, point`
}

/** SQL of a held value at the time of a row, given by SQL of its microseconds since 1970. */
function decayedAt(feature: FeatureDefinition, context: PlanContext): (held: string, micros: string) => string {
  const { inputs, facts, order } = context
  const { perMicro } = order
  const input = inputs.of(feature)
  const decay = decayOf(feature, context)
  return (held, micros) => {
    const now = perMicro === 1n ? micros : `(${micros}) * ${perMicro}`
    const elapsed = `(${now} - ${held}.last)`
    if (feature.aggregate === 'decayed_avg')
      return `CASE WHEN ${weightAfter(elapsed, decay)} > 0 THEN ${held}.value END`
    const value = times(`${held}.value`, weightAfter(elapsed, decay, 2n))
    return rangeOf(input, facts).hasNonFinite
      ? `CASE WHEN isinf(${held}.value) THEN ${held}.value ELSE ${value} END`
      : value
  }
}
