/**
 * Rows in the form in which all counterparts answer: integers, decimals and times are strings (days, or the type's own unit since
 * its epoch), floats numbers but for NaN and the infinities, bytes hexadecimal, maps lists of pairs in the order of their keys' JSON.
 */
import { quoteIdentifier, quoteString } from '../../../src/compile/quote.ts'
import type { IcebergType, NestedField } from '../../../src/iceberg/types/schema.ts'
import { decimalShape } from '../../../src/iceberg/types/types.ts'
import { duckDbType } from '../../../src/io/duckdb-types.ts'

export type Row = Readonly<Record<string, unknown>>

/** A row of our engine. */
export const plainRow = (fields: readonly NestedField[], row: Row): Row =>
  Object.fromEntries(fields.map(({ name, type }) => [name, plainValue(type, row[name] ?? null)]))

function plainValue(type: IcebergType, value: unknown): unknown {
  if (value === null) return null
  if (typeof type !== 'string') return nestedValue(type, value)
  const decimal = decimalShape(type)
  if (decimal !== null) return decimalText(value as bigint, decimal.scale)
  if (type === 'float' || type === 'double') return Number.isFinite(value) ? value : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex').toUpperCase()
  return typeof value === 'boolean' ? value : String(value)
}

function nestedValue(type: Exclude<IcebergType, string>, value: unknown): unknown {
  switch (type.type) {
    case 'struct':
      return plainRow(type.fields, value as Row)
    case 'list':
      return (value as readonly unknown[]).map((each) => plainValue(type.element, each))
    case 'map':
      return (value as readonly (readonly [unknown, unknown])[])
        .map(([key, each]) => [plainValue(type.key, key), plainValue(type.value, each)])
        .sort(byJson(([key]) => key))
  }
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return String(unscaled)
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** Rows in an order of their own, so that two readers' can be compared. */
export const inOrder = (rows: readonly Row[]): Row[] => [...rows].sort(byJson((row) => row))

const byJson = <T>(key: (value: T) => unknown) => {
  const text = (value: T): string => JSON.stringify(key(value), withSortedKeys)
  return (a: T, b: T): number => {
    const [left, right] = [text(a), text(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }
}

const withSortedKeys = (_: string, value: unknown): unknown =>
  value === null || typeof value !== 'object' || Array.isArray(value)
    ? value
    : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))

/** A SELECT of rows in the plain form, each column of its type. */
export function selectOf(fields: readonly NestedField[], rows: readonly Row[]): string {
  const columns = fields.map(({ name, type }) => {
    const values = rows.map((row) => literalSql(type, row[name] ?? null))
    return `unnest([${values.join(', ')}]::${sqlType(type)}[]) AS ${quoteIdentifier(name)}`
  })
  return `SELECT ${columns.join(', ')}`
}

/** As our writer's, but for the types that DuckDB has no other place for than bytes. */
const sqlType = (type: IcebergType): string =>
  typeof type === 'string' && type.startsWith('fixed') ? 'BLOB' : duckDbType(type)

function literalSql(type: IcebergType, value: unknown): string {
  if (value === null) return 'NULL'
  if (typeof type !== 'string') return nestedSql(type, value)
  const text = Object.is(value, -0) ? '-0.0' : String(value)
  switch (type) {
    case 'date':
      return `(DATE '1970-01-01' + (${text})::INTEGER)`
    case 'time':
      return `(TIME '00:00:00' + to_microseconds(${text}))`
    case 'timestamp':
      return `make_timestamp(${text})`
    case 'timestamptz':
      return `make_timestamp(${text}) AT TIME ZONE 'UTC'`
    case 'timestamp_ns':
      return `make_timestamp_ns(${text})`
    case 'binary':
      return `unhex('${text}')`
    case 'string':
      return quoteString(text)
    default:
      return type.startsWith('fixed') ? `unhex('${text}')` : `'${text}'::${sqlType(type)}`
  }
}

function nestedSql(type: Exclude<IcebergType, string>, value: unknown): string {
  switch (type.type) {
    case 'struct': {
      const fields = type.fields.map(
        ({ name, type: each }) => `${quoteString(name)}: ${literalSql(each, (value as Row)[name] ?? null)}`,
      )
      return `{${fields.join(', ')}}::${sqlType(type)}`
    }
    case 'list':
      return `[${(value as unknown[]).map((each) => literalSql(type.element, each)).join(', ')}]::${sqlType(type)}`
    case 'map': {
      const entries = value as readonly (readonly [unknown, unknown])[]
      const keys = entries.map(([key]) => literalSql(type.key, key))
      const values = entries.map(([, each]) => literalSql(type.value, each))
      return `MAP([${keys.join(', ')}], [${values.join(', ')}])::${sqlType(type)}`
    }
  }
}
