import { quoteString } from '../compile/quote.ts'
import { decimalShape, type Literal, type PrimitiveType } from '../iceberg/index.ts'
import { duckDbType } from './duckdb-types.ts'

/** SQL of a value as `Literal` has it in memory, of the DuckDB type that holds the Iceberg type. */
export function literalSql(type: PrimitiveType, value: Literal | null): string {
  if (value === null) return `CAST(NULL AS ${duckDbType(type)})`
  if (value instanceof Uint8Array) {
    const hex = quoteString(Buffer.from(value).toString('hex'))
    return type === 'uuid' ? `CAST(${hex} AS UUID)` : `unhex(${hex})`
  }
  const decimal = decimalShape(type)
  if (decimal !== null && typeof value === 'bigint') {
    return `CAST(${quoteString(decimalText(value, decimal.scale))} AS ${duckDbType(type)})`
  }
  switch (type) {
    case 'date':
      return `make_date(${value})`
    case 'time':
      return `(TIME '00:00:00' + to_microseconds(${value}))`
    case 'timestamp':
      return `make_timestamp(CAST(${value} AS BIGINT))`
    case 'timestamptz':
      return `make_timestamptz(CAST(${value} AS BIGINT))`
    case 'timestamp_ns':
      return `make_timestamp_ns(CAST(${value} AS BIGINT))`
    default:
      return `CAST(${quoteString(Object.is(value, -0) ? '-0.0' : String(value))} AS ${duckDbType(type)})`
  }
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const point = digits.length - scale
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, point)}${scale === 0 ? '' : `.${digits.slice(point)}`}`
}
