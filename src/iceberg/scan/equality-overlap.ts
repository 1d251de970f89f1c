/** Whether an equality-delete file may delete rows of a data file, by what the metrics of both say of the columns that it compares. */
import type { DataFile } from '../manifest/model.ts'
import type { NestedField } from '../types/schema.ts'
import { compareLiterals, decodeSingleValue } from '../types/single-value.ts'

/** @param fields the delete file's equality columns; one that is unknown is to be left out */
export function mayDeleteFrom(deletes: DataFile, data: DataFile, fields: readonly NestedField[]): boolean {
  return fields.every((field) => mayShareValue(deletes, data, field))
}

function mayShareValue(deletes: DataFile, data: DataFile, { id, type, required }: NestedField): boolean {
  if (typeof type !== 'string') return true
  if (!required && mayHoldNull(deletes, id) && mayHoldNull(data, id)) return true
  if (onlyNulls(deletes, id) || onlyNulls(data, id)) return false
  // A NaN is equal to a NaN here, and bounds leave both out.
  if ((type === 'float' || type === 'double') && mayHoldNaN(deletes, id) && mayHoldNaN(data, id)) return true
  const [lower, upper] = [decoded(type, data.lowerBounds?.get(id)), decoded(type, data.upperBounds?.get(id))]
  const [least, greatest] = [decoded(type, deletes.lowerBounds?.get(id)), decoded(type, deletes.upperBounds?.get(id))]
  return !isBelow(upper, least) && !isBelow(greatest, lower)
}

const mayHoldNull = ({ nullValueCounts }: DataFile, id: number): boolean => nullValueCounts?.get(id) !== 0n
const mayHoldNaN = ({ nanValueCounts }: DataFile, id: number): boolean => nanValueCounts?.get(id) !== 0n

function onlyNulls({ valueCounts, nullValueCounts, recordCount }: DataFile, id: number): boolean {
  const values = valueCounts?.get(id)
  return values !== undefined && values > 0n && values >= recordCount && nullValueCounts?.get(id) === values
}

type Bound = ReturnType<typeof decodeSingleValue> | null

/** Text stays in its bytes, which have its order: a bound may be cut inside a character. */
function decoded(type: Parameters<typeof decodeSingleValue>[0], bytes: Uint8Array | undefined): Bound {
  if (bytes === undefined || type === 'string') return bytes ?? null
  try {
    const value = decodeSingleValue(type, bytes)
    return typeof value === 'number' && Number.isNaN(value) ? null : value
  } catch {
    return null
  }
}

const isBelow = (a: Bound, b: Bound): boolean => a !== null && b !== null && compareLiterals(a, b) < 0
