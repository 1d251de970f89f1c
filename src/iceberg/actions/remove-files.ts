/** Taking files out of the manifests that a snapshot carries over. */
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import { decodeManifest } from '../manifest/manifest.ts'
import { EntryStatus, hasLiveFiles, type ManifestEntry, type ManifestFile } from '../manifest/model.ts'
import { inPartitionsOf, type FileSelection, type LiveFile } from './file-selection.ts'
import { specOf, writeManifest, type SnapshotWriter } from './write-snapshot.ts'

export interface Remaining {
  readonly manifests: readonly ManifestFile[]
  readonly removed: readonly LiveFile[]
}

/**
 * The manifests without the removed files: those that hold none stay as they are, others are rewritten with DELETED entries.
 * Delete files that concern only removed data files, or are older than every data file that is left or added, go with them.
 * @param oldestAdded the least data sequence number of the files that the snapshot adds, or the snapshot's own
 */
export async function removeFiles(
  writer: SnapshotWriter,
  manifests: readonly ManifestFile[],
  removal: FileSelection,
  oldestAdded: bigint,
): Promise<Remaining> {
  const data = await filterAll(
    writer,
    manifests.filter(({ content }) => content === 'data'),
    removal,
  )
  const deletes = manifests.filter(({ content }) => content === 'deletes')
  if (deletes.length === 0) return data
  const kept = await filterAll(writer, deletes, danglingToo(writer, removal, data, oldestAdded))
  return { manifests: [...data.manifests, ...kept.manifests], removed: [...data.removed, ...kept.removed] }
}

function danglingToo(
  writer: SnapshotWriter,
  removal: FileSelection,
  data: Remaining,
  oldestAdded: bigint,
): FileSelection {
  const gone = new Set(data.removed.map(({ dataFile }) => dataFile.filePath))
  const mayConcernRemoved = inPartitionsOf(writer.metadata, data.removed)
  const oldest = data.manifests.reduce<bigint>(
    (least, manifest) =>
      hasLiveFiles(manifest) && manifest.minSequenceNumber < least ? manifest.minSequenceNumber : least,
    oldestAdded,
  )
  return {
    mayHold: (manifest) =>
      removal.mayHold(manifest) || manifest.minSequenceNumber < oldest || mayConcernRemoved(manifest),
    takes: (file) =>
      removal.takes(file) ||
      (file.dataFile.referencedDataFile !== undefined && gone.has(file.dataFile.referencedDataFile)) ||
      file.sequenceNumber < oldest,
  }
}

async function filterAll(
  writer: SnapshotWriter,
  manifests: readonly ManifestFile[],
  removal: FileSelection,
): Promise<Remaining> {
  const results = await mapConcurrently(manifests, MANIFEST_READS, async (manifest): Promise<Remaining> =>
    removal.mayHold(manifest) ? filterManifest(writer, manifest, removal) : { manifests: [manifest], removed: [] },
  )
  return {
    manifests: results.flatMap((result) => result.manifests),
    removed: results.flatMap((result) => result.removed),
  }
}

async function filterManifest(
  writer: SnapshotWriter,
  manifest: ManifestFile,
  removal: FileSelection,
): Promise<Remaining> {
  const { io, metadata, snapshotId } = writer
  const specId = manifest.partitionSpecId
  const removed: LiveFile[] = []
  const entries = decodeManifest(await io.read(manifest.manifestPath), manifest, metadata)
    .filter(({ status }) => status !== EntryStatus.deleted)
    .map((entry): ManifestEntry => {
      const sequenceNumber = entry.sequenceNumber ?? manifest.sequenceNumber
      const file: LiveFile = { dataFile: entry.dataFile, specId, sequenceNumber }
      if (!removal.takes(file)) return { ...entry, status: EntryStatus.existing }
      removed.push(file)
      return { ...entry, status: EntryStatus.deleted, snapshotId }
    })
  if (removed.length === 0) return { manifests: [manifest], removed }
  return { manifests: [await writeManifest(writer, specOf(metadata, specId), manifest.content, entries)], removed }
}
