import type { LedgerEntry, PlannedPartition } from '../../contract/index.ts'
import { planScan, type Table } from '../../iceberg/index.ts'
import type { Runtime } from '../runtime.ts'
import { filesByPartition, mainHead } from './target.ts'

type Candidate = Pick<PlannedPartition, 'ordinal' | 'key' | 'source'>

/**
 * Entries of the ledger from the table alone, where the build record is lost. A data file's name is a hash of all that it was computed from, so
 * what a partition would be computed from now either gives the name of the file that is there, or something differs. Partitions that
 * came out empty have no file to tell by, and are computed again.
 * @param partitions those that have files and no entry, with what they would be computed from now
 * @param pathOf where the file of a partition goes that replaces these
 */
export async function recoverLedger(
  runtime: Runtime,
  table: Table,
  partitions: readonly Candidate[],
  fingerprint: string,
  pathOf: (partition: Candidate, replaces: readonly string[]) => string,
): Promise<Readonly<Record<string, LedgerEntry>>> {
  const { metadata } = table
  const { tasks } = await planScan({ table, io: runtime.tableFiles(table), snapshotId: mainHead(metadata) })
  const parents = new Map(
    metadata.snapshots.map(({ sequenceNumber, parentSnapshotId }) => [sequenceNumber, parentSnapshotId ?? null]),
  )
  const byOrdinal = Map.groupBy(tasks, ({ dataFile }) => dataFile.partition[0])
  const before = new Map<bigint | null, ReturnType<typeof filesByPartition>>()
  const ledger: Record<string, LedgerEntry> = {}
  for (const partition of partitions) {
    const [task, ...others] = byOrdinal.get(partition.ordinal) ?? []
    const parent = task === undefined ? undefined : parents.get(task.sequenceNumber)
    if (task === undefined || parent === undefined || others.length > 0) continue
    const files = before.get(parent) ?? filesByPartition(runtime, table, parent)
    before.set(parent, files)
    const replaced = ((await files).get(partition.ordinal) ?? []).map(({ filePath }) => filePath)
    const { filePath, recordCount } = task.dataFile
    if (pathOf(partition, replaced) !== filePath) continue
    ledger[partition.key] = {
      definition: fingerprint,
      source: partition.source,
      files: [filePath],
      rows: Number(recordCount),
    }
  }
  return ledger
}
