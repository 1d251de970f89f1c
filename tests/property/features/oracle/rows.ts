/**
 * The naive judge of feature views: for each entity, feature time and feature it looks at all events again and decides by the rules of
 * docs/semantics.md. It shares no code with the compiler and reads no SQL: expressions are given as functions.
 */
import { aggregate, isEmpty, type Aggregation, type Result, type Seen } from './aggregates.ts'
import { calendarOf, duration, type Calendar } from './calendar.ts'
import { compare, identity, written, type Row, type Value } from './values.ts'

/** An SQL expression's meaning. */
export interface Meaning {
  /** Iceberg's type of its values. */
  readonly type: string
  readonly of: (row: Row) => Value
}

interface Argument {
  readonly kind: 'column' | 'sql'
  readonly name?: string
  readonly sql?: string
}

/** What is judged of a view definition. */
export interface JudgedView {
  readonly every: string
  readonly timeZone?: string
  readonly rows?: string
  readonly entity: { readonly keys: readonly { readonly name: string }[] }
  readonly source: {
    readonly eventTime: string
    readonly eventTimeUnit?: string
    readonly knownTime?: string
    readonly knownTimeUnit?: string
    readonly sequence?: string
    readonly where?: string
    readonly columns?: readonly { readonly name: string; readonly sql: string }[]
    readonly joins?: readonly JudgedJoin[]
  }
  readonly features: readonly JudgedFeature[]
}

interface JudgedJoin {
  readonly name: string
  readonly table: string
  readonly on: readonly { readonly column: string; readonly equals: string }[]
  readonly asOf?: string
  readonly columns: readonly string[]
}

export interface JudgedFeature {
  readonly name: string
  readonly aggregate: string
  readonly argument: Argument | null
  readonly where: string | null
  readonly divisor?: { readonly argument: Argument | null; readonly where: string | null }
  readonly by?: Argument | null
  readonly windows: readonly string[]
  readonly quantile?: number
  readonly error?: number
  readonly k?: number
  readonly halfLife?: string
  readonly edges?: readonly number[]
  readonly empty?: Value
}

export interface JudgedSource {
  /** Iceberg's types of the table's columns. */
  readonly types: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
  /** The joins' tables, by name. */
  readonly dimensions?: Readonly<Record<string, Pick<JudgedSource, 'types' | 'rows'>>>
  /** What the SQL in the definition means. */
  readonly meaning: (sql: string) => Meaning
}

export interface JudgedRow {
  readonly keys: readonly Value[]
  /** Microseconds since 1970. */
  readonly at: bigint
  readonly values: ReadonlyMap<string, Result>
}

interface Event {
  readonly row: Row
  readonly keys: readonly Value[]
  /** Nanoseconds since 1970. */
  readonly at: bigint
  readonly known: bigint | null
  readonly sequence: Value
}

/** Two rows of a dimension with one key, or with one key and one valid-from (rule 1.8). */
export class Ambiguous extends Error {}

/** Nanoseconds in one of a time's units. */
const nanosecondsIn: Readonly<Record<string, bigint>> = {
  timestamp: 1000n,
  timestamptz: 1000n,
  timestamp_ns: 1n,
  date: 86_400_000_000_000n,
  d: 86_400_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1000n,
  ns: 1n,
}

/** Rules 1.4 and 1.5. */
function instant(value: Value, type: string, unit: string | undefined): bigint | null {
  if (value === null) return null
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return null
    return BigInt(Math.floor(value * 1_000_000)) * 1000n
  }
  return (value as bigint) * (nanosecondsIn[unit ?? type] as bigint)
}

/** The column's name, as every feature's window has one. */
export const columnOf = (feature: { readonly name: string }, window: string): string =>
  `${feature.name}_${window.replaceAll(' ', '_')}`

/** @returns rows with feature time in `[from, to)`, in no certain order */
export function judge(view: JudgedView, source: JudgedSource, from: bigint, to: bigint): JudgedRow[] {
  const computed = new Map((view.source.columns ?? []).map(({ name, sql }) => [name, source.meaning(sql)]))
  const joins = (view.source.joins ?? []).filter((join) => isRead(join, view)).map((join) => dimensionOf(join, source))
  const ties = joins.flatMap((join) => join.ties)
  if (ties.includes(null)) throw new Ambiguous()
  const joinedTypes = new Map(joins.flatMap(({ types }) => [...types]))
  const meaningOf = (argument: Argument | null): Meaning | null => {
    if (argument === null) return null
    if (argument.kind === 'sql') return source.meaning(argument.sql as string)
    const name = argument.name as string
    const type = joinedTypes.get(name) ?? (source.types[name] as string)
    return computed.get(name) ?? { type, of: (row) => row[name] as Value }
  }
  const holds = (sql: string | null | undefined, row: Row): boolean =>
    sql === null || sql === undefined || source.meaning(sql).of(row) === true
  const events = source.rows.flatMap((tableRow) => eventOf(view, source, { computed, joins }, tableRow, holds))
  const calendar = calendarOf(view)
  const isNanos = view.source.eventTimeUnit === 'ns' || source.types[view.source.eventTime] === 'timestamp_ns'

  const features = view.features.map((feature) => ({
    feature,
    judged: judgedFeature(feature, meaningOf, holds, isNanos),
  }))
  const windows = [...new Set(view.features.flatMap((feature) => feature.windows))]
  return entitiesOf(events).flatMap((own) => {
    const points =
      view.rows === 'on_change'
        ? [...new Set(own.flatMap((event) => pointAfter(event, view)))].filter((at) => at >= from && at < to)
        : calendar.points(from, to)
    return points.flatMap((point): JudgedRow[] => {
      const seen = own.filter(
        ({ known }) => view.source.knownTime === undefined || (known !== null && known < point * 1000n),
      )
      const held = new Map(windows.map((window) => [window, seen.filter(within(window, point, calendar))]))
      const all = [...held.values()].flat()
      if (all.length === 0) return []
      if (ties.some((tie) => all.some((event) => tie !== null && tie <= event.at))) throw new Ambiguous()
      const values = features.flatMap(({ feature, judged }) =>
        feature.windows.map((window): [string, Result] => [
          columnOf(feature, window),
          judged(held.get(window) as Event[], point * 1000n),
        ]),
      )
      return [{ keys: (own[0] as Event).keys, at: point, values: new Map(values) }]
    })
  })
}

/** Whether a tie may, but need not, be found that no event of a row sees: the slice's events might have been later. */
export const mayBeAmbiguous = (view: JudgedView, source: JudgedSource, to: bigint): boolean =>
  (view.source.joins ?? [])
    .filter((join) => isRead(join, view))
    .some((join) => tiesOf(join, source).some((tie) => tie === null || tie < to * 1000n))

/** A join that nothing reads is not there. */
const isRead = ({ name }: JudgedJoin, { entity, source, features }: JudgedView): boolean =>
  JSON.stringify([entity, source.where, source.sequence, features]).includes(`${name}_`)

interface JudgedDimension {
  /** Instants from which two rows of one key are valid; null where there is to be but one row a key. */
  readonly ties: readonly (bigint | null)[]
  /** Of the joined columns. */
  readonly types: ReadonlyMap<string, string>
  /** The joined columns of an event. */
  readonly joined: (event: Row, at: bigint) => Row
}

function tableOf({ table }: JudgedJoin, { dimensions }: JudgedSource): Pick<JudgedSource, 'types' | 'rows'> {
  const found = dimensions?.[table]
  if (found === undefined) throw new Error(`the judge has no table ${table}`)
  return found
}

const validFrom = ({ asOf = '' }: JudgedJoin, { types }: Pick<JudgedSource, 'types'>, row: Row): bigint | null =>
  instant(row[asOf] as Value, types[asOf] as string, undefined)

function tiesOf(join: JudgedJoin, source: JudgedSource): (bigint | null)[] {
  const dimension = tableOf(join, source)
  const known = new Set<string>()
  return dimension.rows.flatMap((row) => {
    const keys = join.on.map(({ equals }) => row[equals] as Value)
    const since = join.asOf === undefined ? null : validFrom(join, dimension, row)
    if (keys.includes(null) || (join.asOf !== undefined && since === null)) return []
    const version = [...keys, since].map(identity).join('\n')
    const isTie = known.has(version)
    known.add(version)
    return isTie ? [since] : []
  })
}

/** Rule 1.8. */
function dimensionOf(join: JudgedJoin, source: JudgedSource): JudgedDimension {
  const { name, on, asOf, columns } = join
  const dimension = tableOf(join, source)
  return {
    ties: tiesOf(join, source),
    types: new Map(columns.map((column) => [`${name}_${column}`, dimension.types[column] as string])),
    joined: (event, at) => {
      const found = dimension.rows
        .filter((row) => on.every(({ column, equals }) => areEqual(event[column] as Value, row[equals] as Value)))
        .map((row) => ({ row, since: asOf === undefined ? at : validFrom(join, dimension, row) }))
        .filter((version) => version.since !== null && version.since <= at)
        .sort((a, b) => ((a.since as bigint) < (b.since as bigint) ? 1 : -1))
      const row = found[0]?.row
      return Object.fromEntries(
        columns.map((column) => [`${name}_${column}`, row === undefined ? null : (row[column] as Value)]),
      )
    },
  }
}

const areEqual = (a: Value, b: Value): boolean => a !== null && b !== null && identity(a) === identity(b)

/** Rules 1.1, 1.6, 1.8 and 2.7. */
function eventOf(
  view: JudgedView,
  source: JudgedSource,
  { computed, joins }: { readonly computed: ReadonlyMap<string, Meaning>; readonly joins: readonly JudgedDimension[] },
  tableRow: Row,
  holds: (sql: string | undefined, row: Row) => boolean,
): Event[] {
  const row: Record<string, Value> = { ...tableRow }
  for (const [name, { of }] of computed) row[name] = of(row)
  const { eventTime, eventTimeUnit, knownTime, knownTimeUnit, sequence, where } = view.source
  const at = instant(row[eventTime] as Value, source.types[eventTime] as string, eventTimeUnit)
  if (at !== null) for (const { joined } of joins) Object.assign(row, joined(row, at))
  const keys = view.entity.keys.map(({ name }) => written(row[name] as Value))
  if (at === null || keys.includes(null) || !holds(where, row)) return []
  return [
    {
      row,
      keys,
      at,
      known:
        knownTime === undefined
          ? null
          : instant(row[knownTime] as Value, source.types[knownTime] as string, knownTimeUnit),
      sequence: sequence === undefined ? null : (row[sequence] as Value),
    },
  ]
}

const entitiesOf = (events: readonly Event[]): Event[][] => [
  ...Map.groupBy(events, ({ keys }) => keys.map(identity).join('\n')).values(),
]

/** Rule 2.4. */
function pointAfter({ at, known }: Event, { source }: JudgedView): bigint[] {
  const point = floorMicros(at) + 1n
  return source.knownTime === undefined || (known !== null && known < point * 1000n) ? [point] : []
}

function floorMicros(nanoseconds: bigint): bigint {
  const micros = nanoseconds / 1000n
  return micros * 1000n > nanoseconds ? micros - 1n : micros
}

/** Rules 3.1 to 3.3. */
function within(window: string, point: bigint, calendar: Calendar): (event: Event) => boolean {
  const [length = '', offset = null] = window.split(' offset ')
  const to = offset === null ? point : calendar.before(point, offset)
  const from = length === 'lifetime' ? null : calendar.before(to, length)
  return ({ at }) => at < to * 1000n && (from === null || at >= from * 1000n)
}

function judgedFeature(
  feature: JudgedFeature,
  meaningOf: (argument: Argument | null) => Meaning | null,
  holds: (sql: string | null, row: Row) => boolean,
  isNanos: boolean,
): (events: readonly Event[], point: bigint) => Result {
  const argument = meaningOf(feature.argument)
  const divisor = feature.divisor === undefined ? null : meaningOf(feature.divisor.argument)
  const bucket = meaningOf(feature.by ?? null)
  const { aggregate: name, quantile, error, k, edges, empty, halfLife } = feature
  const aggregation: Aggregation = {
    aggregate: name,
    type: argument?.type ?? null,
    divisorType: divisor?.type ?? null,
    isNanos,
    ...(quantile === undefined ? {} : { quantile }),
    ...(error === undefined ? {} : { error }),
    ...(k === undefined ? {} : { k }),
    ...(edges === undefined ? {} : { edges }),
    ...(empty === undefined ? {} : { empty }),
    ...(halfLife === undefined ? {} : { halfLife: duration(halfLife) * 1000n }),
  }
  const letIn = ({ row, at }: Event): Seen[] => {
    const isIn = holds(feature.where, row)
    const divides = feature.divisor !== undefined && holds(feature.divisor.where, row)
    // A ratio's two sums have a condition each; other features have but one.
    if (!isIn && !divides) return []
    return [
      {
        at,
        value: isIn && argument !== null ? argument.of(row) : null,
        divisor: divides && divisor !== null ? divisor.of(row) : null,
      },
    ]
  }
  const inOrder = (events: readonly Event[]): Event[] =>
    events.toSorted((a, b) => {
      if (a.at !== b.at) return a.at < b.at ? -1 : 1
      return (
        compareNullsFirst(a.sequence, b.sequence) ||
        compareNullsFirst(argument?.of(a.row) ?? null, argument?.of(b.row) ?? null)
      )
    })
  return (events, point) => {
    const ordered = inOrder(events)
    if (bucket === null) return aggregate(aggregation, ordered.flatMap(letIn), point)
    const buckets = Map.groupBy(ordered, ({ row }) => bucket.of(row))
    const entries = [...buckets].flatMap(([value, own]): [string, Result][] => {
      const seen = own.flatMap(letIn)
      return value === null || isEmpty(aggregation, seen)
        ? []
        : [[String(written(value)), aggregate(aggregation, seen, point)]]
    })
    return entries.length === 0 ? null : new Map(entries.sort(([a], [b]) => compare(a, b)))
  }
}

const compareNullsFirst = (a: Value, b: Value): number =>
  a === null || b === null ? Number(a !== null) - Number(b !== null) : compare(a, b)
