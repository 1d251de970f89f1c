import {
  DuckDBArrayType,
  DuckDBDecimalType,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  DuckDBTypeId,
  type DuckDBType,
} from '@duckdb/node-api'
import { assignFieldIds, decimalShape, type IcebergType, type NestedField } from '../iceberg/index.ts'
import { duckDbType } from './duckdb-types.ts'

/** Numbered when the table is made. */
const unnumbered = -1

const primitives: { readonly [id in DuckDBTypeId]?: IcebergType } = {
  [DuckDBTypeId.BOOLEAN]: 'boolean',
  [DuckDBTypeId.TINYINT]: 'int',
  [DuckDBTypeId.SMALLINT]: 'int',
  [DuckDBTypeId.INTEGER]: 'int',
  [DuckDBTypeId.UTINYINT]: 'int',
  [DuckDBTypeId.USMALLINT]: 'int',
  [DuckDBTypeId.UINTEGER]: 'long',
  [DuckDBTypeId.BIGINT]: 'long',
  [DuckDBTypeId.UBIGINT]: 'decimal(20, 0)',
  [DuckDBTypeId.FLOAT]: 'float',
  [DuckDBTypeId.DOUBLE]: 'double',
  [DuckDBTypeId.DATE]: 'date',
  [DuckDBTypeId.TIMESTAMP]: 'timestamp',
  [DuckDBTypeId.TIMESTAMP_S]: 'timestamp',
  [DuckDBTypeId.TIMESTAMP_MS]: 'timestamp',
  [DuckDBTypeId.TIMESTAMP_NS]: 'timestamp',
  [DuckDBTypeId.TIMESTAMP_TZ]: 'timestamptz',
  [DuckDBTypeId.VARCHAR]: 'string',
  [DuckDBTypeId.ENUM]: 'string',
  [DuckDBTypeId.BLOB]: 'binary',
  // Iceberg has both, but Spark refuses tables with `time` and PyIceberg breaks on `uuid`: text that everyone reads.
  [DuckDBTypeId.TIME]: 'string',
  [DuckDBTypeId.UUID]: 'string',
}

/** The Iceberg type that holds every value of a DuckDB type, with nested ids still to be given; null where there is none. */
export function icebergTypeOf(type: DuckDBType): IcebergType | null {
  if (type instanceof DuckDBDecimalType) return `decimal(${type.width}, ${type.scale})`
  if (type instanceof DuckDBListType || type instanceof DuckDBArrayType) {
    const element = icebergTypeOf(type.valueType)
    return element === null ? null : { type: 'list', elementId: unnumbered, elementRequired: false, element }
  }
  if (type instanceof DuckDBMapType) {
    const [key, value] = [icebergTypeOf(type.keyType), icebergTypeOf(type.valueType)]
    if (key === null || value === null) return null
    return { type: 'map', keyId: unnumbered, key, valueId: unnumbered, valueRequired: false, value }
  }
  if (type instanceof DuckDBStructType) {
    const fields: NestedField[] = []
    for (const [index, name] of type.entryNames.entries()) {
      const entry = icebergTypeOf(type.entryTypes[index] as DuckDBType)
      if (entry === null) return null
      fields.push({ id: unnumbered, name, required: false, type: entry })
    }
    return { type: 'struct', fields }
  }
  return primitives[type.typeId] ?? null
}

/** The columns of a new table, with ids from 1. */
export const numberFields = (
  columns: readonly { readonly name: string; readonly type: IcebergType }[],
): readonly NestedField[] =>
  assignFieldIds({
    schemaId: 0,
    fields: columns.map(({ name, type }) => ({ id: unnumbered, name, required: false, type })),
  }).fields

/** Whether every value of one type is one of the other, as Iceberg promotes types. Nested types must be the same, ids apart. */
export function fitsInto(from: IcebergType, into: IcebergType): boolean {
  if (duckDbType(from) === duckDbType(into)) return true
  if (from === 'int' && into === 'long') return true
  if (from === 'float' && into === 'double') return true
  const [narrow, wide] = [decimalShape(from), decimalShape(into)]
  return narrow !== null && wide !== null && narrow.scale === wide.scale && narrow.precision <= wide.precision
}

/**
 * Whether text that looks like one type may be read as the other. A CSV's types are guesses from its values: a column of whole
 * numbers may be one of doubles, and any may be text.
 */
export function textFitsInto(guess: IcebergType, into: IcebergType): boolean {
  if (fitsInto(guess, into) || into === 'string') return true
  const numeric = into === 'double' || into === 'float' || decimalShape(into) !== null
  if (guess === 'long' || guess === 'int') return numeric || into === 'int'
  if (guess === 'double') return numeric
  if (guess === 'date') return into === 'timestamp' || into === 'timestamptz'
  return guess === 'timestamp' && into === 'timestamptz'
}
