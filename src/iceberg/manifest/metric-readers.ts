/**
 * Reading a data file's metrics: its maps by field id, which are most of a manifest's bytes. What is not wanted is passed over, and what
 * is wanted is read into a map at once.
 */
import { asInSchema, type AvroReader, type FieldMap, type FieldReaders } from '../avro/codec.ts'
import type { AvroInput } from '../avro/input.ts'
import { AvroError, type AvroSchema } from '../avro/schema.ts'

const metricMaps: ReadonlyMap<number, 'long' | 'bytes'> = new Map([
  [108, 'long'],
  [109, 'long'],
  [110, 'long'],
  [137, 'long'],
  [125, 'bytes'],
  [128, 'bytes'],
])
const splitOffsets = 132
/** Sizes, and counts of values and NaNs. */
const beyondBounds: ReadonlySet<number> = new Set([108, 109, 137])

/** The fields of a data file that only planning by metrics and splitting need. */
export const metricFieldIds: ReadonlySet<number> = new Set([...metricMaps.keys(), splitOffsets])

/**
 * @param columns the columns whose metrics are wanted, without split offsets; all, and those too, unless given
 * @param boundsOnly only null counts and bounds of them
 */
export function metricReaders(columns: ReadonlySet<number> | undefined, boundsOnly = false): FieldReaders {
  return (id, schema) => {
    const values = metricMaps.get(id)
    if (boundsOnly && beyondBounds.has(id)) return null
    if (columns !== undefined && (id === splitOffsets || (columns.size === 0 && values !== undefined))) return null
    return values === undefined ? asInSchema(id, schema) : fieldMapReader(schema, values, columns)
  }
}

/** Undefined for a map that is written in no usual way: it is read as its schema says. */
function fieldMapReader(
  schema: AvroSchema,
  values: 'long' | 'bytes',
  columns: ReadonlySet<number> | undefined,
): AvroReader<FieldMap | null> | undefined {
  if (schema.kind === 'array') return pairsReader(schema.items, values, columns)
  if (schema.kind !== 'union' || schema.branches.length !== 2) return undefined
  const nullAt = schema.branches.findIndex(({ kind }) => kind === 'null')
  const map = schema.branches[1 - nullAt]
  const read = map?.kind === 'array' ? pairsReader(map.items, values, columns) : undefined
  if (nullAt < 0 || read === undefined) return undefined
  return (input) => {
    const index = input.int()
    if (index !== 0 && index !== 1) throw new AvroError(`it chooses branch ${index} of a union of 2`)
    return index === nullAt ? null : read(input)
  }
}

function pairsReader(
  items: AvroSchema,
  values: 'long' | 'bytes',
  columns: ReadonlySet<number> | undefined,
): AvroReader<FieldMap> | undefined {
  if (items.kind !== 'record' || items.fields.length !== 2) return undefined
  const [key, value] = items.fields.map((field) => field.schema.kind)
  if (key !== 'int' || value !== values) return undefined
  const hasBytes = values === 'bytes'
  // A copy: a view would keep the whole file in memory for as long as one bound is held.
  const valueFrom = (input: AvroInput): bigint | Uint8Array => (hasBytes ? input.copy(input.size()) : input.long())
  const [only] = columns ?? []
  if (columns?.size === 1 && only !== undefined) {
    return (input) => {
      const map = new Map<number, bigint | Uint8Array>()
      for (let count = input.blockCount(); count > 0; count = input.blockCount()) {
        input.spend(count)
        for (let left = input.seekPair(only, count, hasBytes); left > 0;) {
          map.set(only, valueFrom(input))
          left = input.seekPair(only, left - 1, hasBytes)
        }
      }
      return map
    }
  }
  return (input) => {
    const map = new Map<number, bigint | Uint8Array>()
    for (let count = input.blockCount(); count > 0; count = input.blockCount()) {
      input.spend(count)
      for (let index = 0; index < count; index++) {
        const id = input.int()
        if (columns === undefined || columns.has(id)) map.set(id, valueFrom(input))
        else if (hasBytes) input.skip(input.size())
        else input.skipNumbers(1)
      }
    }
    return map
  }
}
