import { HindcastError } from '../../contract/index.ts'
import { snapshotFor } from '../metadata/snapshots.ts'
import type { Snapshot } from '../metadata/table-metadata.ts'
import type { Table, TableChange } from '../table.ts'
import type { RefRetention } from './write-snapshot.ts'

/**
 * Moves a branch to a snapshot, or makes it. What the branch's retention says stays, unless it is given anew.
 * @param request.expected where the branch must be at the instant of the commit; null: it must not exist
 * @throws SNAPSHOT_NOT_FOUND when the table as loaded has no such snapshot; REQUEST_INVALID when `ref` is a tag
 */
export function setBranch(request: {
  readonly table: Table
  readonly ref: string
  readonly snapshotId: bigint
  readonly expected: bigint | null
  readonly retention?: RefRetention
}): { readonly change: TableChange; readonly snapshot: Snapshot } {
  const { table, ref, snapshotId, expected, retention } = request
  const snapshot = snapshotFor(table.metadata, { snapshotId })
  const known = table.metadata.refs[ref]
  if (known?.type === 'tag') {
    throw new HindcastError('REQUEST_INVALID', `${ref} is a tag, and tags don’t move`, { context: { ref } })
  }
  return {
    snapshot,
    change: {
      requirements: [
        { type: 'assert-table-uuid', uuid: table.metadata.tableUuid },
        { type: 'assert-ref-snapshot-id', ref, snapshotId: expected },
      ],
      updates: [
        { action: 'set-snapshot-ref', refName: ref, ref: { ...known, ...retention, type: 'branch', snapshotId } },
      ],
    },
  }
}

/**
 * Drops a branch or tag; its snapshots stay until they expire.
 * @param request.expected where the ref must be at the instant of the commit
 */
export function dropRef(request: { readonly table: Table; readonly ref: string; readonly expected: bigint }): {
  readonly change: TableChange
} {
  const { table, ref, expected } = request
  return {
    change: {
      requirements: [
        { type: 'assert-table-uuid', uuid: table.metadata.tableUuid },
        { type: 'assert-ref-snapshot-id', ref, snapshotId: expected },
      ],
      updates: [{ action: 'remove-snapshot-ref', refName: ref }],
    },
  }
}
