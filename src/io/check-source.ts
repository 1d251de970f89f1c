/** What must hold of a view's source, given the schemas of its tables. */
import { isHindcastError, nearest } from '../contract/index.ts'
import { clashingNames, foldedName, quoteString } from '../compile/quote.ts'
import {
  joinedColumn,
  referencedColumns,
  sourceLabel,
  type JoinDefinition,
  type ViewDefinition,
} from '../definition/index.ts'
import type { IcebergType, Schema } from '../iceberg/index.ts'
import { fitsInto } from './import-types.ts'
import {
  expressionType,
  typeName,
  type CheckingEngine,
  type Place,
  type RefusePlace,
  type Scope,
} from './expression-types.ts'

const timeTypes: readonly IcebergType[] = ['timestamp', 'timestamptz', 'timestamp_ns', 'date']

/** Checks an SQL text that must be a condition over a scope. */
export async function checkCondition(
  db: CheckingEngine,
  sql: string,
  scope: Scope,
  { what, place, refuse }: { readonly what: string; readonly place: Place; readonly refuse: RefusePlace },
): Promise<void> {
  const type = await expressionType(db, sql, scope, (problem, at, cause) => refuse({ ...place, ...at }, problem, cause))
  if (type === 'boolean') return
  refuse(place, {
    message: `${what}: \`${sql}\` is ${typeName(type)}, not a condition`,
    hint: 'Write a comparison, for example sql`delay > 15`.',
  })
}

/** @throws DEFINITION_INVALID with the nearest names for a column that a scope has not */
export function requireColumn({ owner, columns }: Scope, name: string, place: Place, refuse: RefusePlace): void {
  if (columns.has(name)) return
  const names = [...columns.keys()]
  const close = nearest(name, names)
  refuse(place, {
    message: `${owner} has no column "${name}"`,
    hint: close.length > 0 ? `Did you mean ${close.join(' or ')}?` : `Its columns are ${names.join(', ')}.`,
  })
}

/**
 * The columns that a view's expressions see: the table's, the computed and the joined ones.
 * @param dimensions schemas of the joins' tables, by their names
 */
export async function checkSource(
  db: CheckingEngine,
  definition: ViewDefinition,
  schemas: { readonly source: Schema; readonly dimensions: ReadonlyMap<string, Schema> },
  refuse: RefusePlace,
): Promise<Scope> {
  const { source } = definition
  const owner = sourceLabel(source)
  const table = new Map(schemas.source.fields.map(({ name, type }) => [name, type]))
  checkTime(source.eventTime, source.eventTimeUnit, 'event time')
  if (source.knownTime !== undefined) checkTime(source.knownTime, source.knownTimeUnit, 'known time')
  if (definition.timeZone !== undefined) await requireTimeZone(db, definition.timeZone, refuse)

  const read = referencedColumns(definition, [...table.keys()])
  requireTold(owner, read)
  // Beside one that is read, its like cannot be: the engine would take the first for both.
  const readAs = new Map(read.map((name) => [foldedName(name), name]))
  const columns = new Map([...table].filter(([name]) => (readAs.get(foldedName(name)) ?? name) === name))
  const scope: Scope = { owner, columns }
  const add = (name: string, type: IcebergType | null, what: string): void => {
    const other = [...columns.keys()].find((known) => foldedName(known) === foldedName(name))
    if (other !== undefined) {
      refuse(
        { column: name },
        {
          message: `${what} has the name of a column that ${owner} has already, "${other}"`,
          hint: 'Give it another name; DuckDB’s names ignore case.',
        },
      )
    }
    columns.set(
      name,
      type ??
        refuse({ column: name }, { message: `${what} is ${typeName(type)}`, hint: 'Cast it to a type that it has.' }),
    )
  }
  for (const { name, sql } of source.columns ?? []) {
    const refuseHere = (problem: Parameters<RefusePlace>[1], _?: Place, cause?: unknown): never =>
      refuse({ column: name }, problem, cause)
    add(name, await expressionType(db, sql, scope, refuseHere), 'the computed column')
  }
  // A join sees no other's columns.
  const events: Scope = { owner, columns: new Map(columns) }
  for (const join of source.joins ?? []) {
    for (const [name, type] of joinColumns(join, events)) add(name, type, `a column of join ${join.name}`)
  }
  if (source.sequence !== undefined) {
    requireColumn(scope, source.sequence, { column: source.sequence }, refuse)
    if (typeof columns.get(source.sequence) !== 'string') {
      refuse(
        { column: source.sequence },
        { message: 'the source’s sequence is no single value', hint: 'Name a column of numbers, times or text.' },
      )
    }
  }
  if (source.where !== undefined)
    await checkCondition(db, source.where, scope, { what: 'the source’s where', place: {}, refuse })
  return scope

  function joinColumns(join: JoinDefinition, events: Scope): [string, IcebergType][] {
    const schema = schemas.dimensions.get(join.table)
    if (schema === undefined) {
      return refuse(
        {},
        { message: `join ${join.name}: there is no table ${join.table}`, hint: 'Import it, or name another.' },
      )
    }
    const dimension: Scope = {
      owner: `join ${join.name}: table ${join.table}`,
      columns: new Map(schema.fields.map(({ name, type }) => [name, type])),
    }
    requireTold(
      dimension.owner,
      new Set([...join.on.map(({ equals }) => equals), ...asOfColumn(join), ...join.columns]),
    )
    const typeOf = (of: Scope, name: string): IcebergType => {
      requireColumn(of, name, { column: name }, refuse)
      return of.columns.get(name) as IcebergType
    }
    for (const { column, equals } of join.on) {
      const [left, right] = [typeOf(events, column), typeOf(dimension, equals)]
      if (typeof left !== 'string' || typeof right !== 'string') {
        refuse(
          { column },
          {
            message: `join ${join.name}: ${column} or ${equals} of ${join.table} is no single value`,
            hint: 'Join by columns of text, numbers or times.',
          },
        )
      }
      if (fitsInto(left, right) || fitsInto(right, left)) continue
      refuse(
        { column },
        {
          message: `join ${join.name}: ${column} is ${typeName(left)}, and ${equals} of ${join.table} is ${typeName(right)}`,
          hint: 'Join columns of one type; a computed column may cast.',
        },
      )
    }
    if (join.asOf !== undefined && !timeTypes.includes(typeOf(dimension, join.asOf))) {
      refuse(
        { column: join.asOf },
        {
          message: `join ${join.name}: asOf is ${typeName(typeOf(dimension, join.asOf))}, not a time`,
          hint: 'Name the column of the time from which a row of the dimension is valid.',
        },
      )
    }
    return join.columns.map((name) => [joinedColumn(join, name), typeOf(dimension, name)])
  }

  /** @param names of columns of one table that are read */
  function requireTold(of: string, names: Iterable<string>): void {
    const clash = clashingNames(names)
    if (clash === null) return
    const [first, second] = clash
    refuse(
      { column: second },
      {
        message: `it reads "${first}" and "${second}" of ${of}, which cannot be told apart`,
        hint: 'DuckDB’s names ignore case, and SQL that mentions one of them mentions both. Rename one in the table, or name just one, outside of SQL.',
      },
    )
  }

  function checkTime(name: string, unit: string | undefined, role: string): void {
    const refuseHere = (message: string, hint: string): never => refuse({ column: name }, { message, hint })
    if ((source.columns ?? []).some((column) => column.name === name) && !table.has(name)) {
      refuseHere(
        `the source's ${role} is a computed column`,
        'Name a column of the table: its bounds tell which files are read. A number needs its unit only.',
      )
    }
    requireColumn({ owner, columns: table }, name, { column: name }, refuse)
    const type = table.get(name) as IcebergType
    if (unit === undefined && !timeTypes.includes(type)) {
      refuseHere(
        `the source's ${role} is ${typeName(type)}, not a time`,
        'Name a column of type timestamp, timestamptz or date, give a number its unit, or import the column as one.',
      )
    }
    if (unit !== undefined && type !== 'int' && type !== 'long' && !(type === 'double' && unit === 's')) {
      refuseHere(
        `the source's ${role} is ${typeName(type)}, and a unit is for whole numbers`,
        'Leave the unit out for a timestamp or a date; seconds may be a double.',
      )
    }
  }
}

const asOfColumn = ({ asOf }: JoinDefinition): string[] => (asOf === undefined ? [] : [asOf])

/** JavaScript may know a time zone that the engine does not. */
async function requireTimeZone(db: CheckingEngine, timeZone: string, refuse: RefusePlace): Promise<void> {
  try {
    await db.rows(`SELECT timezone(${quoteString(timeZone)}, TIMESTAMP '2000-01-01') AS there`, {
      otherwise: 'DEFINITION_INVALID',
    })
  } catch (error) {
    if (!isHindcastError(error) || error.code !== 'DEFINITION_INVALID') throw error
    refuse(
      {},
      {
        message: `timeZone: the engine does not know "${timeZone}"`,
        hint: 'Write its IANA name, such as America/New_York.',
      },
      error,
    )
  }
}
