import { floorDiv, formatInstant, HindcastError, MICROS_PER_DAY, type Micros } from '../contract/index.ts'
import type { ViewDefinition } from '../definition/index.ts'
import type { IcebergType, PrimitiveType, Schema } from '../iceberg/index.ts'
import { quoteIdentifier } from './quote.ts'

/** A column of times in SQL. */
export interface TimeColumn {
  /** Microseconds since 1970, rounded down. */
  readonly micros: string
  /** As exact as the column is: whole `perMicro`-ths of a microsecond since 1970. */
  readonly instant: string
  readonly perMicro: bigint
  /** Condition that the time lies in `[from, to)`; false for null. Bare column and literals, so that it reaches the file reader. */
  between(from: Micros, to: Micros): string
}

/** One of a type of times. */
export interface TimeTypeColumn extends TimeColumn {
  /** As `between`, without a beginning. */
  before(to: Micros): string
}

/** Microseconds, or parts of one, in an epoch number's unit. */
const units: Readonly<Record<string, { readonly micros: bigint; readonly perMicro: bigint }>> = {
  d: { micros: MICROS_PER_DAY, perMicro: 1n },
  s: { micros: 1_000_000n, perMicro: 1n },
  ms: { micros: 1000n, perMicro: 1n },
  us: { micros: 1n, perMicro: 1n },
  ns: { micros: 1n, perMicro: 1000n },
}

/**
 * @param relation that the column is of, where others have one of its name
 * @throws DEFINITION_INVALID when the source has no such column, or one that is no time
 */
export const eventTime = (definition: ViewDefinition, source: Schema, relation?: string): TimeColumn =>
  timeColumn(definition, source, definition.source.eventTime, definition.source.eventTimeUnit, 'event time', relation)

/** When an event became known; null where the source does not say. @throws DEFINITION_INVALID as `eventTime` does */
export function knownTime(definition: ViewDefinition, source: Schema): TimeColumn | null {
  const { knownTime: name, knownTimeUnit } = definition.source
  return name === undefined ? null : timeColumn(definition, source, name, knownTimeUnit, 'known time')
}

function timeColumn(
  definition: ViewDefinition,
  source: Schema,
  name: string,
  unit: string | undefined,
  role: string,
  relation?: string,
): TimeColumn {
  const type = source.fields.find((candidate) => candidate.name === name)?.type
  const column = relation === undefined ? quoteIdentifier(name) : `${relation}.${quoteIdentifier(name)}`
  const found = unit === undefined ? timeOfType(column, type) : epochNumber(column, type, unit)
  if (found !== null) return found
  const problem = type === undefined ? 'no such column' : `its type is ${JSON.stringify(type)}`
  throw new HindcastError(
    'DEFINITION_INVALID',
    `source ${definition.source.name}: "${name}" cannot be the ${role}: ${problem}`,
    {
      hint: 'Name a column of type timestamp, timestamptz or date, or a number since 1970 with its unit.',
      context: { view: definition.name, column: name },
    },
  )
}

/** @param column SQL of it; null where the type is not of times */
export function timeOfType(column: string, type: IcebergType | undefined): TimeTypeColumn | null {
  const literal = timeLiteral(type as PrimitiveType | undefined)
  if (literal === null) return null
  const before = (to: Micros): string => `${column} < ${literal(to)}`
  const between = (from: Micros, to: Micros): string => `${column} >= ${literal(from)} AND ${before(to)}`
  const conditions = { between, before }
  return type === 'timestamp_ns'
    ? { ...ofNanos(`epoch_ns(${column})`), ...conditions }
    : { ...ofMicros(`epoch_us(${column})`), ...conditions }
}

const ofMicros = (micros: string) => ({ micros, instant: micros, perMicro: 1n })

const ofNanos = (nanos: string) => ({
  // Down, also before 1970, where `//` rounds up.
  micros: `((${nanos} - ((${nanos} % 1000) + 1000) % 1000) // 1000)`,
  instant: nanos,
  perMicro: 1000n,
})

function epochNumber(column: string, type: IcebergType | undefined, unit: string): TimeColumn | null {
  const { micros, perMicro } = units[unit] ?? { micros: 0n, perMicro: 0n }
  if (micros === 0n) return null
  if (type === 'double' && unit === 's') {
    const floored = `CAST(floor(${column} * 1000000) AS BIGINT)`
    return {
      ...ofMicros(floored),
      between: (from, to) => `isfinite(${column}) AND ${floored} >= ${from} AND ${floored} < ${to}`,
    }
  }
  if (type !== 'int' && type !== 'long') return null
  const number = `CAST(${column} AS BIGINT)`
  if (perMicro > 1n) {
    return {
      ...ofNanos(number),
      between: (from, to) => `${column} >= ${from * perMicro} AND ${column} < ${to * perMicro}`,
    }
  }
  return {
    ...ofMicros(micros === 1n ? number : `(${number} * ${micros})`),
    between: (from, to) => `${column} >= ${ceilDiv(from, micros)} AND ${column} < ${ceilDiv(to, micros)}`,
  }
}

const ceilDiv = (a: bigint, b: bigint): bigint => -floorDiv(-a, b)

function timeLiteral(type: PrimitiveType | undefined): ((at: Micros) => string) | null {
  const text = (at: Micros): string => {
    const iso = formatInstant(at)
    return iso.includes('T') ? iso.replace('T', ' ').replace('Z', '') : `${iso} 00:00:00`
  }
  switch (type) {
    case 'timestamp':
      return (at) => `TIMESTAMP '${text(at)}'`
    case 'timestamptz':
      return (at) => `TIMESTAMPTZ '${text(at)}+00'`
    case 'timestamp_ns':
      // Nanoseconds in 64 bits end in 1677 and 2262.
      return (at) => `make_timestamp_ns(CAST(${clampNanos(at)} AS BIGINT))`
    case 'date':
      // A date is its midnight: before or at an instant within a day means before the next day.
      return (at) => `DATE '${formatInstant(ceilDiv(at, MICROS_PER_DAY) * MICROS_PER_DAY)}'`
    default:
      return null
  }
}

function clampNanos(at: Micros): bigint {
  const limit = 9_223_372_036_854_775n
  return (at > limit ? limit : at < -limit ? -limit : at) * 1000n
}
