/** Dimension tables as a slice's events see them. */
import { HindcastError, type Micros } from '../contract/index.ts'
import { joinedColumn, withUsedColumns, type JoinDefinition, type ViewDefinition } from '../definition/index.ts'
import type { IcebergType, Schema } from '../iceberg/index.ts'
import { eventTime, timeOfType, type TimeColumn, type TimeTypeColumn } from './event-time.ts'
import { quoteIdentifier } from './quote.ts'

/** What a join reads of its table. */
export interface JoinRead {
  readonly name: string
  readonly table: string
  readonly columns: readonly string[]
  /** Column of the times from which its rows are valid; null where there is one row a key. */
  readonly validFrom: string | null
}

/** A join's dimension in the engine: `statement` makes it from the view `dimension_<join>`. */
export interface CompiledJoin {
  readonly join: JoinDefinition
  readonly statement: string
  /** Query of at most one row: text of the key that two rows have, column by column, and of their valid-from. */
  readonly duplicate: string
}

export interface JoinSchemas {
  readonly sourceSchema: Schema
  /** Of the joins' tables, by their names. */
  readonly dimensions?: ReadonlyMap<string, Schema>
}

/** What a view's joins read, in the order of their names: one that nothing reads is not among them. */
export function joinReads(definition: ViewDefinition): JoinRead[] {
  return usedJoins(definition)
    .map(({ name, table, on, asOf, columns }) => ({
      name,
      table,
      columns: [
        ...new Set([...on.map(({ equals }) => equals), ...(asOf === undefined ? [] : [asOf]), ...columns]),
      ].sort(),
      validFrom: asOf ?? null,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

const usedJoins = (definition: ViewDefinition): readonly JoinDefinition[] =>
  withUsedColumns(definition).source.joins ?? []

/** The name of the relation that a join's table is read by. */
export const dimensionRelation = (join: string): string => quoteIdentifier(`dimension_${join}`)

/** Joined columns have the join's name and _ before theirs: names without one are no joined column's. */
export const joinKey = (index: number): string => `key${index + 1}`
export const validSince = 'since'

const joinedTable = ({ name }: JoinDefinition): string => quoteIdentifier(`joined_${name}`)

/** @param before no event is at or after this: what is valid only from then on is not looked at */
export function compileJoins(definition: ViewDefinition, schemas: JoinSchemas, before: Micros): CompiledJoin[] {
  return usedJoins(definition).map((join) => {
    const time = validFrom(join, schemas)
    const keys = join.on.map((_, index) => joinKey(index))
    const columns = [
      ...join.on.map(({ equals }, index) => `${keySql(join, equals, schemas)} AS ${keys[index]}`),
      ...(time === null ? [] : [`${validFromSql(definition, time, schemas)} AS ${validSince}`]),
      ...join.columns.map((name) => `${quoteIdentifier(name)} AS ${quoteIdentifier(joinedColumn(join, name))}`),
    ]
    const conditions = [
      // A null equals nothing.
      ...join.on.map(({ equals }) => `${quoteIdentifier(equals)} IS NOT NULL`),
      ...(time === null ? [] : [time.before(before)]),
    ]
    const identity = [...keys, ...(time === null ? [] : [validSince])]
    const texts = [
      ...keys.map((key) => `CAST(${key} AS VARCHAR) AS ${key}`),
      ...(time === null
        ? []
        : [`CAST(${time.perMicro === 1n ? validSince : `${validSince} // 1000`} AS BIGINT) AS ${validSince}`]),
    ]
    return {
      join,
      statement: `-- ${time === null ? 'One row a key' : 'One row a key and time from which it is valid'}.
CREATE TEMP TABLE ${joinedTable(join)} AS
SELECT
  ${columns.join(',\n  ')}
FROM ${dimensionRelation(join.name)}
WHERE ${conditions.join('\n  AND ')}`,
      duplicate: `SELECT ${texts.join(', ')}
FROM (SELECT ${identity.join(', ')} FROM ${joinedTable(join)} GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1)`,
    }
  })
}

/**
 * The events' relation with the joined columns: as many rows as without them, for at most one row of a dimension is taken.
 * @param relation SQL of the events, to be named `source_rows`
 */
export function joinedRelation(definition: ViewDefinition, schemas: JoinSchemas, relation: string): string {
  const joins = usedJoins(definition)
  const columns = joins.flatMap((join) =>
    join.columns.map((name) => `${joinedTable(join)}.${quoteIdentifier(joinedColumn(join, name))}`),
  )
  const clauses = joins.map((join) => {
    const table = joinedTable(join)
    const equal = join.on.map(
      ({ column }, index) => `source_rows.${quoteIdentifier(column)} = ${table}.${joinKey(index)}`,
    )
    const time = validFrom(join, schemas)
    if (time === null) return `LEFT JOIN ${table} ON ${equal.join(' AND ')}`
    const at = instantSql(definition, time, schemas)
    return `ASOF LEFT JOIN ${table} ON ${[...equal, `${at} >= ${table}.${validSince}`].join(' AND ')}`
  })
  return `SELECT ${['source_rows.*', ...columns].join(', ')}
  FROM ${relation}
  ${clauses.join('\n  ')}`
}

/** Events may be as exact as microseconds, and dimensions as nanoseconds: then what is compared leaves 64 bits. */
const isWider = (definition: ViewDefinition, time: TimeColumn, { sourceSchema }: JoinSchemas): boolean =>
  time.perMicro > eventTime(definition, sourceSchema).perMicro

const validFromSql = (definition: ViewDefinition, time: TimeColumn, schemas: JoinSchemas): string =>
  isWider(definition, time, schemas) ? `CAST(${time.instant} AS HUGEINT)` : time.instant

/** The event's time in the unit of a dimension's; rounded down where that is the coarser one. */
function instantSql(definition: ViewDefinition, time: TimeColumn, schemas: JoinSchemas): string {
  const event = eventTime(definition, schemas.sourceSchema, 'source_rows')
  if (isWider(definition, time, schemas)) return `CAST(${event.micros} AS HUGEINT) * ${time.perMicro}`
  return event.perMicro > time.perMicro ? event.micros : event.instant
}

function validFrom(join: JoinDefinition, schemas: JoinSchemas): TimeTypeColumn | null {
  if (join.asOf === undefined) return null
  const time = timeOfType(quoteIdentifier(join.asOf), typeOf(join, join.asOf, schemas))
  if (time !== null) return time
  throw new HindcastError('DEFINITION_INVALID', `join ${join.name}: "${join.asOf}" of ${join.table} is not a time`, {
    hint: 'Name the column of the time from which a row of the dimension is valid.',
    context: { table: join.table, column: join.asOf },
  })
}

/** -0.0 is 0.0. */
function keySql(join: JoinDefinition, column: string, schemas: JoinSchemas): string {
  const type = typeOf(join, column, schemas)
  return type === 'float' || type === 'double' ? `${quoteIdentifier(column)} + 0` : quoteIdentifier(column)
}

function typeOf({ name, table }: JoinDefinition, column: string, { dimensions }: JoinSchemas): IcebergType {
  const type = dimensions?.get(table)?.fields.find((field) => field.name === column)?.type
  if (type !== undefined) return type
  throw new HindcastError('DEFINITION_INVALID', `join ${name}: table ${table} has no column "${column}"`, {
    hint: 'Name a column that the dimension has.',
    context: { table, column },
  })
}
