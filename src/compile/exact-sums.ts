/**
 * Sums of doubles that are exact: the real sum, rounded once to the nearest double, ties to even, in whatever order and pieces it was added.
 *
 * A double is a whole number times a power of two. What the slice's values have in common is found out before the SQL is made: mostly all
 * are whole multiples of one power and below 2^96 of it, so that 128-bit integers add them (an overflow, beyond 2^31 values, is an error).
 * Values further apart are added as integers of any length.
 */

import { PART_BITS, roundedParts } from './exact-sum-parts.ts'

/** What is known of the values that are to be added. */
export interface FloatRange {
  /** Least and greatest magnitude among the finite ones that are not zero; null when there is none. */
  readonly least: number | null
  readonly greatest: number | null
  /** Whether there is an infinity or a NaN. */
  readonly hasNonFinite: boolean
  /** Of sums that were added before and are added too: the least power of two that all are whole multiples of, and that of the highest bit. */
  readonly kept?: { readonly unit: number; readonly top: number }
}

/** Values whose least magnitude is one, and which are ordinary otherwise. */
export const ordinaryRange: FloatRange = { least: 1, greatest: 2 ** 32, hasNonFinite: false }

/** Whole multiples of `2^power`, added as `type`. */
export interface Part {
  readonly power: number
  readonly type: 'HUGEINT' | 'BIGNUM'
}

/** What the values are whole multiples of, and how many bits the greatest of these have; without values none. */
export function spanOf({ least, greatest, kept }: FloatRange): { readonly power: number; readonly bits: number } {
  const units = [
    ...(least === null ? [] : [Math.max(exponentOf(least) - 52, -1074)]),
    ...(kept === undefined ? [] : [kept.unit]),
  ]
  const tops = [...(greatest === null ? [] : [exponentOf(greatest)]), ...(kept === undefined ? [] : [kept.top])]
  if (units.length === 0) return { power: 0, bits: 0 }
  const power = Math.min(...units)
  return { power, bits: Math.max(...tops) + 1 - power }
}

/** The lowest first. More than one only where the values lie further apart than a double can scale. */
export function partsFor(range: FloatRange): readonly Part[] {
  const { power, bits } = spanOf(range)
  if (bits <= 96) return [{ power, type: 'HUGEINT' }]
  return Array.from({ length: Math.ceil(bits / PART_BITS) }, (_, index) => ({
    power: power + index * PART_BITS,
    type: 'BIGNUM',
  }))
}

/** Of the highest bit. */
function exponentOf(value: number): number {
  const exponent = Math.floor(Math.log2(value))
  return 2 ** exponent > value ? exponent - 1 : exponent
}

/** Times a power of two, exactly, also where no double holds the power. */
export function scaled(sql: string, power: number): string {
  const factors: string[] = []
  for (let left = power; left !== 0;) {
    const step = Math.max(-1000, Math.min(1000, left))
    factors.push(` * pow(2::DOUBLE, ${step})`)
    left -= step
  }
  return `${sql}${factors.join('')}`
}

/** SQL of a finite double's share in each part, a whole number. */
export function shares(value: string, parts: readonly Part[]): string[] {
  const found: string[] = []
  let rest = value
  for (const [index, { power, type }] of [...parts.entries()].toReversed()) {
    const whole = index === 0 ? scaled(rest, -power) : `trunc(${scaled(rest, -power)})`
    found.unshift(`CAST(${whole} AS ${type})`)
    if (index > 0) rest = `(${rest} - ${scaled(whole, power)})`
  }
  return found
}

/** SQL of the double nearest to a sum, from the sums of its shares. */
export function roundedSum(sums: readonly string[], parts: readonly Part[]): string {
  const [{ power, type }] = parts as readonly [Part]
  if (parts.length > 1) return roundedParts(sums, power)
  const [sum] = sums as readonly [string]
  // The engine's own cast of long integers cuts digits off; that of text rounds well.
  return scaled(type === 'HUGEINT' ? nearestDouble(sum) : textToDouble(sum), power)
}

const textToDouble = (integer: string): string => `CAST(CAST(${integer} AS VARCHAR) AS DOUBLE)`

/** SQL of the double nearest to a 128-bit integer: the engine's own cast rounds twice. */
export const nearestDouble = (total: string): string => `nearest_double(${total})`

/**
 * Macros that sums rest on. Below 106 bits an integer is two numbers of 53, each a double, and adding two doubles rounds their sum once (IEEE 754).
 * Of longer ones what lies below 21 bits is dropped, but leaves the last bit set when it was anything but zero (rounding to odd), so that the
 * rounding that follows is that of the whole number.
 */
export const exactSumMacros: readonly string[] = [
  'CREATE OR REPLACE TEMP MACRO nearest_below_106_bits(magnitude) AS ' +
    `CAST(CAST(magnitude >> 53 AS BIGINT) AS DOUBLE) * ${2n ** 53n} + CAST(CAST(magnitude & ${2n ** 53n - 1n} AS BIGINT) AS DOUBLE)`,
  'CREATE OR REPLACE TEMP MACRO without_21_bits(magnitude) AS ' +
    `(magnitude >> 21) | CASE WHEN magnitude & ${2n ** 21n - 1n} = 0 THEN 0 ELSE 1 END`,
  'CREATE OR REPLACE TEMP MACRO nearest_double(total) AS ' +
    `CASE WHEN abs(total) < ${2n ** 63n} THEN CAST(CAST(total AS BIGINT) AS DOUBLE) ` +
    `WHEN abs(total) < ${2n ** 106n} THEN sign(total) * nearest_below_106_bits(abs(total)) ` +
    `ELSE sign(total) * nearest_below_106_bits(without_21_bits(abs(total))) * ${2n ** 21n} END`,
]
