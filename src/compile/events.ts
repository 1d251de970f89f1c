/** The events that a slice's rows see, with what the features aggregate of each. */
import { referencedColumns, withUsedColumns, type ViewDefinition } from '../definition/index.ts'
import type { Schema } from '../iceberg/index.ts'
import type { Micros } from '../contract/index.ts'
import { eventTime, knownTime } from './event-time.ts'
import type { FloatRange } from './exact-sums.ts'
import { numberKind, parenthesized, valueColumn, viewInputs, type EventFacts, type Inputs } from './inputs.ts'
import { joinedRelation, type JoinSchemas } from './joins.ts'
import type { EventOrder } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import { beginning, type Grid } from './time-grid.ts'
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
    definition.source.sequence === undefined ? [] : ['has_sequence: sequence IS NOT NULL', 'sequence: sequence']
  return {
    fields: ['instant: instant', ...sequence],
    perMicro,
    hasLateEvents: definition.source.knownTime !== undefined,
  }
}

/** Statement that makes `events`: keys, time and values of the events that the slice's rows see. */
export function eventsTable(definition: ViewDefinition, schemas: JoinSchemas, grid: Grid, inputs: Inputs): string {
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
    time.between(grid.readFrom, grid.readTo),
    ...(known === null ? [] : [known.between(beginning, grid.knownTo)]),
  ]
  const hasKeys = entity.keys.map(({ name }) => `${quoteIdentifier(name)} IS NOT NULL`)
  return `-- Time is counted in tiles of ${grid.describe}; a row's point is the tile that begins at its feature time.
CREATE TEMP TABLE events AS
SELECT
  ${columns.join(',\n  ')}
${sourceRows(definition, schemas, bounds, hasKeys)}`
}

/** -0.0 is 0.0, and which of the two came first must not show. */
const keySql = (name: string, type: string): string =>
  type === 'float' || type === 'double' ? `${quoteIdentifier(name)} + 0` : quoteIdentifier(name)

/** Statement that makes `entities`: a number for each entity, so that what follows groups and joins by one integer. */
export function entitiesTable({ keys, table }: Scope): string {
  const by = keys.join(', ')
  const known = keys.map((key) => `${key} IS NOT NULL`).join(' AND ')
  return `CREATE TEMP TABLE ${table('entities')} AS
SELECT row_number() OVER (ORDER BY ${by}) AS entity, ${by}
FROM (SELECT DISTINCT ${by} FROM events WHERE ${known})`
}

/** Query of one row `rejected`: source rows with an event time in the range and a null key. */
export function rejectedQuery(
  definition: ViewDefinition,
  schemas: JoinSchemas,
  range: { readonly from: Micros; readonly to: Micros },
): string {
  const within = eventTime(definition, schemas.sourceSchema).between(range.from, range.to)
  const isNull = definition.entity.keys.map(({ name }) => `${quoteIdentifier(name)} IS NULL`).join(' OR ')
  // What features read decides nothing here.
  return `SELECT count(*) AS rejected
${sourceRows({ ...definition, features: [] }, schemas, [within], [`(${isNull})`])}`
}

const summed: ReadonlySet<string> = new Set(['sum', 'avg', 'ratio'])

/**
 * Query of one row: for each input whose floating-point values are added up the least and greatest magnitude and whether all are finite,
 * as `<label> least`, `<label> greatest`, `<label> finite`; null when there is none.
 * @param types DuckDB's types of the columns of `events`
 */
export function rangesQuery(definition: ViewDefinition, types: ReadonlyMap<string, string>): string | null {
  const inputs = viewInputs(definition)
  const wanted = definition.features
    .filter(({ aggregate }) => summed.has(aggregate))
    .flatMap((feature) => [inputs.of(feature), ...(feature.divisor === undefined ? [] : [inputs.divisorOf(feature)])])
    .filter(({ label }) => numberKind(types.get(`value of ${label}`)).kind === 'float')
  const columns = [...new Set(wanted)].flatMap((input) => {
    const value = `CAST(${valueColumn(input)} AS DOUBLE)`
    const counts = `FILTER (WHERE isfinite(${value}) AND ${value} <> 0)`
    return [
      `min(abs(${value})) ${counts} AS ${quoteIdentifier(`${input.label} least`)}`,
      `max(abs(${value})) ${counts} AS ${quoteIdentifier(`${input.label} greatest`)}`,
      `coalesce(bool_and(isfinite(${value})), true) AS ${quoteIdentifier(`${input.label} finite`)}`,
    ]
  })
  return columns.length === 0 ? null : `SELECT\n  ${columns.join(',\n  ')}\nFROM events`
}

/** Facts from the types of the columns of `events` and the row of `rangesQuery`. */
export function eventFacts(
  definition: ViewDefinition,
  types: ReadonlyMap<string, string>,
  found: Readonly<Record<string, unknown>> | null,
): EventFacts {
  const labels = viewInputs(definition).all.map(({ label }) => label)
  const ranges = labels.flatMap((label): [string, FloatRange][] => {
    const isFinite = found?.[`${label} finite`]
    if (typeof isFinite !== 'boolean') return []
    const magnitude = (end: string): number | null => {
      const value = found?.[`${label} ${end}`]
      return typeof value === 'number' ? value : null
    }
    return [[label, { least: magnitude('least'), greatest: magnitude('greatest'), hasNonFinite: !isFinite }]]
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
