import { HindcastError } from '../../contract/index.ts'
import { DataContent, type DataFile } from '../manifest/model.ts'
import { MAIN } from '../metadata/updates.ts'
import { changeFiles, type ChangeResult, type NewFile } from './change-files.ts'
import { selectFiles, type LiveFile } from './file-selection.ts'
import { requireRemoved } from './overwrite-files.ts'
import { ConcurrentHistory, newDeletesFor, refuseConflict, vectorTargets } from './validate-history.ts'
import { branchHead, snapshotWriter, type SnapshotRequest } from './write-snapshot.ts'

export interface RewriteFilesRequest extends SnapshotRequest {
  /** Data and delete files whose rows (less those deleted) are those of `added`. */
  readonly removed: readonly LiveFile[]
  /** Data files with `dataSequenceNumber`, that of the snapshot they were read from, are still met by later equality deletes. */
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
  const data = removed.filter(isData)
  const addedData = added.filter(isData)
  const writer = snapshotWriter(request)
  const base = branchHead(metadata, branch)
  const history = new ConcurrentHistory(io, metadata, startingSnapshotId, base)
  checkRewrite(request, history.startingSequenceNumber)
  if (!history.isEmpty) {
    const ignoreEqualityDeletes = addedData.every(({ dataSequenceNumber }) => dataSequenceNumber !== undefined)
    refuseConflict(
      await newDeletesFor(history, metadata, data, { ignoreEqualityDeletes }),
      'deleted rows of files that are being rewritten',
    )
    refuseConflict(await history.addedVectors(vectorTargets(added)), 'deleted rows of the same files')
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

const isData = ({ dataFile }: { readonly dataFile: DataFile }): boolean => dataFile.content === DataContent.data

/** What would make a rewrite change what is read. @throws INVARIANT_VIOLATED */
function checkRewrite({ removed, added }: RewriteFilesRequest, startingSequenceNumber: bigint): void {
  const refuse = (reason: string): never => {
    throw new HindcastError('INVARIANT_VIOLATED', `a rewrite ${reason}`)
  }
  if (removed.length === 0) refuse('removes no files')
  const data = removed.filter(isData)
  const recordsOf = (files: readonly { readonly dataFile: DataFile }[]): bigint =>
    files.filter(isData).reduce((sum, { dataFile }) => sum + dataFile.recordCount, 0n)
  if (recordsOf(added) > recordsOf(removed)) refuse('adds more rows than it removes: some would double')
  const newest = data.reduce((most, { sequenceNumber }) => (sequenceNumber > most ? sequenceNumber : most), 0n)
  for (const { dataFile, dataSequenceNumber } of added) {
    if (dataFile.content === DataContent.equalityDeletes && dataSequenceNumber === undefined) {
      refuse(`adds ${dataFile.filePath} without a sequence number: it would delete rows that came later`)
    }
    if (dataSequenceNumber === undefined) continue
    if (dataSequenceNumber > startingSequenceNumber) {
      refuse(`gives ${dataFile.filePath} number ${dataSequenceNumber}, and was read at ${startingSequenceNumber}`)
    }
    // Else an equality delete that lies between would fall on rows that were written after it.
    if (dataFile.content === DataContent.data && dataSequenceNumber < newest) {
      refuse(`gives ${dataFile.filePath} number ${dataSequenceNumber}, and replaces files of ${newest}`)
    }
  }
}
