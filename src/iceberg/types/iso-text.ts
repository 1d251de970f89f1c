/** Dates and times as ISO 8601 text, as the spec's JSON form of single values has them. All answer null to what is none. */
import { floorDiv, floorMod } from '../../contract/index.ts'

type TimestampType = 'timestamp' | 'timestamptz' | 'timestamp_ns' | 'timestamptz_ns'

const msPerDay = 86_400_000
const date = String.raw`([+-]?\d{4,9})-(\d\d)-(\d\d)`
const time = String.raw`(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?`
const datePattern = new RegExp(`^${date}$`)
const timePattern = new RegExp(`^${time}$`)
const timestampPattern = new RegExp(`^${date}T${time}(Z|[+-]\\d\\d:\\d\\d)?$`)

/** Days from 1970 of `2017-11-16`. */
export function daysFromText(text: string): number | null {
  const match = datePattern.exec(text)
  return match === null ? null : daysOf(match.slice(1, 4))
}

function daysOf(parts: readonly (string | undefined)[]): number | null {
  const [year, month, day] = parts.map(Number) as [number, number, number]
  const instant = new Date(0)
  // Not Date.UTC, which takes the years 0 to 99 for those from 1900 on.
  instant.setUTCFullYear(year, month - 1, day)
  // The 31st of February would be in March, and years beyond a date's reach are not numbers.
  if (instant.getUTCMonth() !== month - 1 || instant.getUTCDate() !== day) return null
  return Math.floor(instant.getTime() / msPerDay)
}

export function daysToText(days: number): string | null {
  const instant = new Date(days * msPerDay)
  if (Number.isNaN(instant.getTime())) return null
  const year = instant.getUTCFullYear()
  // As java.time prints them: a sign from the year 10000 on.
  const sign = year < 0 ? '-' : year > 9999 ? '+' : ''
  return `${sign}${padded(Math.abs(year), 4)}-${padded(instant.getUTCMonth() + 1, 2)}-${padded(instant.getUTCDate(), 2)}`
}

/** Micros from midnight of `22:31:08.123456`. */
export function timeFromText(text: string): bigint | null {
  const match = timePattern.exec(text)
  return match === null ? null : timeOf(match.slice(1, 5), 6)
}

/** In units of 10^-digits seconds; null when the text is finer than that. */
function timeOf(parts: readonly (string | undefined)[], digits: number): bigint | null {
  const [hours, minutes, seconds = '0', fraction = ''] = parts
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return null
  const padding = fraction.padEnd(9, '0')
  if (/[^0]/.test(padding.slice(digits))) return null
  const whole = BigInt(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
  return whole * 10n ** BigInt(digits) + BigInt(padding.slice(0, digits))
}

export const timeToText = (micros: bigint): string | null =>
  micros >= 0n && micros < 86_400_000_000n ? timeText(micros, 6) : null

function timeText(units: bigint, digits: number): string {
  const perSecond = 10n ** BigInt(digits)
  const seconds = Number(units / perSecond)
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return `${clock.map((part) => padded(part, 2)).join(':')}.${padded(Number(units % perSecond), digits)}`
}

const digitsOf = (type: TimestampType): number => (type === 'timestamp' || type === 'timestamptz' ? 6 : 9)
const hasZone = (type: TimestampType): boolean => type === 'timestamptz' || type === 'timestamptz_ns'

/** Micros or nanos from 1970 of `2017-11-16T22:31:08.123456`; with a zone, which must be UTC, exactly where the type has one. */
export function timestampFromText(type: TimestampType, text: string): bigint | null {
  const match = timestampPattern.exec(text)
  if (match === null) return null
  const zone = match[8]
  if (hasZone(type) ? zone !== 'Z' && zone !== '+00:00' : zone !== undefined) return null
  const days = daysOf(match.slice(1, 4))
  const ofDay = timeOf(match.slice(4, 8), digitsOf(type))
  if (days === null || ofDay === null) return null
  const value = BigInt(days) * unitsPerDay(type) + ofDay
  return BigInt.asIntN(64, value) === value ? value : null
}

export function timestampToText(type: TimestampType, value: bigint): string | null {
  const day = daysToText(Number(floorDiv(value, unitsPerDay(type))))
  if (day === null) return null
  return `${day}T${timeText(floorMod(value, unitsPerDay(type)), digitsOf(type))}${hasZone(type) ? '+00:00' : ''}`
}

const unitsPerDay = (type: TimestampType): bigint => 86_400n * 10n ** BigInt(digitsOf(type))

const padded = (value: number, width: number): string => String(value).padStart(width, '0')
