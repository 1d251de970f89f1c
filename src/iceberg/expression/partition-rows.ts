import type { Literal, PartitionTuple } from '../manifest/model.ts'
import type { PartitionField, PartitionSpec } from '../metadata/table-metadata.ts'
import type { Schema } from '../types/schema.ts'
import { isKnownTransform, parseTransform, unitStart } from '../types/transforms.ts'
import { fieldPath } from '../types/types.ts'
import {
  alwaysTrue,
  and,
  equal,
  greaterThanOrEqual,
  isNaN,
  isNull,
  lessThan,
  startsWith,
  type Expression,
} from './expression.ts'

/**
 * The filter that exactly a partition's rows match, whichever spec their files were written with; null where the partition value does
 * not say which rows it has: bucket, and truncated text, decimals and bytes.
 */
export function partitionRows(spec: PartitionSpec, schema: Schema, tuple: PartitionTuple): Expression | null {
  const fields = spec.fields.map((field, index) => fieldRows(field, schema, tuple[index] ?? null))
  const known = fields.filter((rows) => rows !== null)
  return known.length === fields.length ? and(...known) : null
}

function fieldRows(field: PartitionField, schema: Schema, value: Literal | null): Expression | null {
  const column = fieldPath(schema, field.sourceId)
  if (field.transform === 'void') return alwaysTrue
  if (column === undefined || !isKnownTransform(field.transform)) return null
  if (value === null) return isNull(column)
  const transform = parseTransform(field.transform)
  const between = (from: Literal | { micros: bigint }, to: Literal | { micros: bigint }): Expression =>
    and(greaterThanOrEqual(column, from), lessThan(column, to))
  switch (transform.kind) {
    case 'identity':
      return typeof value === 'number' && Number.isNaN(value) ? isNaN(column) : equal(column, value)
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
      if (typeof value !== 'number') return null
      return between({ micros: unitStart(transform.kind, value) }, { micros: unitStart(transform.kind, value + 1) })
    case 'truncate': {
      const { type } = schema.fields.find(({ id }) => id === field.sourceId) ?? {}
      if (typeof value === 'number' && type === 'int') return between(value, value + transform.width)
      if (typeof value === 'bigint' && type === 'long') return between(value, value + BigInt(transform.width))
      // A text as long as the width stands for all that begin with it; a shorter one for itself.
      if (typeof value !== 'string') return null
      return Array.from(value).length < transform.width ? equal(column, value) : startsWith(column, value)
    }
    default:
      return null
  }
}
