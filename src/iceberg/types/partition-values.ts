/** Partition values between memory and Avro, and as keys of maps. */
import type { AvroValue } from '../avro/codec.ts'
import { AvroError } from '../avro/schema.ts'
import type { Literal, PartitionTuple } from '../manifest/model.ts'
import { decimalBytes } from '../manifest/avro-schemas.ts'
import type { PrimitiveType } from './schema.ts'
import { bigintToFixed, bytesToBigint } from './single-value.ts'
import { decimalShape, fixedLength } from './primitive-types.ts'

export function literalToAvro(type: PrimitiveType, value: Literal): AvroValue {
  const decimal = decimalShape(type)
  if (decimal === null || typeof value !== 'bigint') return value
  const limit = 10n ** BigInt(decimal.precision)
  if (value >= limit || value <= -limit) throw new AvroError(`${value} has more digits than ${type}`)
  return bigintToFixed(value, decimalBytes(decimal.precision))
}

/**
 * The value as the type has it in memory, whichever Avro type the writer chose: day as int or date, an int column since widened to
 * long, a uuid as bytes or text. A null type takes the value as it came.
 */
export function literalFromAvro(type: PrimitiveType | null, value: AvroValue): Literal {
  const wrong = (): never => {
    throw new AvroError(`a partition value is no ${type ?? 'value'}`)
  }
  if (value === null || (typeof value === 'object' && !(value instanceof Uint8Array))) return wrong()
  switch (type) {
    case null:
      return value
    case 'int':
    case 'date':
      if (typeof value === 'bigint') return BigInt.asIntN(32, value) === value ? Number(value) : wrong()
      return typeof value === 'number' ? value : wrong()
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : wrong()
      return typeof value === 'bigint' ? value : wrong()
    case 'float':
    case 'double':
      return typeof value === 'number' ? value : wrong()
    case 'boolean':
      return typeof value === 'boolean' ? value : wrong()
    case 'string':
      return typeof value === 'string' ? value : wrong()
    case 'uuid':
      if (typeof value === 'string') return uuidBytes(value)
      return value instanceof Uint8Array && value.length === 16 ? value : wrong()
    default:
      if (!(value instanceof Uint8Array)) return wrong()
      if (decimalShape(type) === null) return (fixedLength(type) ?? value.length) === value.length ? value : wrong()
      // No decimal has more, and turning many bytes into a number takes time that grows with their square.
      return value.length > 0 && value.length <= 16 ? bytesToBigint(value) : wrong()
  }
}

function uuidBytes(text: string): Uint8Array {
  const digits = text.replaceAll('-', '')
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw new AvroError('a partition value is no uuid')
  return Uint8Array.from({ length: 16 }, (_, index) => Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16))
}

/** Text that two tuples of one spec share exactly when they are the same partition. */
export const partitionKey = (tuple: PartitionTuple): string => JSON.stringify(tuple.map(keyOf))

function keyOf(value: Literal | null): string | boolean | readonly number[] | null {
  if (value === null || typeof value === 'boolean') return value
  if (value instanceof Uint8Array) return Array.from(value)
  // Minus zero and zero are two partitions, as they are in Iceberg's Java library.
  if (typeof value === 'number') return Object.is(value, -0) ? 'd-0' : `d${value}`
  return typeof value === 'bigint' ? `n${value}` : `s${value}`
}
