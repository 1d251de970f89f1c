/** Partition specs and sort orders as JSON: https://iceberg.apache.org/spec/#partition-specs, https://iceberg.apache.org/spec/#sort-orders */
import { FieldError, intAt, listAt, objectsAt, oneOf, textAt, unknownIn, type JsonObject } from './json-fields.ts'
import type { PartitionField, PartitionSpec, SortField, SortOrder } from './table-metadata.ts'

/** The id below which there are no partition fields. */
export const FIRST_PARTITION_FIELD_ID = 1000

const specKeys = new Set(['spec-id', 'fields'])
const fieldKeys = new Set(['source-id', 'source-ids', 'field-id', 'name', 'transform'])
const orderKeys = new Set(['order-id', 'fields'])
const sortKeys = new Set(['source-id', 'source-ids', 'transform', 'direction', 'null-order'])

export const readSpec = (json: JsonObject, where: string): PartitionSpec => ({
  specId: intAt(json['spec-id'], `${where}."spec-id"`),
  fields: readPartitionFields(listAt(json['fields'], `${where}."fields"`), `${where}.fields`),
  ...unknownIn(json, specKeys),
})

/** The fields alone, as version 1's `partition-spec` and the header of a manifest have them. Where it gave no ids, they count from 1000. */
export function readPartitionFields(json: unknown, where: string): PartitionField[] {
  let next = FIRST_PARTITION_FIELD_ID
  return objectsAt(json, where, (field, at): PartitionField => {
    const fieldId = field['field-id'] === undefined ? next : intAt(field['field-id'], `${at}."field-id"`)
    next = fieldId + 1
    return {
      ...readSources(field, at),
      fieldId,
      name: textAt(field['name'], `${at}."name"`),
      transform: textAt(field['transform'], `${at}."transform"`),
      ...unknownIn(field, fieldKeys),
    }
  })
}

/** One source column, or those of a transform of several. */
function readSources(
  json: JsonObject,
  where: string,
): { readonly sourceId: number; readonly sourceIds?: readonly number[] } {
  const { 'source-ids': several, 'source-id': one } = json
  if (several === undefined || several === null) return { sourceId: intAt(one, `${where}."source-id"`) }
  const sourceIds = listAt(several, `${where}."source-ids"`).map((id) => intAt(id, `${where}."source-ids"`))
  const [first] = sourceIds
  if (first === undefined) throw new FieldError(`${where}."source-ids" must name a column`)
  return { sourceId: first, ...(sourceIds.length === 1 ? {} : { sourceIds }) }
}

const sourcesToJson = (field: Pick<PartitionField, 'sourceId' | 'sourceIds'>): JsonObject =>
  field.sourceIds === undefined ? { 'source-id': field.sourceId } : { 'source-ids': field.sourceIds }

export const specToJson = (spec: PartitionSpec): JsonObject => ({
  'spec-id': spec.specId,
  fields: spec.fields.map(partitionFieldToJson),
  ...spec.unknownFields,
})

export const partitionFieldToJson = (field: PartitionField): JsonObject => ({
  name: field.name,
  transform: field.transform,
  ...sourcesToJson(field),
  'field-id': field.fieldId,
  ...field.unknownFields,
})

export const readSortOrder = (json: JsonObject, where: string): SortOrder => ({
  orderId: intAt(json['order-id'], `${where}."order-id"`),
  fields: objectsAt(listAt(json['fields'], `${where}."fields"`), `${where}.fields`, (field, at): SortField => ({
    transform: textAt(field['transform'], `${at}."transform"`),
    ...readSources(field, at),
    direction: oneOf(field['direction'], ['asc', 'desc'], `${at}."direction"`),
    nullOrder: oneOf(field['null-order'], ['nulls-first', 'nulls-last'], `${at}."null-order"`),
    ...unknownIn(field, sortKeys),
  })),
  ...unknownIn(json, orderKeys),
})

export const sortOrderToJson = (order: SortOrder): JsonObject => ({
  'order-id': order.orderId,
  fields: order.fields.map((field) => ({
    transform: field.transform,
    ...sourcesToJson(field),
    direction: field.direction,
    'null-order': field.nullOrder,
    ...field.unknownFields,
  })),
  ...order.unknownFields,
})
