/** Typed access to the fields of an Avro row, by field id, and to values that were had from it. A value that is not there counts as null. */
import type { AvroRow, AvroValue, FieldKey } from './codec.ts'
import { AvroError } from './schema.ts'

type Value = AvroValue | undefined

const wrong = (id: FieldKey, wanted: string): never => {
  throw new AvroError(`field ${id.slice(1)} holds no ${wanted}`)
}

/** The value, null where it is null or the file lacks the field. */
export const valueOf = (row: AvroRow, id: FieldKey): AvroValue => row[id] ?? null

export function asLong(value: Value, id: FieldKey): bigint | null {
  if (typeof value === 'bigint') return value
  if (value === null || value === undefined) return null
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : wrong(id, 'whole number')
}

export const longOf = (value: Value, id: FieldKey): bigint => asLong(value, id) ?? wrong(id, 'whole number')

export function asInt(value: Value, id: FieldKey): number | null {
  if (typeof value === 'number' && (value | 0) === value) return value
  const long = asLong(value, id)
  if (long === null) return null
  return BigInt.asIntN(32, long) === long ? Number(long) : wrong(id, 'int')
}

export const intOf = (value: Value, id: FieldKey): number => asInt(value, id) ?? wrong(id, 'int')

export const textOf = (value: Value, id: FieldKey): string => (typeof value === 'string' ? value : wrong(id, 'text'))

export function asBytes(value: Value, id: FieldKey): Uint8Array | null {
  if (value === null || value === undefined) return null
  return value instanceof Uint8Array ? value : wrong(id, 'bytes')
}

export function asList(value: Value, id: FieldKey): readonly AvroValue[] | null {
  if (value === null || value === undefined) return null
  return Array.isArray(value) ? (value as readonly AvroValue[]) : wrong(id, 'list')
}

export function asRow(value: Value, id: FieldKey): AvroRow {
  const isRow =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof Map)
  return isRow ? (value as AvroRow) : wrong(id, 'record')
}

/** A map by field id, which Iceberg stores as a list of pairs. */
export function asMap<V>(
  known: Value,
  id: FieldKey,
  keyId: FieldKey,
  value: (pair: AvroRow) => V,
): ReadonlyMap<number, V> | null {
  if (known === null || known === undefined) return null
  if (known instanceof Map) {
    // One of Avro's own maps has text keys.
    const [first] = known.keys()
    return typeof first === 'string' ? wrong(id, 'map') : (known as ReadonlyMap<number, V & (bigint | Uint8Array)>)
  }
  const pairs = asList(known, id)
  return pairs === null
    ? null
    : new Map(pairs.map((pair) => [requiredInt(asRow(pair, id), keyId), value(asRow(pair, id))]))
}

export const optionalLong = (row: AvroRow, id: FieldKey): bigint | null => asLong(row[id], id)
export const requiredLong = (row: AvroRow, id: FieldKey): bigint => longOf(row[id], id)
export const optionalInt = (row: AvroRow, id: FieldKey): number | null => asInt(row[id], id)
export const requiredInt = (row: AvroRow, id: FieldKey): number => intOf(row[id], id)
export const requiredString = (row: AvroRow, id: FieldKey): string => textOf(row[id], id)
export const optionalBytes = (row: AvroRow, id: FieldKey): Uint8Array | null => asBytes(row[id], id)
export const optionalList = (row: AvroRow, id: FieldKey): readonly AvroValue[] | null => asList(row[id], id)
export const requiredRow = (row: AvroRow, id: FieldKey): AvroRow => asRow(row[id], id)

export function requiredBoolean(row: AvroRow, id: FieldKey): boolean {
  const value = valueOf(row, id)
  return typeof value === 'boolean' ? value : wrong(id, 'boolean')
}
