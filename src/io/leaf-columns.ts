import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import type { IcebergType, NestedField, PrimitiveType } from '../iceberg/index.ts'

/** A column of a Parquet file that holds values. */
export interface LeafColumn {
  readonly id: number
  readonly type: PrimitiveType
  /** As DuckDB names it in the statistics of a file: `"place"."lat"`, `"tags"."element"`. */
  readonly path: string
  /** SQL of its value in a row; null inside of lists and maps, where a row has many. */
  readonly sql: string | null
}

/** The leaves of the fields, in the order of the schema. */
export const leafColumns = (fields: readonly NestedField[]): readonly LeafColumn[] =>
  fields.flatMap(({ id, name, type }) => leavesOf(id, type, quoteIdentifier(name), quoteIdentifier(name)))

function leavesOf(id: number, type: IcebergType, path: string, sql: string | null): readonly LeafColumn[] {
  if (typeof type === 'string') return [{ id, type, path, sql }]
  switch (type.type) {
    case 'struct':
      return type.fields.flatMap((field) =>
        leavesOf(
          field.id,
          field.type,
          `${path}.${quoteIdentifier(field.name)}`,
          sql === null ? null : `struct_extract(${sql}, ${quoteString(field.name)})`,
        ),
      )
    case 'list':
      return leavesOf(type.elementId, type.element, `${path}."element"`, null)
    case 'map':
      return [
        ...leavesOf(type.keyId, type.key, `${path}."key"`, null),
        ...leavesOf(type.valueId, type.value, `${path}."value"`, null),
      ]
  }
}
