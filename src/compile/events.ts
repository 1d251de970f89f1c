/** The events that a slice's rows see, with what the features aggregate of each. */
import { referencedColumns, withUsedColumns, type ViewDefinition } from '../definition/index.ts'
import type { Schema } from '../iceberg/index.ts'
import { isDecayed } from './decayed.ts'
import { doubleOf } from './doubles.ts'
import { eventTime, knownTime, type TimeColumn } from './event-time.ts'
import type { FloatRange } from './exact-sums.ts'
import {
  countsAsDouble,
  numberKind,
  parenthesized,
  valueColumn,
  viewInputs,
  type EventFacts,
  type Input,
  type Inputs,
  type NumberKind,
} from './inputs.ts'
import { joinedRelation, type JoinSchemas } from './joins.ts'
import { spreads, type EventOrder } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import { beginning, ending, type Grid, type Stretch } from './time-grid.ts'
import type { Scope } from './window-request.ts'

/** The source columns that a view reads, in the source's order. */
export const requiredColumns = (definition: ViewDefinition, sourceColumnNames: readonly string[]): string[] =>
  referencedColumns(definition, sourceColumnNames)

/**
 * FROM and WHERE of the table's rows with the computed and joined columns, without those that the source leaves out.
 * @param bounds conditions on the table's own columns, @param conditions on any
 */
function sourceRows(
  definition: ViewDefinition,
  schemas: JoinSchemas,
  bounds: readonly string[],
  conditions: readonly string[],
): string {
  const { source } = withUsedColumns(definition)
  const computed = (source.columns ?? []).map(({ name, sql }) => `${parenthesized(sql)} AS ${quoteIdentifier(name)}`)
  const columns = ['*', ...computed].join(', ')
  const where = source.where === undefined ? '' : ` WHERE ${parenthesized(source.where)}`
  const inTurn = (of: readonly string[]): string => of.join('\n  AND ')
  if (source.joins === undefined) {
    const relation =
      computed.length === 0 && where === ''
        ? 'source_rows'
        : `(SELECT ${columns} FROM source_rows${where}) AS source_rows`
    return `FROM ${relation}\nWHERE ${inTurn([...bounds, ...conditions])}`
  }
  // What is joined is no more than what is wanted of the events.
  const bounded = `(SELECT ${columns} FROM source_rows WHERE ${bounds.join(' AND ')}) AS source_rows`
  const joined = joinedRelation(definition, schemas, bounded)
  const relation = where === '' ? joined : `SELECT * FROM (\n  ${joined}\n) AS source_rows${where}`
  return `FROM (\n  ${relation}\n) AS source_rows\nWHERE ${inTurn(conditions)}`
}

export const keyColumns = (definition: ViewDefinition): string[] => definition.entity.keys.map((_, i) => `key_${i + 1}`)

/** What orders a view's events. */
export function eventOrder(definition: ViewDefinition, schema: Schema): EventOrder {
  const { perMicro } = eventTime(definition, schema)
  const sequence =
    definition.source.sequence === undefined
      ? []
      : [
          { name: 'has_sequence', sql: 'sequence IS NOT NULL' },
          { name: 'sequence', sql: 'sequence' },
        ]
  return {
    fields: [{ name: 'instant', sql: 'instant' }, ...sequence],
    perMicro,
    hasLateEvents: definition.source.knownTime !== undefined,
  }
}

/** A part of a view's entities, chosen by a hash of their keys: the `share`-th, from 0, `of` as many. */
export interface EntityShare {
  readonly share: number
  readonly of: number
}

interface EventSelection {
  /** Event times to take them from, where tiles are kept: then with those that became known later, which no row sees. */
  readonly stretches?: readonly Stretch[] | null
  readonly share?: EntityShare | null
}

/** SELECT of `events`: keys, time and values of the events that the slice's rows see. */
export function eventsSelect(
  definition: ViewDefinition,
  schemas: JoinSchemas,
  grid: Grid,
  inputs: Inputs,
  { stretches = null, share = null }: EventSelection = {},
): string {
  const { entity, source } = definition
  const schema = schemas.sourceSchema
  const time = eventTime(definition, schema)
  const known = knownTime(definition, schema)
  const tile = grid.tileOf(time.micros)
  const columns = [
    ...entity.keys.map(({ name, type }, i) => `${keySql(name, type)} AS key_${i + 1}`),
    `${time.instant} AS instant`,
    `${tile} AS tile`,
    ...(known === null ? [] : [`greatest(${tile}, ${grid.tileOf(known.micros)}) AS seen`]),
    ...(source.sequence === undefined ? [] : [`${quoteIdentifier(source.sequence)} AS sequence`]),
    ...inputs.buckets.map(({ column, sql }) => `CAST(${sql} AS VARCHAR) AS ${column}`),
    ...inputs.all.flatMap((input) => (input.sql === null ? [] : [`${input.sql} AS ${valueColumn(input)}`])),
  ]
  const bounds = [
    stretches === null
      ? time.between(grid.readFrom, grid.readTo)
      : within(time, stretches, { from: grid.readFrom, to: grid.readTo }),
    ...(known === null ? [] : [known.between(beginning, stretches === null ? grid.knownTo : ending)]),
  ]
  const hasKeys = entity.keys.map(({ name }) => `${quoteIdentifier(name)} IS NOT NULL`)
  const hashed = entity.keys.map(({ name, type }) => keySql(name, type)).join(', ')
  const isShared = share === null ? [] : [`hash(${hashed}) % ${share.of} = ${share.share}`]
  return `SELECT
  ${columns.join(',\n  ')}
${sourceRows(definition, schemas, bounds, [...hasKeys, ...isShared])}`
}

/** -0.0 is 0.0, and which of the two came first must not show. */
const keySql = (name: string, type: string): string =>
  type === 'float' || type === 'double' ? `${quoteIdentifier(name)} + 0` : quoteIdentifier(name)

/**
 * Statement that makes `entities`: a number for each entity, so that what follows groups and joins by one integer. The tiles take their numbers from
 * it; keys that are numbers themselves are taken from the tiles.
 * @param withPieces whether there are `kept_pieces` beside the events
 */
export function entitiesTable({ keys, isNumbered, table }: Scope, withPieces = false): string {
  const by = keys.join(', ')
  const known = keys.map((key) => `${key} IS NOT NULL`).join(' AND ')
  return `CREATE TEMP TABLE ${table('entities')} AS
${
  isNumbered
    ? `SELECT DISTINCT entity, entity AS ${by} FROM ${table('tiles')}`
    : `SELECT row_number() OVER (ORDER BY ${by}) AS entity, ${by}
FROM (SELECT DISTINCT ${by} FROM events WHERE ${known}${withPieces ? ` UNION SELECT ${by} FROM kept_pieces` : ''})`
}`
}

/** Condition that a time lies in one of the stretches, as far as they lie in the range. */
function within(time: TimeColumn, stretches: readonly Stretch[], range: Stretch): string {
  const conditions = stretches.flatMap((stretch) => {
    const from = stretch.from > range.from ? stretch.from : range.from
    const to = stretch.to < range.to ? stretch.to : range.to
    return from < to ? [time.between(from, to)] : []
  })
  const [condition = 'false', ...others] = conditions
  return others.length === 0 ? condition : `(${conditions.map((one) => `(${one})`).join(' OR ')})`
}

const withoutKey = ({ entity }: ViewDefinition): string =>
  entity.keys.map(({ name }) => `${quoteIdentifier(name)} IS NULL`).join(' OR ')

/**
 * Query of one row `rejected`: source rows with an event time in the range and a null key.
 * @param stretches event times that the source is read for; all unless given
 */
export function rejectedQuery(
  definition: ViewDefinition,
  schemas: JoinSchemas,
  range: Stretch,
  stretches: readonly Stretch[] | null = null,
): string {
  const time = eventTime(definition, schemas.sourceSchema)
  const inRange = stretches === null ? time.between(range.from, range.to) : within(time, stretches, range)
  return `SELECT count(*) AS rejected
${rejectedRows(definition, schemas, inRange)}`
}

/** FROM and WHERE of the source's rows without a key. */
const rejectedRows = (definition: ViewDefinition, schemas: JoinSchemas, inRange: string): string =>
  // What features read decides nothing here.
  sourceRows({ ...definition, features: [] }, schemas, [inRange], [`(${withoutKey(definition)})`])

/** SELECT of the tile (`tile`) and number (`events`) of the events without a key, in the stretches. */
export function rejectedTiles(
  definition: ViewDefinition,
  schemas: JoinSchemas,
  grid: Grid,
  stretches: readonly Stretch[],
): string {
  const time = eventTime(definition, schemas.sourceSchema)
  return `SELECT ${grid.tileOf(time.micros)} AS tile, count(*) AS events
${rejectedRows(definition, schemas, within(time, stretches, { from: beginning, to: ending }))}
GROUP BY ALL`
}

const summed: ReadonlySet<string> = new Set(['sum', 'avg', 'ratio'])

/** The inputs whose values are added up as doubles. @param types DuckDB's types of the columns of `events` */
export function summedDoubles(definition: ViewDefinition, types: ReadonlyMap<string, string>): readonly Input[] {
  const inputs = viewInputs(definition)
  const wanted = definition.features.flatMap((feature) => {
    const { aggregate } = feature
    const number = numberOf(inputs.of(feature), types)
    if (isDecayed(feature)) return [inputs.of(feature)]
    if (spreads.has(aggregate)) return countsAsDouble(number) ? [inputs.of(feature)] : []
    if (!summed.has(aggregate)) return []
    const both = [inputs.of(feature), ...(feature.divisor === undefined ? [] : [inputs.divisorOf(feature)])]
    return both.filter((input) => numberOf(input, types).kind === 'float')
  })
  return [...new Set(wanted)]
}

const numberOf = ({ label }: Input, types: ReadonlyMap<string, string>): NumberKind =>
  numberKind(types.get(`value of ${label}`))

/**
 * Query of one row: for each input whose values are added up as doubles the least and greatest magnitude and whether all are finite, as
 * `<label> least`, `<label> greatest`, `<label> finite`; null when there is none.
 * @param types DuckDB's types of the columns of `events`
 */
export function rangesQuery(definition: ViewDefinition, types: ReadonlyMap<string, string>): string | null {
  const columns = summedDoubles(definition, types).flatMap((input) => {
    const value = doubleOf(valueColumn(input), numberOf(input, types))
    const counts = `FILTER (WHERE isfinite(${value}) AND ${value} <> 0)`
    return [
      `min(abs(${value})) ${counts} AS ${quoteIdentifier(`${input.label} least`)}`,
      `max(abs(${value})) ${counts} AS ${quoteIdentifier(`${input.label} greatest`)}`,
      `coalesce(bool_and(isfinite(${value})), true) AS ${quoteIdentifier(`${input.label} finite`)}`,
    ]
  })
  return columns.length === 0 ? null : `SELECT\n  ${columns.join(',\n  ')}\nFROM events`
}

/** Facts from the types of the columns of `events`, the row of `rangesQuery` and, where tiles are taken, that of `keptRangesQuery`. */
export function eventFacts(
  definition: ViewDefinition,
  types: ReadonlyMap<string, string>,
  found: Readonly<Record<string, unknown>> | null,
  kept: Readonly<Record<string, unknown>> | null = null,
): EventFacts {
  const labels = viewInputs(definition).all.map(({ label }) => label)
  const ranges = labels.flatMap((label): [string, FloatRange][] => {
    const isFinite = found?.[`${label} finite`]
    if (typeof isFinite !== 'boolean') return []
    const magnitude = (end: string): number | null => {
      const value = found?.[`${label} ${end}`]
      return typeof value === 'number' ? value : null
    }
    const [unit, top] = [kept?.[`${label} unit`], kept?.[`${label} top`]]
    return [
      [
        label,
        {
          least: magnitude('least'),
          greatest: magnitude('greatest'),
          hasNonFinite: !isFinite || kept?.[`${label} finite`] === false,
          ...(typeof unit === 'number' && typeof top === 'number' ? { kept: { unit, top } } : {}),
        },
      ],
    ]
  })
  return {
    types: new Map(
      labels.flatMap((label): [string, string][] => {
        const type = types.get(`value of ${label}`)
        return type === undefined ? [] : [[label, type]]
      }),
    ),
    ranges: new Map(ranges),
  }
}
