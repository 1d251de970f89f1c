/** Which files a reader of a snapshot must read: https://iceberg.apache.org/spec/#scan-planning */
import { HindcastError } from '../../contract/index.ts'
import { hasLiveFiles } from '../actions/write-snapshot.ts'
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import type { FileIO } from '../file-io.ts'
import { decodeManifest, schemasNewestFirst } from '../manifest/manifest.ts'
import { EntryStatus, type DataFile, type ManifestFile } from '../manifest/model.ts'
import { readManifests } from '../manifest/read-manifests.ts'
import { snapshotFor } from '../metadata/snapshots.ts'
import type { TableMetadata } from '../metadata/table-metadata.ts'
import type { Table } from '../table.ts'
import { boundsMayOverlap, rangeFilter, type RangeFilter, type TimeRange } from './time-range.ts'

export interface PlannedFile {
  readonly dataFile: DataFile
  readonly specId: number
  readonly sequenceNumber: bigint
}

export interface FilePlan {
  readonly files: readonly PlannedFile[]
  /** Position and equality deletes that may concern the files: a reader that cannot apply them must refuse. */
  readonly deleteFiles: readonly DataFile[]
}

export interface PlanFilesRequest {
  readonly table: Pick<Table, 'metadata'>
  readonly io: FileIO
  /** Unless given, or null, what `main` shows. */
  readonly snapshotId?: bigint | null
  /** Leaves out files that certainly hold no row with a time in the range. Rows without a time are in no range. */
  readonly timeRange?: TimeRange
}

/**
 * The live files of a snapshot; none for a table that shows nothing. With a time range, files are ruled out by the partition
 * summaries of their manifest, by their partition, then by their bounds.
 * @throws SNAPSHOT_NOT_FOUND; FEATURE_UNSUPPORTED for a time range over a column that is no date or timestamp; MANIFEST_INVALID
 */
export async function planFiles(request: PlanFilesRequest): Promise<FilePlan> {
  const { io, timeRange } = request
  const { metadata } = request.table
  const snapshotId = request.snapshotId ?? metadata.currentSnapshotId
  if (snapshotId === null) return { files: [], deleteFiles: [] }
  const manifests = (await readManifests(io, snapshotFor(metadata, { snapshotId }))).filter(hasLiveFiles)
  const filterOf = filters(metadata, timeRange)
  const wanted = manifests.filter((manifest) => filterOf(manifest)?.mayHold(manifest.partitions) ?? true)
  const perManifest = await mapConcurrently(wanted, MANIFEST_READS, async (manifest) => {
    const entries = decodeManifest(await io.read(manifest.manifestPath), manifest, metadata)
    const filter = filterOf(manifest)
    return entries
      .filter(({ status }) => status !== EntryStatus.deleted)
      .filter(({ dataFile }) => filter?.mayHoldIn(dataFile.partition) ?? true)
      .map(({ dataFile, sequenceNumber }) => ({
        content: manifest.content,
        file: { dataFile, specId: manifest.partitionSpecId, sequenceNumber: sequenceNumber ?? manifest.sequenceNumber },
      }))
  })
  const live = perManifest.flat()
  const data = live.filter(({ content }) => content === 'data').map(({ file }) => file)
  const columnType = timeRange === undefined ? null : timeColumnType(metadata, timeRange)
  return {
    files:
      timeRange === undefined || columnType === null
        ? data
        : data.filter(({ dataFile }) => boundsMayOverlap(dataFile, columnType, timeRange)),
    deleteFiles: live.filter(({ content }) => content === 'deletes').map(({ file }) => file.dataFile),
  }
}

function timeColumnType(metadata: TableMetadata, range: TimeRange): 'date' | 'timestamp' | 'timestamptz' {
  for (const schema of schemasNewestFirst(metadata)) {
    const type = schema.fields.find(({ id }) => id === range.fieldId)?.type
    if (type === 'date' || type === 'timestamp' || type === 'timestamptz') return type
    if (type !== undefined) break
  }
  throw new HindcastError(
    'FEATURE_UNSUPPORTED',
    `a time range needs a date or timestamp column, and ${range.fieldId} is none`,
    {
      context: { fieldId: range.fieldId },
    },
  )
}

/** The filter of a manifest's partition spec; null without a range, and for a spec that says nothing of the column. */
function filters(
  metadata: TableMetadata,
  range: TimeRange | undefined,
): (manifest: ManifestFile) => RangeFilter | null {
  if (range === undefined) return () => null
  const type = timeColumnType(metadata, range)
  const bySpec = new Map(metadata.partitionSpecs.map((spec) => [spec.specId, rangeFilter(spec, type, range)]))
  return ({ partitionSpecId }) => bySpec.get(partitionSpecId) ?? null
}
