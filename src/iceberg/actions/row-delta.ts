import { HindcastError } from '../../contract/index.ts'
import { DataContent } from '../manifest/model.ts'
import type { SnapshotOperation } from '../metadata/snapshot-summary.ts'
import { MAIN } from '../metadata/updates.ts'
import { changeFiles, type ChangeResult, type NewFile } from './change-files.ts'
import { everyFile, selectFiles, type FileSelection, type LiveFile } from './file-selection.ts'
import { requireRemoved } from './overwrite-files.ts'
import {
  ConcurrentHistory,
  newDeletesFor,
  refuseConflict,
  refuseDeleted,
  vectorTargets,
  type Validation,
} from './validate-history.ts'
import { branchHead, snapshotWriter, type SnapshotRequest } from './write-snapshot.ts'

export interface RowDeltaRequest extends SnapshotRequest {
  /** New data files: inserted rows, and the new values of updated ones. */
  readonly added: readonly NewFile[]
  /** Position delete files (version 2), deletion vectors (version 3), equality delete files. */
  readonly deletes: readonly NewFile[]
  /** Delete files that new ones stand in for: a data file has one deletion vector at most. */
  readonly replacedDeletes?: readonly LiveFile[]
  /** The data files whose rows are deleted, as they were read: each must still be there. Without any, only equality deletes. */
  readonly referenced: readonly LiveFile[]
  /** What to check of commits since the table was read. Needed for deletes by position: they hold for what was read alone. */
  readonly validation?: Validation
  /** Files that may hold rows which the operation would have read; every file unless given. */
  readonly conflicts?: FileSelection
  /**
   * An update or merge, whose added rows follow from rows that it read. A concurrent delete of one that it replaces would be undone;
   * and if it is `serializable`, so would one of any row in `conflicts`: a merge might have inserted what was matched.
   */
  readonly updatesRows?: boolean
}

/**
 * Writes what a snapshot needs that deletes rows by delete files and adds data files: merge-on-read.
 * Nothing is changed until the result is committed; on a lost race, load the table and call it again.
 * @throws CONFLICT when a referenced data file or a replaced delete file is gone, when another commit added a deletion vector for one of
 *   the same data files, and, as `validation` says, for rows added to or deleted from what was read
 */
export async function rowDelta(request: RowDeltaRequest): Promise<ChangeResult> {
  const { table, io, added, deletes, validation, branch = MAIN } = request
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
  requireReferenced(request)
  const writer = snapshotWriter(request)
  const base = branchHead(metadata, branch)
  if (validation !== undefined) {
    const history = new ConcurrentHistory(io, metadata, validation.startingSnapshotId, base)
    if (!history.isEmpty) await validate(request, history, validation)
  }
  const replaced = request.replacedDeletes ?? []
  const result = await changeFiles(
    writer,
    { base, branch },
    {
      operation: operationOf(request),
      added: [...added, ...deletes],
      ...(replaced.length === 0 ? {} : { removal: selectFiles(metadata, replaced) }),
    },
    request,
  )
  requireRemoved(replaced, result)
  return result
}

async function validate(
  { table: { metadata }, referenced, deletes, conflicts = everyFile, updatesRows = false }: RowDeltaRequest,
  history: ConcurrentHistory,
  { isolation }: Validation,
): Promise<void> {
  const isSerializable = isolation === 'serializable'
  const read = selectFiles(metadata, referenced)
  refuseConflict(await history.removedData(read), 'replaced files whose rows are being deleted')
  refuseConflict(await history.addedVectors(vectorTargets(deletes)), 'deleted rows of the same files')
  if (isSerializable) {
    refuseConflict(await history.addedData(conflicts), 'added rows that the change would have read')
  }
  if (!updatesRows) return
  refuseConflict(await newDeletesFor(history, metadata, referenced), 'deleted rows of the same files')
  if (isSerializable) await refuseDeleted(history, conflicts)
}

/** Iceberg's Java library tells operations apart in the same way. */
function operationOf({ added, deletes, replacedDeletes = [] }: RowDeltaRequest): SnapshotOperation {
  if (added.length === 0) return 'delete'
  return deletes.length === 0 && replacedDeletes.length === 0 ? 'append' : 'overwrite'
}

/** @throws INVARIANT_VIOLATED for position deletes on files that would not be looked at: another commit may have replaced those */
function requireReferenced({ deletes, referenced, validation }: RowDeltaRequest): void {
  const paths = new Set(referenced.map(({ dataFile }) => dataFile.filePath))
  const blind = deletes.find(({ dataFile }) => {
    if (dataFile.content !== DataContent.positionDeletes) return false
    if (validation === undefined || paths.size === 0) return true
    return dataFile.referencedDataFile !== undefined && !paths.has(dataFile.referencedDataFile)
  })
  if (blind === undefined) return
  throw new HindcastError(
    'INVARIANT_VIOLATED',
    `${blind.dataFile.filePath} deletes rows by position, in files that are not said to have been read`,
  )
}
