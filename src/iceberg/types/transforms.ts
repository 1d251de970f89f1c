/** Partition transforms: https://iceberg.apache.org/spec/#partition-transforms */
import { floorDiv, floorMod, HindcastError, MICROS_PER_DAY, MICROS_PER_HOUR } from '../../contract/index.ts'
import type { Literal } from '../manifest/model.ts'
import { murmur3 } from './murmur3.ts'
import type { IcebergType, PrimitiveType, Schema } from './schema.ts'
import { bigintToBytes, firstCodePoints } from './single-value.ts'
import type { PartitionSpec } from '../metadata/table-metadata.ts'
import { findFieldById } from './types.ts'
import { decimalShape, fixedLength } from './primitive-types.ts'

export type TimeUnit = 'year' | 'month' | 'day' | 'hour'

export type Transform =
  | { readonly kind: 'identity' | 'void' | TimeUnit }
  | { readonly kind: 'bucket'; readonly buckets: number }
  | { readonly kind: 'truncate'; readonly width: number }

/** @throws FEATURE_UNSUPPORTED for a transform that the spec's version 2 does not know */
export function parseTransform(text: string): Transform {
  switch (text) {
    case 'identity':
    case 'void':
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
      return { kind: text }
    default: {
      const match = /^(bucket|truncate)\[([1-9]\d{0,9})\]$/.exec(text)
      const argument = Number(match?.[2])
      if (match !== null && argument <= 0x7fff_ffff) {
        return match[1] === 'bucket' ? { kind: 'bucket', buckets: argument } : { kind: 'truncate', width: argument }
      }
      throw new HindcastError('FEATURE_UNSUPPORTED', `"${text}" is no partition transform that is known here`, {
        hint: 'Known are identity, void, year, month, day, hour, bucket[N] and truncate[W].',
        context: { transform: text },
      })
    }
  }
}

/** Whether a table's partition or sort field of this transform can be computed here; tables may have others, which are only read. */
export function isKnownTransform(text: string): boolean {
  try {
    parseTransform(text)
    return true
  } catch {
    return false
  }
}

/** The type of partition values that a transform makes of a column of type `source`. */
export function transformResultType(transform: string, source: PrimitiveType): PrimitiveType {
  const { kind } = parseTransform(transform)
  if (kind === 'identity' || kind === 'void' || kind === 'truncate') return source
  // The spec says int; Iceberg's Java library writes a date, and readers take either.
  return kind === 'day' ? 'date' : 'int'
}

/**
 * The type of each partition field's values, in the order of the spec; null where no schema has the source column any more, or the
 * transform is not known here: readers pass over such fields. Pass the current schema first.
 */
export function partitionTypes(spec: PartitionSpec, schemas: readonly Schema[]): (PrimitiveType | null)[] {
  return spec.fields.map(({ sourceId, sourceIds, transform }) => {
    if (sourceIds !== undefined || !isKnownTransform(transform)) return null
    for (const schema of schemas) {
      const type = findFieldById(schema, sourceId)?.type
      if (typeof type === 'string') return transformResultType(transform, type)
    }
    return null
  })
}

const unsupported = (transform: string, type: IcebergType): never => {
  const shown = typeof type === 'string' ? type : type.type
  throw new HindcastError('FEATURE_UNSUPPORTED', `transform ${transform} does not apply to type ${shown}`, {
    hint: 'Choose a transform that the Iceberg spec allows for this type.',
    context: { transform, type: shown },
  })
}

/**
 * The partition value of a column's value; null gives null.
 * @throws FEATURE_UNSUPPORTED when the transform does not apply to the type
 */
export function applyTransform(transform: string, type: PrimitiveType, value: Literal | null): Literal | null {
  const parsed = parseTransform(transform)
  if (value === null || parsed.kind === 'void') return null
  switch (parsed.kind) {
    case 'identity':
      return /^(?:variant|geometry|geography)/.test(type) ? unsupported(transform, type) : value
    case 'bucket':
      return (bucketHash(type, value) & 0x7fff_ffff) % parsed.buckets
    case 'truncate':
      return truncate(type, value, parsed.width)
    default:
      return timeOrdinal(parsed.kind, type, value)
  }
}

/** The 32-bit hash that bucket[N] takes modulo N; int and long, and dates and times, hash alike. Spec, appendix B. */
export function bucketHash(type: PrimitiveType, value: Literal): number {
  const long = (number: bigint): number => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigInt64(0, number, true)
    return murmur3(bytes)
  }
  if (decimalShape(type) !== null && typeof value === 'bigint') return murmur3(bigintToBytes(value))
  switch (type) {
    case 'int':
    case 'date':
      if (typeof value === 'number') return long(BigInt(value))
      break
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      if (typeof value === 'bigint') return long(value)
      break
    case 'timestamp_ns':
    case 'timestamptz_ns':
      if (typeof value === 'bigint') return long(floorDiv(value, 1000n))
      break
    case 'string':
      if (typeof value === 'string') return murmur3(new TextEncoder().encode(value))
      break
    case 'uuid':
    case 'binary':
      if (value instanceof Uint8Array) return murmur3(value)
      break
    default:
      if (fixedLength(type) !== null && value instanceof Uint8Array) return murmur3(value)
  }
  return unsupported('bucket', type)
}

function truncate(type: PrimitiveType, value: Literal, width: number): Literal {
  if (typeof value === 'bigint' && (type === 'long' || decimalShape(type) !== null)) {
    return value - floorMod(value, BigInt(width))
  }
  if (typeof value === 'number' && type === 'int') return Number(BigInt(value) - floorMod(BigInt(value), BigInt(width)))
  if (typeof value === 'string' && type === 'string') return firstCodePoints(value, width)
  if (value instanceof Uint8Array && type === 'binary') return value.subarray(0, width)
  return unsupported(`truncate[${width}]`, type)
}

/** Whole years, months, days or hours from 1970-01-01T00:00Z, rounding down also before it. */
function timeOrdinal(unit: TimeUnit, type: PrimitiveType, value: Literal): number {
  if (type === 'date' && typeof value === 'number') {
    return unit === 'hour' ? unsupported(unit, type) : dayToUnit(unit, value)
  }
  const micros = microsOf(type, value)
  if (micros === null) return unsupported(unit, type)
  if (unit === 'hour') return Number(floorDiv(micros, MICROS_PER_HOUR))
  return dayToUnit(unit, Number(floorDiv(micros, MICROS_PER_DAY)))
}

/** Micros from the epoch of a timestamp or date (its midnight), null for other types. */
export function microsOf(type: PrimitiveType, value: Literal): bigint | null {
  if (type === 'date' && typeof value === 'number') return BigInt(value) * MICROS_PER_DAY
  if (typeof value !== 'bigint') return null
  if (type === 'timestamp' || type === 'timestamptz') return value
  return type === 'timestamp_ns' || type === 'timestamptz_ns' ? floorDiv(value, 1000n) : null
}

function dayToUnit(unit: 'year' | 'month' | 'day', day: number): number {
  if (unit === 'day') return day
  const date = new Date(day * 86_400_000)
  const years = date.getUTCFullYear() - 1970
  return unit === 'year' ? years : years * 12 + date.getUTCMonth()
}

/** First microsecond of the given year, month, day or hour counted from 1970. */
export function unitStart(unit: TimeUnit, ordinal: number): bigint {
  switch (unit) {
    case 'hour':
      return BigInt(ordinal) * MICROS_PER_HOUR
    case 'day':
      return BigInt(ordinal) * MICROS_PER_DAY
    case 'month':
      return BigInt(Date.UTC(1970, ordinal)) * 1000n
    case 'year':
      return BigInt(Date.UTC(1970 + ordinal, 0)) * 1000n
  }
}

/** A partition value as people and folder names have it: `2001-01-02`, `2001-01`, `2001`, `2001-01-02-05`; `null` for null. */
export function humanPartitionValue(transform: string, source: PrimitiveType, value: Literal | null): string {
  if (value === null) return 'null'
  const { kind } = parseTransform(transform)
  if (typeof value === 'number') {
    if (kind === 'year') return pad(1970 + value, 4)
    if (kind === 'month') return `${pad(1970 + Math.floor(value / 12), 4)}-${pad((((value % 12) + 12) % 12) + 1, 2)}`
    if (kind === 'day') return humanDay(value)
    if (kind === 'hour') return `${humanDay(Math.floor(value / 24))}-${pad(((value % 24) + 24) % 24, 2)}`
    if (kind === 'bucket') return value.toString()
  }
  return humanValue(source, value)
}

function humanValue(type: PrimitiveType, value: Literal): string {
  if (value instanceof Uint8Array) return type === 'uuid' ? humanUuid(value) : base64(value)
  if (typeof value === 'bigint') {
    const decimal = decimalShape(type)
    if (decimal !== null) return humanDecimal(value, decimal.scale)
    switch (type) {
      case 'timestamp':
        return humanTimestamp(value)
      case 'timestamptz':
        return `${humanTimestamp(value)}Z`
      case 'time':
        return humanTime(value)
      default:
        return value.toString()
    }
  }
  if (typeof value === 'number') {
    if (type === 'date') return humanDay(value)
    // As Java prints its floating point numbers.
    if ((type === 'float' || type === 'double') && Number.isInteger(value))
      return `${Object.is(value, -0) ? '-0' : value}.0`
  }
  return String(value)
}

const pad = (value: number, width: number): string =>
  value < 0 ? `-${String(-value).padStart(width - 1, '0')}` : String(value).padStart(width, '0')

function humanDay(day: number): string {
  const date = new Date(day * 86_400_000)
  return `${pad(date.getUTCFullYear(), 4)}-${pad(date.getUTCMonth() + 1, 2)}-${pad(date.getUTCDate(), 2)}`
}

const humanTimestamp = (micros: bigint): string =>
  `${humanDay(Number(floorDiv(micros, MICROS_PER_DAY)))}T${humanTime(floorMod(micros, MICROS_PER_DAY))}`

/** As java.time prints it: seconds only where they are not zero, then three or six digits of fraction where needed. */
function humanTime(microsOfDay: bigint): string {
  const micros = Number(microsOfDay % 1_000_000n)
  const seconds = Number(microsOfDay / 1_000_000n)
  const minutes = `${pad(Math.floor(seconds / 3600), 2)}:${pad(Math.floor(seconds / 60) % 60, 2)}`
  if (seconds % 60 === 0 && micros === 0) return minutes
  const fraction = micros === 0 ? '' : micros % 1000 === 0 ? `.${pad(micros / 1000, 3)}` : `.${pad(micros, 6)}`
  return `${minutes}:${pad(seconds % 60, 2)}${fraction}`
}

function humanDecimal(unscaled: bigint, scale: number): string {
  if (scale === 0) return unscaled.toString()
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

const humanUuid = (bytes: Uint8Array): string =>
  hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))

/** As java.net.URLEncoder does it: like a form, so a space is `+`. */
const urlEncode = (text: string): string =>
  encodeURIComponent(text)
    .replace(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')

/**
 * The folder of a partition below `data/`: `feature_time_day=2001-01-02/origin=LAX`; empty for an unpartitioned spec.
 * @throws INVARIANT_VIOLATED when the schema lacks a source column
 */
export function partitionPath(spec: PartitionSpec, schema: Schema, tuple: readonly (Literal | null)[]): string {
  return spec.fields
    .map(({ sourceId, name, transform }, index) => {
      const source = findFieldById(schema, sourceId)?.type
      if (typeof source !== 'string') {
        throw new HindcastError(
          'INVARIANT_VIOLATED',
          `partition field ${name}: the schema has no column of id ${sourceId}`,
        )
      }
      return `${urlEncode(name)}=${urlEncode(humanPartitionValue(transform, source, tuple[index] ?? null))}`
    })
    .join('/')
}
