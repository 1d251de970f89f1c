import { HindcastError, nearest } from '../../contract/index.ts'
import type { Literal } from '../manifest/model.ts'
import type { IcebergType, NestedField, PrimitiveType, Schema } from '../types/schema.ts'
import { compareLiterals } from '../types/single-value.ts'
import {
  boundAnd,
  boundFalse,
  boundOr,
  boundTrue,
  type BoundColumn,
  type BoundExpression,
  type BoundUnary,
} from './bound.ts'
import {
  negatedPredicate,
  type ComparisonKind,
  type Expression,
  type ExpressionValue,
  type Predicate,
  type SetKind,
  type UnaryKind,
} from './expression.ts'
import { placeLiteral } from './place-literal.ts'

/**
 * Ties a filter to a schema: finds its columns by their dotted names (case counts; fields of structs, not what lies inside lists and
 * maps), brings its values to the columns' types, pushes `not` down, and folds what the schema alone decides.
 *
 * A value that no value of the type equals folds too: `x = 10.5` over a decimal without fraction is false, `x != 10.5` true, and
 * `x < 10.5` is `x <= 10`. One beyond the type's range leaves `x < 2^40` as `x is not null`, where Iceberg's Java library makes it true:
 * a delete by that filter would take the nulls with it there.
 * @throws REQUEST_INVALID naming the column: it does not exist, or the value or the predicate does not fit its type
 */
export const bindExpression = (expression: Expression, schema: Schema): BoundExpression =>
  bind(expression, schema, false)

function bind(expression: Expression, schema: Schema, negated: boolean): BoundExpression {
  switch (expression.kind) {
    case 'true':
      return negated ? boundFalse : boundTrue
    case 'false':
      return negated ? boundTrue : boundFalse
    case 'not':
      return bind(expression.child, schema, !negated)
    case 'and':
    case 'or': {
      const children = expression.children.map((child) => bind(child, schema, negated))
      return (expression.kind === 'and') === negated ? boundOr(children) : boundAnd(children)
    }
    default:
      return bindPredicate(negated ? negatedPredicate(expression) : expression, schema)
  }
}

function bindPredicate(predicate: Predicate, schema: Schema): BoundExpression {
  const column = findColumn(schema, predicate.column)
  if ('values' in predicate) return bindSet(predicate.kind, requirePrimitive(column, predicate.kind), predicate.values)
  if ('value' in predicate) {
    return bindComparison(predicate.kind, requirePrimitive(column, predicate.kind), predicate.value)
  }
  return bindUnary(predicate.kind, column)
}

const isFloating = (type: IcebergType): boolean => type === 'float' || type === 'double'

const unfit = (kind: string, column: BoundColumn): never => {
  const shown = typeof column.type === 'string' ? column.type : column.type.type
  throw new HindcastError('REQUEST_INVALID', `${kind} does not apply to column ${column.name} of type ${shown}`, {
    hint: 'Its nulls can be filtered (is-null, not-null); the rest depends on the type.',
    context: { column: column.name, predicate: kind, type: shown },
  })
}

function requirePrimitive(column: BoundColumn, kind: string): BoundColumn<PrimitiveType> {
  const { type } = column
  return typeof type === 'string' ? { ...column, type } : unfit(kind, column)
}

function bindUnary(kind: UnaryKind, column: BoundColumn): BoundExpression {
  switch (kind) {
    case 'is-null':
    case 'not-null': {
      const isNull = kind === 'is-null'
      if (column.type === 'unknown') return isNull ? boundTrue : boundFalse
      if (column.required) return isNull ? boundFalse : boundTrue
      return { kind, column } satisfies BoundUnary
    }
    case 'is-nan':
    case 'not-nan':
      return isFloating(column.type) ? { kind, column } : unfit(kind, column)
  }
}

function bindComparison(
  kind: ComparisonKind,
  column: BoundColumn<PrimitiveType>,
  value: ExpressionValue,
): BoundExpression {
  if ((kind === 'starts-with' || kind === 'not-starts-with') && column.type !== 'string') return unfit(kind, column)
  const placed = placeLiteral(column.type, value, column.name)
  if (placed.kind === 'exact') return { kind, column, value: placed.value }
  switch (kind) {
    case 'eq':
    case 'starts-with':
      return boundFalse
    case 'not-eq':
    case 'not-starts-with':
      return boundTrue
    case 'lt':
    case 'lt-eq':
      if (placed.kind === 'between') return { kind: 'lt-eq', column, value: placed.below }
      return placed.kind === 'above' ? bindUnary('not-null', column) : boundFalse
    case 'gt':
    case 'gt-eq':
      if (placed.kind === 'between') return { kind: 'gt-eq', column, value: placed.above }
      return placed.kind === 'below' ? bindUnary('not-null', column) : boundFalse
  }
}

function bindSet(
  kind: SetKind,
  column: BoundColumn<PrimitiveType>,
  values: readonly ExpressionValue[],
): BoundExpression {
  const exact = values.flatMap((value): Literal[] => {
    const placed = placeLiteral(column.type, value, column.name)
    return placed.kind === 'exact' ? [placed.value] : []
  })
  return setPredicate(kind, column, exact)
}

/** `in` or `not-in` of values of the column's type, in any order; a plain comparison for one value, a constant for none. */
export function setPredicate(
  kind: SetKind,
  column: BoundColumn<PrimitiveType>,
  values: readonly Literal[],
): BoundExpression {
  const sorted = values
    .toSorted(compareLiterals)
    .filter((value, index, all) => index === 0 || compareLiterals(value, all[index - 1] as Literal) !== 0)
  const [only] = sorted
  if (only === undefined) return kind === 'in' ? boundFalse : boundTrue
  return sorted.length === 1
    ? { kind: kind === 'in' ? 'eq' : 'not-eq', column, value: only }
    : { kind, column, values: sorted }
}

function findColumn(schema: Schema, name: string): BoundColumn {
  const path = pathByName(schema.fields, name)
  if (path !== null) return columnOf(path)
  const names = columnNames(schema.fields)
  const near = nearest(name, names)
  throw new HindcastError('REQUEST_INVALID', `there is no column ${name} to filter by`, {
    hint:
      near.length > 0
        ? `Did you mean ${near.join(' or ')}?`
        : `There are: ${names.slice(0, 40).join(', ')}. What lies inside lists and maps cannot be filtered.`,
    context: { column: name },
  })
}

function columnOf(path: readonly NestedField[]): BoundColumn {
  const field = path.at(-1) as NestedField
  return {
    fieldId: field.id,
    name: path.map((step) => step.name).join('.'),
    type: field.type,
    required: path.every((step) => step.required),
    nested: path.length > 1,
  }
}

/** The fields from the top to the one of that dotted name; a name that itself holds dots is found too. */
function pathByName(fields: readonly NestedField[], name: string): NestedField[] | null {
  for (const field of fields) if (field.name === name) return [field]
  for (const field of fields) {
    if (!name.startsWith(`${field.name}.`) || typeof field.type === 'string' || field.type.type !== 'struct') continue
    const inner = pathByName(field.type.fields, name.slice(field.name.length + 1))
    if (inner !== null) return [field, ...inner]
  }
  return null
}

const columnNames = (fields: readonly NestedField[]): string[] =>
  fields.flatMap(({ name, type }) => {
    if (typeof type === 'string' || type.type !== 'struct') return [name]
    return [name, ...columnNames(type.fields).map((inner) => `${name}.${inner}`)]
  })
