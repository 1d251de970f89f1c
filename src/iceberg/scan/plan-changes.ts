import { schemasNewestFirst } from '../manifest/manifest.ts'
import { EntryStatus, type ManifestFile } from '../manifest/model.ts'
import { PartitionSearch } from '../manifest/partition-summary.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import { partitionTypes } from '../types/transforms.ts'
import { DeleteIndex } from './delete-index.ts'
import { incrementalScan, type IncrementalRequest, type IncrementalScan } from './incremental.ts'
import type { DeleteFile, ScanFile, ScanTask } from './scan-task.ts'

/** What one snapshot did. Where its summary's operation is `replace` it only rewrote files: the rows are the same as before. */
export interface SnapshotChanges {
  readonly snapshot: Snapshot
  /** Data files that it added, with the deletes that applied to them at once. */
  readonly added: readonly ScanTask[]
  /** Data files that it removed. Which of their rows had been deleted before is not looked at. */
  readonly removed: readonly ScanFile[]
  /** Data files from before to which deletes apply that it added, or applied that it removed; with all that apply to them now. */
  readonly deletedFrom: readonly ScanTask[]
}

/**
 * What each snapshot after one up to another changed, oldest first, by the schema of the last. With a filter, files whose rows cannot
 * match it are left out.
 * @throws REQUEST_INVALID when the first is no ancestor of the second; SNAPSHOT_NOT_FOUND; MANIFEST_INVALID
 */
export async function planChanges(request: IncrementalRequest): Promise<readonly SnapshotChanges[]> {
  const scan = incrementalScan(request)
  const changes: SnapshotChanges[] = []
  for (const snapshot of scan.between) changes.push(await changesOf(scan, snapshot))
  return changes
}

async function changesOf(scan: IncrementalScan, snapshot: Snapshot): Promise<SnapshotChanges> {
  const manifests = await scan.manifestsOf(snapshot)
  const added = await scan.changedFiles(manifests.data, snapshot, EntryStatus.added)
  const removed = await scan.changedFiles(manifests.data, snapshot, EntryStatus.deleted)
  const newDeletes = await scan.changedFiles(manifests.deletes, snapshot, EntryStatus.added)
  const goneDeletes = await scan.changedFiles(manifests.deletes, snapshot, EntryStatus.deleted)
  const changedDeletes = [...newDeletes, ...goneDeletes]
  // A file that is added with its snapshot's own number is younger than every delete but the snapshot's own.
  const late = added.some(({ sequenceNumber }) => sequenceNumber < snapshot.sequenceNumber)
  const live = changedDeletes.length > 0 || late ? await scan.liveFiles(manifests.deletes) : []
  const index = new DeleteIndex(live, scan.metadata)
  const withDeletes = (file: ScanFile): ScanTask => scan.toTask(file, index.deletesFor(file))
  const isAdded = new Set(added.map(({ dataFile }) => dataFile.filePath))
  const changed = [new DeleteIndex(newDeletes, scan.metadata), new DeleteIndex(goneDeletes, scan.metadata)]
  const before =
    changedDeletes.length === 0
      ? []
      : await scan.liveFiles(manifests.data.filter(holdsPartitionsOf(changedDeletes, scan.metadata)))
  return {
    snapshot,
    added: added.map(withDeletes),
    removed: removed.map((file) => scan.toFile(file)),
    deletedFrom: before
      .filter((file) => !isAdded.has(file.dataFile.filePath))
      .filter((file) => changed.some((deletes) => deletes.deletesFor(file).length > 0))
      .map(withDeletes),
  }
}

/** Whether a manifest may hold data files that these deletes apply to. */
function holdsPartitionsOf(
  deletes: readonly DeleteFile[],
  metadata: TableMetadata,
): (manifest: ManifestFile) => boolean {
  const schemas = schemasNewestFirst(metadata)
  const searches = metadata.partitionSpecs.map((spec) => ({
    spec,
    isGlobal: spec.fields.every(({ transform }) => transform === 'void'),
    search: new PartitionSearch(
      partitionTypes(spec, schemas),
      deletes.filter(({ specId }) => specId === spec.specId).map(({ dataFile }) => dataFile.partition),
    ),
  }))
  const global = searches.some(({ spec, isGlobal }) => isGlobal && deletes.some(({ specId }) => specId === spec.specId))
  return ({ partitionSpecId, partitions }) =>
    global || searches.some(({ spec, search }) => spec.specId === partitionSpecId && search.mayOccurIn(partitions))
}
