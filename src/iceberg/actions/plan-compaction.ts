/** Which data files are worth rewriting together. The thresholds are those of Iceberg's Java library. */
import { HindcastError } from '../../contract/index.ts'
import { DataContent } from '../manifest/model.ts'
import { numberProperty } from '../metadata/properties.ts'
import type { TableMetadata } from '../metadata/table-metadata.ts'
import { referencedFile } from '../scan/delete-index.ts'
import type { ScanTask } from '../scan/scan-task.ts'
import { partitionKey } from '../types/partition-values.ts'

export interface CompactionLimits {
  /** What a file is to have; the table property `write.target-file-size-bytes` unless given. */
  readonly targetFileBytes?: number
  /** Smaller files are rewritten: 75 % of the target unless given. */
  readonly minFileBytes?: number
  /** Larger files are split: 180 % of the target unless given. */
  readonly maxFileBytes?: number
  /** So many files are rewritten together however small they are; 5 unless given. */
  readonly minInputFiles?: number
  /** A file with so many delete files is rewritten whatever its size; not counted unless given. */
  readonly deleteFileThreshold?: number
  /** As is one of which so great a part of the rows is deleted; 0.3 unless given. */
  readonly deleteRatioThreshold?: number
  /** And, if true, one of a partition spec that is not the table's any more. */
  readonly olderSpecs?: boolean
  /** Everything is rewritten. */
  readonly rewriteAll?: boolean
  /** The most that one group has, so that its rows fit on local disk; 5 GB unless given. */
  readonly maxGroupBytes?: number
}

/** Files that are rewritten together. */
export interface CompactionGroup {
  readonly tasks: readonly ScanTask[]
  readonly bytes: number
  /** How many files it should become in each partition, if all of it is in one. */
  readonly files: number
}

/**
 * Groups of files of one partition each; those of former partition specs, whose rows may belong anywhere now, are grouped by
 * themselves.
 * @throws REQUEST_INVALID for limits that would have files rewritten again and again
 */
export function planCompaction(
  metadata: Pick<TableMetadata, 'properties' | 'defaultSpecId'>,
  tasks: readonly ScanTask[],
  limits: CompactionLimits = {},
): CompactionGroup[] {
  const rules = rulesOf(metadata, limits)
  const readable = tasks.filter(
    ({ dataFile }) => dataFile.fileFormat === 'PARQUET' && dataFile.keyMetadata === undefined,
  )
  const places = Map.groupBy(readable, ({ specId, dataFile }) =>
    specId === metadata.defaultSpecId ? partitionKey(dataFile.partition) : 'former specs',
  )
  return [...places.values()].flatMap((files) =>
    pack(files.filter(rules.isCandidate), rules.maxGroupBytes)
      .filter(rules.isWorthwhile)
      .map((group) => ({ tasks: group, bytes: bytesOf(group), files: filesFor(bytesOf(group), rules.targetBytes) })),
  )
}

const bytesOf = (tasks: readonly ScanTask[]): number =>
  tasks.reduce((sum, { dataFile }) => sum + Number(dataFile.fileSizeInBytes), 0)

/**
 * Files of equal size between 80 % and 160 % of the target: by no means so small, or so large, that the next compaction takes them up
 * again.
 */
const filesFor = (bytes: number, targetBytes: number): number => Math.max(1, Math.floor(bytes / targetBytes + 0.4))

interface Rules {
  readonly targetBytes: number
  readonly maxGroupBytes: number
  readonly isCandidate: (task: ScanTask) => boolean
  readonly isWorthwhile: (group: readonly ScanTask[]) => boolean
}

function rulesOf(
  { properties, defaultSpecId }: Pick<TableMetadata, 'properties' | 'defaultSpecId'>,
  limits: CompactionLimits,
): Rules {
  const targetBytes = limits.targetFileBytes ?? numberProperty(properties, 'write.target-file-size-bytes')
  const { minFileBytes = targetBytes * 0.75, maxFileBytes = targetBytes * 1.8, minInputFiles = 5 } = limits
  const { deleteFileThreshold = Number.POSITIVE_INFINITY, deleteRatioThreshold = 0.3, maxGroupBytes = 5e9 } = limits
  if (!(minFileBytes < targetBytes && targetBytes < maxFileBytes && minInputFiles > 0 && maxGroupBytes > 0)) {
    throw new HindcastError(
      'REQUEST_INVALID',
      `files of ${targetBytes} bytes cannot be made of those below ${minFileBytes} and above ${maxFileBytes}`,
      {
        hint: 'The target lies between the smallest and the largest size of a file, and all limits above 0.',
        context: { targetBytes, minFileBytes, maxFileBytes, minInputFiles, maxGroupBytes },
      },
    )
  }
  const hasManyDeletes = (task: ScanTask): boolean =>
    task.deletes.length >= deleteFileThreshold || deletedShare(task) >= deleteRatioThreshold
  const isFormer = ({ specId }: ScanTask): boolean => limits.olderSpecs === true && specId !== defaultSpecId
  const hasOddSize = ({ dataFile: { fileSizeInBytes } }: ScanTask): boolean =>
    Number(fileSizeInBytes) < minFileBytes || Number(fileSizeInBytes) > maxFileBytes
  return {
    targetBytes,
    maxGroupBytes,
    isCandidate: (task) => limits.rewriteAll === true || hasOddSize(task) || hasManyDeletes(task) || isFormer(task),
    isWorthwhile: (group) =>
      limits.rewriteAll === true ||
      (group.length > 1 && (group.length >= minInputFiles || bytesOf(group) > targetBytes)) ||
      bytesOf(group) > maxFileBytes ||
      group.some((task) => hasManyDeletes(task) || isFormer(task)),
  }
}

/** The part of a file's rows that is certainly deleted: only deletes that are about this file alone are counted. */
function deletedShare({ dataFile, deletes }: ScanTask): number {
  const known = deletes.filter(
    (each) => each.dataFile.content === DataContent.positionDeletes && referencedFile(each.dataFile) !== null,
  )
  if (known.length === 0) return 0
  const deleted = known.reduce((sum, each) => sum + each.dataFile.recordCount, 0n)
  return Number(deleted) / Math.max(1, Number(dataFile.recordCount))
}

/** Neighbours in groups of at most so many bytes; a file beyond that has one of its own. */
function pack(tasks: readonly ScanTask[], maxBytes: number): ScanTask[][] {
  const groups: ScanTask[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const task of tasks) {
    const bytes = Number(task.dataFile.fileSizeInBytes)
    if (size + bytes > maxBytes) {
      groups.push([])
      size = 0
    }
    groups.at(-1)?.push(task)
    size += bytes
  }
  return groups
}

/** Delete files that apply to these tasks and to no other of the snapshot: once the tasks are rewritten, to nothing. */
export function deletesOnlyOf(
  rewritten: readonly ScanTask[],
  all: readonly ScanTask[],
): readonly ScanTask['deletes'][number][] {
  const gone = new Set(rewritten)
  const stillNeeded = new Set(all.filter((task) => !gone.has(task)).flatMap(({ deletes }) => deletes))
  return [...new Set(rewritten.flatMap(({ deletes }) => deletes))].filter((file) => !stillNeeded.has(file))
}
