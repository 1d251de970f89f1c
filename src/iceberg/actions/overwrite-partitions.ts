import { HindcastError } from '../../contract/index.ts'
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import type { FileIO } from '../file-io.ts'
import { decodeManifest, encodeManifest, schemasNewestFirst } from '../manifest/manifest.ts'
import {
  EntryStatus,
  type DataFile,
  type DetachedManifest,
  type ManifestEntry,
  type ManifestFile,
  type PartitionTuple,
} from '../manifest/model.ts'
import { stampManifest } from '../manifest/stamp-manifest.ts'
import { partitionKey } from '../types/partition-values.ts'
import { PartitionSearch } from '../manifest/partition-summary.ts'
import { snapshotSummary } from '../metadata/snapshot-summary.ts'
import type { PartitionSpec, Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import type { Table, TableChange } from '../table.ts'
import { partitionTypes } from '../types/transforms.ts'
import {
  baseSnapshot,
  currentSchema,
  defaultSpec,
  liveManifests,
  nextIdentity,
  writeManifest,
  writeSnapshot,
  type RefRetention,
  type SnapshotIdentity,
} from './write-snapshot.ts'

export interface OverwritePartitionsRequest {
  readonly table: Table
  readonly io: FileIO
  /** The snapshot to build on; null builds on nothing. For branch `main` it must be its head. */
  readonly base: bigint | null
  readonly branch: string
  /** Tuples of the default spec: every file that the base has in them is replaced, also where nothing new comes. */
  readonly partitions: readonly PartitionTuple[]
  /** Written manifests of ADDED entries in those partitions. They are read, and can be used again for another snapshot. */
  readonly manifests: readonly DetachedManifest[]
  readonly snapshotId: bigint
  /** Epoch ms. */
  readonly nowMs: number
  readonly summary?: Readonly<Record<string, string>>
  readonly refRetention?: RefRetention
  /** Schema of the new files; the table's current one unless given. It may be one that the same commit adds. */
  readonly schemaId?: number
}

export interface OverwriteResult {
  readonly change: TableChange
  readonly snapshot: Snapshot
  readonly replaced: readonly DataFile[]
}

/**
 * Writes what a snapshot needs that shows the base with the given partitions replaced. Only manifests whose partition summaries
 * overlap are read, and only those that hold a replaced file are rewritten; new manifests are copied with the snapshot's id set.
 * Nothing is changed until the result is committed; on a conflict, load the table and call it again.
 * @throws FEATURE_UNSUPPORTED when the base has live files under another spec than the default; CONFLICT when `main` is not at `base`;
 *   INVARIANT_VIOLATED when a new manifest holds what it must not; MANIFEST_INVALID; what `FileIO` throws
 */
export async function overwritePartitions(request: OverwritePartitionsRequest): Promise<OverwriteResult> {
  const { table, io, branch } = request
  const { metadata } = table
  const spec = defaultSpec(metadata)
  const base = baseSnapshot(metadata, request.base, branch)
  const identity = nextIdentity(metadata, request.snapshotId)
  const replacedKeys = new Set(request.partitions.map(partitionKey))

  const inherited = await liveManifests(io, base)
  checkSpecs(inherited, spec)
  const search = new PartitionSearch(partitionTypes(spec, schemasNewestFirst(metadata)), request.partitions)
  const kept = await mapConcurrently(inherited, MANIFEST_READS, async (manifest): Promise<KeptManifest> =>
    manifest.content === 'data' && search.mayOccurIn(manifest.partitions)
      ? withoutPartitions(io, metadata, identity, spec, manifest, replacedKeys)
      : { manifest, replaced: [] },
  )
  const replaced = kept.flatMap((result) => result.replaced)

  const attached = await mapConcurrently(request.manifests, MANIFEST_READS, (manifest) =>
    attach(io, metadata, identity, spec, manifest),
  )
  const added = addedFiles(attached, replacedKeys, replaced)
  const { change, snapshot } = await writeSnapshot({
    table,
    io,
    identity,
    base,
    branch,
    manifests: [...attached.map(({ manifest }) => manifest), ...kept.map(({ manifest }) => manifest)],
    summary: snapshotSummary('overwrite', base?.summary ?? null, added, replaced, request.summary),
    schemaId: request.schemaId ?? metadata.currentSchemaId,
    nowMs: request.nowMs,
    ...(request.refRetention === undefined ? {} : { retention: request.refRetention }),
  })
  return { change, snapshot, replaced }
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

interface KeptManifest {
  readonly manifest: ManifestFile
  readonly replaced: readonly DataFile[]
}

/** The manifest without its files in these partitions: the same one when it has none there, else a rewritten one. */
async function withoutPartitions(
  io: FileIO,
  metadata: TableMetadata,
  identity: SnapshotIdentity,
  spec: PartitionSpec,
  manifest: ManifestFile,
  keys: ReadonlySet<string>,
): Promise<KeptManifest> {
  const entries = decodeManifest(await io.read(manifest.manifestPath), manifest, metadata)
  const live = entries.filter(({ status }) => status !== EntryStatus.deleted)
  const isReplaced = ({ dataFile }: ManifestEntry): boolean => keys.has(partitionKey(dataFile.partition))
  const replaced = live.filter(isReplaced).map(({ dataFile }) => dataFile)
  if (replaced.length === 0) return { manifest, replaced }
  const rewritten = live.map((entry): ManifestEntry =>
    isReplaced(entry)
      ? { ...entry, status: EntryStatus.deleted, snapshotId: identity.snapshotId }
      : { ...entry, status: EntryStatus.existing },
  )
  const encoded = encodeManifest({
    schema: currentSchema(metadata),
    spec,
    entries: rewritten,
    content: 'data',
    otherSchemas: metadata.schemas,
  })
  return { manifest: await writeManifest(io, metadata, identity, encoded, rewritten), replaced }
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

interface AttachedManifest {
  readonly manifest: ManifestFile
  readonly files: readonly DataFile[]
}

/**
 * Makes a new manifest part of this snapshot: a copy whose entries name the snapshot. By the spec they could inherit it, and the file be
 * used as it is; but PyIceberg (0.11) takes an inherited snapshot id for the entry's status, so that it then inherits no sequence
 * number, and writes entries without one when it rewrites the manifest, which no reader takes.
 */
async function attach(
  io: FileIO,
  metadata: TableMetadata,
  identity: SnapshotIdentity,
  spec: PartitionSpec,
  detached: DetachedManifest,
): Promise<AttachedManifest> {
  checkDetached(detached, spec)
  const numbered: ManifestFile = {
    ...detached,
    sequenceNumber: identity.sequenceNumber,
    minSequenceNumber: identity.sequenceNumber,
    addedSnapshotId: identity.snapshotId,
  }
  const { encoded, entries } = stampManifest(await io.read(detached.manifestPath), numbered, metadata)
  if (entries.length !== detached.addedFilesCount) {
    throw new HindcastError(
      'INVARIANT_VIOLATED',
      `the new manifest ${detached.manifestPath} has ${entries.length} entries, not ${detached.addedFilesCount}`,
    )
  }
  return {
    manifest: await writeManifest(io, metadata, identity, encoded, entries),
    files: entries.map(({ dataFile }) => dataFile),
  }
}

/** Files of the new manifests, once it is sure that they may be added. */
function addedFiles(
  attached: readonly AttachedManifest[],
  keys: ReadonlySet<string>,
  replaced: readonly DataFile[],
): DataFile[] {
  const taken = new Set(replaced.map(({ filePath }) => filePath))
  for (const { filePath, partition } of attached.flatMap(({ files }) => files)) {
    const refuse = (reason: string): never => {
      throw new HindcastError('INVARIANT_VIOLATED', `a new manifest adds ${filePath}, ${reason}`)
    }
    if (!keys.has(partitionKey(partition))) refuse('outside the partitions to be replaced')
    // Deleted and added in one snapshot, a file would be taken for garbage once the base expires. Added twice, its rows would double.
    if (taken.has(filePath)) refuse('which is replaced or added already')
    taken.add(filePath)
  }
  return attached.flatMap(({ files }) => files)
}
