import type { SortField, SortOrder, TableMetadata } from '../metadata/table-metadata.ts'
import type { Table, TableChange } from '../table.ts'
import type { Schema } from '../types/schema.ts'
import { sourceColumn, type TransformedColumn } from './partition-fields.ts'
import { currentSchema } from './write-snapshot.ts'

export interface SortColumn extends TransformedColumn {
  /** Ascending unless given. */
  readonly direction?: SortField['direction']
  /** First when ascending and last when descending, unless given. */
  readonly nullOrder?: SortField['nullOrder']
}

/** @throws DEFINITION_INVALID, FEATURE_UNSUPPORTED as `sourceColumn` */
export const sortFields = (schema: Schema, columns: readonly SortColumn[]): readonly SortField[] =>
  columns.map(({ direction = 'asc', nullOrder, ...column }) => ({
    transform: column.transform ?? 'identity',
    sourceId: sourceColumn(schema, column).id,
    direction,
    nullOrder: nullOrder ?? (direction === 'asc' ? 'nulls-first' : 'nulls-last'),
  }))

/** The change that makes another sort order the table's default: how writers of new files should sort. No columns: unsorted. */
export function updateSortOrder(request: { readonly table: Table; readonly columns: readonly SortColumn[] }): {
  readonly change: TableChange
  readonly sortOrder: SortOrder
} {
  const { metadata } = request.table
  const fields = sortFields(currentSchema(metadata), request.columns)
  const known = metadata.sortOrders.find((order) => JSON.stringify(order.fields) === JSON.stringify(fields))
  const sortOrder = known ?? { orderId: fields.length === 0 ? 0 : nextOrderId(metadata), fields }
  return {
    sortOrder,
    change: {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-default-sort-order-id', defaultSortOrderId: metadata.defaultSortOrderId },
      ],
      updates:
        sortOrder.orderId === metadata.defaultSortOrderId
          ? []
          : [
              ...(known === undefined ? [{ action: 'add-sort-order' as const, sortOrder }] : []),
              { action: 'set-default-sort-order', sortOrderId: sortOrder.orderId },
            ],
    },
  }
}

// 0 is the id of "unsorted", for ever.
const nextOrderId = ({ sortOrders }: TableMetadata): number =>
  Math.max(0, ...sortOrders.map(({ orderId }) => orderId)) + 1
