import type { NumberKind } from './inputs.ts'

/** Digits of whole numbers that doubles hold, and powers of ten. */
const exactDigits = 15
const exactPowers = 22
const exactUnits = 2n ** 53n

/**
 * SQL of the double nearest to a number, ties to even. The engine's cast of a decimal whose digits no double holds adds two rounded parts, and
 * may be off in the last bit; that of text rounds well.
 */
export function doubleOf(sql: string, number: NumberKind): string {
  const cast = `CAST(${sql} AS DOUBLE)`
  if (number.kind !== 'decimal' || number.precision <= exactDigits) return cast
  const byText = `CAST(CAST(${sql} AS VARCHAR) AS DOUBLE)`
  if (number.scale > exactPowers) return byText
  return `CASE WHEN abs(${sql}) <= ${decimalLiteral(exactUnits, number.scale)} THEN ${cast} ELSE ${byText} END`
}

function decimalLiteral(unscaled: bigint, scale: number): string {
  const digits = unscaled.toString().padStart(scale + 1, '0')
  return scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
