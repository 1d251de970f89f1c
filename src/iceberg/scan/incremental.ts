/** What incremental scans have in common. */
import { HindcastError } from '../../contract/index.ts'
import { bindExpression } from '../expression/bind.ts'
import { alwaysTrue } from '../expression/expression.ts'
import { tableFilter, type TableFilter } from '../expression/table-filter.ts'
import { DataContent, type EntryStatus, hasLiveFiles, type ManifestFile } from '../manifest/model.ts'
import { readManifests } from '../manifest/read-manifests.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import type { Schema } from '../types/schema.ts'
import { chooseSnapshot } from './choose-snapshot.ts'
import { readFiles, withMetricsOf } from './live-files.ts'
import type { ScanOptions } from './plan-scan.ts'
import type { DeleteFile, ScanFile, ScanTask } from './scan-task.ts'
import { snapshotsBetween } from './snapshot-range.ts'

export interface IncrementalRequest extends ScanOptions {
  /** What was seen already: an ancestor of `to`, which may have been expired since; null for nothing. */
  readonly fromExclusive: bigint | null
  /** Unless given, what `main` shows. */
  readonly to?: bigint
}

export interface IncrementalScan {
  readonly metadata: TableMetadata
  readonly to: Snapshot
  readonly schema: Schema
  readonly filter: TableFilter
  /** Oldest first. */
  readonly between: readonly Snapshot[]
  /** A snapshot's manifests in which files of the filter may be. */
  manifestsOf(snapshot: Snapshot): Promise<{ readonly data: ManifestFile[]; readonly deletes: ManifestFile[] }>
  /** Files that the snapshot itself added or removed, with all their metrics. */
  changedFiles(manifests: readonly ManifestFile[], snapshot: Snapshot, status: EntryStatus): Promise<ScanFile[]>
  /** Files that are there, with all their metrics. */
  liveFiles(manifests: readonly ManifestFile[]): Promise<ScanFile[]>
  /** The file with the metrics that were asked for. */
  toFile(file: ScanFile): ScanFile
  toTask(file: ScanFile, deletes: readonly DeleteFile[]): ScanTask
}

/** @throws REQUEST_INVALID when there is nothing to end at, or the beginning is no ancestor of it; SNAPSHOT_NOT_FOUND */
export function incrementalScan(request: IncrementalRequest): IncrementalScan {
  const { io, fromExclusive } = request
  const { metadata } = request.table
  const { snapshot: to, schema } = chooseSnapshot(
    metadata,
    request.to === undefined ? null : { snapshotId: request.to },
  )
  if (to === null) throw new HindcastError('REQUEST_INVALID', 'the table has no snapshot to scan up to')
  const filter = tableFilter(bindExpression(request.filter ?? alwaysTrue, schema), metadata)
  const kept = request.columns === 'all' ? null : new Set(request.columns ?? [])
  const toFile = (file: ScanFile): ScanFile =>
    kept === null ? file : { ...file, dataFile: withMetricsOf(file.dataFile, kept) }
  // Deletes are judged by their partition alone: their metrics tell of the columns that they compare.
  const wanted = (file: ScanFile): ScanFile | null => {
    const matches =
      file.dataFile.content === DataContent.data
        ? filter.fileMayMatch(file.dataFile, file.specId)
        : filter.partitionMayMatch(file.specId, file.dataFile.partition)
    return matches ? file : null
  }
  return {
    metadata,
    to,
    schema,
    filter,
    between: snapshotsBetween(metadata, fromExclusive, to.snapshotId),
    manifestsOf: async (snapshot) => {
      const manifests = (await readManifests(io, snapshot)).filter((manifest) => filter.manifestMayMatch(manifest))
      const of = (content: ManifestFile['content']): ManifestFile[] =>
        manifests.filter((manifest) => manifest.content === content)
      return { data: of('data'), deletes: of('deletes') }
    },
    changedFiles: (manifests, snapshot, status) =>
      readFiles({
        io,
        metadata,
        manifests: manifests.filter(({ addedSnapshotId }) => addedSnapshotId === snapshot.snapshotId),
        entries: (entry) => entry.status === status && entry.snapshotId === snapshot.snapshotId,
        take: wanted,
      }),
    liveFiles: (manifests) => readFiles({ io, metadata, manifests: manifests.filter(hasLiveFiles), take: wanted }),
    toFile,
    toTask: (file, deletes) => ({
      ...toFile(file),
      deletes,
      residual: filter.residual(file.specId, file.dataFile.partition),
    }),
  }
}
