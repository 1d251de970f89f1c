/** Typed access to the fields of an Avro row, by field id. */
import type { AvroRow, AvroValue, FieldKey } from './codec.ts'
import { AvroError } from './schema.ts'

const wrong = (id: FieldKey, wanted: string): never => {
  throw new AvroError(`field ${id.slice(1)} holds no ${wanted}`)
}

/** The value, null where it is null or the file lacks the field. */
export const valueOf = (row: AvroRow, id: FieldKey): AvroValue => row[id] ?? null

export function optionalLong(row: AvroRow, id: FieldKey): bigint | null {
  const value = valueOf(row, id)
  if (value === null || typeof value === 'bigint') return value
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : wrong(id, 'whole number')
}

export const requiredLong = (row: AvroRow, id: FieldKey): bigint => optionalLong(row, id) ?? wrong(id, 'whole number')

export function optionalInt(row: AvroRow, id: FieldKey): number | null {
  const plain = valueOf(row, id)
  if (typeof plain === 'number' && (plain | 0) === plain) return plain
  const value = optionalLong(row, id)
  return value === null || BigInt.asIntN(32, value) === value
    ? value === null
      ? null
      : Number(value)
    : wrong(id, 'int')
}

export const requiredInt = (row: AvroRow, id: FieldKey): number => optionalInt(row, id) ?? wrong(id, 'int')

export function requiredString(row: AvroRow, id: FieldKey): string {
  const value = valueOf(row, id)
  return typeof value === 'string' ? value : wrong(id, 'text')
}

export function requiredBoolean(row: AvroRow, id: FieldKey): boolean {
  const value = valueOf(row, id)
  return typeof value === 'boolean' ? value : wrong(id, 'boolean')
}

export function optionalBytes(row: AvroRow, id: FieldKey): Uint8Array | null {
  const value = valueOf(row, id)
  return value === null || value instanceof Uint8Array ? value : wrong(id, 'bytes')
}

export function optionalList(row: AvroRow, id: FieldKey): readonly AvroValue[] | null {
  const value = valueOf(row, id)
  return value === null || Array.isArray(value) ? (value as readonly AvroValue[] | null) : wrong(id, 'list')
}

export function asRow(value: AvroValue | undefined, id: FieldKey): AvroRow {
  const isRow =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof Map)
  return isRow ? (value as AvroRow) : wrong(id, 'record')
}

export const requiredRow = (row: AvroRow, id: FieldKey): AvroRow => asRow(row[id], id)

/** A map by field id, which Iceberg stores as a list of pairs. */
export function optionalMap<V>(
  row: AvroRow,
  id: FieldKey,
  keyId: FieldKey,
  value: (pair: AvroRow) => V,
): ReadonlyMap<number, V> | null {
  const known = valueOf(row, id)
  if (known instanceof Map) {
    // One of Avro's own maps has text keys.
    const [first] = known.keys()
    return typeof first === 'string' ? wrong(id, 'map') : (known as ReadonlyMap<number, V & (bigint | Uint8Array)>)
  }
  const pairs = optionalList(row, id)
  return pairs === null
    ? null
    : new Map(pairs.map((pair) => [requiredInt(asRow(pair, id), keyId), value(asRow(pair, id))]))
}
