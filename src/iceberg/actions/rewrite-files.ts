import { HindcastError } from '../../contract/index.ts'
import { DataContent } from '../manifest/model.ts'
import { MAIN } from '../metadata/updates.ts'
import { changeFiles, type ChangeResult, type NewFile } from './change-files.ts'
import { selectFiles, type LiveFile } from './file-selection.ts'
import { requireRemoved } from './overwrite-files.ts'
import { ConcurrentHistory, newDeletesFor, refuseConflict } from './validate-history.ts'
import { branchHead, snapshotWriter, type SnapshotRequest } from './write-snapshot.ts'

export interface RewriteFilesRequest extends SnapshotRequest {
  /** Data and delete files whose rows (less those deleted) are those of `added`. */
  readonly removed: readonly LiveFile[]
  /** With `dataSequenceNumber`, that of the snapshot they were read from, later equality deletes still fall on their rows. */
  readonly added: readonly NewFile[]
  /** The branch's head when the files were read. */
  readonly startingSnapshotId: bigint | null
}

/**
 * Writes what a snapshot needs that shows the same rows in other files: compaction. Its operation is `replace`, which readers of
 * changes pass over.
 * @throws CONFLICT when a removed file is gone, or rows of it were deleted since in a way that the new files would not show
 */
export async function rewriteFiles(request: RewriteFilesRequest): Promise<ChangeResult> {
  const { table, io, removed, added, startingSnapshotId, branch = MAIN } = request
  const { metadata } = table
  const data = removed.filter(({ dataFile }) => dataFile.content === DataContent.data)
  if (data.length === 0 && added.some(({ dataFile }) => dataFile.content === DataContent.data)) {
    throw new HindcastError('INVARIANT_VIOLATED', 'a rewrite adds data files and removes none: its rows would double')
  }
  const writer = snapshotWriter(request)
  const base = branchHead(metadata, branch)
  const history = new ConcurrentHistory(io, metadata, startingSnapshotId, base)
  if (!history.isEmpty) {
    const keepsNumbers = added.length > 0 && added.every(({ dataSequenceNumber }) => dataSequenceNumber !== undefined)
    refuseConflict(
      await newDeletesFor(history, metadata, data, { ignoreEqualityDeletes: keepsNumbers }),
      'deleted rows of files that are being rewritten',
    )
  }
  const result = await changeFiles(
    writer,
    { base, branch },
    { operation: 'replace', added, removal: selectFiles(metadata, removed) },
    request,
  )
  requireRemoved(removed, result)
  return result
}
