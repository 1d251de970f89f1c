/** Whether a change that was made on an earlier state of the table still fits: what a catalog checks before it folds the updates. */
import type { TableChange, TableRequirement, TableUpdate } from '../table.ts'
import type { Snapshot, TableMetadata } from './table-metadata.ts'

/** Why a change cannot be applied to this metadata now, or null. A null metadata is a table that does not exist. */
export function checkRequirements(
  metadata: TableMetadata | null,
  requirements: readonly TableRequirement[],
): string | null {
  for (const requirement of requirements) {
    const reason = unmet(metadata, requirement)
    if (reason !== null) return reason
  }
  return null
}

function unmet(metadata: TableMetadata | null, requirement: TableRequirement): string | null {
  if (requirement.type === 'assert-create') return metadata === null ? null : 'the table exists already'
  if (metadata === null) return 'the table does not exist'
  switch (requirement.type) {
    case 'assert-table-uuid':
      return metadata.tableUuid.toLowerCase() === requirement.uuid.toLowerCase()
        ? null
        : `the table was replaced by another of the same name (${metadata.tableUuid}, expected ${requirement.uuid})`
    case 'assert-ref-snapshot-id': {
      const { ref, snapshotId } = requirement
      const found = metadata.refs[ref]?.snapshotId ?? null
      if (found === snapshotId) return null
      if (snapshotId === null) return `ref ${ref} exists, at snapshot ${found}`
      return found === null ? `ref ${ref} is gone` : `ref ${ref} is at snapshot ${found}, not ${snapshotId}`
    }
    case 'assert-current-schema-id':
      return metadata.currentSchemaId === requirement.currentSchemaId
        ? null
        : `the current schema is ${metadata.currentSchemaId}, not ${requirement.currentSchemaId}`
    case 'assert-default-spec-id':
      return metadata.defaultSpecId === requirement.defaultSpecId
        ? null
        : `the default partition spec is ${metadata.defaultSpecId}, not ${requirement.defaultSpecId}`
    case 'assert-default-sort-order-id':
      return metadata.defaultSortOrderId === requirement.defaultSortOrderId
        ? null
        : `the default sort order is ${metadata.defaultSortOrderId}, not ${requirement.defaultSortOrderId}`
    case 'assert-last-assigned-field-id':
      return metadata.lastColumnId === requirement.lastAssignedFieldId
        ? null
        : `the last field id is ${metadata.lastColumnId}, not ${requirement.lastAssignedFieldId}`
    case 'assert-last-assigned-partition-id':
      return metadata.lastPartitionId === requirement.lastAssignedPartitionId
        ? null
        : `the last partition field id is ${metadata.lastPartitionId}, not ${requirement.lastAssignedPartitionId}`
  }
}

/**
 * Why a change made on an earlier state cannot be applied to this metadata, or null: its requirements, and what they have no words
 * for. Each snapshot it adds must still take the next sequence number: a commit on any other branch takes that number away, and it
 * stands in the snapshot's files. What it builds on must not have expired, for then its files may be gone; and what it removes
 * must not have come into use.
 */
export function conflictIn(metadata: TableMetadata | null, change: TableChange): string | null {
  const unmetReason = checkRequirements(metadata, change.requirements)
  if (unmetReason !== null || metadata === null) return unmetReason
  const known = new Map(metadata.snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]))
  const shown = new Map(Object.entries(metadata.refs).map(([name, { snapshotId }]) => [name, snapshotId]))
  for (const update of change.updates) {
    const reason = conflictOf(update, metadata, known, shown)
    if (reason !== null) return reason
  }
  return null
}

/** Follows the snapshots and refs from update to update. */
function conflictOf(
  update: TableUpdate,
  metadata: TableMetadata,
  known: Map<bigint, Snapshot>,
  shown: Map<string, bigint>,
): string | null {
  switch (update.action) {
    case 'add-snapshot': {
      const { snapshotId, parentSnapshotId = null, summary } = update.snapshot
      const source = summary['source-snapshot-id']
      const needed = [parentSnapshotId, source !== undefined && /^\d+$/.test(source) ? BigInt(source) : null]
      const gone = needed.find((id) => id !== null && !known.has(id)) ?? null
      if (gone !== null) return `snapshot ${gone}, which snapshot ${snapshotId} builds on, is gone`
      known.set(snapshotId, update.snapshot)
      return cannotAdd(metadata, update.snapshot)
    }
    case 'set-snapshot-ref':
      shown.set(update.refName, update.ref.snapshotId)
      return known.has(update.ref.snapshotId) ? null : `snapshot ${update.ref.snapshotId} is gone`
    case 'remove-snapshot-ref':
      shown.delete(update.refName)
      return null
    case 'remove-snapshots': {
      const ids = new Set(update.snapshotIds)
      for (const [name, snapshotId] of shown) if (ids.has(snapshotId)) return `${name} shows snapshot ${snapshotId}`
      for (const id of ids) known.delete(id)
      return null
    }
    case 'remove-schemas': {
      const used = [...known.values()].find(
        ({ schemaId }) => schemaId !== undefined && update.schemaIds.includes(schemaId),
      )
      return used === undefined ? null : `snapshot ${used.snapshotId} has schema ${used.schemaId}`
    }
    default:
      return null
  }
}

/** Why a snapshot cannot be added as it is, or null. */
export function cannotAdd(metadata: TableMetadata, snapshot: Snapshot): string | null {
  const { snapshotId, sequenceNumber, firstRowId } = snapshot
  if (metadata.snapshots.some((known) => known.snapshotId === snapshotId)) {
    return `snapshot ${snapshotId} is in the table already`
  }
  if (metadata.formatVersion === 3 && (firstRowId === undefined || firstRowId < metadata.nextRowId)) {
    return `first row id ${firstRowId} of snapshot ${snapshotId} is taken: the next is ${metadata.nextRowId}`
  }
  if (sequenceNumber > metadata.lastSequenceNumber) return null
  return `sequence number ${sequenceNumber} of snapshot ${snapshotId} is taken: the last is ${metadata.lastSequenceNumber}`
}
