/** Data files, manifest entries and manifest list entries: https://iceberg.apache.org/spec/#manifests */

/**
 * One value of a primitive type in memory: int, float, double and date (days) are numbers; long, time and timestamps (micros)
 * are bigints; decimals are their unscaled bigint; uuid, fixed and binary are bytes.
 */
export type Literal = boolean | number | bigint | string | Uint8Array

/** Partition values in the order of the partition spec's fields. */
export type PartitionTuple = readonly (Literal | null)[]

export const DataContent = { data: 0, positionDeletes: 1, equalityDeletes: 2 } as const
export type DataContent = (typeof DataContent)[keyof typeof DataContent]

export interface DataFile {
  readonly content: DataContent
  readonly filePath: string
  readonly fileFormat: 'PARQUET' | 'AVRO' | 'ORC' | 'PUFFIN'
  readonly partition: PartitionTuple
  readonly recordCount: bigint
  readonly fileSizeInBytes: bigint
  /** Metrics by field id. Bounds are in the spec's single-value binary form. */
  readonly columnSizes?: ReadonlyMap<number, bigint>
  readonly valueCounts?: ReadonlyMap<number, bigint>
  readonly nullValueCounts?: ReadonlyMap<number, bigint>
  readonly nanValueCounts?: ReadonlyMap<number, bigint>
  readonly lowerBounds?: ReadonlyMap<number, Uint8Array>
  readonly upperBounds?: ReadonlyMap<number, Uint8Array>
  readonly keyMetadata?: Uint8Array
  readonly splitOffsets?: readonly bigint[]
  readonly equalityIds?: readonly number[]
  readonly sortOrderId?: number
  /** Version 3, of data files: the row id of the first row; rows count up from it. Undefined: inherited, or never assigned. */
  readonly firstRowId?: bigint
  /** Of a position-delete file or deletion vector: the one data file whose rows it deletes. */
  readonly referencedDataFile?: string
  /** Of a deletion vector: where its blob lies in the Puffin file, in bytes. */
  readonly contentOffset?: bigint
  readonly contentSizeInBytes?: bigint
}

export const EntryStatus = { existing: 0, added: 1, deleted: 2 } as const
export type EntryStatus = (typeof EntryStatus)[keyof typeof EntryStatus]

/** A manifest entry; in an ADDED entry a null snapshot id and null sequence numbers are inherited from the manifest list. */
export interface ManifestEntry {
  readonly status: EntryStatus
  readonly snapshotId: bigint | null
  readonly sequenceNumber: bigint | null
  readonly fileSequenceNumber: bigint | null
  readonly dataFile: DataFile
}

export interface PartitionFieldSummary {
  readonly containsNull: boolean
  readonly containsNaN?: boolean
  readonly lowerBound?: Uint8Array
  readonly upperBound?: Uint8Array
}

/** One manifest as a manifest list names it. */
export interface ManifestFile {
  readonly manifestPath: string
  readonly manifestLength: bigint
  readonly partitionSpecId: number
  readonly content: 'data' | 'deletes'
  readonly sequenceNumber: bigint
  readonly minSequenceNumber: bigint
  readonly addedSnapshotId: bigint
  readonly addedFilesCount: number
  readonly existingFilesCount: number
  readonly deletedFilesCount: number
  readonly addedRowsCount: bigint
  readonly existingRowsCount: bigint
  readonly deletedRowsCount: bigint
  readonly partitions?: readonly PartitionFieldSummary[]
  readonly keyMetadata?: Uint8Array
  /** Version 3, of data manifests: the row id that the first ADDED file without one of its own takes. */
  readonly firstRowId?: bigint
}

/** Whether a manifest names files that are there, rather than only such as were removed. */
export const hasLiveFiles = ({ addedFilesCount, existingFilesCount }: ManifestFile): boolean =>
  addedFilesCount > 0 || existingFilesCount > 0

/**
 * A written manifest of ADDED entries that no snapshot has yet: snapshot id and sequence numbers are left to inheritance, so that
 * the same file can be staged, and staged again on another head, without being rewritten.
 */
export type DetachedManifest = Omit<
  ManifestFile,
  'sequenceNumber' | 'minSequenceNumber' | 'addedSnapshotId' | 'firstRowId'
>
