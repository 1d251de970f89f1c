import { HindcastError, type ChangedFile, type Micros } from '../../contract/index.ts'
import { planChanges, type DataFile } from '../../iceberg/index.ts'
import type { Runtime } from '../runtime.ts'
import { eventTimesOf, type PinnedSource } from './source.ts'

/** A changed file with the bounds of its event times, both inclusive; null where the metadata has none. */
export interface SourceChange extends ChangedFile {
  readonly from: Micros | null
  readonly to: Micros | null
}

/**
 * What changed of a source's rows from a snapshot to the pinned one, by the file lists of each snapshot between. Snapshots that only
 * rewrote files (Iceberg's operation `replace`: a compaction) changed none. Null when the history does not reach back: the snapshot is
 * expired, or the table was rolled back since.
 */
export async function sourceChanges(
  runtime: Runtime,
  source: PinnedSource,
  since: bigint,
): Promise<readonly SourceChange[] | null> {
  if (since === source.snapshot.snapshotId) return []
  const { table } = source
  const changes = await planChanges({
    table,
    io: runtime.tableFiles(table),
    fromExclusive: since,
    to: source.snapshot.snapshotId,
    columns: [source.eventTime.id],
  }).catch((error: unknown) => {
    if (error instanceof HindcastError && unknownHistory.has(error.code)) return null
    throw error
  })
  if (changes === null) return null
  return changes
    .filter(({ snapshot }) => snapshot.summary['operation'] !== 'replace')
    .flatMap(({ added, removed, deletedFrom }) => [
      ...added.flatMap(({ dataFile }) => describe(source, dataFile, 'added')),
      ...removed.flatMap(({ dataFile }) => describe(source, dataFile, 'removed')),
      ...deletedFrom.flatMap(({ dataFile }) => describe(source, dataFile, 'deleted-from')),
    ])
}

const unknownHistory: ReadonlySet<string> = new Set(['REQUEST_INVALID', 'SNAPSHOT_NOT_FOUND'])

function describe(source: PinnedSource, dataFile: DataFile, change: ChangedFile['change']): SourceChange[] {
  const times = eventTimesOf(source, dataFile)
  return times === null ? [] : [{ path: dataFile.filePath, rows: Number(dataFile.recordCount), change, ...times }]
}
