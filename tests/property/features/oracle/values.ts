/** Values as the judge has them, and their order (rules 2.7, 4.3). */

/**
 * One value: whole numbers, unscaled decimals, days, times and instants (in the unit of their type) are bigint; floating-point numbers are
 * number; strings and UUIDs are text.
 */
export type Scalar = boolean | bigint | number | string | Uint8Array
export type Value = Scalar | null

/** A source row by column. */
export type Row = Readonly<Record<string, Value>>

/** Less than 0, 0, or more than 0. */
export function compare(a: Scalar, b: Scalar): number {
  if (typeof a === 'number' && typeof b === 'number') {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
    return a < b ? -1 : a > b ? 1 : 0
  }
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  if (typeof a !== typeof b) throw new Error(`${typeof a} and ${typeof b} are not compared`)
  return a < b ? -1 : a > b ? 1 : 0
}

/** The one way in which a value is written: 0.0 for both zeros. */
export const written = <T extends Value>(value: T): T => (value === 0 ? (0 as T) : value)

/** Text that is the same for the same value, and only then. */
export function identity(value: Value): string {
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  return `${typeof value} ${String(written(value))}`
}

export const decimalScale = (type: string): number | null => {
  const match = /^decimal\(\d+, (\d+)\)$/.exec(type)
  return match === null ? null : Number(match[1])
}

/** Digits; 0 of what is no decimal. */
export const decimalPrecision = (type: string): number => Number(/^decimal\((\d+), \d+\)$/.exec(type)?.[1] ?? 0)

export const isFloating = (type: string): boolean => type === 'float' || type === 'double'
