import { HindcastError } from '../../contract/index.ts'
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import { decodeManifest } from '../manifest/manifest.ts'
import { EntryStatus, type ManifestEntry, type ManifestFile, type PartitionTuple } from '../manifest/model.ts'
import { numberProperty } from '../metadata/properties.ts'
import { snapshotSummary } from '../metadata/snapshot-summary.ts'
import { MAIN } from '../metadata/updates.ts'
import { compareSorted } from '../types/sort.ts'
import {
  branchHead,
  liveManifests,
  snapshotWriter,
  specOf,
  writeManifest,
  writeSnapshot,
  type SnapshotRequest,
  type SnapshotResult,
  type SnapshotWriter,
} from './write-snapshot.ts'

export interface RewriteManifestsRequest extends SnapshotRequest {
  /** Manifests of data files unless given. */
  readonly content?: 'data' | 'deletes' | 'all'
  /** Which manifests to rewrite; every one unless given. */
  readonly rewrites?: (manifest: ManifestFile) => boolean
  /** Entries that are in memory with their metrics at once. */
  readonly window?: number
}

export interface RewriteManifestsResult extends SnapshotResult {
  readonly replaced: readonly ManifestFile[]
  readonly created: readonly ManifestFile[]
}

/**
 * Writes what a snapshot needs that shows the same files through other manifests: sorted by partition, in manifests of about the target
 * size, so that a reader of few partitions reads few manifests. Every entry keeps its snapshot, sequence numbers and row ids.
 * @returns null when there is nothing to gain: at most one manifest of each partition spec, of no more than the target size
 * @throws MANIFEST_INVALID when a manifest does not hold as many files and rows as the list says
 */
export async function rewriteManifests(request: RewriteManifestsRequest): Promise<RewriteManifestsResult | null> {
  const { table, io, content = 'data', rewrites = () => true, window = 50_000, branch = MAIN } = request
  const { metadata } = table
  const writer = snapshotWriter(request)
  const base = branchHead(metadata, branch)
  const manifests = await liveManifests(io, base)
  const chosen = manifests.filter(
    (manifest) => (content === 'all' || manifest.content === content) && rewrites(manifest),
  )
  const targetBytes = numberProperty(metadata.properties, 'commit.manifest.target-size-bytes')
  const replaced: ManifestFile[] = []
  const created: ManifestFile[] = []
  for (const group of Map.groupBy(chosen, (each) => `${each.content} ${each.partitionSpecId}`).values()) {
    const bytes = group.reduce((sum, { manifestLength }) => sum + Number(manifestLength), 0)
    const wanted = Math.max(1, Math.ceil(bytes / Math.max(1, targetBytes)))
    if (group.length === 1 && wanted === 1) continue
    replaced.push(...group)
    created.push(...(await writeSorted(writer, group, wanted, window)))
  }
  if (replaced.length === 0) return null
  checkCounts(replaced, created)
  const gone = new Set(replaced)
  const kept = manifests.filter((manifest) => !gone.has(manifest))
  const entries = created.reduce((sum, { existingFilesCount }) => sum + existingFilesCount, 0)
  const result = await writeSnapshot(writer, {
    base,
    branch,
    manifests: [...created, ...kept],
    summary: snapshotSummary('replace', base?.summary ?? null, [], [], {
      ...request.summary,
      'manifests-created': String(created.length),
      'manifests-kept': String(kept.length),
      'manifests-replaced': String(replaced.length),
      'entries-processed': String(entries),
    }),
    nowMs: request.nowMs,
    retention: request.refRetention,
  })
  return { ...result, replaced, created }
}

/** Where an entry is, and where it goes. */
interface Place {
  readonly manifest: ManifestFile
  readonly index: number
  readonly partition: PartitionTuple
  readonly path: string
}

/**
 * Sorts without holding all entries: a first reading, without metrics, finds the order; then the new manifests are written, as many at a time as
 * the window takes, each time from those old ones that have entries for them.
 */
async function writeSorted(
  writer: SnapshotWriter,
  group: readonly ManifestFile[],
  wanted: number,
  window: number,
): Promise<ManifestFile[]> {
  const [{ content, partitionSpecId }] = group as [ManifestFile]
  const spec = specOf(writer.metadata, partitionSpecId)
  const places = (
    await mapConcurrently(group, MANIFEST_READS, async (manifest) =>
      (await liveEntries(writer, manifest, new Set())).map(({ index, entry: { dataFile } }): Place => ({
        manifest,
        index,
        partition: dataFile.partition,
        path: dataFile.filePath,
      })),
    )
  ).flat()
  places.sort(byPartition)
  const perManifest = Math.max(1, Math.ceil(places.length / wanted))
  const perWindow = Math.max(1, Math.floor(window / perManifest)) * perManifest
  const created: ManifestFile[] = []
  for (let from = 0; from < places.length; from += perWindow) {
    const entries = await readPlaces(writer, places.slice(from, from + perWindow))
    for (let at = 0; at < entries.length; at += perManifest) {
      const manifest = await writeManifest(writer, spec, content, entries.slice(at, at + perManifest))
      // They are not read back, so they need not stay in memory.
      writer.entries.delete(manifest.manifestPath)
      created.push(manifest)
    }
  }
  return created
}

function byPartition(a: Place, b: Place): number {
  for (let field = 0; field < a.partition.length; field++) {
    const order = compareSorted(a.partition[field] ?? null, b.partition[field] ?? null, ascending)
    if (order !== 0) return order
  }
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}

const ascending = { direction: 'asc', nullOrder: 'nulls-first' } as const

async function readPlaces(writer: SnapshotWriter, places: readonly Place[]): Promise<ManifestEntry[]> {
  const entries: ManifestEntry[] = []
  const byManifest = Map.groupBy(
    places.map(({ manifest, index }, position) => ({ manifest, index, position })),
    ({ manifest }) => manifest,
  )
  await mapConcurrently([...byManifest], MANIFEST_READS, async ([manifest, wanted]) => {
    const positions = new Map(wanted.map(({ index, position }) => [index, position]))
    for (const { index, entry } of await liveEntries(writer, manifest)) {
      const position = positions.get(index)
      if (position !== undefined) entries[position] = { ...entry, status: EntryStatus.existing }
    }
  })
  return entries
}

/** @throws MANIFEST_INVALID */
async function liveEntries(
  { io, metadata }: SnapshotWriter,
  manifest: ManifestFile,
  columns?: ReadonlySet<number>,
): Promise<{ readonly index: number; readonly entry: ManifestEntry }[]> {
  const bytes = await io.read(manifest.manifestPath)
  return decodeManifest(bytes, manifest, metadata, columns === undefined ? {} : { columns })
    .map((entry, index) => ({ index, entry }))
    .filter(({ entry }) => entry.status !== EntryStatus.deleted)
}

function checkCounts(replaced: readonly ManifestFile[], created: readonly ManifestFile[]): void {
  const files = (of: readonly ManifestFile[]): number =>
    of.reduce((sum, { addedFilesCount, existingFilesCount }) => sum + addedFilesCount + existingFilesCount, 0)
  const rows = (of: readonly ManifestFile[]): bigint =>
    of.reduce((sum, { addedRowsCount, existingRowsCount }) => sum + addedRowsCount + existingRowsCount, 0n)
  if (files(replaced) === files(created) && rows(replaced) === rows(created)) return
  throw new HindcastError(
    'MANIFEST_INVALID',
    `${replaced.length} manifests hold ${files(created)} files with ${rows(created)} rows, where their list says ${files(replaced)} with ${rows(replaced)}`,
    {
      hint: 'One of them is damaged, or the list that names it. Nothing was changed.',
      context: { manifests: replaced.slice(0, 20).map(({ manifestPath }) => manifestPath) },
    },
  )
}
