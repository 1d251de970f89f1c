import type { NewTable } from '../table.ts'
import type { PartitionField } from '../metadata/table-metadata.ts'
import { FIRST_PARTITION_FIELD_ID } from '../metadata/spec-json.ts'
import type { Schema } from '../types/schema.ts'
import { assignFieldIds } from '../types/types.ts'
import { HindcastError } from '../../contract/index.ts'
import { checkPartitionName, partitionFieldName, sourceColumn, type TransformedColumn } from './partition-fields.ts'
import { sortFields, type SortColumn } from './update-sort-order.ts'

export interface TableDescription {
  /** Field ids are given anew, as by every catalog that creates a table. */
  readonly schema: Schema
  readonly partitionBy?: readonly (TransformedColumn & { readonly name?: string })[]
  readonly sortBy?: readonly SortColumn[]
  readonly properties?: Readonly<Record<string, string>>
  readonly location?: string
  readonly formatVersion?: 2 | 3
}

/**
 * A new table out of column names, for `Catalog.createTable`.
 * @throws REQUEST_INVALID when a column or partition field is named twice; DEFINITION_INVALID, FEATURE_UNSUPPORTED as `sourceColumn`
 */
export function describeTable(description: TableDescription): NewTable {
  const schema = assignFieldIds({ ...description.schema, schemaId: 0 })
  refuseTwice(
    'column',
    schema.fields.map(({ name }) => name),
  )
  const fields = (description.partitionBy ?? []).map(({ name, ...column }, index): PartitionField => {
    const transform = column.transform ?? 'identity'
    const { id: sourceId } = sourceColumn(schema, column)
    const given = name ?? partitionFieldName(column.column, transform, false)
    checkPartitionName(schema, given, sourceId, transform)
    return { sourceId, fieldId: FIRST_PARTITION_FIELD_ID + index, name: given, transform }
  })
  refuseTwice(
    'partition field',
    fields.map(({ name }) => name),
  )
  const sorted = sortFields(schema, description.sortBy ?? [])
  const { properties, location, formatVersion } = description
  return {
    schema,
    spec: { specId: 0, fields },
    ...(sorted.length === 0 ? {} : { sortOrder: { orderId: 1, fields: sorted } }),
    ...(properties === undefined ? {} : { properties }),
    ...(location === undefined ? {} : { location }),
    ...(formatVersion === undefined ? {} : { formatVersion }),
  }
}

function refuseTwice(what: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice === undefined) return
  throw new HindcastError('REQUEST_INVALID', `${what} ${twice} is given twice`, { hint: 'Rename one of them.' })
}
