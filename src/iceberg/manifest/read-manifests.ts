/** The manifests of a snapshot, in whichever of its forms the table has them. */
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import { manifestInvalid, readAvroContainer } from '../avro/container.ts'
import { optionalLong, requiredInt, requiredLong, requiredRow } from '../avro/rows.ts'
import { AvroError } from '../avro/schema.ts'
import type { FileIO } from '../file-io.ts'
import type { Snapshot } from '../metadata/table-metadata.ts'
import { metricReaders } from './metric-readers.ts'
import { decodeAnyManifestList, isCounted, type ManifestCounts } from './manifest-list.ts'
import { EntryStatus, type ManifestFile } from './model.ts'

/**
 * Reads the manifest list of a snapshot. What version 1 left out of it, or of the metadata when there is no list, is had from the
 * manifests themselves, so that every manifest comes with its counts.
 * @throws MANIFEST_INVALID with the file and the reason; FEATURE_UNSUPPORTED; what `FileIO` throws
 */
export async function readManifests(
  io: Pick<FileIO, 'read'>,
  snapshot: Pick<Snapshot, 'snapshotId' | 'manifestList' | 'manifests'>,
): Promise<ManifestFile[]> {
  const { manifestList, manifests: paths } = snapshot
  if (paths !== undefined) {
    return mapConcurrently(paths, MANIFEST_READS, async (path) => describe(await io.read(path), path, snapshot))
  }
  const listed = decodeAnyManifestList(await io.read(manifestList), manifestList)
  return mapConcurrently(listed, MANIFEST_READS, async (manifest): Promise<ManifestFile> => {
    if (isCounted(manifest)) return manifest
    const { counts } = count(await io.read(manifest.manifestPath), manifest.manifestPath)
    return { ...manifest, ...counts }
  })
}

function describe(bytes: Uint8Array, manifestPath: string, snapshot: Pick<Snapshot, 'snapshotId'>): ManifestFile {
  const { counts, specId, addedSnapshotId } = count(bytes, manifestPath)
  return {
    manifestPath,
    manifestLength: BigInt(bytes.length),
    partitionSpecId: specId,
    content: 'data',
    sequenceNumber: 0n,
    minSequenceNumber: 0n,
    // Not said anywhere: it is the snapshot that added the manifest's files, if it added any.
    addedSnapshotId: addedSnapshotId ?? snapshot.snapshotId,
    ...counts,
  }
}

function count(
  bytes: Uint8Array,
  path: string,
): { readonly counts: ManifestCounts; readonly specId: number; readonly addedSnapshotId: bigint | null } {
  const { header, rows } = readAvroContainer(bytes, path, metricReaders(new Set()))
  const files = [0, 0, 0]
  const records = [0n, 0n, 0n]
  let addedSnapshotId: bigint | null = null
  rows.forEach((row, index) => {
    try {
      const status = requiredInt(row, 'f0')
      if (files[status] === undefined) throw new AvroError(`its status is ${status}`)
      files[status]++
      records[status] = (records[status] as bigint) + requiredLong(requiredRow(row, 'f2'), 'f103')
      if (status === EntryStatus.added) addedSnapshotId ??= optionalLong(row, 'f1')
    } catch (error) {
      throw error instanceof AvroError ? manifestInvalid(path, `entry ${index}: ${error.message}`, error) : error
    }
  })
  const specId = Number(header.get('partition-spec-id') ?? 0)
  if (!Number.isInteger(specId)) throw manifestInvalid(path, 'its partition spec id is no number')
  const of = (status: EntryStatus): { readonly files: number; readonly rows: bigint } => ({
    files: files[status] as number,
    rows: records[status] as bigint,
  })
  const [existing, added, deleted] = [of(EntryStatus.existing), of(EntryStatus.added), of(EntryStatus.deleted)]
  return {
    specId,
    addedSnapshotId,
    counts: {
      addedFilesCount: added.files,
      existingFilesCount: existing.files,
      deletedFilesCount: deleted.files,
      addedRowsCount: added.rows,
      existingRowsCount: existing.rows,
      deletedRowsCount: deleted.rows,
    },
  }
}
