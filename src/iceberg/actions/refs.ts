/** Branches and tags: making, moving and dropping the names under which snapshots are found. https://iceberg.apache.org/spec/#snapshot-references */
import { HindcastError } from '../../contract/index.ts'
import { ancestorsOf, snapshotFor } from '../metadata/snapshots.ts'
import type { Snapshot, SnapshotRef, TableMetadata } from '../metadata/table-metadata.ts'
import { MAIN } from '../metadata/updates.ts'
import type { Table, TableChange, TableRequirement } from '../table.ts'
import { requireBranch, type RefRetention } from './write-snapshot.ts'

export interface RefChange {
  readonly change: TableChange
  readonly snapshot: Snapshot
}

const requirements = (
  { tableUuid }: TableMetadata,
  ref: string,
  snapshotId: bigint | null,
): readonly TableRequirement[] => [
  { type: 'assert-table-uuid', uuid: tableUuid },
  { type: 'assert-ref-snapshot-id', ref, snapshotId },
]

const setTo = (metadata: TableMetadata, name: string, ref: SnapshotRef, expected: bigint | null): TableChange => ({
  requirements: requirements(metadata, name, expected),
  updates: [{ action: 'set-snapshot-ref', refName: name, ref }],
})

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
}): RefChange {
  const { ref, snapshotId, expected, retention } = request
  const { metadata } = request.table
  const snapshot = snapshotFor(metadata, { snapshotId })
  const known = requireBranch(metadata, ref)
  return { snapshot, change: setTo(metadata, ref, { ...known, ...retention, type: 'branch', snapshotId }, expected) }
}

/**
 * Makes a branch or tag that must not exist yet.
 * @param request.snapshotId the head of `main` unless given
 * @throws REQUEST_INVALID when the name is taken, or is `main` and no branch; SNAPSHOT_NOT_FOUND
 */
export function createRef(request: {
  readonly table: Table
  readonly ref: string
  readonly type: 'branch' | 'tag'
  readonly snapshotId?: bigint
  readonly retention?: RefRetention
}): RefChange {
  const { ref, type, retention } = request
  const { metadata } = request.table
  if (metadata.refs[ref] !== undefined || (ref === MAIN && type === 'tag')) {
    throw new HindcastError('REQUEST_INVALID', `the table has a ref ${ref} already`, {
      hint: 'Choose another name, or drop that one first.',
      context: { ref },
    })
  }
  const { minSnapshotsToKeep, maxSnapshotAgeMs } = retention ?? {}
  if (type === 'tag' && (minSnapshotsToKeep !== undefined || maxSnapshotAgeMs !== undefined)) {
    throw new HindcastError('REQUEST_INVALID', `a tag keeps one snapshot: only its own age can be limited`, {
      hint: 'Give maxRefAgeMs alone.',
      context: { ref },
    })
  }
  const snapshot =
    request.snapshotId === undefined
      ? snapshotFor(metadata, { ref: MAIN })
      : snapshotFor(metadata, { snapshotId: request.snapshotId })
  return { snapshot, change: setTo(metadata, ref, { ...retention, type, snapshotId: snapshot.snapshotId }, null) }
}

/**
 * Drops a branch or tag; its snapshots stay until they expire.
 * @param request.expected where the ref must be at the instant of the commit
 * @throws REQUEST_INVALID for `main`, without which the table would show nothing and forget its history
 */
export function dropRef(request: { readonly table: Table; readonly ref: string; readonly expected: bigint }): {
  readonly change: TableChange
} {
  const { table, ref, expected } = request
  if (ref === MAIN) {
    throw new HindcastError('REQUEST_INVALID', 'branch main cannot be dropped', {
      hint: 'Delete the rows, roll back, or drop the table.',
    })
  }
  return {
    change: {
      requirements: requirements(table.metadata, ref, expected),
      updates: [{ action: 'remove-snapshot-ref', refName: ref }],
    },
  }
}

/**
 * Moves a branch forward to where another ref is. Only forward: what the branch shows must be an ancestor of where it goes.
 * @throws CONFLICT when the branch has commits that the other lacks; REF_NOT_FOUND
 */
export function fastForward(request: { readonly table: Table; readonly ref: string; readonly to: string }): RefChange {
  const { table, ref, to } = request
  const { metadata } = table
  const target = snapshotFor(metadata, { ref: to })
  const head = requireBranch(metadata, ref)?.snapshotId ?? null
  const isForward =
    head === null || ancestorsOf(metadata, target.snapshotId).some(({ snapshotId }) => snapshotId === head)
  if (!isForward) {
    throw new HindcastError(
      'CONFLICT',
      `${ref} cannot be fast-forwarded to ${to}: ${ref} has commits that ${to} lacks`,
      {
        hint: `Replay the commits of ${to} on ${ref} (cherry-pick), or roll ${ref} back first.`,
        context: { ref, to, head: head.toString(), target: target.snapshotId.toString() },
      },
    )
  }
  return setBranch({ table, ref, snapshotId: target.snapshotId, expected: head })
}

/**
 * Makes a branch show a snapshot, whatever their history: set_current_snapshot.
 * @throws SNAPSHOT_NOT_FOUND
 */
export function setCurrentSnapshot(request: {
  readonly table: Table
  readonly snapshotId: bigint
  readonly branch?: string
}): RefChange {
  const { table, snapshotId, branch = MAIN } = request
  const expected = requireBranch(table.metadata, branch)?.snapshotId ?? null
  return setBranch({ table, ref: branch, snapshotId, expected })
}

/**
 * Makes a branch show an ancestor of its head again. Nothing is deleted: what was rolled back stays until it expires.
 * @param request.to the snapshot, or the last one that was made before an instant (epoch ms)
 * @throws REQUEST_INVALID when the snapshot is no ancestor of the branch; SNAPSHOT_NOT_FOUND
 */
export function rollBack(request: {
  readonly table: Table
  readonly to: { readonly snapshotId: bigint } | { readonly beforeMs: number }
  readonly branch?: string
}): RefChange {
  const { table, to, branch = MAIN } = request
  const { metadata } = table
  const head = requireBranch(metadata, branch)
  const chain = ancestorsOf(metadata, head?.snapshotId ?? null)
  const target =
    'snapshotId' in to
      ? chain.find(({ snapshotId }) => snapshotId === to.snapshotId)
      : chain.find(({ timestampMs }) => timestampMs < to.beforeMs)
  if (target !== undefined) return setCurrentSnapshot({ table, snapshotId: target.snapshotId, branch })
  if ('snapshotId' in to) {
    snapshotFor(metadata, to)
    throw new HindcastError('REQUEST_INVALID', `snapshot ${to.snapshotId} is no ancestor of branch ${branch}`, {
      hint: 'A roll-back goes back along the branch. To show any other snapshot, set it as the current one.',
      context: { branch, snapshotId: to.snapshotId.toString() },
    })
  }
  throw new HindcastError(
    'SNAPSHOT_NOT_FOUND',
    `branch ${branch} has no snapshot from before ${new Date(to.beforeMs).toISOString()}`,
    {
      hint: 'Its older snapshots were expired, or it began later.',
      context: { branch, beforeMs: to.beforeMs },
    },
  )
}
