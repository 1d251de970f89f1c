import { quoteIdentifier } from '../compile/quote.ts'
import { HindcastError, MICROS_PER_DAY, MICROS_PER_HOUR } from '../contract/index.ts'
import {
  parseTransform,
  type PartitionField,
  type PartitionSpec,
  type PrimitiveType,
  type Schema,
  type Transform,
} from '../iceberg/index.ts'

/**
 * One SQL expression per field of the spec, over columns of the schema: the partition value in the form `DuckDb.rows` turns into
 * an Iceberg literal. https://iceberg.apache.org/spec/#partition-transforms
 * @throws FEATURE_UNSUPPORTED for a transform that this writer does not compute
 */
export const partitionExpressions = (schema: Schema, spec: PartitionSpec): string[] =>
  spec.fields.map((field) => expression(schema, field))

function expression(schema: Schema, { sourceId, transform, name }: PartitionField): string {
  const source = schema.fields.find((field) => field.id === sourceId)
  const parsed = parseTransform(transform)
  if (parsed.kind === 'void') return 'NULL::INTEGER'
  if (source !== undefined && typeof source.type === 'string') {
    const value = valueExpression(quoteIdentifier(source.name), source.type, parsed)
    if (value !== null) return value
  }
  throw new HindcastError('FEATURE_UNSUPPORTED', `cannot write partitions by ${transform} (partition field ${name})`, {
    hint: 'Partition by identity, year, month, day or hour, or by truncate of whole numbers or text.',
    context: { transform, field: name },
  })
}

function valueExpression(column: string, type: PrimitiveType, transform: Transform): string | null {
  const micros = type === 'date' ? `epoch_us(${column}::TIMESTAMP)` : `epoch_us(${column})`
  const civil = type === 'timestamptz' ? `(${column} AT TIME ZONE 'UTC')` : column
  const isTime = type === 'date' || type === 'timestamp' || type === 'timestamptz'
  switch (transform.kind) {
    case 'identity':
      return column
    case 'year':
      return isTime ? `(year(${civil}) - 1970)::INTEGER` : null
    case 'month':
      return isTime ? `((year(${civil}) - 1970) * 12 + month(${civil}) - 1)::INTEGER` : null
    case 'day':
      return isTime ? `(${floorDivision(micros, MICROS_PER_DAY)})::INTEGER` : null
    case 'hour':
      return isTime && type !== 'date' ? `(${floorDivision(micros, MICROS_PER_HOUR)})::INTEGER` : null
    case 'truncate':
      if (type === 'int' || type === 'long') return `(${column} - ${floorRemainder(column, BigInt(transform.width))})`
      return type === 'string' ? `left(${column}, ${transform.width})` : null
    default:
      return null
  }
}

/** DuckDB's `//` rounds toward zero, which would put the last hour of 1969 into 1970. */
const floorDivision = (dividend: string, divisor: bigint): string =>
  `(${dividend} - ${floorRemainder(dividend, divisor)}) // ${divisor}`

const floorRemainder = (dividend: string, divisor: bigint): string =>
  `(${dividend} % ${divisor} + ${divisor}) % ${divisor}`
