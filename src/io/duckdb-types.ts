import { quoteIdentifier } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'
import { decimalShape, fixedLength, type IcebergType, type NestedField, type PrimitiveType } from '../iceberg/index.ts'

const primitives: Readonly<Record<string, string>> = {
  boolean: 'BOOLEAN',
  int: 'INTEGER',
  long: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  date: 'DATE',
  time: 'TIME',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMPTZ',
  timestamp_ns: 'TIMESTAMP_NS',
  string: 'VARCHAR',
  uuid: 'UUID',
  binary: 'BLOB',
  // A column of nulls has no type of its own.
  unknown: 'INTEGER',
  variant: 'VARIANT',
}

/**
 * The DuckDB type that holds every value of the Iceberg type.
 * @throws FEATURE_UNSUPPORTED for zoned nanoseconds, which DuckDB has no type for
 */
export function duckDbType(type: IcebergType): string {
  if (typeof type === 'string') return duckDbPrimitive(type)
  switch (type.type) {
    case 'struct':
      return `STRUCT(${type.fields.map((field) => `${quoteIdentifier(field.name)} ${duckDbType(field.type)}`).join(', ')})`
    case 'list':
      return `${duckDbType(type.element)}[]`
    case 'map':
      return `MAP(${duckDbType(type.key)}, ${duckDbType(type.value)})`
  }
}

function duckDbPrimitive(type: PrimitiveType): string {
  const decimal = decimalShape(type)
  if (decimal !== null) return `DECIMAL(${decimal.precision}, ${decimal.scale})`
  const name = primitives[type]
  if (name !== undefined) return name
  if (fixedLength(type) !== null) return 'BLOB'
  if (/^geo(metry|graphy)\b/.test(type)) return 'GEOMETRY'
  throw new HindcastError('FEATURE_UNSUPPORTED', `columns of type ${type} can neither be read nor written`, {
    hint: 'Leave the column out, or store it as binary or timestamptz.',
  })
}

/** The `FIELD_IDS` option of COPY, which gives Parquet columns their Iceberg ids. */
export const fieldIdsOption = (fields: readonly NestedField[]): string =>
  `{${fields.map((field) => `${quoteIdentifier(field.name)}: ${fieldId(field.id, field.type)}`).join(', ')}}`

function fieldId(id: number, type: IcebergType): string {
  if (typeof type === 'string') return String(id)
  const own = `__duckdb_field_id: ${id}`
  switch (type.type) {
    case 'struct':
      return `{${own}, ${fieldIdsOption(type.fields).slice(1)}`
    case 'list':
      return `{${own}, element: ${fieldId(type.elementId, type.element)}}`
    case 'map':
      return `{${own}, key: ${fieldId(type.keyId, type.key)}, value: ${fieldId(type.valueId, type.value)}}`
  }
}
