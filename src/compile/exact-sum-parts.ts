/**
 * The double nearest to a sum that was added up in parts, each a whole number of `2^PART_BITS` times the unit of the one below it. Rounding
 * the parts one by one would round the sum more than once: their binary digits are joined instead.
 */

/** Of a part's values: a double can still scale by it. */
export const PART_BITS = 900

/** SQL that names a value for what is made of it, so that it is computed once. */
export const bind = (name: string, value: string, body: string): string =>
  `list_transform([${value}], lambda ${name}: ${body})[1]`
const isNegative = (integer: string): string => `CAST(${integer} AS VARCHAR) LIKE '-%'`
const partUnit = `pow(2::DOUBLE, ${PART_BITS})`
/** Without the three bytes that say how many follow. */
const digitsOf = (integer: string): string => `substr(to_binary(${integer}), 25)`

/** Binds `digit_0` upward, each from 0 to before `2^PART_BITS`, and `top`, which takes the sign and what the digits carry. */
function carried(sums: readonly string[], body: string): string {
  const carryFrom = (index: number, sum: string): string => {
    if (index === sums.length - 1) return bind('top', sum, body)
    const next = (carry: string): string => carryFrom(index + 1, `${sums[index + 1]} + CAST(${carry} AS BIGNUM)`)
    const rest = (carry: string): string => `total_${index} - CAST(${carry} * ${partUnit} AS BIGNUM)`
    // Rounding may have taken one too many.
    const about = `floor(CAST(CAST(total_${index} AS VARCHAR) AS DOUBLE) / ${partUnit})`
    const carry = `about_${index} - CASE WHEN ${isNegative(rest(`about_${index}`))} THEN 1 ELSE 0 END`
    const withCarry = bind(
      `carry_${index}`,
      carry,
      bind(`digit_${index}`, rest(`carry_${index}`), next(`carry_${index}`)),
    )
    return bind(`total_${index}`, sum, bind(`about_${index}`, about, withCarry))
  }
  return carryFrom(0, sums[0] as string)
}

/**
 * SQL of the double nearest to the sum of integers of any length, each `2^PART_BITS` times as much as the one before.
 * @param power the first one's unit is `2^power`, at least that of the smallest double: what rounds to fewer bits there is exact already
 */
export function roundedParts(sums: readonly string[], power: number): string {
  const lower = sums
    .slice(0, -1)
    .map((_, index) => `lpad(${digitsOf(`digit_${index}`)}, ${Math.ceil(PART_BITS / 8) * 8}, '0')`)
  const joined = [digitsOf('top'), ...lower.map((digits) => `right(${digits}, ${PART_BITS})`).toReversed()].join(' || ')
  const signed = sums.map((_, index) => `CASE WHEN is_negative THEN -part_${index} ELSE part_${index} END`)
  // Of the first 60 digits the last is set if any after them is: rounding to odd, so that the cast to a double rounds as the sum would.
  const first = `CAST('0b' || left(digits, 60) AS BIGINT)`
  const odd = `${first} + CASE WHEN contains(substr(digits, 61), '1') AND ${first} % 2 = 0 THEN 1 ELSE 0 END`
  // In two steps: no double may hold the power.
  const exponent = `(greatest(len(digits) - 60, 0) + ${power})`
  const scaled = `CAST(${odd} AS DOUBLE) * pow(2::DOUBLE, ${exponent} // 2) * pow(2::DOUBLE, ${exponent} - ${exponent} // 2)`
  const magnitude = bind(
    'digits',
    carried(signed, `ltrim(${joined}, '0')`),
    `CASE WHEN digits = '' THEN 0::DOUBLE WHEN is_negative THEN -(${scaled}) ELSE ${scaled} END`,
  )
  const bound = sums.reduceRight(
    (body, sum, index) => bind(`part_${index}`, sum, body),
    bind(
      'is_negative',
      carried(
        sums.map((_, index) => `part_${index}`),
        isNegative('top'),
      ),
      magnitude,
    ),
  )
  return `CASE WHEN ${sums[0]} IS NOT NULL THEN ${bound} END`
}
