import { HindcastError } from '../../contract/index.ts'
import { DataContent } from '../manifest/model.ts'
import { MAIN } from '../metadata/updates.ts'
import { changeFiles, type ChangeResult, type NewFile } from './change-files.ts'
import { everyFile, selectFiles, type FileSelection, type LiveFile } from './file-selection.ts'
import { requireRemoved } from './overwrite-files.ts'
import { ConcurrentHistory, newDeletesFor, refuseConflict, type Validation } from './validate-history.ts'
import { branchHead, snapshotWriter, type SnapshotRequest } from './write-snapshot.ts'

export interface RowDeltaRequest extends SnapshotRequest {
  /** New data files: inserted rows, and the new values of updated ones. */
  readonly added: readonly NewFile[]
  /** Position delete files (version 2), deletion vectors (version 3), equality delete files. */
  readonly deletes: readonly NewFile[]
  /** Delete files that new ones stand in for: a data file has one deletion vector at most. */
  readonly replacedDeletes?: readonly LiveFile[]
  /** The data files whose rows are deleted, as they were read: each must still be there. */
  readonly referenced: readonly LiveFile[]
  readonly validation?: Validation
  /** Files that may hold rows which the operation would have read; every file unless given. */
  readonly conflicts?: FileSelection
  /** An update or merge: a concurrent delete of one of its rows would be undone by the new value. */
  readonly updatesRows?: boolean
}

/**
 * Writes what a snapshot needs that deletes rows by delete files and adds data files: merge-on-read.
 * Nothing is changed until the result is committed; on a lost race, load the table and call it again.
 * @throws CONFLICT when a referenced data file or a replaced delete file is gone, when another commit added a deletion vector for one of
 *   the same data files, and, as `validation` says, for rows added to or deleted from what was read
 */
export async function rowDelta(request: RowDeltaRequest): Promise<ChangeResult> {
  const { table, io, added, deletes, referenced, validation, conflicts = everyFile, branch = MAIN } = request
  const { metadata } = table
  const odd =
    added.find(({ dataFile }) => dataFile.content !== DataContent.data) ??
    deletes.find(({ dataFile }) => dataFile.content === DataContent.data)
  if (odd !== undefined) {
    throw new HindcastError(
      'INVARIANT_VIOLATED',
      `${odd.dataFile.filePath} is given as what it is not, data or deletes`,
    )
  }
  const writer = snapshotWriter(request)
  const base = branchHead(metadata, branch)
  if (validation !== undefined) {
    const history = new ConcurrentHistory(io, metadata, validation.startingSnapshotId, base)
    if (!history.isEmpty) {
      const paths = new Set(referenced.map(({ dataFile }) => dataFile.filePath))
      const read = selectFiles(metadata, referenced)
      refuseConflict(await history.removedData(read), 'replaced files whose rows are being deleted')
      if (validation.isolation === 'serializable') {
        refuseConflict(await history.addedData(conflicts), 'added rows that the change would have read')
      }
      const later = await newDeletesFor(history, metadata, referenced)
      // Two vectors for one data file would hide each other's rows, whatever the isolation.
      const sameVector = later.filter(
        ({ file: { dataFile } }) =>
          dataFile.fileFormat === 'PUFFIN' &&
          dataFile.referencedDataFile !== undefined &&
          paths.has(dataFile.referencedDataFile),
      )
      refuseConflict(request.updatesRows === true ? later : sameVector, 'deleted rows of the same files')
    }
  }
  const replaced = request.replacedDeletes ?? []
  const result = await changeFiles(
    writer,
    { base, branch },
    {
      operation: added.length === 0 ? 'delete' : 'overwrite',
      added: [...added, ...deletes],
      ...(replaced.length === 0 ? {} : { removal: selectFiles(metadata, replaced) }),
    },
    request,
  )
  requireRemoved(replaced, result)
  return result
}
