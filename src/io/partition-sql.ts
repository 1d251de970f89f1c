import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { HindcastError, MICROS_PER_DAY, MICROS_PER_HOUR } from '../contract/index.ts'
import {
  decimalShape,
  parseTransform,
  type IcebergType,
  type NestedField,
  type PartitionField,
  type PartitionSpec,
  type PrimitiveType,
  type Schema,
  type Transform,
} from '../iceberg/index.ts'

/**
 * One SQL expression per field of the spec, over columns of the schema: the partition value in the form `DuckDb.rows` turns into
 * an Iceberg literal. https://iceberg.apache.org/spec/#partition-transforms
 * @throws FEATURE_UNSUPPORTED for a transform that does not apply to its column's type, or is not known
 */
export const partitionExpressions = (schema: Schema, spec: PartitionSpec): string[] =>
  spec.fields.map((field) => expression(schema, field))

function expression(schema: Schema, { sourceId, transform, name }: PartitionField): string {
  const parsed = parseTransform(transform)
  if (parsed.kind === 'void') return 'CAST(NULL AS INTEGER)'
  const source = sourceColumn(schema.fields, sourceId)
  const value = source === null ? null : valueExpression(source.sql, source.type, parsed)
  if (value !== null) return value
  throw new HindcastError('FEATURE_UNSUPPORTED', `cannot write partitions by ${transform} (partition field ${name})`, {
    hint: 'Partition by a transform that the Iceberg specification allows for the column’s type.',
    context: { transform, field: name },
  })
}

/** A primitive column, at the top or inside of structs; null where there is none of that id. */
function sourceColumn(
  fields: readonly NestedField[],
  id: number,
  parent?: string,
): { readonly sql: string; readonly type: PrimitiveType } | null {
  for (const { id: own, name, type } of fields) {
    const sql = parent === undefined ? quoteIdentifier(name) : `struct_extract(${parent}, ${quoteString(name)})`
    if (own === id) return typeof type === 'string' ? { sql, type } : null
    const found = structFields(type) === null ? null : sourceColumn(structFields(type) ?? [], id, sql)
    if (found !== null) return found
  }
  return null
}

const structFields = (type: IcebergType): readonly NestedField[] | null =>
  typeof type !== 'string' && type.type === 'struct' ? type.fields : null

const withoutIdentity: ReadonlySet<string> = new Set(['variant', 'unknown'])

function valueExpression(column: string, type: PrimitiveType, transform: Transform): string | null {
  switch (transform.kind) {
    case 'identity':
      if (withoutIdentity.has(type) || type.startsWith('geo')) return null
      return type === 'uuid' ? uuidBytes(column) : column
    case 'year':
    case 'month': {
      const civil = civilTime(column, type)
      if (civil === null) return null
      const years = `(year(${civil}) - 1970)`
      return transform.kind === 'year'
        ? `CAST(${years} AS INTEGER)`
        : `CAST(${years} * 12 + month(${civil}) - 1 AS INTEGER)`
    }
    case 'day':
    case 'hour': {
      const micros = microsOf(column, type)
      if (micros === null || (type === 'date' && transform.kind === 'hour')) return null
      return `CAST(${floorDivision(micros, transform.kind === 'day' ? MICROS_PER_DAY : MICROS_PER_HOUR)} AS INTEGER)`
    }
    case 'truncate':
      return truncated(column, type, transform.width)
    case 'bucket': {
      const hash = bucketHashOf(column, type)
      return hash === null ? null : `CAST((${hash} & 2147483647) % ${transform.buckets} AS INTEGER)`
    }
    default:
      return null
  }
}

/** Micros from 1970, rounded down, of a date or timestamp; null for other types. */
function microsOf(column: string, type: PrimitiveType): string | null {
  switch (type) {
    case 'date':
      return `epoch_us(CAST(${column} AS TIMESTAMP))`
    case 'timestamp':
    case 'timestamptz':
      return `epoch_us(${column})`
    case 'timestamp_ns':
      return `(${floorDivision(`epoch_ns(${column})`, 1000n)})`
    default:
      return null
  }
}

/** A date or timestamp without a zone, in UTC. A cast of nanoseconds rounds toward zero, so before 1970 into the next year. */
function civilTime(column: string, type: PrimitiveType): string | null {
  switch (type) {
    case 'date':
    case 'timestamp':
      return column
    case 'timestamptz':
      return `(${column} AT TIME ZONE 'UTC')`
    case 'timestamp_ns':
      return `make_timestamp(${microsOf(column, type)})`
    default:
      return null
  }
}

function truncated(column: string, type: PrimitiveType, width: number): string | null {
  const floor = (number: string): string => `(${number} - ${floorRemainder(number, BigInt(width))})`
  if (decimalShape(type) !== null) return floor(unscaled(column))
  switch (type) {
    case 'int':
    case 'long':
      return floor(column)
    case 'string':
      return `left(${column}, ${width})`
    case 'binary':
      return blobPrefix(column, width)
    default:
      return null
  }
}

function bucketHashOf(column: string, type: PrimitiveType): string | null {
  if (decimalShape(type) !== null) return `iceberg_hash_decimal(${unscaled(column)})`
  switch (type) {
    case 'int':
    case 'long':
      return `iceberg_hash_long(CAST(${column} AS BIGINT))`
    case 'date':
      return `iceberg_hash_long(CAST(${column} - DATE '1970-01-01' AS BIGINT))`
    case 'time':
      return `iceberg_hash_long(epoch_us(${column}))`
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
      return `iceberg_hash_long(${microsOf(column, type)})`
    case 'string':
      return `iceberg_hash_string(${column})`
    case 'binary':
      return `iceberg_hash_binary(${column})`
    case 'uuid':
      return `iceberg_hash_binary(${uuidBytes(column)})`
    default:
      return null
  }
}

export const uuidBytes = (column: string): string => `unhex(replace(CAST(${column} AS VARCHAR), '-', ''))`

/** The first bytes of a BLOB, which DuckDB can only cut as text. */
export const blobPrefix = (column: string, length: number): string => `unhex(left(hex(${column}), ${2 * length}))`

/** A decimal's digits as a whole number: multiplied it might not fit. */
const unscaled = (column: string): string => `CAST(replace(CAST(${column} AS VARCHAR), '.', '') AS HUGEINT)`

/** DuckDB's `//` rounds toward zero, which would put the last hour of 1969 into 1970. */
const floorDivision = (dividend: string, divisor: bigint): string =>
  `(${dividend} - ${floorRemainder(dividend, divisor)}) // ${divisor}`

const floorRemainder = (dividend: string, divisor: bigint): string =>
  `(${dividend} % ${divisor} + ${divisor}) % ${divisor}`
