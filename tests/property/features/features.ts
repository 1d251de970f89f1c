/** Random features of views: what each aggregate may take, over windows of any place. */
import fc from 'fast-check'
import type { FeatureDefinition } from '../../../src/definition/index.ts'
import { computations, computedConditions, conditions, joinedComputations, joinedConditions } from './expressions.ts'
import { argumentColumns } from './table.ts'

export interface Grid {
  readonly every: string
  readonly timeZone?: string
  readonly rows?: 'on_change'
}

/** Steps before a row that windows may reach back. */
export const reach = 45

const numeric = ['i', 'x', 'd', 'big', 'n', 'y', 'f', 'wide']
const ofOrdinarySize = ['i', 'y', 'd', 'n', 'f']
const whatever = Object.keys(argumentColumns)
const numericSql = ['i * 2', '(i + 1) % 3', 'y / 2', 'CASE WHEN b THEN y ELSE -y END']

interface Choices {
  readonly columns: readonly string[]
  readonly sql: readonly string[]
}
const numbers: Choices = { columns: numeric, sql: numericSql }
const spreads: Choices = { columns: [...ofOrdinarySize, 'x', 'wide'], sql: numericSql }
const decays: Choices = { columns: [...ofOrdinarySize, 'x', 'wide', 'big'], sql: numericSql }
const anything: Choices = { columns: whatever, sql: computations.map(({ sql }) => sql) }
const truths: Choices = { columns: ['b'], sql: ['i > 0'] }

/** What each aggregate takes; null: no argument. */
const aggregateArguments: Readonly<Partial<Record<FeatureDefinition['aggregate'], Choices | null>>> = {
  count: null,
  sum: numbers,
  avg: numbers,
  min: anything,
  max: anything,
  variance: spreads,
  stddev: spreads,
  first: anything,
  last: anything,
  count_distinct: anything,
  quantile: numbers,
  approx_quantile: numbers,
  approx_count_distinct: anything,
  first_k: anything,
  last_k: anything,
  mode: anything,
  top_k: anything,
  collect_distinct: anything,
  histogram: numbers,
  bool_and: truths,
  bool_or: truths,
  rate: truths,
  ratio: numbers,
  decayed_sum: decays,
  decayed_avg: decays,
  time_since_last: null,
}
const judgedAggregates = Object.keys(aggregateArguments) as FeatureDefinition['aggregate'][]

const windowArb = fc.record({
  width: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 8 }) },
    { weight: 2, arbitrary: fc.integer({ min: 9, max: reach }) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  offset: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 9 })),
})

export const featureArb = fc.record({
  aggregate: fc.constantFrom(...judgedAggregates),
  argument: fc.nat(99),
  divisor: fc.nat(99),
  isSql: fc.nat(4).map((n) => n === 4),
  where: fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, fc.nat(conditions.length - 1)),
  divisorWhere: fc.oneof(fc.constant(null), fc.nat(conditions.length - 1)),
  windows: fc.array(windowArb, { minLength: 1, maxLength: 3 }),
  quantile: fc.constantFrom(0.5, 0.9, 0.25, 0.001, 0.999, 0.9452706955539223, 1e-7),
  error: fc.constantFrom(undefined, 0.05),
  k: fc.constantFrom(2, 1, 5),
  halfLife: fc.constantFrom('1d', '90m', '30d'),
  edges: fc.constantFrom([0], [-3, 0, 15], [0.1, 1e5]),
  by: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, fc.constantFrom('s', 'n', 'b', 'i % 3', 'dim_label')),
  /** Where there is a join: whether it is about what is joined. */
  isJoined: fc.boolean(),
  isDeclared: fc.nat(3).map((n) => n === 3),
})
type FeatureDraw = typeof featureArb extends fc.Arbitrary<infer T> ? T : never

/** What a view's source has beside its table's columns. */
export interface Added {
  readonly isComputed: boolean
  /** Iceberg's types of the joined columns; null where there are no joins. */
  readonly joined: Readonly<Record<string, string>> | null
}

export const conditionSql = (
  index: number,
  { isComputed, hasJoin }: { isComputed: boolean; hasJoin: boolean },
): string => {
  const known = [...(hasJoin ? joinedConditions : []), ...(isComputed ? computedConditions : []), ...conditions]
  return known[index % known.length]?.sql as string
}

export function featureOf(draw: FeatureDraw, name: string, grid: Grid, added: Added): FeatureDefinition {
  const about = { isComputed: added.isComputed, hasJoin: draw.isJoined && added.joined !== null }
  const { aggregate, quantile, error, k, halfLife, edges } = draw
  const choices = aggregateArguments[aggregate] as Choices | null
  const isRatio = aggregate === 'ratio'
  const takesK = ['first_k', 'last_k', 'top_k', 'collect_distinct'].includes(aggregate)
  const isApproximate = aggregate === 'approx_quantile'
  const changesWithTime = aggregate.startsWith('decayed') || aggregate === 'time_since_last'
  const declared = draw.isDeclared ? declaredValue(draw) : undefined
  return {
    name,
    aggregate,
    argument: argumentOf(choices, draw.argument, draw, added),
    where: draw.where === null ? null : conditionSql(draw.where, about),
    windows: [...new Set(draw.windows.map((window) => windowText(window, grid)))],
    ...(aggregate === 'quantile' || isApproximate ? { quantile } : {}),
    ...(isApproximate && error !== undefined ? { error } : {}),
    ...(takesK ? { k } : {}),
    ...(aggregate.startsWith('decayed') ? { halfLife } : {}),
    ...(aggregate === 'histogram' ? { edges } : {}),
    ...(declared === undefined || draw.by !== null ? {} : { empty: declared }),
    ...(draw.by === null || changesWithTime ? {} : { by: bucketOf(draw.by, added) }),
    ...(isRatio
      ? {
          divisor: {
            argument: argumentOf(choices, draw.divisor, { isSql: false, isJoined: draw.isJoined }, added),
            where: draw.divisorWhere === null ? null : conditionSql(draw.divisorWhere, about),
          },
        }
      : {}),
  }
}

function bucketOf(by: string, { joined }: Added): NonNullable<FeatureDefinition['argument']> {
  const known = by === 'dim_label' && joined === null ? 's' : by
  return known in argumentColumns || known === 'dim_label' ? { kind: 'column', name: known } : { kind: 'sql', sql: by }
}

function argumentOf(
  choices: Choices | null,
  index: number,
  { isSql, isJoined }: { readonly isSql: boolean; readonly isJoined: boolean },
  { isComputed, joined }: Added,
): FeatureDefinition['argument'] {
  if (choices === null) return null
  const ofJoins = isJoined && choices !== truths && joined !== null ? joined : {}
  if (isSql) {
    const known = Object.keys(ofJoins).length === 0 ? choices.sql : joinedComputations.map(({ sql }) => sql)
    return { kind: 'sql', sql: known[index % known.length] as string }
  }
  const computed = !isComputed ? [] : choices === anything ? ['twice', 'shout'] : choices === truths ? [] : ['twice']
  const fitting = Object.entries(ofJoins).filter(([, type]) => choices === anything || isAmong(choices, type))
  const columns = fitting.length > 0 ? fitting.map(([name]) => name) : [...choices.columns, ...computed]
  return { kind: 'column', name: columns[index % columns.length] as string }
}

/** Joined numbers may be of any size where they are floating. */
const isAmong = (choices: Choices, type: string): boolean =>
  type === 'long' || (choices === numbers && type === 'double')

/** What a window without anything to aggregate is declared to be, where the type of the value is plain. */
function declaredValue({ aggregate, k }: FeatureDraw): number | boolean | null | undefined {
  if (
    [
      'count',
      'count_distinct',
      'sum',
      'avg',
      'variance',
      'quantile',
      'rate',
      'ratio',
      'decayed_sum',
      'time_since_last',
      'approx_quantile',
    ].includes(aggregate)
  )
    return k === 2 ? -1 : k === 1 ? 0 : null
  if (aggregate === 'bool_and' || aggregate === 'bool_or') return k === 2
  return undefined
}

function windowText(
  { width, offset }: { readonly width: number | null; readonly offset: number },
  { every }: Grid,
): string {
  const steps = (n: number): string => {
    const [, step = '', unit = ''] = /^(\d+)(\w+)$/.exec(every) ?? []
    const count = Number(step) * n
    return unit === 'h' && count % 24 === 0 ? `${count / 24}d` : `${count}${unit}`
  }
  const length = width === null ? 'lifetime' : steps(width)
  return offset === 0 ? length : `${length} offset ${steps(offset)}`
}
