/**
 * How a partial lies in a table of tiles: in columns of Iceberg's types, without losing a bit, and in one form whatever the slice that made
 * it knew of the other values, so that the same events give the same bytes.
 */
import { PART_BITS } from './exact-sum-parts.ts'
import type { Part } from './exact-sums.ts'
import type { Input } from './inputs.ts'

/** Columns of the table that one or more partials are made from. */
export interface KeptForm {
  /** With the inputs, all that the columns' values follow from. */
  readonly what: string
  readonly inputs: readonly Input[]
  /** SQL of each column over the partials' columns, by what ends its name. Null where what the slice adds with cannot be kept. */
  readonly columns: Readonly<Record<string, string>> | null
  /** SQL of the partial, given that of a column. */
  readonly restored: (column: (ending: string) => string) => string
}

/** As it is. */
export const keptValue = (what: string, inputs: readonly Input[], column: string): KeptForm => ({
  what,
  inputs,
  columns: { '': column },
  restored: (kept) => kept(''),
})

/** In the order of its members, which is another's each time it is made. */
export const keptList = (what: string, inputs: readonly Input[], column: string): KeptForm => ({
  ...keptValue(what, inputs, column),
  columns: { '': `list_sort(${column})` },
})

const two64 = '18446744073709551616::HUGEINT'
const two63 = '9223372036854775808::HUGEINT'

/** A 128-bit integer in two of 64 bits, the lower one less 2^63: Iceberg's longest decimal does not hold all of them. */
const halves = (integer: string): Readonly<Record<'_high' | '_low', string>> => ({
  _high: `CAST(${integer} >> 64 AS BIGINT)`,
  _low: `CAST((${integer} & (${two64} - 1)) - ${two63} AS BIGINT)`,
})

const joined = (kept: (ending: string) => string): string =>
  `(CAST(${kept('_high')} AS HUGEINT) * ${two64} + (CAST(${kept('_low')} AS HUGEINT) + ${two63}))`

export const keptInteger = (what: string, inputs: readonly Input[], column: string): KeptForm => ({
  what,
  inputs,
  columns: halves(column),
  restored: joined,
})

/** The event that comes first or last, field by field. */
export const keptEvent = (
  what: string,
  inputs: readonly Input[],
  column: string,
  fields: readonly string[],
): KeptForm => ({
  what,
  inputs,
  columns: Object.fromEntries(fields.map((field) => [`_${field}`, `${column}.${field}`])),
  restored: (kept) =>
    `CASE WHEN ${kept('_instant')} IS NOT NULL THEN {${fields.map((field) => `${field}: ${kept(`_${field}`)}`).join(', ')}} END`,
})

export const sumOfDoubles = 'sum of doubles'

/** Endings of the columns of a sum of doubles: an odd integer (or 0) in halves, times a power of two; and the sum of what is not finite. */
const powerOf = '_power'
const othersOf = '_others'

/**
 * The sum of doubles, whatever unit it was added in.
 * @param names columns of the parts and of what is not finite
 */
export function keptFloatSum(
  input: Input,
  parts: readonly Part[],
  names: { readonly sums: readonly string[]; readonly others: string | null },
): { readonly sums: readonly KeptForm[]; readonly others: KeptForm } {
  const common = { what: sumOfDoubles, inputs: [input], columns: floatColumns(parts, names) }
  return {
    sums: parts.map((_, index) => ({ ...common, restored: (kept) => restoredPart(kept, parts, index) })),
    others: { ...common, restored: (kept) => kept(othersOf) },
  }
}

function floatColumns(
  parts: readonly Part[],
  { sums, others }: { readonly sums: readonly string[]; readonly others: string | null },
): Readonly<Record<string, string>> | null {
  const [{ power, type }] = parts as readonly [Part]
  if (type !== 'HUGEINT') return null
  const [sum = ''] = sums
  const zeros = `CAST(round(log2(CAST(${sum} & -${sum} AS DOUBLE))) AS INTEGER)`
  return {
    ...halves(`(CASE WHEN ${sum} = 0 THEN ${sum} ELSE ${sum} >> ${zeros} END)`),
    [powerOf]: `CASE WHEN ${sum} = 0 THEN 0 ELSE ${zeros} + ${power} END`,
    [othersOf]:
      others === null
        ? 'CAST(NULL AS DOUBLE)'
        : `CASE WHEN isnan(${others}) THEN CAST('NaN' AS DOUBLE) ELSE ${others} END`,
  }
}

function restoredPart(kept: (ending: string) => string, parts: readonly Part[], index: number): string {
  const [{ power, type }] = parts as readonly [Part]
  const integer = joined(kept)
  if (type === 'HUGEINT') {
    const zeros = `(${kept(powerOf)} - ${power < 0 ? `(${power})` : power})`
    // Of a zero the power says nothing.
    return `CASE WHEN ${integer} = 0 THEN ${integer} ELSE ${integer} * (1::HUGEINT << CAST(${zeros} AS HUGEINT)) END`
  }
  // Half by half, so that each stays far below what a double can scale, wherever in the part it begins.
  const magnitude = `abs(${integer})`
  const share = (half: string, above: number): string => {
    const from = `(${kept(powerOf)} + ${above - power})`
    const scaled = `CAST(${half} AS BIGNUM) * CAST(pow(2::DOUBLE, ${from} % ${PART_BITS}) AS BIGNUM)`
    return `CASE WHEN ${half} <> 0 AND ${from} // ${PART_BITS} = ${index} THEN ${scaled} ELSE 0::BIGNUM END`
  }
  const sum = `(${share(`(${magnitude} & (${two64} - 1))`, 0)} + ${share(`(${magnitude} >> 64)`, 64)})`
  return `CASE WHEN ${integer} < 0 THEN -${sum} ELSE ${sum} END * CASE WHEN ${integer} IS NULL THEN NULL ELSE 1::BIGNUM END`
}

/** SQL of the powers of two that a kept sum reaches from and to, and of what in it is not finite. */
export const keptFloatRange = (
  kept: (ending: string) => string,
): { readonly unit: string; readonly top: string; readonly others: string } => {
  const integer = joined(kept)
  return {
    unit: `CASE WHEN ${integer} <> 0 THEN ${kept(powerOf)} END`,
    top: `CASE WHEN ${integer} <> 0 THEN ${kept(powerOf)} + CAST(floor(log2(CAST(abs(${integer}) AS DOUBLE))) AS INTEGER) END`,
    others: kept(othersOf),
  }
}
