import { HindcastError } from '../../contract/index.ts'
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import type { DataFile, DetachedManifest, ManifestFile, PartitionTuple } from '../manifest/model.ts'
import { stampManifest } from '../manifest/stamp-manifest.ts'
import type { PartitionSpec, Snapshot } from '../metadata/table-metadata.ts'
import { partitionKey } from '../types/partition-values.ts'
import { changeFiles, type AttachedManifest, type ChangeResult } from './change-files.ts'
import { selectPartitions, type FileSelection } from './file-selection.ts'
import { ConcurrentHistory, refuseConflict, type Validation } from './validate-history.ts'
import {
  baseSnapshot,
  defaultSpec,
  liveManifests,
  snapshotWriter,
  writeEncodedManifest,
  type SnapshotRequest,
  type SnapshotWriter,
} from './write-snapshot.ts'

export interface OverwritePartitionsRequest extends SnapshotRequest {
  /** The snapshot to build on; null builds on nothing. For branch `main` it must be its head. */
  readonly base: bigint | null
  readonly branch: string
  /** Tuples of the default spec: every file that the base has in them is replaced, also where nothing new comes. */
  readonly partitions: readonly PartitionTuple[]
  /** New data files in those partitions. */
  readonly files?: readonly DataFile[]
  /** Written manifests of ADDED entries in those partitions. They are read, and can be used again for another snapshot. */
  readonly manifests?: readonly DetachedManifest[]
  /** What to check of commits since the partitions were read; nothing unless given. */
  readonly validation?: Validation
  /** Schema of the new files; the table's current one unless given. It may be one that the same commit adds. */
  readonly schemaId?: number
}

/**
 * Writes what a snapshot needs that shows the base with the given partitions replaced. Only manifests whose partition summaries
 * overlap are read, and only those that hold a replaced file are rewritten; new manifests are copied with the snapshot's id set.
 * Nothing is changed until the result is committed; on a conflict, load the table and call it again.
 * @throws FEATURE_UNSUPPORTED when the base has live files under another spec than the default; CONFLICT when `main` is not at `base`;
 *   INVARIANT_VIOLATED when a new manifest holds what it must not; MANIFEST_INVALID; what `FileIO` throws
 */
export async function overwritePartitions(request: OverwritePartitionsRequest): Promise<ChangeResult> {
  const { table, branch, partitions, validation } = request
  const { metadata } = table
  const writer = snapshotWriter(request)
  const spec = defaultSpec(metadata)
  const base = baseSnapshot(metadata, request.base, branch)
  checkSpecs(await liveManifests(request.io, base), spec)
  const removal = selectPartitions(metadata, spec.specId, partitions)
  if (validation !== undefined) await validate(request, base, removal, validation)
  const files = request.files ?? []
  const attached = await mapConcurrently(request.manifests ?? [], MANIFEST_READS, (manifest) =>
    attach(writer, spec, manifest),
  )
  const keys = new Set(partitions.map(partitionKey))
  for (const { filePath, partition } of [...files, ...attached.flatMap((manifest) => manifest.files)]) {
    if (keys.has(partitionKey(partition))) continue
    throw new HindcastError('INVARIANT_VIOLATED', `${filePath} is to be added outside the partitions to be replaced`)
  }
  const target = { base, branch, ...(request.schemaId === undefined ? {} : { schemaId: request.schemaId }) }
  return changeFiles(
    writer,
    target,
    { operation: 'overwrite', added: files.map((dataFile) => ({ dataFile })), attached, removal },
    request,
  )
}

/** What others committed to these partitions since they were read. */
async function validate(
  { io, table }: OverwritePartitionsRequest,
  base: Snapshot | null,
  partitions: FileSelection,
  { startingSnapshotId, isolation }: Validation,
): Promise<void> {
  const history = new ConcurrentHistory(io, table.metadata, startingSnapshotId, base)
  if (history.isEmpty) return
  if (isolation === 'serializable') {
    refuseConflict(await history.addedData(partitions), 'added rows to the partitions to be replaced')
  }
  refuseConflict(await history.deletedData(partitions), 'removed files of the partitions to be replaced')
  refuseConflict(await history.addedDeletes(partitions), 'deleted rows of the partitions to be replaced')
}

function checkSpecs(manifests: readonly ManifestFile[], spec: PartitionSpec): void {
  const other = manifests.find(({ content, partitionSpecId }) => content === 'data' && partitionSpecId !== spec.specId)
  if (other === undefined) return
  throw new HindcastError(
    'FEATURE_UNSUPPORTED',
    `the table has files under partition spec ${other.partitionSpecId}, and its default is ${spec.specId}`,
    {
      hint: 'Rewrite its data files into the default spec first (Spark: CALL system.rewrite_data_files).',
      context: { manifest: other.manifestPath },
    },
  )
}

/** The manifest's promises about itself, which the rest relies on. */
function checkDetached(manifest: DetachedManifest, spec: PartitionSpec): void {
  const { manifestPath, partitionSpecId, content, existingFilesCount, deletedFilesCount } = manifest
  const refuse = (reason: string): never => {
    throw new HindcastError('INVARIANT_VIOLATED', `the new manifest ${manifestPath} ${reason}`)
  }
  if (partitionSpecId !== spec.specId) refuse(`is of partition spec ${partitionSpecId}, not ${spec.specId}`)
  if (content !== 'data') refuse('holds delete files')
  if (existingFilesCount !== 0 || deletedFilesCount !== 0) refuse('holds entries that are not ADDED')
}

/**
 * Makes a new manifest part of this snapshot: a copy whose entries name the snapshot. By the spec they could inherit it, and the file be
 * used as it is; but PyIceberg (0.11) takes an inherited snapshot id for the entry's status, so that it then inherits no sequence
 * number, and writes entries without one when it rewrites the manifest, which no reader takes.
 */
async function attach(
  writer: SnapshotWriter,
  spec: PartitionSpec,
  detached: DetachedManifest,
): Promise<AttachedManifest> {
  checkDetached(detached, spec)
  const numbered: ManifestFile = {
    ...detached,
    sequenceNumber: writer.sequenceNumber,
    minSequenceNumber: writer.sequenceNumber,
    addedSnapshotId: writer.snapshotId,
  }
  const { encoded, entries } = stampManifest(await writer.io.read(detached.manifestPath), numbered, writer.metadata)
  if (entries.length !== detached.addedFilesCount) {
    throw new HindcastError(
      'INVARIANT_VIOLATED',
      `the new manifest ${detached.manifestPath} has ${entries.length} entries, not ${detached.addedFilesCount}`,
    )
  }
  return {
    manifest: await writeEncodedManifest(writer, encoded, entries),
    files: entries.map(({ dataFile }) => dataFile),
  }
}
