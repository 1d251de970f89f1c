/** Filters tied to a schema: columns by field id, values of the columns' types, no `not`, constants folded away. */
import type { Literal } from '../manifest/model.ts'
import type { IcebergType, PrimitiveType } from '../types/schema.ts'
import type { ComparisonKind, SetKind, UnaryKind } from './expression.ts'

export interface BoundColumn<T extends IcebergType = IcebergType> {
  readonly fieldId: number
  /** Dotted, as the schema has it. */
  readonly name: string
  readonly type: T
  /** Neither the column nor a struct around it can be null. */
  readonly required: boolean
  /** Inside a struct. */
  readonly nested: boolean
}

export interface BoundUnary {
  readonly kind: UnaryKind
  readonly column: BoundColumn
}

export interface BoundComparison {
  readonly kind: ComparisonKind
  readonly column: BoundColumn<PrimitiveType>
  readonly value: Literal
}

export interface BoundSet {
  readonly kind: SetKind
  readonly column: BoundColumn<PrimitiveType>
  /** Two at least, in ascending order, none twice. */
  readonly values: readonly Literal[]
}

export type BoundPredicate = BoundUnary | BoundComparison | BoundSet

export type BoundExpression =
  | { readonly kind: 'true' | 'false' }
  /** Two children at least, none of them a constant or of the same kind. */
  | { readonly kind: 'and' | 'or'; readonly children: readonly BoundExpression[] }
  | BoundPredicate

export const boundTrue: BoundExpression = { kind: 'true' }
export const boundFalse: BoundExpression = { kind: 'false' }

const connect =
  (kind: 'and' | 'or', decides: 'true' | 'false', neutral: BoundExpression) =>
  (children: readonly BoundExpression[]): BoundExpression => {
    const kept: BoundExpression[] = []
    for (const child of children) {
      if (child.kind === decides) return child
      if (child.kind === neutral.kind) continue
      if (child.kind === kind) kept.push(...(child as { readonly children: readonly BoundExpression[] }).children)
      else kept.push(child)
    }
    const [only] = kept
    if (only === undefined) return neutral
    return kept.length === 1 ? only : { kind, children: kept }
  }

/** The simplest expression that is true where all are. */
export const boundAnd = connect('and', 'false', boundTrue)
/** The simplest expression that is true where one is. */
export const boundOr = connect('or', 'true', boundFalse)

/** The expression with each of its predicates replaced. */
export function mapPredicates(
  expression: BoundExpression,
  replace: (predicate: BoundPredicate) => BoundExpression,
): BoundExpression {
  switch (expression.kind) {
    case 'true':
    case 'false':
      return expression
    case 'and':
      return boundAnd(expression.children.map((child) => mapPredicates(child, replace)))
    case 'or':
      return boundOr(expression.children.map((child) => mapPredicates(child, replace)))
    default:
      return replace(expression)
  }
}

/**
 * A function that evaluates the expression on one subject after the other, given one that does for a predicate. It is as true, or as
 * strict, as that function is.
 */
export function compile<S>(
  expression: BoundExpression,
  leaf: (predicate: BoundPredicate) => (subject: S) => boolean,
): (subject: S) => boolean {
  switch (expression.kind) {
    case 'true':
      return () => true
    case 'false':
      return () => false
    case 'and': {
      const tests = expression.children.map((child) => compile(child, leaf))
      return (subject) => tests.every((test) => test(subject))
    }
    case 'or': {
      const tests = expression.children.map((child) => compile(child, leaf))
      return (subject) => tests.some((test) => test(subject))
    }
    default:
      return leaf(expression)
  }
}

/** The ids of the columns that the expression looks at. */
export function boundFieldIds(expression: BoundExpression): Set<number> {
  const ids = new Set<number>()
  mapPredicates(expression, (predicate) => {
    ids.add(predicate.column.fieldId)
    return predicate
  })
  return ids
}
