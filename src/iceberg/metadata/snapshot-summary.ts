/** The counts of a snapshot's summary, as Iceberg's Java library computes them: https://iceberg.apache.org/spec/#optional-snapshot-summary-fields */
import type { DataFile } from '../manifest/model.ts'
import { partitionKey } from '../types/partition-values.ts'

type FileFacts = Pick<DataFile, 'recordCount' | 'fileSizeInBytes' | 'partition'>

const totals = [
  { total: 'total-data-files', added: 'added-data-files', removed: 'deleted-data-files' },
  { total: 'total-records', added: 'added-records', removed: 'deleted-records' },
  { total: 'total-files-size', added: 'added-files-size', removed: 'removed-files-size' },
  { total: 'total-delete-files', added: 'added-delete-files', removed: 'removed-delete-files' },
  { total: 'total-position-deletes', added: 'added-position-deletes', removed: 'removed-position-deletes' },
  { total: 'total-equality-deletes', added: 'added-equality-deletes', removed: 'removed-equality-deletes' },
] as const

/**
 * Summary of a snapshot that adds and removes data files on top of `base`. A total that the base lacks cannot be known and is left
 * out; `total-records` counts the rows of data files, deleted ones included, as everywhere in Iceberg.
 * @param extra the caller's own keys; a standard key among them is ignored
 */
export function snapshotSummary(
  operation: 'append' | 'overwrite' | 'delete',
  base: Readonly<Record<string, string>> | null,
  added: readonly FileFacts[],
  removed: readonly FileFacts[],
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const rows = (files: readonly FileFacts[]): bigint => files.reduce((sum, file) => sum + file.recordCount, 0n)
  const bytes = (files: readonly FileFacts[]): bigint => files.reduce((sum, file) => sum + file.fileSizeInBytes, 0n)
  const changes: Readonly<Record<string, bigint>> = {
    'added-data-files': BigInt(added.length),
    'deleted-data-files': BigInt(removed.length),
    'added-records': rows(added),
    'deleted-records': rows(removed),
    'added-files-size': bytes(added),
    'removed-files-size': bytes(removed),
  }
  const summary: Record<string, string> = { ...extra, operation }
  for (const [key, value] of Object.entries(changes)) {
    if (value > 0n) summary[key] = value.toString()
    else delete summary[key]
  }
  const partitions = new Set([...added, ...removed].map(({ partition }) => partitionKey(partition)))
  summary['changed-partition-count'] = partitions.size.toString()
  for (const { total, added: plus, removed: minus } of totals) {
    const before = base === null ? '0' : base[total]
    delete summary[total]
    if (before === undefined || !/^\d+$/.test(before)) continue
    const after = BigInt(before) + (changes[plus] ?? 0n) - (changes[minus] ?? 0n)
    if (after >= 0n) summary[total] = after.toString()
  }
  return summary
}
