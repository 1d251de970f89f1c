/** Table metadata as the spec has it: https://iceberg.apache.org/spec/#table-metadata */
import type { Schema, UnknownFields } from '../types/schema.ts'

export interface PartitionField {
  readonly sourceId: number
  readonly fieldId: number
  readonly name: string
  /** `identity`, `bucket[16]`, `truncate[4]`, `year`, `month`, `day`, `hour` or `void`; or one that only newer readers know. */
  readonly transform: string
  /** Version 3: the columns of a transform of several; `sourceId` is then the first. */
  readonly sourceIds?: readonly number[]
  readonly unknownFields?: UnknownFields
}

export interface PartitionSpec {
  readonly specId: number
  readonly fields: readonly PartitionField[]
  readonly unknownFields?: UnknownFields
}

export interface SortField {
  readonly transform: string
  readonly sourceId: number
  readonly direction: 'asc' | 'desc'
  readonly nullOrder: 'nulls-first' | 'nulls-last'
  readonly sourceIds?: readonly number[]
  readonly unknownFields?: UnknownFields
}

export interface SortOrder {
  readonly orderId: number
  readonly fields: readonly SortField[]
  readonly unknownFields?: UnknownFields
}

export interface Snapshot {
  readonly snapshotId: bigint
  readonly parentSnapshotId?: bigint
  readonly sequenceNumber: bigint
  readonly timestampMs: number
  readonly manifestList: string
  /** Version 1 only: the manifests themselves, where there is no list; `manifestList` is then empty. */
  readonly manifests?: readonly string[]
  /** `operation` is always there; values are strings. */
  readonly summary: Readonly<Record<string, string>>
  readonly schemaId?: number
  /** Version 3: the row id that the first row added by this snapshot takes, and an upper bound of how many it assigns. */
  readonly firstRowId?: bigint
  readonly addedRows?: bigint
  readonly unknownFields?: UnknownFields
}

export interface SnapshotRef {
  readonly snapshotId: bigint
  readonly type: 'branch' | 'tag'
  readonly minSnapshotsToKeep?: number
  readonly maxSnapshotAgeMs?: number
  readonly maxRefAgeMs?: number
  readonly unknownFields?: UnknownFields
}

/** A Puffin file of column statistics: https://iceberg.apache.org/spec/#table-statistics */
export interface StatisticsFile {
  readonly snapshotId: bigint
  readonly statisticsPath: string
  readonly fileSizeInBytes: bigint
  /** The whole JSON object, blobs included, as it came. */
  readonly json: UnknownFields
}

/** https://iceberg.apache.org/spec/#partition-statistics */
export interface PartitionStatisticsFile {
  readonly snapshotId: bigint
  readonly statisticsPath: string
  readonly fileSizeInBytes: bigint
  readonly json: UnknownFields
}

/** Version 1 is read, and raised to 2 before anything is written. */
export type FormatVersion = 1 | 2 | 3

export interface TableMetadata {
  readonly formatVersion: FormatVersion
  readonly tableUuid: string
  readonly location: string
  readonly lastSequenceNumber: bigint
  readonly lastUpdatedMs: number
  readonly lastColumnId: number
  readonly currentSchemaId: number
  readonly schemas: readonly Schema[]
  readonly defaultSpecId: number
  readonly partitionSpecs: readonly PartitionSpec[]
  readonly lastPartitionId: number
  readonly defaultSortOrderId: number
  readonly sortOrders: readonly SortOrder[]
  readonly properties: Readonly<Record<string, string>>
  readonly currentSnapshotId: bigint | null
  readonly snapshots: readonly Snapshot[]
  readonly snapshotLog: readonly { readonly snapshotId: bigint; readonly timestampMs: number }[]
  readonly metadataLog: readonly { readonly metadataFile: string; readonly timestampMs: number }[]
  readonly refs: Readonly<Record<string, SnapshotRef>>
  readonly statistics: readonly StatisticsFile[]
  readonly partitionStatistics: readonly PartitionStatisticsFile[]
  /** Version 3: above every row id that was ever assigned; 0 before. */
  readonly nextRowId: bigint
  /** Fields of the JSON that this version does not know, kept as they came and written back. */
  readonly unknownFields: UnknownFields
}
