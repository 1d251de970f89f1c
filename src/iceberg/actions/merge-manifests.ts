/** Keeping the number of manifests small as commits add up, so that planning stays cheap. */
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import { decodeManifest } from '../manifest/manifest.ts'
import { EntryStatus, type ManifestEntry, type ManifestFile } from '../manifest/model.ts'
import { booleanProperty, numberProperty } from '../metadata/properties.ts'
import { encodeEntries, specOf, writeManifest, type SnapshotWriter } from './write-snapshot.ts'

/** Entries that one commit may write anew: about half a second. */
const entriesPerCommit = 4000

/**
 * Merges small neighbouring manifests of one partition spec and content, as Iceberg's Java library does: up to
 * `commit.manifest.target-size-bytes`, and the newest only once there are `commit.manifest.min-count-to-merge` of them. So thousands of
 * commits leave few manifests. Unlike there, a commit's cost does not grow with the table: one that is half full is left alone, a header,
 * which outweighs an entry thirtyfold, counts once, and no commit writes more than `entriesPerCommit` anew. What is left over falls to the next.
 * @param manifests this snapshot's first, then those carried over
 */
export async function mergeManifests(
  writer: SnapshotWriter,
  manifests: readonly ManifestFile[],
): Promise<ManifestFile[]> {
  const { properties } = writer.metadata
  if (!booleanProperty(properties, 'commit.manifest-merge.enabled')) return [...manifests]
  const minCount = numberProperty(properties, 'commit.manifest.min-count-to-merge')
  const groups = Map.groupBy(manifests, ({ content, partitionSpecId }) => `${content} ${partitionSpecId}`)
  let left = entriesPerCommit
  const runs = [...groups.values()].flatMap((group) => {
    const packed = smallNeighbours(writer, group, minCount)
    // The oldest first: the newest run still grows.
    const merged = packed.toReversed().map((run) => {
      const entries = run.reduce((sum, manifest) => sum + entriesOf(manifest), 0)
      const isYoung = run[0] === group[0] && run.length < minCount
      if (run.length === 1 || isYoung || entries > left) return { run, merge: false }
      left -= entries
      return { run, merge: true }
    })
    return merged.toReversed()
  })
  const merged = await mapConcurrently(runs, MANIFEST_READS, async ({ run, merge }) =>
    merge ? [await mergeRun(writer, run)] : run,
  )
  return merged.flat()
}

const entriesOf = ({ addedFilesCount, existingFilesCount, deletedFilesCount }: ManifestFile): number =>
  addedFilesCount + existingFilesCount + deletedFilesCount

/** Runs of neighbours that fit into one manifest together, packed from the oldest on; one that is half full stands alone. */
function smallNeighbours(writer: SnapshotWriter, group: readonly ManifestFile[], minCount: number): ManifestFile[][] {
  const { metadata } = writer
  const target = BigInt(numberProperty(metadata.properties, 'commit.manifest.target-size-bytes'))
  const bytes = group.reduce((sum, { manifestLength }) => sum + manifestLength, 0n)
  if (group.length < minCount && bytes <= target) return [[...group]]
  const { partitionSpecId, content } = group[0] as ManifestFile
  const header = BigInt(encodeEntries(metadata, specOf(metadata, partitionSpecId), content, []).bytes.length)
  const runs: ManifestFile[][] = []
  let run: ManifestFile[] = []
  let [size, entries] = [header, 0]
  const close = (): void => {
    if (run.length > 0) runs.unshift(run)
    run = []
    size = header
    entries = 0
  }
  for (const manifest of group.toReversed()) {
    const own = manifest.manifestLength > header ? manifest.manifestLength - header : 1n
    const count = entriesOf(manifest)
    const isHalfFull = (header + own) * 2n >= target || count * 2 >= entriesPerCommit
    if (isHalfFull || size + own > target || entries + count > entriesPerCommit) close()
    run.unshift(manifest)
    size += own
    entries += count
    if (isHalfFull) close()
  }
  close()
  return runs
}

async function mergeRun(writer: SnapshotWriter, run: readonly ManifestFile[]): Promise<ManifestFile> {
  const { io, metadata, snapshotId } = writer
  const first = run[0] as ManifestFile
  const entries: ManifestEntry[] = []
  for (const manifest of run) {
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
