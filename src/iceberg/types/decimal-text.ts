/** Decimals as text, by their unscaled value. */
import type { DecimalShape } from './primitive-types.ts'

/** Far more than the 38 digits of any decimal; beyond, arithmetic would take its time. */
const maxLength = 100

/** The unscaled value of `14.20` or `2E+20`; null when the text is none of this precision and scale. */
export function decimalFromText({ precision, scale }: DecimalShape, text: string): bigint | null {
  const match = text.length > maxLength ? null : /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text)
  if (match === null) return null
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  if (fraction.length - Number(exponent) !== scale) return null
  const digits = BigInt(whole + fraction)
  return digits < 10n ** BigInt(precision) ? (sign === '-' ? -digits : digits) : null
}

/** With as many digits behind the point as the scale says; null when the value has more digits than the type. */
export function decimalToText({ precision, scale }: DecimalShape, unscaled: bigint): string | null {
  const digits = unscaled < 0n ? -unscaled : unscaled
  if (digits >= 10n ** BigInt(precision)) return null
  const sign = unscaled < 0n ? '-' : ''
  const text = digits.toString().padStart(scale + 1, '0')
  return scale === 0 ? `${sign}${text}` : `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`
}
