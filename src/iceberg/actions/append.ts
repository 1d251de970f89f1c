import { HindcastError } from '../../contract/index.ts'
import type { FileIO } from '../file-io.ts'
import { encodeManifest } from '../manifest/manifest.ts'
import { DataContent, EntryStatus, type DataFile, type ManifestEntry } from '../manifest/model.ts'
import { MAIN } from '../metadata/updates.ts'
import { snapshotSummary } from '../metadata/snapshot-summary.ts'
import type { Snapshot } from '../metadata/table-metadata.ts'
import type { Table, TableChange } from '../table.ts'
import {
  baseSnapshot,
  currentSchema,
  defaultSpec,
  liveManifests,
  nextIdentity,
  writeManifest,
  writeSnapshot,
} from './write-snapshot.ts'

export interface AppendRequest {
  readonly table: Table
  readonly io: FileIO
  /** Data files partitioned by the table's default spec. */
  readonly files: readonly DataFile[]
  readonly snapshotId: bigint
  /** Epoch ms. */
  readonly nowMs: number
  /** `main` unless given. A branch that does not exist begins at the head of `main`. */
  readonly branch?: string
  readonly summary?: Readonly<Record<string, string>>
}

/**
 * Writes a manifest and a manifest list for a snapshot that adds files to those the branch shows.
 * Nothing is changed until the result is committed; on a conflict, load the table and call it again.
 * @throws INVARIANT_VIOLATED for delete files or partition tuples of another spec; MANIFEST_INVALID; what `FileIO` throws
 */
export async function appendFiles(
  request: AppendRequest,
): Promise<{ readonly change: TableChange; readonly snapshot: Snapshot }> {
  const { table, io, files, branch = MAIN } = request
  const { metadata } = table
  const head = metadata.refs[branch] ?? metadata.refs[MAIN]
  const base = baseSnapshot(metadata, head?.snapshotId ?? null, branch)
  const odd = files.find(({ content }) => content !== DataContent.data)
  if (odd !== undefined) throw new HindcastError('INVARIANT_VIOLATED', `${odd.filePath} is no data file`)

  const identity = nextIdentity(metadata, request.snapshotId)
  const schema = currentSchema(metadata)
  const entries = files.map((dataFile): ManifestEntry => ({
    status: EntryStatus.added,
    snapshotId: identity.snapshotId,
    sequenceNumber: null,
    fileSequenceNumber: null,
    dataFile,
  }))
  const carried = await liveManifests(io, base)
  const written =
    entries.length === 0
      ? []
      : [
          await writeManifest(
            io,
            metadata,
            identity,
            encodeManifest({
              schema,
              spec: defaultSpec(metadata),
              entries,
              content: 'data',
              otherSchemas: metadata.schemas,
            }),
            entries,
          ),
        ]
  return writeSnapshot({
    table,
    io,
    identity,
    base,
    branch,
    manifests: [...written, ...carried],
    summary: snapshotSummary('append', base?.summary ?? null, files, [], request.summary),
    schemaId: schema.schemaId,
    nowMs: request.nowMs,
  })
}
