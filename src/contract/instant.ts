import { HindcastError } from './errors.ts'

/** Microseconds since 1970-01-01T00:00:00Z, as Iceberg's timestamptz counts them. */
export type Micros = bigint

export const MICROS_PER_SECOND = 1_000_000n
export const MICROS_PER_HOUR = 3_600n * MICROS_PER_SECOND
export const MICROS_PER_DAY = 24n * MICROS_PER_HOUR

const isoPattern = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?(Z|[+-]\d{2}:?\d{2})?)?$/

/**
 * Parses an ISO 8601 date (midnight UTC) or date-time; a date-time without an offset is UTC.
 * @param field names the argument in the error
 * @throws REQUEST_INVALID when the text is no such time or names a day that does not exist
 */
export function parseInstant(text: string, field: string): Micros {
  const match = isoPattern.exec(text.trim())
  const fail = (): never => {
    throw new HindcastError('REQUEST_INVALID', `${field}: "${text}" is not an ISO 8601 date or time`, {
      hint: 'Write 2001-01-02 for midnight UTC, or 2001-01-02T06:00:00Z.',
      context: { field, value: text },
    })
  }
  if (match === null) return fail()
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = match
  const civil = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`
  const ms = Date.parse(civil)
  // Date rolls 2001-02-30 over to March: only a date that prints as it was written exists.
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== civil) return fail()
  let offsetMinutes = 0
  if (zone !== 'Z') {
    const digits = zone.slice(1).replace(':', '')
    offsetMinutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
    if (offsetMinutes > 18 * 60) return fail()
    if (zone.startsWith('-')) offsetMinutes = -offsetMinutes
  }
  return BigInt(ms) * 1000n + BigInt(fraction.padEnd(6, '0')) - BigInt(offsetMinutes) * 60n * MICROS_PER_SECOND
}

/** The shortest ISO 8601 text that `parseInstant` reads back: a bare date at midnight UTC, else a date-time ending in Z. */
export function formatInstant(micros: Micros): string {
  const subMs = floorMod(micros, 1000n)
  const iso = new Date(Number((micros - subMs) / 1000n)).toISOString()
  if (subMs !== 0n) return `${iso.slice(0, 23)}${subMs.toString().padStart(3, '0')}Z`
  if (iso.endsWith('T00:00:00.000Z')) return iso.slice(0, 10)
  return iso.endsWith('.000Z') ? `${iso.slice(0, 19)}Z` : iso
}

const durationUnits: Readonly<Record<string, bigint>> = {
  s: MICROS_PER_SECOND,
  m: 60n * MICROS_PER_SECOND,
  h: MICROS_PER_HOUR,
  d: MICROS_PER_DAY,
  w: 7n * MICROS_PER_DAY,
}

/**
 * Parses a fixed length of time: `15m`, `1h`, `7d`, `2w`.
 * @throws DEFINITION_INVALID naming `field`
 */
export function parseDuration(text: string, field: string): Micros {
  const match = /^([1-9]\d{0,5})([smhdw])$/.exec(text)
  const unit = match === null ? undefined : durationUnits[match[2] as string]
  if (match === null || unit === undefined) {
    throw new HindcastError('DEFINITION_INVALID', `${field}: "${text}" is not a length of time`, {
      hint: 'Write a whole number and a unit: 30s, 15m, 1h, 7d or 2w.',
      context: { field, value: text },
    })
  }
  return BigInt(match[1] as string) * unit
}

/** Integer division rounding toward minus infinity: instants before 1970 belong to the step that holds them. */
export function floorDiv(a: bigint, b: bigint): bigint {
  const quotient = a / b
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient
}

/** The remainder that goes with `floorDiv`: it has the sign of `b`. */
export const floorMod = (a: bigint, b: bigint): bigint => a - floorDiv(a, b) * b
