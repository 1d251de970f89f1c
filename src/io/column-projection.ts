/** SQL that gives a file's column as a schema has it now: https://iceberg.apache.org/spec/#column-projection */
import { DuckDBTypeId } from '@duckdb/node-api'
import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'
import {
  fixedLength,
  valueFromJson,
  type IcebergType,
  type Literal,
  type NestedField,
  type PrimitiveType,
  type SingleValue,
} from '../iceberg/index.ts'
import { duckDbType } from './duckdb-types.ts'
import { literalSql } from './literal-sql.ts'
import type { ParquetColumn } from './parquet-schema.ts'

/**
 * The value of `expression`, a column of the file, as the type: fields of structs by their ids, at every depth; missing ones by their
 * default.
 */
export function projectedColumn(expression: string, column: ParquetColumn, type: IcebergType): string {
  return sameNames(column, type) ? castTo(expression, type) : rebuilt(expression, column, type, 0)
}

const castTo = (expression: string, type: IcebergType): string => `CAST(${expression} AS ${duckDbType(type)})`

/** Whether names alone, as DuckDB's cast of structs goes by, find what ids find. */
function sameNames(column: ParquetColumn, type: IcebergType): boolean {
  if (typeof type === 'string') return type === 'unknown' ? false : bytesCast(column, type) === null
  const [first, second] = column.children
  switch (type.type) {
    case 'struct': {
      const names = new Set(column.children.map(({ name }) => name.toLowerCase()))
      return (
        names.size === column.children.length &&
        type.fields.every((field) => {
          const child = column.children.find(({ fieldId }) => fieldId === field.id)
          return child !== undefined && child.name === field.name && sameNames(child, field.type)
        })
      )
    }
    case 'list':
      return first !== undefined && sameNames(first, type.element)
    case 'map':
      return first !== undefined && second !== undefined && sameNames(first, type.key) && sameNames(second, type.value)
  }
}

function rebuilt(expression: string, column: ParquetColumn, type: IcebergType, depth: number): string {
  if (typeof type === 'string') {
    if (type === 'unknown') return missingValue(type)
    return bytesCast(column, type)?.(expression) ?? castTo(expression, type)
  }
  const [first, second] = column.children
  const part = `part${depth}`
  switch (type.type) {
    case 'struct': {
      const fields = type.fields.map((field) => {
        const child = column.children.find(({ fieldId }) => fieldId === field.id)
        const value =
          child === undefined
            ? defaultOrNull(field)
            : rebuilt(`struct_extract(${expression}, ${quoteString(child.name)})`, child, field.type, depth)
        return `${quoteIdentifier(field.name)} := ${value}`
      })
      return `CASE WHEN ${expression} IS NOT NULL THEN struct_pack(${fields.join(', ')}) END`
    }
    case 'list':
      if (first === undefined) return unlike(column, type)
      return `list_transform(${expression}, lambda ${part}: ${rebuilt(part, first, type.element, depth + 1)})`
    case 'map': {
      if (first === undefined || second === undefined) return unlike(column, type)
      const key = rebuilt(`${part}.key`, first, type.key, depth + 1)
      const value = rebuilt(`${part}.value`, second, type.value, depth + 1)
      const entries = `list_transform(map_entries(${expression}), lambda ${part}: struct_pack(key := ${key}, value := ${value}))`
      return `map_from_entries(${entries})`
    }
  }
}

const unlike = (column: ParquetColumn, type: Exclude<IcebergType, string>): never => {
  throw new HindcastError('DATA_FILE_INVALID', `column ${column.name} is no ${type.type} in the file`)
}

/** The conversion of a value whose bytes the file does not mark as what they are, null where a plain cast does. */
function bytesCast(column: ParquetColumn, type: PrimitiveType): ((expression: string) => string) | null {
  const { typeId } = column.type
  if (type === 'uuid' && typeId === DuckDBTypeId.BLOB) return (expression) => `CAST(hex(${expression}) AS UUID)`
  if (type === 'string' && typeId === DuckDBTypeId.BLOB) return (expression) => `decode(${expression})`
  if (type !== 'binary' && fixedLength(type) === null) return null
  if (typeId === DuckDBTypeId.VARCHAR) return (expression) => `encode(${expression})`
  if (typeId === DuckDBTypeId.UUID) return (expression) => `unhex(replace(CAST(${expression} AS VARCHAR), '-', ''))`
  return null
}

const missingValue = (type: IcebergType): string => `CAST(NULL AS ${duckDbType(type)})`

/** What rows of a file without the field hold: its `initial-default`, else null. */
export const defaultOrNull = ({ type, initialDefault }: NestedField): string =>
  initialDefault === undefined || initialDefault === null
    ? missingValue(type)
    : valueSql(type, valueFromJson(type, initialDefault))

function valueSql(type: IcebergType, value: SingleValue): string {
  if (value === null) return missingValue(type)
  if (typeof type === 'string') return literalSql(type, value as Literal)
  switch (type.type) {
    case 'struct': {
      const { fields } = value as { readonly fields: ReadonlyMap<number, SingleValue> }
      const values = type.fields.map((field) => {
        const own = fields.get(field.id)
        return `${quoteIdentifier(field.name)} := ${own === undefined ? defaultOrNull(field) : valueSql(field.type, own)}`
      })
      return `struct_pack(${values.join(', ')})`
    }
    case 'list': {
      const elements = (value as readonly SingleValue[]).map((element) => valueSql(type.element, element))
      return castTo(`[${elements.join(', ')}]`, type)
    }
    case 'map': {
      const { pairs } = value as { readonly pairs: readonly (readonly [SingleValue, SingleValue])[] }
      const keys = pairs.map(([key]) => valueSql(type.key, key)).join(', ')
      const values = pairs.map(([, each]) => valueSql(type.value, each)).join(', ')
      return castTo(`map([${keys}], [${values}])`, type)
    }
  }
}
