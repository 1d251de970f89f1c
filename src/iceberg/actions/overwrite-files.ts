import { HindcastError } from '../../contract/index.ts'
import type { DataFile } from '../manifest/model.ts'
import { MAIN } from '../metadata/updates.ts'
import { changeFiles, type ChangeResult, type NewFile } from './change-files.ts'
import { everyFile, fileKey, selectFiles, type FileSelection, type LiveFile } from './file-selection.ts'
import { ConcurrentHistory, newDeletesFor, refuseConflict, refuseDeleted, type Validation } from './validate-history.ts'
import { branchHead, snapshotWriter, type SnapshotRequest } from './write-snapshot.ts'

export interface OverwriteFilesRequest extends SnapshotRequest {
  /** Files that were read, and whose remaining rows are among `added`. Each must still be there. */
  readonly removed: readonly LiveFile[]
  readonly added: readonly NewFile[]
  /** What to check of commits since the files were read; nothing unless given. */
  readonly validation?: Validation
  /** Files that may hold rows which the operation would have read; every file unless given. */
  readonly conflicts?: FileSelection
  /** A merge, which might have inserted what it found: if `serializable`, a concurrent delete of any row in `conflicts` is one. */
  readonly updatesRows?: boolean
}

/**
 * Writes what a snapshot needs that replaces files by others: copy-on-write of a delete, update or merge.
 * Nothing is changed until the result is committed; on a lost race, load the table and call it again.
 * @throws CONFLICT when a removed file is no longer there, or, as `validation` says, when others changed what the operation read:
 *   added rows to it (`serializable`), deleted rows from a removed file, or replaced files of it
 */
export async function overwriteFiles(request: OverwriteFilesRequest): Promise<ChangeResult> {
  const { table, io, removed, added, validation, conflicts = everyFile, branch = MAIN } = request
  const { metadata } = table
  const writer = snapshotWriter(request)
  const base = branchHead(metadata, branch)
  if (validation !== undefined) {
    const history = new ConcurrentHistory(io, metadata, validation.startingSnapshotId, base)
    if (!history.isEmpty) {
      if (validation.isolation === 'serializable') {
        refuseConflict(await history.addedData(conflicts), 'added rows that the change would have read')
        if (request.updatesRows === true) await refuseDeleted(history, conflicts)
      }
      refuseConflict(await newDeletesFor(history, metadata, removed), 'deleted rows of files that are being replaced')
    }
  }
  const operation = added.length === 0 ? 'delete' : removed.length === 0 ? 'append' : 'overwrite'
  const result = await changeFiles(
    writer,
    { base, branch },
    { operation, added, removal: selectFiles(metadata, removed) },
    request,
  )
  requireRemoved(removed, result)
  return result
}

/** @throws CONFLICT unless every file that was to go was there to go */
export function requireRemoved(wanted: readonly { readonly dataFile: DataFile }[], { removed }: ChangeResult): void {
  const gone = new Set(removed.map(({ dataFile }) => fileKey(dataFile)))
  const missing = wanted.filter(({ dataFile }) => !gone.has(fileKey(dataFile)))
  const [first] = missing
  if (first === undefined) return
  throw new HindcastError(
    'CONFLICT',
    `${first.dataFile.filePath} is no longer in the table${missing.length > 1 ? `, nor are ${missing.length - 1} more` : ''}: another commit replaced it`,
    {
      hint: 'Nothing was changed. Read the table again and make the change anew.',
      context: { files: missing.slice(0, 20).map(({ dataFile }) => dataFile.filePath) },
    },
  )
}
