/** What a table's snapshots lead to. Paths are compared in their one spelling, for writers spell one place in different ways. */
import {
  decodeManifest,
  EntryStatus,
  mapConcurrently,
  readManifests,
  type FileIO,
  type ManifestContext,
  type ManifestFile,
  type Snapshot,
  type Table,
} from '../../iceberg/index.ts'
import { normalizeUri } from '../files/index.ts'

/** Manifests or manifest lists in flight at once. */
const reads = 8

type Reader = Pick<FileIO, 'read'>

/** Calls `visit` with every manifest that the snapshots name, one snapshot after the other: with some of them again and again. */
export async function visitManifests(
  io: Reader,
  snapshots: readonly Snapshot[],
  visit: (path: string, manifest: ManifestFile) => void,
): Promise<void> {
  await mapConcurrently(snapshots, reads, async (snapshot) => {
    for (const manifest of await readManifests(io, snapshot)) visit(normalizeUri(manifest.manifestPath), manifest)
  })
}

/** What is kept in memory of a manifest that will be read later. */
export function withoutSummaries(manifest: ManifestFile): ManifestFile {
  const { partitions: _, ...facts } = manifest
  return facts
}

export interface LivePath {
  /** In its one spelling. */
  readonly path: string
  readonly asWritten: string
  readonly isDelete: boolean
  readonly size: bigint
}

/** The data and delete files that a manifest shows; a Puffin file once for each of its deletion vectors. */
export async function livePaths(
  io: Reader,
  context: ManifestContext,
  manifest: ManifestFile,
): Promise<readonly LivePath[]> {
  const bytes = await io.read(manifest.manifestPath)
  const isDelete = manifest.content === 'deletes'
  return decodeManifest(bytes, manifest, context, { columns: new Set() })
    .filter(({ status }) => status !== EntryStatus.deleted)
    .map(({ dataFile: { filePath, fileSizeInBytes } }) => ({
      path: normalizeUri(filePath),
      asWritten: filePath,
      isDelete,
      size: fileSizeInBytes,
    }))
}

/** Calls `visit` with the path of every live file of the manifests, until it returns false. */
export async function visitLiveFiles(
  io: Reader,
  context: ManifestContext,
  manifests: Iterable<ManifestFile>,
  visit: (path: string) => boolean,
): Promise<void> {
  let wanted = true
  await mapConcurrently([...manifests], reads, async (manifest) => {
    if (!wanted) return
    for (const { path } of await livePaths(io, context, manifest)) if (!visit(path)) wanted = false
  })
}

/** Everything that the metadata itself names: itself, its log, manifest lists, version 1's manifests, statistics. */
export function namedFiles({ metadata, metadataLocation }: Pick<Table, 'metadata' | 'metadataLocation'>): Set<string> {
  const { snapshots, metadataLog, statistics, partitionStatistics } = metadata
  const named = [
    metadataLocation,
    ...metadataLog.map(({ metadataFile }) => metadataFile),
    ...snapshots.flatMap(({ manifestList, manifests }) => manifests ?? [manifestList]),
    ...statistics.map(({ statisticsPath }) => statisticsPath),
    ...partitionStatistics.map(({ statisticsPath }) => statisticsPath),
  ]
  return new Set(named.map(normalizeUri))
}
