/** The counts of a snapshot's summary, as Iceberg's Java library computes them: https://iceberg.apache.org/spec/#optional-snapshot-summary-fields */
import { DataContent, type DataFile } from '../manifest/model.ts'
import { partitionKey } from '../types/partition-values.ts'

/** The key that says `true` of an overwrite of whole partitions, which can be replayed by a cherry-pick. */
export const REPLACE_PARTITIONS = 'replace-partitions'

export type SnapshotOperation = 'append' | 'replace' | 'overwrite' | 'delete'

/** What the summary needs to know of a file. */
export type FileFacts = Pick<DataFile, 'recordCount' | 'fileSizeInBytes' | 'partition'> &
  Partial<Pick<DataFile, 'content' | 'fileFormat' | 'contentSizeInBytes'>> & { readonly specId?: number }

const totals = [
  { total: 'total-data-files', added: 'added-data-files', removed: 'deleted-data-files' },
  { total: 'total-records', added: 'added-records', removed: 'deleted-records' },
  { total: 'total-files-size', added: 'added-files-size', removed: 'removed-files-size' },
  { total: 'total-delete-files', added: 'added-delete-files', removed: 'removed-delete-files' },
  { total: 'total-position-deletes', added: 'added-position-deletes', removed: 'removed-position-deletes' },
  { total: 'total-equality-deletes', added: 'added-equality-deletes', removed: 'removed-equality-deletes' },
] as const

interface Tally {
  dataFiles: bigint
  records: bigint
  bytes: bigint
  deleteFiles: bigint
  positionDeleteFiles: bigint
  dvs: bigint
  equalityDeleteFiles: bigint
  positionDeletes: bigint
  equalityDeletes: bigint
}

function tally(files: readonly FileFacts[]): Tally {
  const sum: Tally = {
    dataFiles: 0n,
    records: 0n,
    bytes: 0n,
    deleteFiles: 0n,
    positionDeleteFiles: 0n,
    dvs: 0n,
    equalityDeleteFiles: 0n,
    positionDeletes: 0n,
    equalityDeletes: 0n,
  }
  for (const { content = DataContent.data, fileFormat, recordCount, fileSizeInBytes, contentSizeInBytes } of files) {
    // Several deletion vectors share a Puffin file: each counts with its own blob.
    sum.bytes += contentSizeInBytes ?? fileSizeInBytes
    if (content === DataContent.data) {
      sum.dataFiles++
      sum.records += recordCount
      continue
    }
    sum.deleteFiles++
    if (content === DataContent.equalityDeletes) {
      sum.equalityDeleteFiles++
      sum.equalityDeletes += recordCount
    } else {
      if (fileFormat === 'PUFFIN') sum.dvs++
      else sum.positionDeleteFiles++
      sum.positionDeletes += recordCount
    }
  }
  return sum
}

/**
 * Summary of a snapshot that adds and removes files on top of `base`. A total that the base lacks cannot be known and is left
 * out; `total-records` counts the rows of data files, deleted ones included, as everywhere in Iceberg.
 * @param extra the caller's own keys; a standard key among them is ignored
 */
export function snapshotSummary(
  operation: SnapshotOperation,
  base: Readonly<Record<string, string>> | null,
  added: readonly FileFacts[],
  removed: readonly FileFacts[],
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const [plus, minus] = [tally(added), tally(removed)]
  const changes: Readonly<Record<string, bigint>> = {
    'added-data-files': plus.dataFiles,
    'deleted-data-files': minus.dataFiles,
    'added-records': plus.records,
    'deleted-records': minus.records,
    'added-files-size': plus.bytes,
    'removed-files-size': minus.bytes,
    'added-delete-files': plus.deleteFiles,
    'removed-delete-files': minus.deleteFiles,
    'added-position-delete-files': plus.positionDeleteFiles,
    'removed-position-delete-files': minus.positionDeleteFiles,
    'added-dvs': plus.dvs,
    'removed-dvs': minus.dvs,
    'added-equality-delete-files': plus.equalityDeleteFiles,
    'removed-equality-delete-files': minus.equalityDeleteFiles,
    'added-position-deletes': plus.positionDeletes,
    'removed-position-deletes': minus.positionDeletes,
    'added-equality-deletes': plus.equalityDeletes,
    'removed-equality-deletes': minus.equalityDeletes,
  }
  const summary: Record<string, string> = { ...extra, operation }
  for (const [key, value] of Object.entries(changes)) {
    if (value > 0n) summary[key] = value.toString()
    else delete summary[key]
  }
  const partitions = new Set(
    [...added, ...removed].map(({ specId, partition }) => `${specId ?? ''}${partitionKey(partition)}`),
  )
  summary['changed-partition-count'] = partitions.size.toString()
  for (const { total, added: more, removed: less } of totals) {
    const before = base === null ? '0' : base[total]
    delete summary[total]
    if (before === undefined || !/^\d+$/.test(before)) continue
    const after = BigInt(before) + (changes[more] ?? 0n) - (changes[less] ?? 0n)
    if (after >= 0n) summary[total] = after.toString()
  }
  return summary
}
