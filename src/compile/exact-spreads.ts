/**
 * Spreads of doubles, n·Σx² - (Σx)²: exact before they are rounded once, in whatever order and pieces their sums were added.
 *
 * The slice's values are whole multiples of one power of two, see exact-sums.ts. Such an integer is cut into digits of 48 bits: 128 bits hold
 * the sums of their products, and these merge as other sums do. A spread is made of them by long arithmetic.
 */
import { bind } from './exact-sum-parts.ts'
import { scaled, spanOf, type FloatRange } from './exact-sums.ts'

const digitBits = 48
const mask = 2n ** BigInt(digitBits) - 1n

/** Of values that 96 bits hold, whose spreads are made by a quicker way. */
const few = 2

/** Values are whole multiples of `2^power`, of `count` digits. */
export interface Digits {
  readonly power: number
  readonly count: number
}

export function digitsFor(range: FloatRange): Digits {
  const { power, bits } = spanOf(range)
  return { power, count: Math.max(few, Math.ceil(bits / digitBits)) }
}

export const haveFew = ({ count }: Digits): boolean => count === few

/** SQL of a finite double's digits, the lowest first, each with the double's sign. */
export function digitsOf(value: string, { power, count }: Digits): string[] {
  return Array.from({ length: count }, (_, index) => {
    const unit = power + index * digitBits
    const upTo = index + 1 < count ? `(${value} % pow(2::DOUBLE, ${unit + digitBits}))` : value
    return `CAST(CAST(trunc(${scaled(upTo, -unit)}) AS BIGINT) AS HUGEINT)`
  })
}

/** SQL of a square's digits, those of equal weight added up: not carried, so that they add without loss. */
export function squareOf(digits: readonly string[]): string[] {
  return Array.from({ length: 2 * digits.length - 1 }, (_, weight) =>
    digits
      .flatMap((digit, index) => {
        const other = weight - index
        if (other < index || other >= digits.length) return []
        return [other === index ? `${digit} * ${digit}` : `2 * ${digit} * ${digits[other]}`]
      })
      .join(' + '),
  )
}

/** Steps of a computation: columns by name, each of earlier steps' columns. */
export type Steps = readonly Readonly<Record<string, string>>[]

/** Sums over a window. */
export interface SpreadSums {
  /** SQL of the number of values. */
  readonly n: string
  /** Of the digits; where there are few, of the values in units of `2^power` alone. */
  readonly totals: readonly string[]
  /** Of `squareOf`. */
  readonly squares: readonly string[]
}

/** What is computed before the spread. @param named SQL of the name of a step's column */
export const spreadSteps = (sums: SpreadSums, digits: Digits, named: (step: string) => string): Steps =>
  haveFew(digits) ? fewDigits(sums, named) : []

/** SQL of the spread over n·(n - 1): nearest doubles of both, divided as if exponents had no limits, then rounded to what doubles hold. */
export function variance(sums: SpreadSums, digits: Digits, named: (step: string) => string): string {
  if (haveFew(digits)) {
    const unit = `pow(2::DOUBLE, ${digits.power})`
    return `${nearestSpread(named)} / ${pairsOf(sums.n)} * ${unit} * ${unit}`
  }
  const [totals, squares] = [sums.totals, sums.squares].map((list) => `[${list.join(', ')}]`)
  const spread = `spread_of_digits(CAST(${sums.n} AS HUGEINT), ${totals}, ${squares})`
  return `variance_of_spread(${spread}, ${sums.n}, ${2 * digits.power})`
}

/** SQL of n·(n - 1) as a double. */
const pairsOf = (n: string): string => `CAST(CAST(${n} AS BIGINT) * (CAST(${n} AS BIGINT) - 1) AS DOUBLE)`

const macro = (signature: string, body: string): string => `CREATE OR REPLACE TEMP MACRO ${signature} AS ${body}`
const low = (word: string): string => `(${word} & ${mask})`
const high = (word: string): string => `(${word} >> ${digitBits})`

/** Long arithmetic with the sums' digits `s`, those of the squares' sums `q`, words `w` of equal weight, and digits `v` of the spread. */
function fewDigits({ n, totals, squares }: SpreadSums, named: (step: string) => string): Steps {
  const [total = ''] = totals
  const [lowest = '', middle = '', highest = ''] = squares
  const count = `CAST(${n} AS HUGEINT)`
  const [s0, s1, s2, q0, q1] = [named('s0'), named('s1'), named('s2'), named('q0'), named('q1')]
  const [w0, w1, w2, w3] = [named('w0'), named('w1'), named('w2'), named('w3')]
  const [c1, c2] = [named('c1'), named('c2')]
  const above = `(${highest} + ${high(q1)})`
  return [
    {
      s0: low(total),
      s1: low(high(total)),
      s2: `${total} >> ${2 * digitBits}`,
      q0: low(lowest),
      q1: `${middle} + ${high(lowest)}`,
    },
    {
      w0: `${count} * ${q0} - ${s0} * ${s0}`,
      w1: `${count} * ${low(q1)} - 2 * ${s0} * ${s1}`,
      w2: `${count} * ${low(above)} - 2 * ${s0} * ${s2} - ${s1} * ${s1}`,
      w3: `${count} * ${high(above)} - 2 * ${s1} * ${s2} - ((${s2} * ${s2}) << ${digitBits})`,
    },
    { v0: low(w0), c1: `${w1} + ${high(w0)}` },
    { v1: low(c1), c2: `${w2} + ${high(c1)}` },
    { v2: low(c2), v3: `${w3} + ${high(c2)}` },
  ]
}

/** The double nearest to the spread that `fewDigits` makes, which 270 bits hold. */
function nearestSpread(named: (step: string) => string): string {
  const [v0, v1, v2, v3] = [named('v0'), named('v1'), named('v2'), named('v3')]
  const upper = `to_odd(${v3}, ${v2} <> 0 OR ${v1} <> 0 OR ${v0} <> 0)`
  const inner = `to_odd(${v3} * ${2n ** 72n} + ${v2} * ${2n ** 24n} + (${v1} >> 24), ${v1} & ${2n ** 24n - 1n} <> 0 OR ${v0} <> 0)`
  const lower = `${v2} * ${2n ** 96n} + ${v1} * ${2n ** 48n} + ${v0}`
  return (
    `CASE WHEN ${v3} >= ${2n ** 55n} THEN nearest_double(${upper}) * pow(2::DOUBLE, 144) ` +
    `WHEN ${v3} > 0 OR ${v2} >= ${2n ** 31n} THEN nearest_double(${inner}) * pow(2::DOUBLE, 72) ELSE nearest_double(${lower}) END`
  )
}

const manyDigits = (): string => {
  const at = (list: string, index: string): string => `coalesce(${list}[${index}], 0)`
  const products = `list_transform(range(k + 1), lambda i: ${at('d.s', 'i + 1')} * ${at('d.s', 'k - i + 1')})`
  const words = `list_transform(range(len(d.q)), lambda k: n * d.q[k + 1] - list_sum(${products}))`
  const highest =
    'coalesce(list_max(list_transform(range(1, len(v) + 1), lambda i: CASE WHEN v[i] <> 0 THEN i END)), 1)'
  const rest = 'len(list_filter(v[1:greatest(t - 3, 0)], lambda digit: digit <> 0)) > 0'
  return bind(
    'd',
    '{s: carried_digits(list_append(totals, 0)), q: carried_digits(squares || [0::HUGEINT, 0::HUGEINT])}',
    bind(
      'v',
      `carried_digits(${words})`,
      bind(
        't',
        highest,
        `{bits: to_odd(v[t] * ${2n ** 64n} + ${at('v', 't - 1')} * ${2n ** 16n} + (${at('v', 't - 2')} >> 32), ${at('v', 't - 2')} & ${2n ** 32n - 1n} <> 0 OR ${rest}), unit: ${digitBits} * (t - 1) - 64}`,
      ),
    ),
  )
}

/** Macros that `variance` rests on, beside those of exact sums. */
export const spreadMacros: readonly string[] = [
  // Where anything follows the bits, the last of them is set: rounding to odd, ahead of that to the nearest double.
  macro('to_odd(bits, has_more)', 'bits | CASE WHEN has_more THEN 1::HUGEINT ELSE 0::HUGEINT END'),
  macro(
    'carried_digits(words)',
    bind(
      'carried',
      'list_reduce(list_transform(words, lambda word: {digits: CAST([] AS HUGEINT[]), word: word}), ' +
        `lambda a, b: {digits: list_append(a.digits, ${low('a.word')}), word: b.word + ${high('a.word')}})`,
      'list_append(carried.digits, carried.word)',
    ),
  ),
  macro('spread_of_digits(n, totals, squares)', manyDigits()),
  macro(
    'variance_of_spread(spread, n, power)',
    // In two steps: no double may hold the power.
    bind(
      's',
      `{bits: spread.bits, unit: spread.unit + power}`,
      `nearest_double(s.bits) / ${pairsOf('n')} * pow(2::DOUBLE, s.unit // 2) * pow(2::DOUBLE, s.unit - s.unit // 2)`,
    ),
  ),
]
