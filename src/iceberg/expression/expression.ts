/**
 * Filters over rows as callers write them: columns by (dotted) name, values not yet checked. `bindExpression` ties one to a schema.
 *
 * The semantics are those that Iceberg's Java library prunes files by:
 * - A null matches `is-null`, `not-nan`, `not-eq`, `not-in` and `not-starts-with`, and nothing else.
 * - NaN matches `is-nan`, `not-null`, `not-eq` and `not-in`, and nothing else: it is neither below, equal to nor above any value. (Java's
 *   row evaluator orders NaN above all numbers; its metrics evaluators, whose bounds leave NaN out, do not. They decide what is read.)
 * - `not` is pushed down to the predicates before anything is evaluated: `not(lessThan('x', 5))` is `x >= 5`, which a null does not
 *   match either; `not(equal('x', 5))` is `x != 5`, which it does.
 * - Zero equals minus zero. Strings compare by code point, bytes unsigned, false before true.
 */
import type { Literal } from '../manifest/model.ts'

/**
 * A value to compare with: one of the column's own type (see `Literal`; a decimal's unscaled bigint, nanoseconds for a column of
 * nanoseconds), or
 * - a number or text such as `'12.34'` for a decimal,
 * - ISO 8601 text for a date, a time or a timestamp (without a zone it is UTC), text for a uuid,
 * - microseconds since 1970, as an object, for any date (which counts as its midnight UTC) or timestamp.
 */
export type ExpressionValue = Literal | { readonly micros: bigint }

export type UnaryKind = 'is-null' | 'not-null' | 'is-nan' | 'not-nan'
export type ComparisonKind = 'lt' | 'lt-eq' | 'gt' | 'gt-eq' | 'eq' | 'not-eq' | 'starts-with' | 'not-starts-with'
export type SetKind = 'in' | 'not-in'

export type Predicate =
  | { readonly kind: UnaryKind; readonly column: string }
  | { readonly kind: ComparisonKind; readonly column: string; readonly value: ExpressionValue }
  | { readonly kind: SetKind; readonly column: string; readonly values: readonly ExpressionValue[] }

export type Expression =
  | { readonly kind: 'true' | 'false' }
  | { readonly kind: 'not'; readonly child: Expression }
  | { readonly kind: 'and' | 'or'; readonly children: readonly Expression[] }
  | Predicate

export const alwaysTrue: Expression = { kind: 'true' }
export const alwaysFalse: Expression = { kind: 'false' }

/** True of no children at all. */
export const and = (...children: readonly Expression[]): Expression => ({ kind: 'and', children })
/** False of no children at all. */
export const or = (...children: readonly Expression[]): Expression => ({ kind: 'or', children })
export const not = (child: Expression): Expression => ({ kind: 'not', child })

export const isNull = (column: string): Expression => ({ kind: 'is-null', column })
export const notNull = (column: string): Expression => ({ kind: 'not-null', column })
export const isNaN = (column: string): Expression => ({ kind: 'is-nan', column })
export const notNaN = (column: string): Expression => ({ kind: 'not-nan', column })

const comparison =
  (kind: ComparisonKind) =>
  (column: string, value: ExpressionValue): Expression => ({ kind, column, value })

export const equal = comparison('eq')
/** Matches nulls too. */
export const notEqual = comparison('not-eq')
export const lessThan = comparison('lt')
export const lessThanOrEqual = comparison('lt-eq')
export const greaterThan = comparison('gt')
export const greaterThanOrEqual = comparison('gt-eq')
export const startsWith = comparison('starts-with')
/** Matches nulls too. */
export const notStartsWith = comparison('not-starts-with')

export const isIn = (column: string, values: readonly ExpressionValue[]): Expression => ({ kind: 'in', column, values })
/** Matches nulls too. */
export const notIn = (column: string, values: readonly ExpressionValue[]): Expression => ({
  kind: 'not-in',
  column,
  values,
})

const opposites = {
  'is-null': 'not-null',
  'not-null': 'is-null',
  'is-nan': 'not-nan',
  'not-nan': 'is-nan',
  lt: 'gt-eq',
  'lt-eq': 'gt',
  gt: 'lt-eq',
  'gt-eq': 'lt',
  eq: 'not-eq',
  'not-eq': 'eq',
  'starts-with': 'not-starts-with',
  'not-starts-with': 'starts-with',
  in: 'not-in',
  'not-in': 'in',
} as const satisfies Record<Predicate['kind'], Predicate['kind']>

/** The predicate that `not` makes of this one. */
export const negatedPredicate = (predicate: Predicate): Predicate =>
  ({ ...predicate, kind: opposites[predicate.kind] }) as Predicate
