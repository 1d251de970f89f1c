import { HindcastError, type ChangedFile, type Micros } from '../../contract/index.ts'
import { planChanges, type DataFile } from '../../iceberg/index.ts'
import type { Runtime } from '../runtime.ts'
import { validTimesOf, type Dimension } from './dimensions.ts'
import { eventTimesOf, type PinnedSource, type PinnedTable } from './source.ts'

/** Bounds of the event times that a file bears on, both inclusive; null where there is none. */
interface Times {
  readonly from: Micros | null
  readonly to: Micros | null
}

/** A changed file with its bounds. */
export type SourceChange = ChangedFile & Times

/** What changed of a source since a snapshot, as `tableChanges`. */
export const sourceChanges = (
  runtime: Runtime,
  source: PinnedSource,
  since: bigint,
): Promise<readonly SourceChange[] | null> =>
  tableChanges(runtime, source, since, [source.eventTime.id], (file) => eventTimesOf(source, file))

/** The same of a table by the joins that read it. */
export async function dimensionChanges(
  runtime: Runtime,
  dimensions: readonly Dimension[],
  since: bigint,
): Promise<readonly SourceChange[] | null> {
  const [first] = dimensions
  if (first === undefined) return []
  const columns = dimensions.flatMap(({ validFrom }) => (validFrom === null ? [] : [validFrom.id]))
  return tableChanges(runtime, first.pinned, since, columns, (file) => validTimesOf(dimensions, file))
}

/**
 * What changed of a table's rows from a snapshot to the pinned one, by the file lists of each snapshot between. Snapshots that only
 * rewrote files (Iceberg's operation `replace`: a compaction) changed none. Null when the history does not reach back: the snapshot is
 * expired, or the table was rolled back since.
 */
async function tableChanges(
  runtime: Runtime,
  { table, snapshot: pinned }: PinnedTable,
  since: bigint,
  columns: readonly number[],
  timesOf: (file: DataFile) => Times | null,
): Promise<readonly SourceChange[] | null> {
  if (since === pinned.snapshotId) return []
  const changes = await planChanges({
    table,
    io: runtime.tableFiles(table),
    fromExclusive: since,
    to: pinned.snapshotId,
    columns,
  }).catch((error: unknown) => {
    if (error instanceof HindcastError && unknownHistory.has(error.code)) return null
    throw error
  })
  if (changes === null) return null
  const describe = (dataFile: DataFile, change: ChangedFile['change']): SourceChange[] => {
    const times = timesOf(dataFile)
    return times === null ? [] : [{ path: dataFile.filePath, rows: Number(dataFile.recordCount), change, ...times }]
  }
  return changes
    .filter(({ snapshot }) => snapshot.summary['operation'] !== 'replace')
    .flatMap(({ added, removed, deletedFrom }) => [
      ...added.flatMap(({ dataFile }) => describe(dataFile, 'added')),
      ...removed.flatMap(({ dataFile }) => describe(dataFile, 'removed')),
      ...deletedFrom.flatMap(({ dataFile }) => describe(dataFile, 'deleted-from')),
    ])
}

const unknownHistory: ReadonlySet<string> = new Set(['REQUEST_INVALID', 'SNAPSHOT_NOT_FOUND'])
