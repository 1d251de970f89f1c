/** Where a value that a caller wrote lies among the values of a column's type. */
import { floorDiv, floorMod, HindcastError, MICROS_PER_DAY, parseInstant } from '../../contract/index.ts'
import type { Literal } from '../manifest/model.ts'
import type { PrimitiveType } from '../types/schema.ts'
import { decimalShape, fixedLength } from '../types/types.ts'
import type { ExpressionValue } from './expression.ts'

export type PlacedLiteral =
  | { readonly kind: 'exact'; readonly value: Literal }
  /** Between two neighbours: no value of the type equals it. */
  | { readonly kind: 'between'; readonly below: Literal; readonly above: Literal }
  /** Beyond every value of the type. */
  | { readonly kind: 'above' | 'below' }

const exact = (value: Literal): PlacedLiteral => ({ kind: 'exact', value })

/**
 * @param column names the column in errors
 * @throws REQUEST_INVALID for a value that cannot be compared with the type's
 */
export function placeLiteral(type: PrimitiveType, value: ExpressionValue, column: string): PlacedLiteral {
  const refuse = (reason: string): never => {
    throw new HindcastError(
      'REQUEST_INVALID',
      `${shown(value)} cannot be compared with column ${column} of type ${type}`,
      {
        hint: reason,
        context: { column, type },
      },
    )
  }
  if (typeof value === 'number' && Number.isNaN(value)) {
    return refuse('Nothing compares with NaN: use isNaN or notNaN.')
  }
  const decimal = decimalShape(type)
  if (decimal !== null) return placeDecimal(decimal.precision, decimal.scale, value, refuse)
  const length = fixedLength(type)
  if (length !== null) {
    return value instanceof Uint8Array && value.length === length ? exact(value) : refuse(`It takes ${length} bytes.`)
  }
  switch (type) {
    case 'boolean':
      return typeof value === 'boolean' ? exact(value) : refuse('It takes true or false.')
    case 'int': {
      const whole = wholeNumber(value) ?? refuse('It takes a whole number.')
      return inRange(whole, 32, (fits) => exact(Number(fits)))
    }
    case 'long':
      return inRange(wholeNumber(value) ?? refuse('It takes a whole number: a bigint, or a safe integer.'), 64, exact)
    case 'float':
      if (typeof value !== 'number' && typeof value !== 'bigint') return refuse('It takes a number.')
      return placeFloat(Number(value))
    case 'double':
      return typeof value === 'number' || typeof value === 'bigint'
        ? exact(Number(value))
        : refuse('It takes a number.')
    case 'date': {
      if (typeof value === 'number' && Number.isInteger(value)) {
        return inRange(BigInt(value), 32, (fits) => exact(Number(fits)))
      }
      const nanos = nanosOf(value, 'date', column) ?? refuse('It takes a day (2001-01-02), or days since 1970.')
      return onGrid(nanos, MICROS_PER_DAY * 1000n, 32, Number)
    }
    case 'time': {
      if (typeof value === 'bigint') return exact(value)
      const nanos = typeof value === 'string' ? nanosOfDay(value) : null
      return onGrid(nanos ?? refuse('It takes a time (12:34:56.789), or microseconds as a bigint.'), 1000n, 64)
    }
    case 'timestamp':
    case 'timestamptz': {
      if (typeof value === 'bigint') return inRange(value, 64, exact)
      const nanos = nanosOf(value, type, column) ?? refuse('It takes an ISO 8601 time, or microseconds as a bigint.')
      return onGrid(nanos, 1000n, 64)
    }
    case 'timestamp_ns':
    case 'timestamptz_ns': {
      if (typeof value === 'bigint') return inRange(value, 64, exact)
      const nanos = nanosOf(value, type, column) ?? refuse('It takes an ISO 8601 time, or nanoseconds as a bigint.')
      return inRange(nanos, 64, exact)
    }
    case 'string':
      if (typeof value !== 'string') return refuse('It takes text.')
      return value.isWellFormed() ? exact(value) : refuse('The text has half a surrogate pair, as no stored text has.')
    case 'uuid':
      if (value instanceof Uint8Array && value.length === 16) return exact(value)
      return exact((typeof value === 'string' ? uuidBytes(value) : null) ?? refuse('It takes a UUID.'))
    case 'binary':
      return value instanceof Uint8Array ? exact(value) : refuse('It takes bytes.')
    default:
      return refuse('Only its nulls can be filtered.')
  }
}

const shown = (value: ExpressionValue): string => {
  if (value instanceof Uint8Array) return `a value of ${value.length} bytes`
  return typeof value === 'object' ? `the instant ${value.micros} µs` : `the ${typeof value} ${String(value)}`
}

function wholeNumber(value: ExpressionValue): bigint | null {
  if (typeof value === 'bigint') return value
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : null
}

function inRange(value: bigint, bits: number, make: (value: bigint) => PlacedLiteral): PlacedLiteral {
  if (BigInt.asIntN(bits, value) === value) return make(value)
  return { kind: value < 0n ? 'below' : 'above' }
}

/** Places a number of nanoseconds among the multiples of `step`. */
function onGrid(
  nanos: bigint,
  step: bigint,
  bits: number,
  value: (steps: bigint) => Literal = (steps) => steps,
): PlacedLiteral {
  const below = floorDiv(nanos, step)
  if (floorMod(nanos, step) === 0n) return inRange(below, bits, (fits) => exact(value(fits)))
  return inRange(below, bits, () =>
    inRange(below + 1n, bits, (above) => ({ kind: 'between', below: value(below), above: value(above) })),
  )
}

/** As Java's cast, to the nearest float; one beyond the largest finite float lies between that and infinity. */
function placeFloat(value: number): PlacedLiteral {
  const largest = 3.4028234663852886e38
  if (Number.isFinite(value) && Math.abs(value) > largest) {
    return value > 0
      ? { kind: 'between', below: largest, above: Infinity }
      : { kind: 'between', below: -Infinity, above: -largest }
  }
  return exact(Math.fround(value))
}

function placeDecimal(
  precision: number,
  scale: number,
  value: ExpressionValue,
  refuse: (reason: string) => never,
): PlacedLiteral {
  const limit = 10n ** BigInt(precision)
  const place = (unscaled: bigint, isExact: boolean): PlacedLiteral => {
    if (unscaled >= (isExact ? limit : limit - 1n)) return { kind: 'above' }
    if (unscaled <= -limit) return { kind: 'below' }
    return isExact ? exact(unscaled) : { kind: 'between', below: unscaled, above: unscaled + 1n }
  }
  if (typeof value === 'bigint') return place(value, true)
  if (value === Infinity) return { kind: 'above' }
  if (value === -Infinity) return { kind: 'below' }
  const text = typeof value === 'number' ? String(value) : value
  const match = typeof text === 'string' ? /^([+-]?)(\d+)(?:\.(\d*))?(?:e([+-]?\d{1,3}))?$/i.exec(text) : null
  if (match === null) return refuse(`It takes a number, text such as '12.34', or the unscaled value as a bigint.`)
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const digits = BigInt(`${sign === '-' ? '-' : ''}${whole}${fraction}`)
  const shift = scale - fraction.length + Number(exponent)
  if (shift >= 0) return place(digits * 10n ** BigInt(shift), true)
  const divisor = 10n ** BigInt(-shift)
  return place(floorDiv(digits, divisor), floorMod(digits, divisor) === 0n)
}

/** Nanoseconds since 1970; null for what is no time. */
function nanosOf(value: ExpressionValue, type: PrimitiveType, column: string): bigint | null {
  if (typeof value === 'object' && !(value instanceof Uint8Array)) return value.micros * 1000n
  if (typeof value !== 'string') return null
  const zoned = /[Zz]$|\d[+-]\d{2}:?\d{2}$/.test(value) && value.includes(':')
  if (zoned && (type === 'timestamp' || type === 'timestamp_ns')) {
    throw new HindcastError('REQUEST_INVALID', `${value} names a zone, and column ${column} of type ${type} has none`, {
      hint: 'Leave the zone out.',
      context: { column, value },
    })
  }
  const beyondMicros = /\.\d{6}(\d{1,3})/.exec(value)?.[1] ?? ''
  const micros = parseInstant(value.replace(/(\.\d{6})\d{1,3}/, '$1'), column)
  return micros * 1000n + BigInt(beyondMicros.padEnd(3, '0'))
}

function nanosOfDay(text: string): bigint | null {
  const match = /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?$/.exec(text)
  if (match === null) return null
  const [, hour, minute, second = '0', fraction = ''] = match
  const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second)
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}

function uuidBytes(text: string): Uint8Array | null {
  const digits = text.replace(/^(.{8})-(.{4})-(.{4})-(.{4})-(.{12})$/, '$1$2$3$4$5')
  if (!/^[0-9a-f]{32}$/i.test(digits)) return null
  return Uint8Array.from({ length: 16 }, (_, index) => Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16))
}
