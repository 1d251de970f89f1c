/** What names something in table metadata must name something that is there; else every reader fails later, and less clearly. */
import { FieldError } from './json-fields.ts'
import type { TableMetadata } from './table-metadata.ts'

/** @throws FieldError */
export function checkReferences(metadata: TableMetadata): void {
  const { schemas, partitionSpecs, sortOrders, snapshots, refs, currentSnapshotId } = metadata
  const { currentSchemaId, defaultSpecId, defaultSortOrderId } = metadata
  const schemaIds = distinct('schema id', schemas, ({ schemaId }) => schemaId)
  const specIds = distinct('partition spec id', partitionSpecs, ({ specId }) => specId)
  const orderIds = distinct('sort order id', sortOrders, ({ orderId }) => orderId)
  const ids = distinct('snapshot id', snapshots, ({ snapshotId }) => snapshotId)
  check(schemaIds.has(currentSchemaId), `"current-schema-id" is ${currentSchemaId}, which is not among the schemas`)
  check(specIds.has(defaultSpecId), `"default-spec-id" is ${defaultSpecId}, which is not among the partition specs`)
  check(
    orderIds.has(defaultSortOrderId),
    `"default-sort-order-id" is ${defaultSortOrderId}, which is not among the sort orders`,
  )
  check(
    currentSnapshotId === null || ids.has(currentSnapshotId),
    `"current-snapshot-id" is ${currentSnapshotId}, which is not among the snapshots`,
  )
  for (const [name, { snapshotId }] of Object.entries(refs)) {
    check(ids.has(snapshotId), `ref "${name}" names snapshot ${snapshotId}, which is not among the snapshots`)
  }
  const main = Object.hasOwn(refs, 'main') ? (refs['main']?.snapshotId ?? null) : null
  check(main === currentSnapshotId, `branch main is at ${main}, but "current-snapshot-id" is ${currentSnapshotId}`)
  checkCounters(metadata)
}

/** A number that was given out already would be given out again. */
function checkCounters({ snapshots, lastSequenceNumber, nextRowId, formatVersion }: TableMetadata): void {
  for (const { snapshotId, sequenceNumber, firstRowId, addedRows } of snapshots) {
    check(
      sequenceNumber <= lastSequenceNumber,
      `snapshot ${snapshotId} has sequence number ${sequenceNumber}, beyond the last, ${lastSequenceNumber}`,
    )
    if (formatVersion < 3 || firstRowId === undefined) continue
    check(
      firstRowId + (addedRows ?? 0n) <= nextRowId,
      `snapshot ${snapshotId} has row ids from ${firstRowId}, beyond "next-row-id", ${nextRowId}`,
    )
  }
}

function check(holds: boolean, reason: string): void {
  if (!holds) throw new FieldError(reason)
}

function distinct<T, K>(what: string, items: readonly T[], idOf: (item: T) => K): ReadonlySet<K> {
  const ids = new Set<K>()
  for (const item of items) {
    const id = idOf(item)
    check(!ids.has(id), `${what} ${String(id)} is given twice`)
    ids.add(id)
  }
  return ids
}
