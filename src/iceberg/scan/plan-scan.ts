/** Which files a reader of a snapshot must read: https://iceberg.apache.org/spec/#scan-planning */
import { bindExpression } from '../expression/bind.ts'
import { boundFieldIds, boundTrue, compile, type BoundExpression } from '../expression/bound.ts'
import { alwaysTrue, type Expression } from '../expression/expression.ts'
import { fileMayMatch } from '../expression/metrics-filter.ts'
import { tableFilter, type TableFilter } from '../expression/table-filter.ts'
import type { FileIO } from '../file-io.ts'
import { DataContent, hasLiveFiles, type DataFile, type ManifestFile } from '../manifest/model.ts'
import { readManifests } from '../manifest/read-manifests.ts'
import type { SnapshotSelector } from '../metadata/snapshots.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import type { Table } from '../table.ts'
import type { Schema } from '../types/schema.ts'
import { chooseSnapshot } from './choose-snapshot.ts'
import { DeleteIndex } from './delete-index.ts'
import { readFiles, withMetricsOf } from './live-files.ts'
import type { DeleteFile, ScanTask } from './scan-task.ts'

export interface ScanOptions {
  readonly table: Pick<Table, 'metadata'>
  readonly io: Pick<FileIO, 'read'>
  /** Leaves out files that certainly hold no matching row. */
  readonly filter?: Expression
  /** The field ids of columns whose metrics the tasks' files keep; none unless given. `all` also keeps split offsets. */
  readonly columns?: Iterable<number> | 'all'
  /** Of these columns only null counts and bounds are looked at: sizes and other counts may be missing, which saves their time and memory. */
  readonly boundsOnly?: boolean
}

export interface ScanRequest extends ScanOptions {
  /** Unless given, or null, what `main` shows. */
  readonly snapshotId?: bigint | null
  /** In place of `snapshotId`: also a branch, a tag or a time. */
  readonly asOf?: SnapshotSelector
  /**
   * The files will be read whole, and rows that do not match the filter are wanted too, as when they are rewritten: no delete is left out for
   * concerning only rows that do not match, and residuals are true.
   */
  readonly wholeFiles?: boolean
}

/** What a scan reads the files of. */
export interface ScannedSnapshot {
  /** Null for a table that shows nothing. */
  readonly snapshot: Snapshot | null
  /** What to read the files by, and what the filter was bound to. */
  readonly schema: Schema
  readonly filter: BoundExpression
}

export interface ScanPlan extends ScannedSnapshot {
  /** In the order of the manifests and their entries. */
  readonly tasks: readonly ScanTask[]
}

/**
 * The data files of a snapshot that may hold rows which match the filter, each with the deletes that apply to it. Files are ruled out
 * by the partition summaries of their manifest, by their partition and by their metrics, each through the partition spec it was written
 * with.
 * @throws SNAPSHOT_NOT_FOUND; REF_NOT_FOUND; REQUEST_INVALID for a filter that the schema does not bear; MANIFEST_INVALID
 */
export async function planScan(request: ScanRequest): Promise<ScanPlan> {
  const { taken, ...scanned } = await collectScan(request, (task) => task)
  return { ...scanned, tasks: taken }
}

/**
 * As `planScan`, keeping of every task only what `take` makes of it, and nothing for null: of a hundred thousand files, all that manifests
 * say is hundreds of megabytes.
 */
export async function collectScan<T>(
  request: ScanRequest,
  take: (task: ScanTask) => T | null,
): Promise<ScannedSnapshot & { readonly taken: readonly T[] }> {
  const { io, snapshotId = null, wholeFiles = false } = request
  const { metadata } = request.table
  const asOf = request.asOf ?? (snapshotId === null ? null : { snapshotId })
  const { snapshot, schema } = chooseSnapshot(metadata, asOf)
  const bound = bindExpression(request.filter ?? alwaysTrue, schema)
  if (snapshot === null) return { snapshot, schema, filter: bound, taken: [] }
  const filter = tableFilter(bound, metadata)
  const manifests = (await readManifests(io, snapshot)).filter(
    (manifest) => hasLiveFiles(manifest) && filter.manifestMayMatch(manifest),
  )
  const deletes = await readDeletes(io, metadata, manifests, wholeFiles ? partitionsOnly(filter) : filter)
  const taken = await readTasks({
    io,
    metadata,
    manifests,
    filter,
    deletes,
    wholeFiles,
    columns: request.columns ?? [],
    boundsOnly: request.boundsOnly ?? false,
    take,
  })
  return { snapshot, schema, filter: bound, taken }
}

const ofContent = (manifests: readonly ManifestFile[], content: ManifestFile['content']): ManifestFile[] =>
  manifests.filter((manifest) => manifest.content === content)

interface TasksRequest<T> {
  readonly io: Pick<FileIO, 'read'>
  readonly metadata: TableMetadata
  readonly manifests: readonly ManifestFile[]
  readonly filter: TableFilter
  readonly deletes: DeleteIndex
  readonly wholeFiles: boolean
  readonly columns: Iterable<number> | 'all'
  readonly boundsOnly: boolean
  readonly take: (task: ScanTask) => T | null
}

function readTasks<T>(request: TasksRequest<T>): Promise<T[]> {
  const { filter, deletes, wholeFiles } = request
  const judged = [...boundFieldIds(filter.expression), ...deletes.equalityFieldIds]
  const kept = request.columns === 'all' ? null : new Set(request.columns)
  const read = kept === null ? null : new Set([...kept, ...judged])
  return readFiles({
    io: request.io,
    metadata: request.metadata,
    manifests: ofContent(request.manifests, 'data'),
    ...(read === null ? {} : { columns: read }),
    // A filter and equality deletes are judged by all metrics.
    boundsOnly: request.boundsOnly && judged.length === 0,
    take: (file): T | null => {
      const { dataFile, specId, sequenceNumber } = file
      if (!filter.fileMayMatch(dataFile, specId)) return null
      return request.take({
        dataFile: kept === null || kept.size === read?.size ? dataFile : withMetricsOf(dataFile, kept),
        specId,
        sequenceNumber,
        deletes: deletes.deletesFor(file),
        residual: wholeFiles ? boundTrue : filter.residual(specId, dataFile.partition),
      })
    },
  })
}

/** Whether deletes of a partition, and of these values, may concern a row that is wanted. */
type DeleteFilter = Pick<TableFilter, 'partitionMayMatch' | 'expression'>

const partitionsOnly = (filter: TableFilter): DeleteFilter => ({
  partitionMayMatch: (specId, tuple) => filter.partitionMayMatch(specId, tuple),
  expression: boundTrue,
})

/** Delete files that may concern rows of the filter. */
async function readDeletes(
  io: Pick<FileIO, 'read'>,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
  filter: DeleteFilter,
): Promise<DeleteIndex> {
  const deleteManifests = ofContent(manifests, 'deletes')
  if (deleteManifests.length === 0) return new DeleteIndex([], metadata)
  const files = await readFiles<DeleteFile>({
    io,
    metadata,
    manifests: deleteManifests,
    take: (file) => {
      if (!filter.partitionMayMatch(file.specId, file.dataFile.partition)) return null
      return equalityMayConcern(file.dataFile, filter.expression) ? file : null
    },
  })
  return new DeleteIndex(files, metadata)
}

/** Only the columns that it compares bind an equality-delete file's values to those of the rows that it deletes. */
function equalityMayConcern(file: DataFile, expression: BoundExpression): boolean {
  if (file.content !== DataContent.equalityDeletes || expression.kind === 'true') return true
  const compared = new Set(file.equalityIds)
  return compile<DataFile>(expression, (predicate) =>
    compared.has(predicate.column.fieldId) ? fileMayMatch(predicate) : () => true,
  )(file)
}
