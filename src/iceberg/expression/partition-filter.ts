/** A filter as it applies to partitions of one partition spec. */
import type { PartitionFieldSummary, PartitionTuple } from '../manifest/model.ts'
import type { PartitionSpec } from '../metadata/table-metadata.ts'
import type { PrimitiveType } from '../types/schema.ts'
import {
  boundAnd,
  boundFalse,
  boundOr,
  boundTrue,
  compile,
  mapPredicates,
  type BoundColumn,
  type BoundExpression,
  type BoundPredicate,
} from './bound.ts'
import { mayMatch, nothingKnown, type ColumnFacts } from './column-facts.ts'
import { valueTest } from './evaluate.ts'
import { projectPredicate, type ProjectionMode } from './projection.ts'

export interface PartitionFilter {
  /** Whether a manifest whose partitions have these summaries may hold a matching row. */
  manifestMayMatch(summaries: readonly PartitionFieldSummary[] | undefined): boolean
  /** Whether a partition may hold a row that matches. */
  mayMatch(tuple: PartitionTuple): boolean
  /** What is left to be asked of the partition's rows. The same object for as long as nothing is decided. */
  residual(tuple: PartitionTuple): BoundExpression
  /** Whether all rows of a partition match the predicate. */
  predicateMustMatch(predicate: BoundPredicate): (tuple: PartitionTuple) => boolean
}

/** @param types of the spec's partition values; null where they are not known, and nothing is concluded from them */
export function partitionFilter(
  expression: BoundExpression,
  spec: PartitionSpec,
  types: readonly (PrimitiveType | null)[],
): PartitionFilter {
  const indexes = new Map(spec.fields.map(({ fieldId }, index) => [fieldId, index]))
  const indexOf = ({ column }: BoundPredicate): number => indexes.get(column.fieldId) as number
  const project = (predicate: BoundPredicate, mode: ProjectionMode): BoundExpression[] =>
    spec.fields.flatMap((field, index) => {
      const type = types[index] ?? null
      if (field.sourceId !== predicate.column.fieldId || type === null) return []
      return projectPredicate(predicate, field, partitionColumn(field, type), mode) ?? []
    })
  const tupleTest = (projected: BoundExpression): ((tuple: PartitionTuple) => boolean) =>
    compile(projected, (predicate) => {
      const [test, index] = [valueTest(predicate), indexOf(predicate)]
      return (tuple) => test(tuple[index] ?? null)
    })
  const inclusive = mapPredicates(expression, (predicate) => boundAnd(project(predicate, 'inclusive')))
  const mayHold = compile<readonly PartitionFieldSummary[]>(inclusive, (predicate) => {
    const [test, index] = [mayMatch(predicate), indexOf(predicate)]
    return (summaries) => test(factsOf(predicate.column, summaries[index]))
  })
  const predicateMustMatch = (predicate: BoundPredicate): ((tuple: PartitionTuple) => boolean) =>
    tupleTest(boundOr(project(predicate, 'strict')))
  return {
    manifestMayMatch: (summaries) =>
      summaries === undefined || summaries.length !== spec.fields.length
        ? inclusive.kind !== 'false'
        : mayHold(summaries),
    mayMatch: tupleTest(inclusive),
    residual: residualOf(expression, (predicate) => {
      const must = predicateMustMatch(predicate)
      const may = tupleTest(boundAnd(project(predicate, 'inclusive')))
      return (tuple) => (must(tuple) ? boundTrue : may(tuple) ? predicate : boundFalse)
    }),
    predicateMustMatch,
  }
}

const partitionColumn = (
  field: { readonly fieldId: number; readonly name: string },
  type: PrimitiveType,
): BoundColumn<PrimitiveType> => ({ fieldId: field.fieldId, name: field.name, type, required: false, nested: false })

function residualOf(
  expression: BoundExpression,
  leaf: (predicate: BoundPredicate) => (tuple: PartitionTuple) => BoundExpression,
): (tuple: PartitionTuple) => BoundExpression {
  switch (expression.kind) {
    case 'true':
    case 'false':
      return () => expression
    case 'and':
    case 'or': {
      const connect = expression.kind === 'and' ? boundAnd : boundOr
      const children = expression.children.map((child) => residualOf(child, leaf))
      return (tuple) => {
        const left = children.map((child) => child(tuple))
        return left.every((child, index) => child === expression.children[index]) ? expression : connect(left)
      }
    }
    default:
      return leaf(expression)
  }
}

function factsOf(column: BoundColumn, summary: PartitionFieldSummary | undefined): ColumnFacts {
  if (summary === undefined) return nothingKnown
  const { containsNull, containsNaN, lowerBound: lower, upperBound: upper } = summary
  const floating = column.type === 'float' || column.type === 'double'
  // Without bounds there are nulls or NaNs only. A summary that has neither says nothing.
  const empty = lower === undefined && upper === undefined && (containsNull || (floating && containsNaN === true))
  return {
    mayHoldNull: containsNull,
    // Older writers do not say.
    mayHoldNaN: floating && containsNaN !== false,
    mayHoldValue: !empty,
    lower,
    upper,
  }
}
