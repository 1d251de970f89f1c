/** Schemas as the Iceberg spec has them: https://iceberg.apache.org/spec/#schemas-and-data-types */

export type PrimitiveType =
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'timestamptz'
  | 'timestamp_ns'
  | 'timestamptz_ns'
  | 'string'
  | 'uuid'
  | 'binary'
  /** Version 3: a column that holds nothing but nulls, and is not written. */
  | 'unknown'
  /** Version 3: semi-structured values. No primitive in the spec; a leaf here. */
  | 'variant'
  | 'geometry'
  | `geometry(${string})`
  | 'geography'
  | `geography(${string})`
  | `decimal(${number}, ${number})`
  | `fixed[${number}]`

export interface StructType {
  readonly type: 'struct'
  readonly fields: readonly NestedField[]
}

export interface ListType {
  readonly type: 'list'
  readonly elementId: number
  readonly elementRequired: boolean
  readonly element: IcebergType
}

export interface MapType {
  readonly type: 'map'
  readonly keyId: number
  readonly key: IcebergType
  readonly valueId: number
  readonly valueRequired: boolean
  readonly value: IcebergType
}

export type IcebergType = PrimitiveType | StructType | ListType | MapType

export interface NestedField {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: IcebergType
  readonly doc?: string
  /** Version 3: what rows of files written before the column was added hold; in JSON single-value form (spec, appendix D). */
  readonly initialDefault?: unknown
  /** Version 3: what a writer that is not given the column writes; in JSON single-value form. */
  readonly writeDefault?: unknown
  /** Attributes of the JSON that this version does not know, kept as they came and written back; so wherever the name appears. */
  readonly unknownFields?: UnknownFields
}

export type UnknownFields = Readonly<Record<string, unknown>>

export interface Schema {
  readonly schemaId: number
  readonly fields: readonly NestedField[]
  readonly identifierFieldIds?: readonly number[]
  readonly unknownFields?: UnknownFields
}
