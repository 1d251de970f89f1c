import {
  applyUpdates,
  type Catalog,
  expireSnapshots,
  type ExpireSnapshotsRequest,
  type Snapshot,
  type Table,
} from '../../iceberg/index.ts'
import { commitChange, type CommitContext } from '../commit.ts'
import { normalizeUri, type WarehouseFiles } from '../files/index.ts'
import { Deletions } from './delete-files.ts'
import { unreachableFiles, type UnreachableFiles } from './unreachable-files.ts'

export interface MaintenanceContext extends CommitContext {
  readonly catalog: Pick<Catalog, 'loadTable' | 'commit' | 'listTables'>
  readonly io: WarehouseFiles
  /** Epoch ms. */
  readonly now: () => number
}

export interface ExpireOptions extends Pick<
  ExpireSnapshotsRequest,
  'olderThanMs' | 'minSnapshotsToKeep' | 'snapshotIds' | 'cleanMetadata' | 'keepRefs' | 'dropRefs' | 'keepSnapshotIds'
> {
  /** False leaves the files where they are. */
  readonly deleteFiles?: boolean
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean
  /** Files that something other than the table refers to, by the one spelling of their path: they stay where they are. */
  readonly isKept?: (path: string) => boolean
  /** Called with what is about to be deleted, or would be. */
  readonly onFiles?: (kind: UnreachableFiles['kind'], files: UnreachableFiles['files']) => Promise<void>
}

export interface ExpireReport {
  readonly table: Table
  readonly expired: readonly Snapshot[]
  readonly droppedRefs: readonly string[]
  /** How many files were deleted, or would be. */
  readonly deleted: Readonly<Record<UnreachableFiles['kind'], number>>
  readonly failed: Deletions['failed']
}

/**
 * Expires snapshots and refs, then deletes the files that only these led to: not before the commit is known to be applied, and none while
 * its outcome is unknown. Where this stops in between, files stay that nothing refers to; `removeOrphanFiles` finds them.
 * @throws what `expireSnapshots` and `commitChange` throw
 */
export async function expireTable(
  context: MaintenanceContext,
  table: Table,
  options: ExpireOptions = {},
): Promise<ExpireReport> {
  const { io, signal } = context
  const { deleteFiles = true, dryRun = false, isKept = () => false, onFiles, ...limits } = options
  const nowMs = context.now()
  const plan = (of: Table) => expireSnapshots({ ...limits, table: of, io, nowMs })
  let [before, planned] = [table, await plan(table)]
  const isDone = ({ metadata }: Table): boolean => {
    const present = new Set(metadata.snapshots.map(({ snapshotId }) => snapshotId))
    return (
      planned.expired.every(({ snapshotId }) => !present.has(snapshotId)) &&
      planned.droppedRefs.every((name) => metadata.refs[name] === undefined)
    )
  }
  const after = dryRun
    ? { ...table, metadata: applyUpdates(table.metadata, planned.change.updates, { nowMs }) }
    : await commitChange(
        context,
        table,
        async (current) => {
          if (current !== before) [before, planned] = [current, await plan(current)]
          return planned
        },
        isDone,
      )

  const { expired, droppedRefs } = planned
  const deletions = new Deletions(io, signal)
  const deleted: Record<UnreachableFiles['kind'], number> = {
    data: 0,
    deletes: 0,
    manifest: 0,
    'manifest list': 0,
    statistics: 0,
  }
  if (deleteFiles && expired.length > 0) {
    const current = async (): Promise<Table> => (dryRun ? after : context.catalog.loadTable(table.identifier))
    const request = { io, before: before.metadata, removed: expired, current }
    for await (const { kind, files: unreachable } of unreachableFiles(request)) {
      const files = unreachable.filter(({ path }) => !isKept(normalizeUri(path)))
      await onFiles?.(kind, files)
      deleted[kind] += dryRun ? files.length : await deletions.delete(files.map(({ path }) => path))
    }
  }
  return { table: after, expired, droppedRefs, deleted, failed: deletions.failed }
}
