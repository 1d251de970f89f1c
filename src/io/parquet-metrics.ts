import {
  type DataFile,
  decimalShape,
  encodeSingleValue,
  type Literal,
  type PrimitiveType,
  type Schema,
  truncateLowerBound,
  truncateUpperBound,
} from '../iceberg/index.ts'

/** What COPY's RETURN_STATS says of a file: for every leaf column its quoted path and its statistics, all as text. */
export type ColumnStatistics = readonly (readonly [path: string, statistics: readonly (readonly [string, string])[]])[]

type Metrics = Pick<
  DataFile,
  'columnSizes' | 'valueCounts' | 'nullValueCounts' | 'nanValueCounts' | 'lowerBounds' | 'upperBounds'
>

/**
 * Iceberg's metrics of the top-level primitive columns. A bound is left out wherever it is not certain, because a wrong one hides
 * rows from readers: columns holding NaN, binary columns, infinite and BC times. Nested columns have none.
 */
export function columnMetrics(schema: Schema, statistics: ColumnStatistics): Metrics {
  const byPath = new Map(statistics.map(([path, values]) => [path, new Map(values)]))
  const columnSizes = new Map<number, bigint>()
  const valueCounts = new Map<number, bigint>()
  const nullValueCounts = new Map<number, bigint>()
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  for (const { id, name, type } of schema.fields) {
    const values = byPath.get(`"${name.replaceAll('"', '""')}"`)
    if (values === undefined || typeof type !== 'string') continue
    setCount(columnSizes, id, values.get('column_size_bytes'))
    setCount(valueCounts, id, values.get('num_values'))
    setCount(nullValueCounts, id, values.get('null_count'))
    if (values.get('has_nan') === 'true') continue
    const lower = bound(type, values.get('min'), 'lower')
    const upper = bound(type, values.get('max'), 'upper')
    if (lower !== null) lowerBounds.set(id, lower)
    if (upper !== null) upperBounds.set(id, upper)
  }
  return { columnSizes, valueCounts, nullValueCounts, lowerBounds, upperBounds }
}

function setCount(counts: Map<number, bigint>, id: number, text: string | undefined): void {
  if (text !== undefined) counts.set(id, BigInt(text))
}

function bound(type: PrimitiveType, text: string | undefined, side: 'lower' | 'upper'): Uint8Array | null {
  const value = text === undefined ? null : parseValue(type, text, side)
  if (value === null) return null
  if (typeof value !== 'string') return encodeSingleValue(type, value)
  const short = side === 'lower' ? truncateLowerBound(value) : truncateUpperBound(value)
  return short === null ? null : encodeSingleValue(type, short)
}

/** A value as DuckDB prints it, or null for what this reader is not certain of. */
function parseValue(type: PrimitiveType, text: string, side: 'lower' | 'upper'): Literal | null {
  const decimal = decimalShape(type)
  if (decimal !== null) return parseDecimal(text, decimal.scale)
  switch (type) {
    case 'string':
      return text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : null
    case 'int':
      return /^-?\d+$/.test(text) ? Number(text) : null
    case 'long':
      return /^-?\d+$/.test(text) ? BigInt(text) : null
    case 'float':
    case 'double': {
      const value = Number(text)
      // Parquet's statistics may hold either zero for both: the spec wants the outer one.
      if (value === 0) return side === 'lower' ? -0 : 0
      return Number.isFinite(value) ? value : null
    }
    case 'date': {
      const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
      return Number.isNaN(ms) ? null : ms / 86_400_000
    }
    case 'timestamp':
    case 'timestamptz':
      return parseTimestamp(text)
    default:
      return null
  }
}

function parseDecimal(text: string, scale: number): bigint | null {
  const match = /^(-?)(\d*)(?:\.(\d+))?$/.exec(text)
  const [, sign = '', whole = '', fraction = ''] = match ?? []
  if (match === null || fraction.length !== scale || whole.length + fraction.length === 0) return null
  return BigInt(`${sign}${whole}${fraction}`)
}

function parseTimestamp(text: string): bigint | null {
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(?:\+00(?::00)?)?$/.exec(text)
  if (match === null) return null
  const ms = Date.parse(`${match[1]}T${match[2]}Z`)
  return Number.isNaN(ms) ? null : BigInt(ms) * 1000n + BigInt((match[3] ?? '').padEnd(6, '0'))
}
