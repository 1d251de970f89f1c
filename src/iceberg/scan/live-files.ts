import { manifestReads, mapConcurrently } from '../concurrent.ts'
import type { FileIO } from '../file-io.ts'
import { manifestDecoder } from '../manifest/manifest.ts'
import { EntryStatus, type DataFile, type ManifestEntry, type ManifestFile } from '../manifest/model.ts'
import type { TableMetadata } from '../metadata/table-metadata.ts'
import type { ScanFile } from './scan-task.ts'

export interface ReadFilesRequest<T> {
  readonly io: Pick<FileIO, 'read'>
  readonly metadata: TableMetadata
  readonly manifests: readonly ManifestFile[]
  /** The columns whose metrics are wanted; all unless given. */
  readonly columns?: ReadonlySet<number>
  /** Only null counts and bounds of them. */
  readonly boundsOnly?: boolean
  /** Which entries are wanted; the live ones unless given. */
  readonly entries?: (entry: ManifestEntry) => boolean
  /** What to keep of a file; null leaves it out. A few manifests are in memory at a time: what is not kept is not held. */
  readonly take: (file: ScanFile) => T | null
}

/** Reads manifests, a few at a time, in their order. */
export async function readFiles<T>(request: ReadFilesRequest<T>): Promise<T[]> {
  const { io, metadata, columns, boundsOnly = false, take } = request
  const decode = manifestDecoder(metadata, { boundsOnly, ...(columns === undefined ? {} : { columns }) })
  const wanted = request.entries ?? (({ status }: ManifestEntry) => status !== EntryStatus.deleted)
  const largest = request.manifests.reduce((most, { manifestLength: bytes }) => (bytes > most ? bytes : most), 0n)
  const perManifest = await mapConcurrently(request.manifests, manifestReads(largest), async (manifest) => {
    const kept: T[] = []
    for (const entry of decode(await io.read(manifest.manifestPath), manifest)) {
      if (!wanted(entry)) continue
      const { dataFile, sequenceNumber } = entry
      const result = take({
        dataFile,
        specId: manifest.partitionSpecId,
        sequenceNumber: sequenceNumber ?? manifest.sequenceNumber,
      })
      if (result !== null) kept.push(result)
    }
    return kept
  })
  return perManifest.flat()
}

const metricsOf = [
  'columnSizes',
  'valueCounts',
  'nullValueCounts',
  'nanValueCounts',
  'lowerBounds',
  'upperBounds',
] as const

/** The file with the metrics of these columns only. */
export function withMetricsOf(file: DataFile, columns: ReadonlySet<number>): DataFile {
  const kept: Partial<Record<(typeof metricsOf)[number], ReadonlyMap<number, never>>> = {}
  const { columnSizes: _1, valueCounts: _2, nullValueCounts: _3, nanValueCounts: _4, ...rest } = file
  const { lowerBounds: _5, upperBounds: _6, ...bare } = rest
  if (columns.size === 0) return bare
  for (const key of metricsOf) {
    const map = file[key] as ReadonlyMap<number, never> | undefined
    if (map !== undefined) kept[key] = new Map([...map].filter(([id]) => columns.has(id)))
  }
  return { ...bare, ...kept }
}
