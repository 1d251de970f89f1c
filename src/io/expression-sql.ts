import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'
import type { BoundExpression, BoundPredicate, NestedField, Schema } from '../iceberg/index.ts'
import { literalSql } from './literal-sql.ts'

/**
 * DuckDB's SQL of a filter, true for exactly the rows that `evaluateRow` accepts. It is never null, so that `NOT (…)` takes all the others.
 * @param schema what the filter was bound to; columns are named as it has them
 */
export function expressionSql(expression: BoundExpression, schema: Schema): string {
  switch (expression.kind) {
    case 'true':
    case 'false':
      return expression.kind
    case 'and':
    case 'or':
      return expression.children
        .map((child) => `(${expressionSql(child, schema)})`)
        .join(expression.kind === 'and' ? ' AND ' : ' OR ')
    default:
      return predicateSql(expression, schema)
  }
}

const operators = { lt: '<', 'lt-eq': '<=', gt: '>', 'gt-eq': '>=', eq: '=' } as const

function predicateSql(predicate: BoundPredicate, schema: Schema): string {
  const { column } = predicate
  const value = columnSql(schema, column.fieldId)
  const isFloat = column.type === 'float' || column.type === 'double'
  // DuckDB has NaN above all numbers and equal to itself; here it compares with nothing.
  const comparable = isFloat ? `NOT isnan(${value})` : 'true'
  const certainly = (condition: string): string => `coalesce(${condition}, false)`
  switch (predicate.kind) {
    case 'is-null':
      return `${value} IS NULL`
    case 'not-null':
      return `${value} IS NOT NULL`
    case 'is-nan':
      return isFloat ? certainly(`isnan(${value})`) : 'false'
    case 'not-nan':
      return isFloat ? `NOT ${certainly(`isnan(${value})`)}` : 'true'
    case 'starts-with':
      return certainly(`starts_with(${value}, ${literalSql(predicate.column.type, predicate.value)})`)
    case 'not-starts-with':
      return `NOT ${certainly(`starts_with(${value}, ${literalSql(predicate.column.type, predicate.value)})`)}`
    case 'in':
    case 'not-in': {
      const { type } = predicate.column
      const values = predicate.values.map((each) => literalSql(type, each)).join(', ')
      const found = certainly(`${comparable} AND ${value} IN (${values})`)
      return predicate.kind === 'in' ? found : `NOT ${found}`
    }
    case 'not-eq':
      return `NOT ${certainly(`${comparable} AND ${value} = ${literalSql(predicate.column.type, predicate.value)}`)}`
    default:
      return certainly(
        `${comparable} AND ${value} ${operators[predicate.kind]} ${literalSql(predicate.column.type, predicate.value)}`,
      )
  }
}

/** A column by field id, also inside structs; null where a struct around it is. */
function columnSql(schema: Schema, fieldId: number): string {
  const path = pathTo(schema.fields, fieldId)
  const [top, ...inner] = path ?? []
  if (top === undefined) throw new HindcastError('INVARIANT_VIOLATED', `the schema has no column ${fieldId}`)
  return inner.reduce((sql, { name }) => `struct_extract(${sql}, ${quoteString(name)})`, quoteIdentifier(top.name))
}

function pathTo(fields: readonly NestedField[], fieldId: number): readonly NestedField[] | null {
  for (const field of fields) {
    if (field.id === fieldId) return [field]
    if (typeof field.type === 'string' || field.type.type !== 'struct') continue
    const inner = pathTo(field.type.fields, fieldId)
    if (inner !== null) return [field, ...inner]
  }
  return null
}

/** The top-level columns that a filter reads. */
export function filterColumns(expression: BoundExpression, schema: Schema): readonly string[] {
  const found = new Set<string>()
  const visit = (node: BoundExpression): void => {
    if ('children' in node) node.children.forEach(visit)
    if (!('column' in node)) return
    const [top] = pathTo(schema.fields, node.column.fieldId) ?? []
    if (top !== undefined) found.add(top.name)
  }
  visit(expression)
  return [...found]
}
