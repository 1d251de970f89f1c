import { HindcastError } from '../../contract/index.ts'
import { DataContent, type DataFile } from '../manifest/model.ts'
import { MAIN } from '../metadata/updates.ts'
import { changeFiles } from './change-files.ts'
import { branchHead, snapshotWriter, type SnapshotRequest, type SnapshotResult } from './write-snapshot.ts'

export interface AppendRequest extends SnapshotRequest {
  readonly files: readonly DataFile[]
  /** The spec of their partition tuples. Not what is the table's default by now: that may change between attempts. */
  readonly specId: number
}

/**
 * Writes what a snapshot needs that adds data files to those the branch shows.
 * Nothing is changed until the result is committed; on a conflict, load the table and call it again.
 * @throws INVARIANT_VIOLATED for delete files or partition tuples of another spec; MANIFEST_INVALID; what `FileIO` throws
 */
export async function appendFiles(request: AppendRequest): Promise<SnapshotResult> {
  const { table, files, specId, branch = MAIN } = request
  const odd = files.find(({ content }) => content !== DataContent.data)
  if (odd !== undefined) throw new HindcastError('INVARIANT_VIOLATED', `${odd.filePath} is no data file`)
  const writer = snapshotWriter(request)
  const base = branchHead(table.metadata, branch)
  const added = files.map((dataFile) => ({ dataFile, specId }))
  return changeFiles(writer, { base, branch }, { operation: 'append', added }, request)
}
