/** Random views, and random events around their windows' edges. */
import fc from 'fast-check'
import { requiredColumns } from '../../../src/compile/index.ts'
import type { FeatureDefinition, ViewDefinition } from '../../../src/definition/index.ts'
import { dimensionOf, dimensionTable, joinArb, joinedTypes, joinNames, joinOf, type JoinName } from './dimension.ts'
import {
  computations,
  computedColumns,
  computedConditions,
  conditions,
  joinedComputations,
  joinedConditions,
} from './expressions.ts'
import type { Range } from './engine.ts'
import { calendarOf, duration } from './oracle/calendar.ts'
import type { Row, Value } from './oracle/values.ts'
import { show, type Table } from './outcome.ts'
import { argumentColumns, keyColumns, sequenceColumns, tableTypes, timeColumnName, timeColumns } from './table.ts'

export interface Case {
  readonly view: ViewDefinition
  readonly table: Table
  readonly range: Range
  /** Places within the range where it may be cut, in turn from 0 to 1. */
  readonly cuts: readonly number[]
  /** For people: what the view reads. */
  readonly [fc.toStringMethod]: () => string
}

interface Grid {
  readonly every: string
  readonly timeZone?: string
  readonly rows?: 'on_change'
}

const zones = [
  'America/New_York',
  'Europe/Berlin',
  // Clocks went forward at midnight until 2018.
  'America/Sao_Paulo',
  // Midnight comes twice in November.
  'America/Havana',
  // Half an hour of daylight saving.
  'Australia/Lord_Howe',
  'Asia/Kolkata',
  'UTC',
] as const

/** Steps of one length. */
export const clockGrids: fc.Arbitrary<Grid> = fc.record({
  every: fc.constantFrom('1d', '1h', '15m', '1m', '6h', '2d', '1w'),
})

/** Days of time zones, months, and rows that follow the events. */
export const otherGrids: fc.Arbitrary<Grid> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ every: fc.constantFrom('1d', '1w', '2d'), timeZone: fc.constantFrom(...zones) }),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      { every: fc.constantFrom('1mo', '3mo'), timeZone: fc.constantFrom(...zones) },
      { requiredKeys: ['every'] },
    ),
  },
  { weight: 2, arbitrary: fc.record({ every: fc.constantFrom('1h', '1d'), rows: fc.constant('on_change' as const) }) },
)

/** Where something happens to calendars. */
const anchors = [
  '1970-01-01',
  '2026-03-08',
  '2026-11-01',
  '2024-02-29',
  '2018-11-04',
  '2018-02-18',
  '1969-12-31',
  '1967-06-15',
].map((date) => BigInt(Date.parse(date)) * 1000n)

/** Points on either side of the anchor. */
const reach = 45

interface EventDraw {
  readonly key: number
  readonly step: number
  readonly nudge: bigint | null
  readonly fraction: number
  readonly delay: number | null
  readonly picks: readonly number[]
  readonly any: number
}

const eventArb: fc.Arbitrary<EventDraw> = fc.record({
  key: fc.nat(5),
  step: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: -6, max: 12 }) },
    fc.integer({ min: -reach, max: reach - 1 }),
  ),
  // On a point, beside it, or (null) between two.
  nudge: fc.constantFrom(0n, -1000n, 1000n, null, -1n, 1n),
  fraction: fc.integer({ min: 0, max: 3 }).map((quarter) => quarter / 4 + 0.1),
  // Steps after the event, in quarters.
  delay: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 30 }) }, fc.constantFrom(-200, -1, null)),
  picks: fc.array(fc.nat(59), { minLength: 4, maxLength: 4 }),
  // Squares of anything smaller leave the doubles that spreads are exact for.
  any: fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => (Math.abs(value) < 1e-100 ? 0 : value)),
})

const numeric = ['i', 'x', 'd', 'big', 'n', 'y', 'f', 'wide']
const ofOrdinarySize = ['i', 'y', 'd', 'n', 'f']
const whatever = Object.keys(argumentColumns)
const numericSql = ['i * 2', '(i + 1) % 3', 'y / 2', 'CASE WHEN b THEN y ELSE -y END']

interface Choices {
  readonly columns: readonly string[]
  readonly sql: readonly string[]
}
const numbers: Choices = { columns: numeric, sql: numericSql }
const spreads: Choices = { columns: ofOrdinarySize, sql: numericSql }
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
  decayed_sum: spreads,
  decayed_avg: spreads,
  time_since_last: null,
}
export const judgedAggregates = Object.keys(aggregateArguments) as FeatureDefinition['aggregate'][]

const windowArb = fc.record({
  width: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 8 }) },
    { weight: 2, arbitrary: fc.integer({ min: 9, max: reach }) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  offset: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 9 })),
})

const featureArb = fc.record({
  aggregate: fc.constantFrom(...judgedAggregates),
  argument: fc.nat(99),
  divisor: fc.nat(99),
  isSql: fc.nat(4).map((n) => n === 4),
  where: fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, fc.nat(conditions.length - 1)),
  divisorWhere: fc.oneof(fc.constant(null), fc.nat(conditions.length - 1)),
  windows: fc.array(windowArb, { minLength: 1, maxLength: 3 }),
  quantile: fc.constantFrom(0.5, 0.9, 0.25, 0.001, 0.999),
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

const sourceArb = fc.record({
  time: fc.constantFrom(...Object.keys(timeColumns)),
  known: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.constantFrom(...Object.keys(timeColumns))),
  sequence: fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, fc.constantFrom(...Object.keys(sequenceColumns))),
  where: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, fc.nat(conditions.length - 1)),
  isComputed: fc.nat(3).map((n) => n === 3),
})

const joinsArb = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: fc.tuple(joinArb) },
  { weight: 1, arbitrary: fc.tuple(joinArb, joinArb) },
)

const drawArb = (grid: fc.Arbitrary<Grid>) =>
  fc.record({
    grid,
    anchor: fc.constantFrom(...anchors),
    keys: fc.uniqueArray(fc.nat(Object.keys(keyColumns).length - 1), { minLength: 1, maxLength: 2 }),
    source: sourceArb,
    joins: joinsArb,
    /** A joined column that is the last of the keys. */
    joinedKey: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, fc.nat(5)),
    features: fc.array(featureArb, { minLength: 1, maxLength: 4 }),
    // All of one entity: windows of many tiles.
    isCrowded: fc.nat(3).map((n) => n === 3),
    events: fc.array(eventArb, { maxLength: 40, size: 'max' }),
    start: fc.integer({ min: -8, max: 8 }),
    length: fc.integer({ min: 1, max: 30 }),
    ends: fc.tuple(fc.constantFrom(0n, -1n, 1n), fc.constantFrom(0n, -1n, 1n)),
    cuts: fc.array(
      fc.integer({ min: 0, max: 16 }).map((n) => n / 16),
      { minLength: 1, maxLength: 3 },
    ),
  })
type KeyType = ViewDefinition['entity']['keys'][number]['type']
type Draw = ReturnType<typeof drawArb> extends fc.Arbitrary<infer T> ? T : never

export const cases = (grid: fc.Arbitrary<Grid>): fc.Arbitrary<Case> => drawArb(grid).map(caseOf)

function caseOf(draw: Draw): Case {
  const view = viewOf(draw)
  // Rows that follow events have no grid: a step of theirs is as good as any to strew events by.
  const points = pointsAround(
    { every: draw.grid.every, ...(draw.grid.timeZone === undefined ? {} : { timeZone: draw.grid.timeZone }) },
    draw.anchor,
  )
  const at = (step: number): bigint => points[Math.min(Math.max(step + reach, 0), points.length - 1)] as bigint
  const from = at(draw.start) + draw.ends[0]
  const to = at(draw.start + draw.length) + draw.ends[1]
  const range = { from, to: to > from ? to : from + 1n }
  const rows = draw.events.map((event) => rowOf(draw.isCrowded ? { ...event, key: 0 } : event, draw, at))
  const dimensions = Object.fromEntries(
    joinsOf(draw).map(([name, join]) => [
      dimensionTable(name),
      dimensionOf(join, draw.source.isComputed, (step, nudge) => at(step) * 1000n + (nudge ?? 500_000n)),
    ]),
  )
  const table = { types: tableTypes, rows, dimensions }
  return { view, table, range, cuts: draw.cuts, [fc.toStringMethod]: () => describeCase(view, table, range) }
}

const joinsOf = ({ joins }: Draw) => joins.map((join, index) => [joinNames[index] as JoinName, join] as const)

function describeCase(view: ViewDefinition, { rows, dimensions = {} }: Table, { from, to }: Range): string {
  const {
    entity,
    source,
    features,
    partitionBy: _,
    derived: __,
    audits: ___,
    name: ____,
    version: _____,
    ...grid
  } = view
  const read = requiredColumns(view, Object.keys(tableTypes))
  const lines = [
    JSON.stringify(grid),
    JSON.stringify({ keys: entity.keys, ...source, name: undefined, table: undefined }),
    ...features.map((feature) => JSON.stringify(feature)),
    `from ${from} to ${to}, ${iso(from)} to ${iso(to)}`,
    ...rows.map((row) => read.map((name) => `${name} ${show(row[name])}`).join(', ')),
    ...Object.entries(dimensions).flatMap(([name, dimension]) => [
      `${name}: ${JSON.stringify(dimension.types)}`,
      ...dimension.rows.map((row) =>
        Object.entries(row)
          .map(([column, value]) => `${column} ${show(value)}`)
          .join(', '),
      ),
    ]),
  ]
  return `\n${lines.join('\n')}\n`
}

const iso = (micros: bigint): string => new Date(Number(micros / 1000n)).toISOString()

function pointsAround(grid: Grid, anchor: bigint): bigint[] {
  const months = grid.every.endsWith('mo') ? BigInt(grid.every.slice(0, -2)) : null
  const step = months === null ? duration(grid.every) : months * duration('31d')
  const points = calendarOf(grid).points(anchor - step * BigInt(reach + 3), anchor + step * BigInt(reach + 3))
  const middle = points.findIndex((point) => point >= anchor)
  return points.slice(Math.max(middle - reach, 0), middle + reach + 1)
}

function rowOf(event: EventDraw, { source, grid }: Draw, at: (step: number) => bigint): Row {
  const [point, next] = [at(event.step), at(event.step + 1)]
  const inside = BigInt(Math.floor(Number(next - point) * Math.min(event.fraction, 0.99)))
  const instant = event.nudge === null ? (point + inside) * 1000n : point * 1000n + event.nudge
  const step = next > point ? next - point : duration('1h')
  const known = event.delay === null ? null : instant + (BigInt(event.delay) * step * 1000n) / 4n + (event.nudge ?? 0n)
  const row: Record<string, Value> = {}
  const pick = (values: readonly Value[], index: number): Value => {
    const rolled = event.picks[index % 4] as number
    return values[(rolled + (rolled === 0 ? 0 : index)) % values.length] as Value
  }
  for (const [index, [name, { values }]] of Object.entries(keyColumns).entries())
    row[name] = event.key === 5 ? null : (values[(event.key + (index % 2)) % values.length] as Value)
  for (const [index, [name, { values, type }]] of Object.entries(argumentColumns).entries()) {
    row[name] = pick(values, index)
    if (type === 'double' && event.picks[index % 4] === 59) row[name] = event.any
  }
  for (const [index, [name, { values }]] of Object.entries(sequenceColumns).entries())
    row[name] = pick(values, index + 1)
  // Without a zone a day's number is that of UTC.
  const isLost = event.key === 4 && event.picks[0] === 0 && grid.rows === undefined
  row[timeColumnName('event', source.time)] = isLost ? null : (timeColumns[source.time]?.of(instant) as Value)
  if (source.known !== null)
    row[timeColumnName('known', source.known)] = known === null ? null : (timeColumns[source.known]?.of(known) as Value)
  return row
}

function viewOf(draw: Draw): ViewDefinition {
  const { grid, keys, source, features, joinedKey } = draw
  const names = Object.keys(keyColumns)
  const joined = Object.assign({}, ...joinsOf(draw).map(([name]) => joinedTypes(name))) as Record<string, string>
  const added = { isComputed: source.isComputed, joined: draw.joins.length === 0 ? null : joined }
  const definitions = features.map((feature, index) => featureOf(feature, `f${index + 1}`, grid, added))
  const [joinedName, joinedType] = Object.entries(joined)[joinedKey ?? Infinity] ?? []
  return {
    version: 1,
    name: 'judged',
    entity: {
      name: 'thing',
      keys: [
        ...keys.map((index) => {
          const name = names[index] as string
          return { name, type: keyColumns[name]?.type as KeyType }
        }),
        ...(joinedName === undefined ? [] : [{ name: joinedName, type: joinedType as KeyType }]),
      ],
    },
    source: sourceOf(draw),
    every: grid.every,
    ...(grid.timeZone === undefined ? {} : { timeZone: grid.timeZone }),
    ...(grid.rows === undefined ? {} : { rows: grid.rows }),
    partitionBy: 'day',
    features: definitions,
    derived: [],
    audits: [],
  }
}

function sourceOf(draw: Draw): ViewDefinition['source'] {
  const { time, known, sequence, where, isComputed } = draw.source
  const joins = joinsOf(draw).map(([name, join]) => joinOf(name, join, isComputed))
  const [eventUnit, knownUnit] = [timeColumns[time]?.unit, known === null ? undefined : timeColumns[known]?.unit]
  type Unit = NonNullable<ViewDefinition['source']['eventTimeUnit']>
  return {
    name: 'events',
    table: 'raw.events',
    eventTime: timeColumnName('event', time),
    ...(eventUnit === undefined ? {} : { eventTimeUnit: eventUnit as Unit }),
    ...(known === null ? {} : { knownTime: timeColumnName('known', known) }),
    ...(knownUnit === undefined ? {} : { knownTimeUnit: knownUnit as Unit }),
    ...(sequence === null ? {} : { sequence }),
    ...(where === null ? {} : { where: conditionSql(where, { isComputed, hasJoin: joins.length > 0 }) }),
    ...(isComputed ? { columns: computedColumns.map(({ name, sql }) => ({ name, sql })) } : {}),
    ...(joins.length === 0 ? {} : { joins }),
  }
}

interface Added {
  readonly isComputed: boolean
  /** Iceberg's types of the joined columns; null where there are no joins. */
  readonly joined: Readonly<Record<string, string>> | null
}

const conditionSql = (index: number, { isComputed, hasJoin }: { isComputed: boolean; hasJoin: boolean }): string => {
  const known = [...(hasJoin ? joinedConditions : []), ...(isComputed ? computedConditions : []), ...conditions]
  return known[index % known.length]?.sql as string
}

function featureOf(draw: FeatureDraw, name: string, grid: Grid, added: Added): FeatureDefinition {
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
