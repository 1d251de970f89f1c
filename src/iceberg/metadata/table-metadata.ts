/** Table metadata as the spec has it: https://iceberg.apache.org/spec/#table-metadata */
import type { Schema } from '../types/schema.ts'

export interface PartitionField {
  readonly sourceId: number
  readonly fieldId: number
  readonly name: string
  /** `identity`, `bucket[16]`, `truncate[4]`, `year`, `month`, `day`, `hour` or `void`. */
  readonly transform: string
}

export interface PartitionSpec {
  readonly specId: number
  readonly fields: readonly PartitionField[]
}

export interface SortField {
  readonly transform: string
  readonly sourceId: number
  readonly direction: 'asc' | 'desc'
  readonly nullOrder: 'nulls-first' | 'nulls-last'
}

export interface SortOrder {
  readonly orderId: number
  readonly fields: readonly SortField[]
}

export interface Snapshot {
  readonly snapshotId: bigint
  readonly parentSnapshotId?: bigint
  readonly sequenceNumber: bigint
  readonly timestampMs: number
  readonly manifestList: string
  /** `operation` is always there; values are strings. */
  readonly summary: Readonly<Record<string, string>>
  readonly schemaId?: number
}

export interface SnapshotRef {
  readonly snapshotId: bigint
  readonly type: 'branch' | 'tag'
  readonly minSnapshotsToKeep?: number
  readonly maxSnapshotAgeMs?: number
  readonly maxRefAgeMs?: number
}

export interface TableMetadata {
  readonly formatVersion: 2
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
  /** Fields of the JSON that this version does not know, kept as they came and written back. */
  readonly unknownFields: Readonly<Record<string, unknown>>
}
