/** SQL row expressions together with what they mean, for a judge that reads no SQL. */
import type { Meaning } from './oracle/rows.ts'
import { compare, type Row, type Scalar, type Value } from './oracle/values.ts'

export interface Expression extends Meaning {
  readonly sql: string
}

const expression = (sql: string, type: string, of: (row: Row) => Value): Expression => ({ sql, type, of })

const whole = (column: string, apply: (value: bigint) => bigint) => (row: Row) => {
  const value = row[column] as bigint | null
  return value === null ? null : apply(value)
}

const test = (column: string, holds: (value: Scalar) => boolean) => (row: Row) => {
  const value = row[column] as Value
  return value === null ? null : holds(value)
}

/** Conditions over the columns of `table.ts`. */
export const conditions: readonly Expression[] = [
  expression(
    'i > 0',
    'boolean',
    test('i', (value) => (value as bigint) > 0n),
  ),
  expression(
    `s >= 'c' -- the later letters`,
    'boolean',
    test('s', (value) => compare(value, 'c') >= 0),
  ),
  expression(
    'x <= 1',
    'boolean',
    test('x', (value) => compare(value, 1) <= 0),
  ),
  expression(
    'b',
    'boolean',
    test('b', (value) => value === true),
  ),
  expression('i IS NULL', 'boolean', (row) => row['i'] === null),
  expression('NOT b OR i = 1', 'boolean', (row) => {
    const [b, i] = [row['b'] as boolean | null, row['i'] as bigint | null]
    if (b === false || i === 1n) return true
    return b === null || i === null ? null : false
  }),
  expression('false', 'boolean', () => false),
  expression(
    `s <> ';--"'''`,
    'boolean',
    test('s', (value) => value !== `;--"'`),
  ),
]

/** What features may aggregate beside plain columns. */
export const computations: readonly Expression[] = [
  expression(
    'i * 2',
    'long',
    whole('i', (i) => i * 2n),
  ),
  expression(
    '(i + 1) % 3',
    'long',
    whole('i', (i) => (i + 1n) % 3n),
  ),
  expression(
    'i % 3',
    'long',
    whole('i', (i) => i % 3n),
  ),
  expression('y / 2', 'double', (row) => {
    const y = row['y'] as number | null
    return y === null ? null : y / 2
  }),
  expression('CASE WHEN b THEN y ELSE -y END', 'double', (row) => {
    const y = row['y'] as number | null
    return y === null ? null : row['b'] === true ? y : -y
  }),
  expression(`s || '!'`, 'string', (row) => {
    const s = row['s'] as string | null
    return s === null ? null : `${s}!`
  }),
  expression(
    'i > 0',
    'boolean',
    test('i', (value) => (value as bigint) > 0n),
  ),
]

/** Computed columns, in the order in which they may stand. */
export const computedColumns: readonly (Expression & { readonly name: string })[] = [
  {
    name: 'twice',
    ...expression(
      'i * 2',
      'long',
      whole('i', (i) => i * 2n),
    ),
  },
  {
    name: 'Twice and "one"',
    ...expression(
      'twice + 1',
      'long',
      whole('twice', (twice) => twice + 1n),
    ),
  },
  { name: 'shout', ...expression(`upper(s)`, 'string', (row) => (row['s'] as string | null)?.toUpperCase() ?? null) },
]

/** Those of conditions that are about computed columns. */
export const computedConditions: readonly Expression[] = [
  expression(
    'twice > 2',
    'boolean',
    test('twice', (value) => (value as bigint) > 2n),
  ),
]

/** Conditions over the columns of `dimension.ts`. */
export const joinedConditions: readonly Expression[] = [
  expression(
    '"dim_we""ight" > 0',
    'boolean',
    test('dim_we"ight', (value) => (value as bigint) > 0n),
  ),
  expression('dim_label IS NULL', 'boolean', (row) => row['dim_label'] === null),
  expression('coalesce(dim_share, 0) < 1', 'boolean', (row) => ((row['dim_share'] as number | null) ?? 0) < 1),
]

/** What features may aggregate of them. */
export const joinedComputations: readonly Expression[] = [
  expression(
    '"dim_we""ight" * 2',
    'long',
    whole('dim_we"ight', (weight) => weight * 2n),
  ),
]

const meanings = new Map(
  [
    ...conditions,
    ...computations,
    ...computedColumns,
    ...computedConditions,
    ...joinedConditions,
    ...joinedComputations,
  ].map((one) => [one.sql, one]),
)

export function meaning(sql: string): Meaning {
  const found = meanings.get(sql)
  if (found === undefined) throw new Error(`the judge does not know what ${sql} means`)
  return found
}
