/** Real numbers as fractions of whole ones: nothing is rounded before the end. */

/** A double is `whole * 2 ** -1074`. */
const unit = 1074n

/** @param value finite */
export function wholeOf(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  const raw = bits.getBigUint64(0)
  const exponent = (raw >> 52n) & 0x7ffn
  const fraction = raw & 0xf_ffff_ffff_ffffn
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n)
  return value < 0 ? -magnitude : magnitude
}

const bitLength = (value: bigint): number => value.toString(2).length

/** The double nearest to `numerator / denominator`, ties to even; an infinity beyond the greatest. @param denominator positive */
export function nearest(numerator: bigint, denominator: bigint): number {
  if (numerator === 0n) return 0
  if (numerator < 0n) return -nearest(-numerator, denominator)
  // Of the last bit that a double of this size has.
  let power = Math.max(bitLength(numerator) - bitLength(denominator) - 54, -1074)
  for (;;) {
    const [above, below] =
      power < 0 ? [numerator << BigInt(-power), denominator] : [numerator, denominator << BigInt(power)]
    let whole = above / below
    if (whole >= 1n << 53n) {
      power++
      continue
    }
    const rest = 2n * (above % below)
    if (rest > below || (rest === below && whole % 2n === 1n)) whole++
    return power > 971 ? Infinity : Number(whole) * 2 ** power
  }
}

/** The real sum of doubles, rounded once (rules 5.2, 5.3). */
export function sumOfDoubles(values: readonly number[]): number {
  const others = values.filter((value) => !Number.isFinite(value))
  if (others.length > 0) return others.reduce((total, value) => total + value)
  return nearest(
    values.reduce((total, value) => total + wholeOf(value), 0n),
    1n << unit,
  )
}

/** The sample variance of finite doubles (rule 5.6). */
export function varianceOfDoubles(values: readonly number[]): number {
  const n = BigInt(values.length)
  const numerator = spread(values.map(wholeOf))
  // Less than the bits that are there, so that this division rounds as one without limits of exponents would.
  const power = Math.max(bitLength(numerator) - 100, 0)
  const quotient = nearest(numerator, 1n << BigInt(power)) / nearest(n * (n - 1n), 1n)
  return timesPowerOfTwo(quotient, power - 2 * Number(unit))
}

function timesPowerOfTwo(value: number, power: number): number {
  const half = Math.trunc(power / 2)
  return value * 2 ** half * 2 ** (power - half)
}

/** n·Σx² - (Σx)² */
export function spread(values: readonly bigint[]): bigint {
  const sum = values.reduce((total, value) => total + value, 0n)
  const squares = values.reduce((total, value) => total + value * value, 0n)
  return BigInt(values.length) * squares - sum * sum
}
