/** Types of authors' expressions, found by letting the engine bind them over relations without rows. */
import { quoteIdentifier } from '../compile/quote.ts'
import { HindcastError, isHindcastError } from '../contract/index.ts'
import type { IcebergType } from '../iceberg/index.ts'
import type { DuckDb } from './duckdb.ts'
import { duckDbType } from './duckdb-types.ts'
import { icebergTypeOf } from './import-types.ts'
import { rowExpressionProblem, type Problem } from './row-expression.ts'

/** The part of the engine that checking needs. */
export type CheckingEngine = Pick<DuckDb, 'rows' | 'describe'>

export interface Place {
  readonly feature?: string
  readonly column?: string
}

/** Throws DEFINITION_INVALID that names file, view and place. */
export type RefusePlace = (place: Place, problem: Problem, cause?: unknown) => never

export const refusalsIn =
  (file: string, view: string): RefusePlace =>
  (place, { message, hint }, cause) => {
    const where = [`view ${view}`]
    if (place.feature !== undefined) where.push(`feature ${place.feature}`)
    if (place.column !== undefined) where.push(`column ${place.column}`)
    throw new HindcastError('DEFINITION_INVALID', `${file}: ${where.join(', ')}: ${message}`, {
      hint,
      context: { file, view, ...place },
      cause,
    })
  }

/** The columns that an expression sees. */
export interface Scope {
  /** `source table raw.flights`, `view delays` */
  readonly owner: string
  readonly columns: ReadonlyMap<string, IcebergType>
}

/** The Iceberg type that holds what an expression gives in a scope; null where there is none. */
export async function expressionType(
  db: CheckingEngine,
  sql: string,
  scope: Scope,
  refuse: (problem: Problem, place?: Place, cause?: unknown) => never,
): Promise<IcebergType | null> {
  const problem = await rowExpressionProblem(db, sql, [...scope.columns.keys()], scope.owner)
  if (problem !== null) refuse(problem)
  try {
    const [column] = await db.describe(
      `SELECT (${sql}) AS value FROM (${emptyRelation(scope)}) AS columns_of_the_view`,
      { otherwise: 'DEFINITION_INVALID' },
    )
    return column === undefined ? null : icebergTypeOf(column.type)
  } catch (error) {
    if (!isHindcastError(error) || error.code !== 'DEFINITION_INVALID') throw error
    const unread = /^Binder Error: Referenced column "([^"]+)"/.exec(error.message)?.[1]
    const type = unread === undefined ? undefined : scope.columns.get(unread)
    if (type !== undefined) {
      return refuse(
        {
          message: `columns of type ${typeName(type)} cannot be read`,
          hint: 'Use another column, or import this one as another type.',
        },
        { column: unread as string },
      )
    }
    // The candidates that follow are all overloads of a function.
    const [said = ''] = error.message.split(/\s*Candidate functions:/)
    const reason = said
      .replace(/^(Binder|Catalog|Conversion|Parser|Not implemented) Error:\s*/i, '')
      .replaceAll(/\s+/g, ' ')
    return refuse({ message: `\`${sql}\`: ${reason}`, hint: 'Mend the expression: it is DuckDB’s SQL.' }, {}, error)
  }
}

export const typeName = (type: IcebergType | null): string =>
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
