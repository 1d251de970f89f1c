/** Random views, and random events around their windows' edges. */
import fc from 'fast-check'
import { requiredColumns } from '../../../src/compile/index.ts'
import type { ViewDefinition } from '../../../src/definition/index.ts'
import { dimensionOf, dimensionTable, joinArb, joinedTypes, joinNames, joinOf, type JoinName } from './dimension.ts'
import { computedColumns, conditions } from './expressions.ts'
import type { Range } from './engine.ts'
import { conditionSql, featureArb, featureOf, reach, type Grid } from './features.ts'
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

const sourceArb = fc.record({
  time: fc.constantFrom(...Object.keys(timeColumns)),
  known: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.constantFrom(...Object.keys(timeColumns))),
  sequence: fc.oneof(
    { weight: 2, arbitrary: fc.constant(null) },
    fc.constantFrom(...Object.keys(sequenceColumns), 'dim_we"ight'),
  ),
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
    ...(sequence === null ? {} : { sequence: sequence in sequenceColumns || joins.length > 0 ? sequence : 'seq' }),
    ...(where === null ? {} : { where: conditionSql(where, { isComputed, hasJoin: joins.length > 0 }) }),
    ...(isComputed ? { columns: computedColumns.map(({ name, sql }) => ({ name, sql })) } : {}),
    ...(joins.length === 0 ? {} : { joins }),
  }
}
