import type { NumberKind } from './inputs.ts'

/** Digits of whole numbers, and powers of ten, that doubles hold. */
const exactDigits = 15
const exactPowers = 22

/**
 * SQL of the double nearest to a number, ties to even. The engine's cast of a decimal whose digits no double holds adds two rounded parts, and
 * may be off in the last bit; that of text rounds well, and takes ten times as long.
 */
export function doubleOf(sql: string, number: NumberKind): string {
  const cast = `CAST(${sql} AS DOUBLE)`
  if (number.kind !== 'decimal' || number.precision <= exactDigits) return cast
  const byText = `CAST(CAST(${sql} AS VARCHAR) AS DOUBLE)`
  if (number.scale > exactPowers) return byText
  // Below 2^53 of its units, which are 9.007e15.
  return `CASE WHEN abs(${cast}) > 9e${exactDigits - number.scale} THEN ${byText} ELSE ${cast} END`
}
