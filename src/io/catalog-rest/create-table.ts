import {
  changeToJson,
  highestFieldId,
  newTableToJson,
  type NewTable,
  type Table,
  type TableIdentifier,
  type TableUpdate,
} from '../../iceberg/index.ts'

const firstPartitionFieldId = 1000

/**
 * Whether a server that numbers a new table's columns itself, as most do, comes to the ids that the table has already: columns are
 * counted from 1, partition fields from 1000, and what is nested has an order of each server's own.
 */
export function keepsIds({ schema, spec, sortOrder }: NewTable): boolean {
  const flat = schema.fields.every(({ id, type }, index) => typeof type === 'string' && id === index + 1)
  const counted = spec.fields.every(({ fieldId }, index) => fieldId === firstPartitionFieldId + index)
  const orderId = sortOrder === undefined || sortOrder.fields.length === 0 ? 0 : 1
  return flat && counted && schema.schemaId === 0 && spec.specId === 0 && (sortOrder?.orderId ?? 0) === orderId
}

/**
 * A table is made at once, or staged first and then made by a commit, which keeps all ids as they are: files may have been written by
 * them already.
 */
export function createRequests(
  identifier: TableIdentifier,
  table: NewTable,
): {
  readonly direct: object
  readonly staged: object
  readonly commitOf: (stagedTable: Table, more: readonly TableUpdate[]) => object
} {
  return {
    direct: newTableToJson(identifier.name, table, { stageCreate: false }),
    staged: newTableToJson(identifier.name, table, { stageCreate: true }),
    commitOf: ({ metadata }, more) => {
      const { schema, spec, sortOrder = { orderId: 0, fields: [] } } = table
      const updates: readonly TableUpdate[] = [
        { action: 'assign-uuid', uuid: metadata.tableUuid },
        { action: 'upgrade-format-version', formatVersion: metadata.formatVersion },
        { action: 'add-schema', schema, lastColumnId: highestFieldId(schema) },
        { action: 'set-current-schema', schemaId: -1 },
        { action: 'add-spec', spec },
        { action: 'set-default-spec', specId: -1 },
        { action: 'add-sort-order', sortOrder },
        { action: 'set-default-sort-order', sortOrderId: -1 },
        { action: 'set-location', location: metadata.location },
        { action: 'set-properties', updates: metadata.properties },
        ...more,
      ]
      return changeToJson(identifier, { requirements: [{ type: 'assert-create' }], updates })
    },
  }
}
