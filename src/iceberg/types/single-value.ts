/** Single values as bytes, for bounds in manifests: https://iceberg.apache.org/spec/#appendix-d-single-value-serialization */
import { HindcastError, MICROS_PER_DAY } from '../../contract/index.ts'
import type { Literal } from '../manifest/model.ts'
import type { PrimitiveType } from './schema.ts'
import { decimalShape, fixedLength } from './primitive-types.ts'

/** Two's complement, most significant byte first, in as few bytes as hold the number. */
export function bigintToBytes(value: bigint): Uint8Array {
  let length = 1
  while (BigInt.asIntN(length * 8, value) !== value) length++
  return bigintToFixed(value, length)
}

/** Two's complement, most significant byte first, in exactly `length` bytes. */
export function bigintToFixed(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let rest = BigInt.asUintN(length * 8, value)
  for (let index = length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

export function bytesToBigint(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

function little(length: number, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length)
  write(new DataView(bytes.buffer))
  return bytes
}

const mismatch = (type: PrimitiveType, value: Literal): never => {
  throw new HindcastError('INVARIANT_VIOLATED', `a ${typeof value} is no value of Iceberg type ${type}`)
}

/** @throws INVARIANT_VIOLATED when the value is not of that type */
export function encodeSingleValue(type: PrimitiveType, value: Literal): Uint8Array {
  switch (type) {
    case 'boolean':
      return typeof value === 'boolean' ? Uint8Array.of(value ? 1 : 0) : mismatch(type, value)
    case 'int':
    case 'date':
      if (typeof value !== 'number' || (value | 0) !== value) return mismatch(type, value)
      return little(4, (view) => view.setInt32(0, value, true))
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) return mismatch(type, value)
      return little(8, (view) => view.setBigInt64(0, value, true))
    case 'float':
      if (typeof value !== 'number') return mismatch(type, value)
      return little(4, (view) => view.setFloat32(0, value, true))
    case 'double':
      if (typeof value !== 'number') return mismatch(type, value)
      return little(8, (view) => view.setFloat64(0, value, true))
    case 'string':
      return typeof value === 'string' ? new TextEncoder().encode(value) : mismatch(type, value)
    default:
      if (decimalShape(type) !== null) return typeof value === 'bigint' ? bigintToBytes(value) : mismatch(type, value)
      if (!(value instanceof Uint8Array)) return mismatch(type, value)
      if (value.length !== (type === 'uuid' ? 16 : (fixedLength(type) ?? value.length))) return mismatch(type, value)
      return value
  }
}

/**
 * Reads back what `encodeSingleValue` wrote. Bounds written before a column was widened (int to long, float to double, date to
 * timestamp) are read as the wider type.
 * @throws MANIFEST_INVALID when the bytes are no such value
 */
export function decodeSingleValue(type: PrimitiveType, bytes: Uint8Array): Literal {
  switch (type) {
    case 'boolean':
      return viewOf(type, bytes, 1).getUint8(0) !== 0
    case 'int':
    case 'date':
      return viewOf(type, bytes, 4).getInt32(0, true)
    case 'long':
      if (bytes.length === 8) return littleLong(bytes)
      return BigInt(viewOf(type, bytes, 8, 4).getInt32(0, true))
    case 'time':
      return viewOf(type, bytes, 8).getBigInt64(0, true)
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns': {
      if (bytes.length === 8) return littleLong(bytes)
      const micros = BigInt(viewOf(type, bytes, 8, 4).getInt32(0, true)) * MICROS_PER_DAY
      return type.includes('_ns') ? micros * 1000n : micros
    }
    case 'float':
      return viewOf(type, bytes, 4).getFloat32(0, true)
    case 'double': {
      const view = viewOf(type, bytes, 8, 4)
      return bytes.length === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true)
    }
    case 'string':
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    case 'uuid':
      return bytes.length === 16 ? bytes : notOf(type, bytes)
    default: {
      if (decimalShape(type) !== null) {
        return bytes.length === 0 || bytes.length > 16 ? notOf(type, bytes) : bytesToBigint(bytes)
      }
      const length = fixedLength(type)
      return length === null || length === bytes.length ? bytes : notOf(type, bytes)
    }
  }
}

const scratch = new DataView(new ArrayBuffer(8))

/** Eight bytes, the lowest first. A plan reads two of them for every file, and a view of their own would cost more than the number. */
function littleLong(bytes: Uint8Array): bigint {
  for (let index = 0; index < 8; index++) scratch.setUint8(index, bytes[index] as number)
  return scratch.getBigInt64(0, true)
}

/** @throws MANIFEST_INVALID when the bytes are neither `length` nor `orLength` long */
function viewOf(type: PrimitiveType, bytes: Uint8Array, length: number, orLength = length): DataView {
  if (bytes.length !== length && bytes.length !== orLength) return notOf(type, bytes)
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function notOf(type: PrimitiveType, bytes: Uint8Array): never {
  throw new HindcastError('MANIFEST_INVALID', `${bytes.length} bytes are no single value of Iceberg type ${type}`, {
    hint: 'The file was damaged, or written by a program with a fault: rewrite the table’s manifests.',
  })
}

/** Negative when `a` sorts before `b`, both non-null values of one type. Strings sort by code point, bytes unsigned. */
export function compareLiterals(a: Literal, b: Literal): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b)
  if (a < b) return -1
  return a > b ? 1 : 0
}

/** By code point, as UTF-8 orders text. JavaScript's own order of UTF-16 units puts surrogates before the units from U+E000 on. */
function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left === right) continue
    return isSurrogate(left) === isSurrogate(right) ? left - right : isSurrogate(left) ? 1 : -1
  }
  return a.length - b.length
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const difference = (a[index] as number) - (b[index] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Iceberg's default metrics mode is `truncate(16)`: code points of a string, bytes of a binary. */
export const DEFAULT_BOUND_LENGTH = 16

/** The beginning of a value, which sorts at or before it. */
export function truncateLowerBound<V extends string | Uint8Array>(value: V, length?: number): V
export function truncateLowerBound(value: string | Uint8Array, length = DEFAULT_BOUND_LENGTH): string | Uint8Array {
  return typeof value === 'string' ? firstCodePoints(value, length) : value.subarray(0, length)
}

/** A short value that sorts at or after `value`, or null when there is none: leave the bound out then. */
export function truncateUpperBound<V extends string | Uint8Array>(value: V, length?: number): V | null
export function truncateUpperBound(
  value: string | Uint8Array,
  length = DEFAULT_BOUND_LENGTH,
): string | Uint8Array | null {
  if (typeof value !== 'string') {
    if (value.length <= length) return value
    const kept = value.slice(0, length)
    for (let index = length - 1; index >= 0; index--) {
      if (kept[index] === 0xff) continue
      kept[index] = (kept[index] as number) + 1
      return kept.subarray(0, index + 1)
    }
    return null
  }
  const short = firstCodePoints(value, length)
  if (short === value) return value
  const points = Array.from(short)
  for (let index = points.length - 1; index >= 0; index--) {
    const raised = nextCodePoint(points[index] as string)
    if (raised !== null) return points.slice(0, index).join('') + raised
  }
  return null
}

/** `count` code points from the start; never half a surrogate pair. */
export function firstCodePoints(text: string, count: number): string {
  if (text.length <= count) return text
  let end = 0
  for (let taken = 0; taken < count && end < text.length; taken++)
    end += (text.codePointAt(end) as number) > 0xffff ? 2 : 1
  return text.slice(0, end)
}

/** The next code point that UTF-8 can hold, stepping over the surrogates. */
function nextCodePoint(point: string): string | null {
  const code = point.codePointAt(0) as number
  if (code >= 0x10_ffff) return null
  return String.fromCodePoint(code === 0xd7ff ? 0xe000 : code + 1)
}
