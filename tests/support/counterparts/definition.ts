/** Table definitions short enough to be read in a test, as our model and as the JSON of table metadata that the others take. */
import type { PartitionSpec, SortOrder } from '../../../src/iceberg/metadata/table-metadata.ts'
import type { IcebergType, ListType, MapType, Schema, StructType } from '../../../src/iceberg/types/schema.ts'
import { assignFieldIds, schemaToJson } from '../../../src/iceberg/types/types.ts'

export interface TableDefinition {
  readonly schema: Schema
  readonly spec: PartitionSpec
  readonly sortOrder: SortOrder
  readonly properties: Readonly<Record<string, string>>
}

export interface DefinitionRequest {
  readonly columns: Columns
  /** Columns that take no null. */
  readonly required?: readonly string[]
  /** Transforms of columns: `day(at)`, `bucket[4](id)`. */
  readonly partitionBy?: readonly string[]
  /** Columns by which files are sorted, ascending. */
  readonly sortBy?: readonly string[]
  readonly properties?: Readonly<Record<string, string>>
}

type Columns = Readonly<Record<string, IcebergType>>

/** Ids are assigned by `define`. */
export const struct = (columns: Columns): StructType => ({
  type: 'struct',
  fields: Object.entries(columns).map(([name, type], index) => ({ id: index, name, required: false, type })),
})

let unassigned = 100_000

export const list = (element: IcebergType): ListType => ({
  type: 'list',
  elementId: ++unassigned,
  elementRequired: false,
  element,
})

export const map = (key: IcebergType, value: IcebergType): MapType => ({
  type: 'map',
  keyId: ++unassigned,
  key,
  valueId: ++unassigned,
  valueRequired: false,
  value,
})

export function define(request: DefinitionRequest): TableDefinition {
  const { columns, required = [], partitionBy = [], sortBy = [], properties = {} } = request
  const fields = struct(columns).fields.map((field) => ({ ...field, required: required.includes(field.name) }))
  const schema = assignFieldIds({ schemaId: 0, fields })
  const idOf = (name: string): number => {
    const found = schema.fields.find((field) => field.name === name)
    if (found === undefined) throw new Error(`no column ${name}`)
    return found.id
  }
  return {
    schema,
    spec: {
      specId: 0,
      fields: partitionBy.map((text, index) => {
        const [, transform = '', column = ''] = /^([a-z]+(?:\[\d+\])?)\((\w+)\)$/.exec(text) ?? []
        const kind = transform.replace(/\[.*/, '')
        const name = kind === 'identity' ? column : `${column}_${kind}`
        return { sourceId: idOf(column), fieldId: 1000 + index, name, transform }
      }),
    },
    sortOrder: {
      orderId: sortBy.length === 0 ? 0 : 1,
      fields: sortBy.map((name) => ({
        transform: 'identity',
        sourceId: idOf(name),
        direction: 'asc',
        nullOrder: 'nulls-first',
      })),
    },
    properties,
  }
}

/** The definition for Iceberg's Java library and PyIceberg. */
export const definitionJson = ({ schema, spec, sortOrder, properties }: TableDefinition) => ({
  schema: schemaToJson(schema),
  spec: {
    'spec-id': spec.specId,
    fields: spec.fields.map(({ sourceId, fieldId, name, transform }) => ({
      'source-id': sourceId,
      'field-id': fieldId,
      name,
      transform,
    })),
  },
  'sort-order': {
    'order-id': sortOrder.orderId,
    fields: sortOrder.fields.map(({ transform, sourceId, direction, nullOrder }) => ({
      transform,
      'source-id': sourceId,
      direction,
      'null-order': nullOrder,
    })),
  },
  properties,
})
