import { quoteIdentifier } from '../compile/quote.ts'
import { HindcastError, isHindcastError, nearest } from '../contract/index.ts'
import {
  type ExpressionTypes,
  featureColumns,
  type FeatureDefinition,
  identifierColumns,
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

const eventTimeTypes: readonly IcebergType[] = ['timestamp', 'timestamptz', 'date']

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

  const source: Scope = {
    owner: `source table ${definition.source.table}`,
    columns: new Map(sourceSchema.fields.map(({ name, type }) => [name, type])),
  }
  const identifiers = inFile(file, () => identifierColumns(definition, sourceSchema))
  checkEventTime()

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

  const expressionTypes: Record<string, PrimitiveType> = {}
  for (const feature of definition.features) {
    const place: Place = { feature: feature.name }
    if (feature.where !== null) {
      const type = await bind(feature.where, source, place)
      if (type !== 'boolean') {
        refuse(place, {
          message: `where: \`${feature.where}\` is ${typeName(type)}, not a condition`,
          hint: 'Write a comparison, for example sql`delay > 15`.',
        })
      }
    }
    const { argument } = feature
    if (argument === null) continue
    const sql = argument.kind === 'column' ? quoteIdentifier(argument.name) : argument.sql
    const at: Place = argument.kind === 'column' ? { ...place, column: argument.name } : place
    if (argument.kind === 'column') requireColumn(argument.name, at)
    const type = primitive(await bind(sql, source, at), sql, at)
    if (needsNumber(feature.aggregate) && !isNumeric(type)) {
      refuse(at, {
        message: `${feature.aggregate} needs a number, and \`${argument.kind === 'column' ? argument.name : sql}\` is ${typeName(type)}`,
        hint: 'Aggregate a numeric column, or cast: sql`CAST(… AS DOUBLE)`.',
      })
    }
    expressionTypes[`feature:${feature.name}`] = type
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

  function checkEventTime(): void {
    const { eventTime } = definition.source
    requireColumn(eventTime, { column: eventTime })
    const type = source.columns.get(eventTime)
    if (type !== undefined && eventTimeTypes.includes(type)) return
    refuse(
      { column: eventTime },
      {
        message: `the source's event time is ${typeName(type ?? null)}, not a time`,
        hint: 'Name a column of type timestamp, timestamptz or date, or import the column as one.',
      },
    )
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

const needsNumber = (aggregate: FeatureDefinition['aggregate']): boolean =>
  ['sum', 'avg', 'stddev', 'variance', 'quantile'].includes(aggregate)

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
