import type { Literal } from '../manifest/model.ts'
import { compareLiterals } from '../types/single-value.ts'
import { compile, type BoundExpression, type BoundPredicate } from './bound.ts'

const isNaNValue = (value: Literal | null): boolean => typeof value === 'number' && Number.isNaN(value)

/** The predicate as a test of its column's value. */
export function valueTest(predicate: BoundPredicate): (value: Literal | null) => boolean {
  const compared =
    (matches: (order: number) => boolean, literal: Literal) =>
    (value: Literal | null): boolean =>
      value !== null && !isNaNValue(value) && matches(compareLiterals(value, literal))
  switch (predicate.kind) {
    case 'is-null':
      return (value) => value === null
    case 'not-null':
      return (value) => value !== null
    case 'is-nan':
      return isNaNValue
    case 'not-nan':
      return (value) => !isNaNValue(value)
    case 'lt':
      return compared((order) => order < 0, predicate.value)
    case 'lt-eq':
      return compared((order) => order <= 0, predicate.value)
    case 'gt':
      return compared((order) => order > 0, predicate.value)
    case 'gt-eq':
      return compared((order) => order >= 0, predicate.value)
    case 'eq':
      return compared((order) => order === 0, predicate.value)
    case 'not-eq': {
      const { value: literal } = predicate
      return (value) => value === null || isNaNValue(value) || compareLiterals(value, literal) !== 0
    }
    case 'in': {
      const { values } = predicate
      return (value) => value !== null && !isNaNValue(value) && holds(values, value)
    }
    case 'not-in': {
      const { values } = predicate
      return (value) => value === null || isNaNValue(value) || !holds(values, value)
    }
    case 'starts-with': {
      const prefix = predicate.value as string
      return (value) => typeof value === 'string' && value.startsWith(prefix)
    }
    case 'not-starts-with': {
      const prefix = predicate.value as string
      return (value) => typeof value !== 'string' || !value.startsWith(prefix)
    }
  }
}

/** Index of the first of the ascending values that is not below `value`. */
export function firstNotBelow(values: readonly Literal[], value: Literal): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareLiterals(values[middle] as Literal, value) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function holds(values: readonly Literal[], value: Literal): boolean {
  const found = values[firstNotBelow(values, value)]
  return found !== undefined && compareLiterals(found, value) === 0
}

/**
 * Whether a row matches: the meaning of an expression, which everything else is judged by.
 * @param valueOf the row's value in the column of a field id, null also where a struct around it is null
 */
export const evaluateRow = (expression: BoundExpression, valueOf: (fieldId: number) => Literal | null): boolean =>
  compile<undefined>(expression, (predicate) => {
    const test = valueTest(predicate)
    return () => test(valueOf(predicate.column.fieldId))
  })(undefined)
