import { quoteIdentifier } from '../compile/quote.ts'
import { HindcastError, isHindcastError, nearest } from '../contract/index.ts'
import {
  type ExpressionTypes,
  featureColumns,
  type FeatureDefinition,
  identifierColumns,
  sourceLabel,
  type ViewDefinition,
} from '../definition/index.ts'
import { decimalShape, type IcebergType, type PrimitiveType, type Schema } from '../iceberg/index.ts'
import type { DuckDb } from './duckdb.ts'
import { duckDbType } from './duckdb-types.ts'
import { inFile } from './definition-file.ts'
import { icebergTypeOf } from './import-types.ts'
import { rowExpressionProblem, type Problem } from './row-expression.ts'

/** The part of the engine that checking needs. */
export type CheckingEngine = Pick<DuckDb, 'rows' | 'describe'>

interface Place {
  readonly feature?: string
  readonly column?: string
}

/** The columns that an expression sees. */
interface Scope {
  /** `the source`, `the view` */
  readonly owner: string
  readonly columns: ReadonlyMap<string, IcebergType>
}

const timeTypes: readonly IcebergType[] = ['timestamp', 'timestamptz', 'timestamp_ns', 'date']

/**
 * Checks a view against the schema of its source and finds the types of its expressions; reads no data. Expressions must be row
 * expressions that give the same value whenever they are computed.
 * @param file the definition's file, for messages
 * @throws DEFINITION_INVALID naming file, view, feature and column, with the nearest names for a column that is not there
 */
export async function checkDefinition(
  db: CheckingEngine,
  definition: ViewDefinition,
  sourceSchema: Schema,
  file: string,
): Promise<{ readonly expressionTypes: ExpressionTypes }> {
  const refuse = (place: Place, { message, hint }: Problem, cause?: unknown): never => {
    const where = [`view ${definition.name}`]
    if (place.feature !== undefined) where.push(`feature ${place.feature}`)
    if (place.column !== undefined) where.push(`column ${place.column}`)
    throw new HindcastError('DEFINITION_INVALID', `${file}: ${where.join(', ')}: ${message}`, {
      hint,
      context: { file, view: definition.name, ...place },
      cause,
    })
  }

  const table = new Map(sourceSchema.fields.map(({ name, type }) => [name, type]))
  /** With the computed columns, each once its type is known. */
  const columns = new Map(table)
  const source: Scope = { owner: sourceLabel(definition.source), columns }
  const identifiers = inFile(file, () => identifierColumns(definition, sourceSchema))
  const { eventTime, eventTimeUnit, knownTime, knownTimeUnit, sequence } = definition.source
  checkTime(eventTime, eventTimeUnit, 'event time')
  if (knownTime !== undefined) checkTime(knownTime, knownTimeUnit, 'known time')
  if (sequence !== undefined) requireColumn(sequence, { column: sequence })

  /** The DuckDB type that an expression has in a scope, as the Iceberg type that holds it. */
  const bind = async (sql: string, scope: Scope, place: Place): Promise<IcebergType | null> => {
    const problem = await rowExpressionProblem(db, sql, [...scope.columns.keys()], scope.owner)
    if (problem !== null) refuse(place, problem)
    try {
      const [column] = await db.describe(
        `SELECT (${sql}) AS value FROM (${emptyRelation(scope)}) AS columns_of_the_view`,
        {
          otherwise: 'DEFINITION_INVALID',
        },
      )
      return column === undefined ? null : icebergTypeOf(column.type)
    } catch (error) {
      if (!isHindcastError(error) || error.code !== 'DEFINITION_INVALID') throw error
      const unread = /^Binder Error: Referenced column "([^"]+)"/.exec(error.message)?.[1]
      const type = unread === undefined ? undefined : scope.columns.get(unread)
      if (type !== undefined) {
        return refuse(
          { ...place, column: unread as string },
          {
            message: `columns of type ${typeName(type)} cannot be read`,
            hint: 'Use another column, or import this one as another type.',
          },
        )
      }
      // The candidates that follow are all overloads of a function.
      const [said = ''] = error.message.split(/\s*Candidate functions:/)
      const reason = said
        .replace(/^(Binder|Catalog|Conversion|Parser|Not implemented) Error:\s*/i, '')
        .replaceAll(/\s+/g, ' ')
      return refuse(
        place,
        { message: `\`${sql}\`: ${reason}`, hint: 'Mend the expression: it is DuckDB’s SQL.' },
        error,
      )
    }
  }

  const primitive = (type: IcebergType | null, sql: string, place: Place): PrimitiveType =>
    typeof type === 'string'
      ? type
      : refuse(place, {
          message: `\`${sql}\` has a type that a feature table cannot hold`,
          hint: 'Cast it to a number, text, a boolean, a date or a timestamp, for example with CAST(… AS BIGINT).',
        })

  const condition = async (sql: string, what: string, place: Place): Promise<void> => {
    const type = await bind(sql, source, place)
    if (type === 'boolean') return
    refuse(place, {
      message: `${what}: \`${sql}\` is ${typeName(type)}, not a condition`,
      hint: 'Write a comparison, for example sql`delay > 15`.',
    })
  }

  /** The type of what a feature names or computes of each event. */
  const argumentType = async (argument: NonNullable<FeatureDefinition['argument']>, place: Place) => {
    if (argument.kind === 'sql')
      return {
        type: primitive(await bind(argument.sql, source, place), argument.sql, place),
        shown: argument.sql,
        place,
      }
    const at: Place = { ...place, column: argument.name }
    requireColumn(argument.name, at)
    const sql = quoteIdentifier(argument.name)
    const bound = primitive(await bind(sql, source, at), sql, at)
    // As the source has it: the engine reads some types as others.
    const own = table.get(argument.name)
    return { type: typeof own === 'string' ? own : bound, shown: argument.name, place: at }
  }

  const expressionTypes: Record<string, PrimitiveType> = {}
  for (const { name, sql } of definition.source.columns ?? []) {
    if (columns.has(name)) {
      refuse(
        { column: name },
        {
          message: `the source computes a column "${name}", which it has already`,
          hint: 'Give the computed column another name.',
        },
      )
    }
    const type = await bind(sql, source, { column: name })
    columns.set(
      name,
      type ?? refuse({ column: name }, { message: `\`${sql}\` has no type of Iceberg’s`, hint: 'Cast it.' }),
    )
  }
  if (definition.source.where !== undefined) await condition(definition.source.where, 'the source’s where', {})
  for (const feature of definition.features) {
    const { aggregate, argument, where, divisor, by } = feature
    const place: Place = { feature: feature.name }
    if (where !== null) await condition(where, 'where', place)
    if (by !== undefined && by !== null) await argumentType(by, place)
    if (divisor !== undefined) {
      if (divisor.where !== null) await condition(divisor.where, 'the divisor’s where', place)
      if (divisor.argument !== null) requireKind(aggregate, await argumentType(divisor.argument, place))
    }
    if (argument === null) continue
    const found = await argumentType(argument, place)
    requireKind(aggregate, found)
    expressionTypes[`feature:${feature.name}`] = found.type
  }

  const output: Scope = {
    owner: `view ${definition.name}`,
    columns: new Map(
      [...identifiers, ...featureColumns(definition, expressionTypes)].map(({ name, type }) => [name, type]),
    ),
  }
  for (const { name, sql } of definition.derived) {
    const place: Place = { column: name }
    expressionTypes[`derived:${name}`] = primitive(await bind(sql, output, place), sql, place)
  }
  return { expressionTypes }

  function requireKind(
    aggregate: FeatureDefinition['aggregate'],
    { type, shown, place }: { readonly type: PrimitiveType; readonly shown: string; readonly place: Place },
  ): void {
    if (numeric.has(aggregate) && !isNumeric(type)) {
      refuse(place, {
        message: `${aggregate} needs a number, and \`${shown}\` is ${typeName(type)}`,
        hint: 'Aggregate a numeric column, or cast: sql`CAST(… AS DOUBLE)`.',
      })
    }
    if (logical.has(aggregate) && type !== 'boolean') {
      refuse(place, {
        message: `${aggregate} needs a condition, and \`${shown}\` is ${typeName(type)}`,
        hint: 'Write a comparison, for example sql`delay > 15`.',
      })
    }
  }

  function checkTime(name: string, unit: string | undefined, role: string): void {
    requireColumn(name, { column: name })
    const type = table.get(name)
    if (type === undefined) {
      refuse(
        { column: name },
        {
          message: `the source's ${role} is a computed column`,
          hint: 'Name a column of the table: its bounds tell which files are read. A number needs its unit only.',
        },
      )
    } else if (unit === undefined && !timeTypes.includes(type)) {
      refuse(
        { column: name },
        {
          message: `the source's ${role} is ${typeName(type)}, not a time`,
          hint: 'Name a column of type timestamp, timestamptz or date, give a number its unit, or import the column as one.',
        },
      )
    } else if (unit !== undefined && type !== 'int' && type !== 'long' && !(type === 'double' && unit === 's')) {
      refuse(
        { column: name },
        {
          message: `the source's ${role} is ${typeName(type)}, and a unit is for whole numbers`,
          hint: 'Leave the unit out for a timestamp or a date; seconds may be a double.',
        },
      )
    }
  }

  function requireColumn(name: string, place: Place): void {
    if (source.columns.has(name)) return
    const names = [...source.columns.keys()]
    const close = nearest(name, names)
    refuse(place, {
      message: `${source.owner} has no column "${name}"`,
      hint: close.length > 0 ? `Did you mean ${close.join(' or ')}?` : `Its columns are ${names.join(', ')}.`,
    })
  }
}

const numeric: ReadonlySet<FeatureDefinition['aggregate']> = new Set([
  'sum',
  'avg',
  'stddev',
  'variance',
  'quantile',
  'approx_quantile',
  'histogram',
  'ratio',
  'decayed_sum',
  'decayed_avg',
])
const logical: ReadonlySet<FeatureDefinition['aggregate']> = new Set(['bool_and', 'bool_or', 'rate'])

const isNumeric = (type: PrimitiveType): boolean =>
  ['int', 'long', 'float', 'double'].includes(type) || decimalShape(type) !== null

const typeName = (type: IcebergType | null): string =>
  type === null ? 'of a type that Iceberg has not' : typeof type === 'string' ? type : `a ${type.type}`

/** A relation without rows that has a scope's columns; those that DuckDB has no type for are not in it. */
function emptyRelation({ columns }: Scope): string {
  const typed = [...columns].flatMap(([name, type]) => {
    try {
      return [`CAST(NULL AS ${duckDbType(type)}) AS ${quoteIdentifier(name)}`]
    } catch (error) {
      if (isHindcastError(error) && error.code === 'FEATURE_UNSUPPORTED') return []
      throw error
    }
  })
  return `SELECT ${typed.join(', ')} WHERE false`
}
