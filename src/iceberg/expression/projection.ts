/**
 * Predicates over rows turned into predicates over partition values: https://iceberg.apache.org/spec/#scan-planning.
 * An inclusive projection is true of every partition that holds a matching row; where a strict one is true, all rows of the partition
 * match.
 */
import { HindcastError } from '../../contract/index.ts'
import type { Literal } from '../manifest/model.ts'
import type { PartitionField } from '../metadata/table-metadata.ts'
import type { PrimitiveType } from '../types/schema.ts'
import { applyTransform, parseTransform, type Transform } from '../types/transforms.ts'
import { firstCodePoints } from '../types/single-value.ts'
import { setPredicate } from './bind.ts'
import type { BoundColumn, BoundComparison, BoundExpression, BoundPredicate, BoundSet } from './bound.ts'

export type ProjectionMode = 'inclusive' | 'strict'

/**
 * @param field of a transform that is known here, over the predicate's column
 * @param target the field as a column: its id is the partition field's
 * @returns null where the field says nothing of the predicate
 */
export function projectPredicate(
  predicate: BoundPredicate,
  field: PartitionField,
  target: BoundColumn<PrimitiveType>,
  mode: ProjectionMode,
): BoundExpression | null {
  const transform = parseTransform(field.transform)
  if (transform.kind === 'void') return null
  if (transform.kind === 'identity') return { ...predicate, column: target } as BoundExpression
  switch (predicate.kind) {
    case 'is-null':
    case 'not-null':
      return { kind: predicate.kind, column: target }
    case 'is-nan':
    case 'not-nan':
      return null
    default:
      return projectComparison(predicate, field.transform, transform, target, mode)
  }
}

function projectComparison(
  predicate: BoundComparison | BoundSet,
  text: string,
  transform: Exclude<Transform, { readonly kind: 'identity' | 'void' }>,
  target: BoundColumn<PrimitiveType>,
  mode: ProjectionMode,
): BoundExpression | null {
  const { type } = predicate.column
  const project = (value: Literal): Literal | null => transformed(text, type, value)
  const projected = projectKind(predicate, transform, target, mode, project)
  if (projected === null || transform.kind === 'bucket' || transform.kind === 'truncate') return projected
  // Days of a date are the date itself, and were never wrong.
  return transform.kind === 'day' && type === 'date' ? projected : forgiveOldOrdinals(projected, mode)
}

function projectKind(
  predicate: BoundComparison | BoundSet,
  transform: Exclude<Transform, { readonly kind: 'identity' | 'void' }>,
  target: BoundColumn<PrimitiveType>,
  mode: ProjectionMode,
  project: (value: Literal) => Literal | null,
): BoundExpression | null {
  const compared = (kind: BoundComparison['kind'], value: Literal | null): BoundExpression | null =>
    value === null ? null : { kind, column: target, value }
  const inclusive = mode === 'inclusive'
  switch (predicate.kind) {
    case 'eq':
      return inclusive ? compared('eq', project(predicate.value)) : null
    case 'not-eq':
      return inclusive ? null : compared('not-eq', project(predicate.value))
    case 'in':
    case 'not-in': {
      if ((predicate.kind === 'in') !== inclusive) return null
      const values = predicate.values.flatMap((value) => project(value) ?? [])
      return values.length === predicate.values.length ? setPredicate(predicate.kind, target, values) : null
    }
    case 'starts-with':
    case 'not-starts-with':
      return transform.kind === 'truncate' ? projectPrefix(predicate, transform.width, target, mode) : null
    case 'lt':
    case 'lt-eq':
    case 'gt':
    case 'gt-eq': {
      if (transform.kind === 'bucket') return null
      const [kind, value] = inclusive ? closed(predicate) : open(predicate)
      return compared(kind, project(value))
    }
  }
}

type Order = readonly [kind: BoundComparison['kind'], value: Literal]

/** The comparison as one that its end belongs to: the transform of the end belongs to the projection too. */
function closed({ kind, value }: BoundComparison): Order {
  if (kind === 'lt' || kind === 'lt-eq') return ['lt-eq', kind === 'lt' ? neighbour(value, -1) : value]
  return ['gt-eq', kind === 'gt' ? neighbour(value, 1) : value]
}

/** The comparison as one that its end does not belong to: what the end is transformed to may hold values on both sides of it. */
function open({ kind, value }: BoundComparison): Order {
  if (kind === 'lt' || kind === 'lt-eq') return ['lt', kind === 'lt-eq' ? neighbour(value, 1) : value]
  return ['gt', kind === 'gt-eq' ? neighbour(value, -1) : value]
}

/** The next value up or down where values are whole numbers; text and bytes have none, and are taken as they are. */
function neighbour(value: Literal, step: 1 | -1): Literal {
  if (typeof value === 'number') return value + step
  return typeof value === 'bigint' ? value + BigInt(step) : value
}

function projectPrefix(
  { kind, value }: BoundComparison,
  width: number,
  target: BoundColumn<PrimitiveType>,
  mode: ProjectionMode,
): BoundExpression | null {
  const prefix = value as string
  const kept = firstCodePoints(prefix, width)
  if (kept === prefix) return { kind, column: target, value: prefix }
  // The partition value holds less than the prefix.
  if (kind === 'starts-with') return mode === 'inclusive' ? { kind: 'eq', column: target, value: kept } : null
  if (mode === 'strict') return { kind: 'not-eq', column: target, value: kept }
  return null
}

/** Null where the transform cannot be applied: the files' writer knew better, and nothing can be said of what it did. */
function transformed(transform: string, type: PrimitiveType, value: Literal): Literal | null {
  try {
    const result = applyTransform(transform, type, value)
    // Days beyond what JavaScript's dates reach.
    return typeof result === 'number' && Number.isNaN(result) ? null : result
  } catch (error) {
    if (error instanceof HindcastError && error.code === 'FEATURE_UNSUPPORTED') return null
    throw error
  }
}

/**
 * Iceberg's Java library up to 0.10 rounded times before 1970 towards zero: their ordinals were one too high, and such files may still
 * be about. As the library does since, the projection allows for either.
 */
function forgiveOldOrdinals(projected: BoundExpression, mode: ProjectionMode): BoundExpression {
  switch (projected.kind) {
    case 'lt-eq': {
      const ordinal = projected.value as number
      return mode === 'inclusive' && ordinal < 0 ? { ...projected, value: ordinal + 1 } : projected
    }
    case 'gt': {
      const ordinal = projected.value as number
      return mode === 'strict' && ordinal < 0 ? { ...projected, value: ordinal + 1 } : projected
    }
    case 'eq':
    case 'not-eq':
      return withOldOrdinals(projected.kind === 'eq' ? 'in' : 'not-in', projected.column, [projected.value as number])
    case 'in':
    case 'not-in':
      return withOldOrdinals(projected.kind, projected.column, projected.values as readonly number[])
    default:
      return projected
  }
}

const withOldOrdinals = (
  kind: 'in' | 'not-in',
  column: BoundColumn<PrimitiveType>,
  ordinals: readonly number[],
): BoundExpression =>
  setPredicate(
    kind,
    column,
    ordinals.flatMap((ordinal) => (ordinal < 0 ? [ordinal, ordinal + 1] : [ordinal])),
  )
