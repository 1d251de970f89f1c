/** Keeping the number of manifests small as commits add up, so that planning stays cheap. */
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import { decodeManifest } from '../manifest/manifest.ts'
import { EntryStatus, type ManifestEntry, type ManifestFile } from '../manifest/model.ts'
import { booleanProperty, numberProperty } from '../metadata/properties.ts'
import { encodeEntries, specOf, writeManifest, type SnapshotWriter } from './write-snapshot.ts'

/**
 * Merges small manifests of one partition spec and content, newest first, as Iceberg's Java library does: neighbours are packed into
 * bins of `commit.manifest.target-size-bytes`, filled from the oldest on, and the newest bin is left alone until it has
 * `commit.manifest.min-count-to-merge` of them. Unlike there, a bin is as large as the manifest made of it: were each header counted,
 * which outweighs an entry thirtyfold, a nearly full manifest would be written anew for every one or two that still fit beside it.
 * @param manifests this snapshot's first, then those carried over
 */
export async function mergeManifests(
  writer: SnapshotWriter,
  manifests: readonly ManifestFile[],
): Promise<ManifestFile[]> {
  const { properties } = writer.metadata
  if (!booleanProperty(properties, 'commit.manifest-merge.enabled')) return [...manifests]
  const targetBytes = BigInt(numberProperty(properties, 'commit.manifest.target-size-bytes'))
  const minCount = numberProperty(properties, 'commit.manifest.min-count-to-merge')
  const groups = Map.groupBy(manifests, ({ content, partitionSpecId }) => `${content} ${partitionSpecId}`)
  const bins = [...groups.values()].flatMap((group) => {
    const bytes = group.reduce((sum, { manifestLength }) => sum + manifestLength, 0n)
    if (group.length < minCount && bytes <= targetBytes) return { bin: group, newest: true }
    const { partitionSpecId, content } = group[0] as ManifestFile
    const header = encodeEntries(writer.metadata, specOf(writer.metadata, partitionSpecId), content, []).bytes.length
    return packFromEnd(group, targetBytes, BigInt(header)).map((bin) => ({ bin, newest: bin[0] === group[0] }))
  })
  const merged = await mapConcurrently(bins, MANIFEST_READS, async ({ bin, newest }) => {
    if (bin.length === 1 || (newest && bin.length < minCount)) return bin
    return [await mergeBin(writer, bin)]
  })
  return merged.flat()
}

/** Neighbours in bins of at most the target size; a manifest beyond it has a bin of its own. The first bin takes what is left over. */
function packFromEnd(group: readonly ManifestFile[], targetBytes: bigint, header: bigint): ManifestFile[][] {
  const bins: ManifestFile[][] = []
  let bin: ManifestFile[] = []
  let size = header
  for (const manifest of group.toReversed()) {
    const own = manifest.manifestLength > header ? manifest.manifestLength - header : 1n
    if (bin.length > 0 && size + own > targetBytes) {
      bins.unshift(bin)
      bin = []
      size = header
    }
    bin.unshift(manifest)
    size += own
  }
  if (bin.length > 0) bins.unshift(bin)
  return bins
}

async function mergeBin(writer: SnapshotWriter, bin: readonly ManifestFile[]): Promise<ManifestFile> {
  const { io, metadata, snapshotId } = writer
  const first = bin[0] as ManifestFile
  const entries: ManifestEntry[] = []
  for (const manifest of bin) {
    const written = writer.entries.get(manifest.manifestPath)
    if (written !== undefined) {
      entries.push(...written)
      continue
    }
    for (const entry of decodeManifest(await io.read(manifest.manifestPath), manifest, metadata)) {
      const own = entry.snapshotId === snapshotId
      // What earlier snapshots deleted is told by their own manifests.
      if (entry.status === EntryStatus.deleted && !own) continue
      if (entry.status === EntryStatus.added && own) entries.push(asAdded(entry, manifest))
      else entries.push(entry.status === EntryStatus.deleted ? entry : { ...entry, status: EntryStatus.existing })
    }
  }
  return writeManifest(writer, specOf(metadata, first.partitionSpecId), first.content, entries)
}

/** An entry that this snapshot adds inherits its numbers again, unless it was given an older data sequence number. */
const asAdded = (entry: ManifestEntry, manifest: ManifestFile): ManifestEntry => ({
  ...entry,
  sequenceNumber: entry.sequenceNumber === manifest.sequenceNumber ? null : entry.sequenceNumber,
  fileSequenceNumber: null,
})
