import type { Schema, SortField, TableMetadata } from '../iceberg/index.ts'
import { partitionExpressions } from './partition-sql.ts'

/** ORDER BY text of a table's default sort order, and its id; empty for an unsorted table. */
export function sortOrderSql(
  metadata: Pick<TableMetadata, 'sortOrders' | 'defaultSortOrderId'>,
  schema: Schema,
): { readonly sortBy: string; readonly sortOrderId?: number; readonly sortedFieldIds?: readonly number[] } {
  const order = metadata.sortOrders.find(({ orderId }) => orderId === metadata.defaultSortOrderId)
  if (order === undefined || order.fields.length === 0) return { sortBy: '' }
  const term = ({ sourceId, transform, direction, nullOrder }: SortField, index: number): string => {
    const field = { sourceId, transform, fieldId: index, name: `sort field ${index}` }
    const [expression] = partitionExpressions(schema, { specId: 0, fields: [field] })
    return `${expression} ${direction === 'asc' ? 'ASC' : 'DESC'} ${nullOrder === 'nulls-first' ? 'NULLS FIRST' : 'NULLS LAST'}`
  }
  return {
    sortBy: order.fields.map(term).join(', '),
    sortOrderId: order.orderId,
    sortedFieldIds: order.fields.map(({ sourceId }) => sourceId),
  }
}
