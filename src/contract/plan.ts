import type { PartitionReason, PlanSummary } from './backfill.ts'
import type { LedgerEntry, SourcePin } from './record.ts'

/** One partition of the range, and what becomes of it. */
export interface PlannedPartition {
  readonly key: string
  readonly ordinal: number
  readonly reason: PartitionReason
  /** Hash of the source files and columns that it is computed from. */
  readonly source: string
  /** Index into the plan's causes, where it is known what made it stale. */
  readonly cause?: number
  /** Of a fresh one whose source files were only rewritten: the hash of those that it was computed from. */
  readonly formerSource?: string
}

/** What of a definition differs from an earlier one. */
export interface DefinitionChanges {
  /** What all features share: `source.where`, `keys`, `every`, `rows`; with any of it every column changes. */
  readonly view: readonly string[]
  /** By column. */
  readonly columns: Readonly<Record<string, 'added' | 'changed' | 'removed'>>
}

/** A source file that came, went, or lost rows to a delete since partitions were computed from it. */
export interface ChangedFile {
  readonly path: string
  readonly change: 'added' | 'removed' | 'deleted-from'
  readonly rows: number
}

/** What made partitions stale. */
export interface PartitionCause {
  readonly definition?: DefinitionChanges
  /** Indices into the plan's changed files; null when the snapshot that they were computed from cannot be compared any more. */
  readonly files?: readonly number[] | null
}

/** A partition that a slice writes. */
export interface SlicePartition {
  readonly ordinal: number
  readonly key: string
  /** Where its data file goes: made of what it is computed from and what it replaces, so that no path is ever used twice. */
  readonly path: string
}

/** Neighbouring partitions that one activity computes. */
export interface PlannedSlice {
  /** Hash of its partitions' addresses: the same slice, in whatever run, has the same. */
  readonly address: string
  readonly partitions: readonly SlicePartition[]
  /** Indices into the plan's source files, as ranges `[first, end)`. */
  readonly files: readonly (readonly [first: number, end: number])[]
  /** Rows and bytes of the source files that are read: without those that kept tiles stand in for. */
  readonly inputRows: number
  readonly inputBytes: number
  /** Whether feature columns are taken from what the table shows, see the plan's `carried`. */
  readonly isCarried?: boolean
  /** Where the view's tiles are kept. */
  readonly tiles?: SliceTilesPlan
}

/** Which events a slice takes from kept tiles, and which tiles it leaves. */
export interface SliceTilesPlan {
  /** Indices into the plan's files of tiles. */
  readonly read: readonly number[]
  /** Those of the slice's source files that are read beside them; all, where a file of tiles has gone since. */
  readonly files: PlannedSlice['files']
  /** Event times that they are read for, `[from, to)` in microseconds. */
  readonly fromSource: readonly { readonly from: string; readonly to: string }[]
  readonly keep: readonly KeptPartition[]
}

/** A partition of the table of tiles that a slice writes. */
export interface KeptPartition {
  readonly ordinal: number
  /** Made of what its tiles are made from, what they have, and what the file replaces. */
  readonly path: string
  /** Columns that are taken from a file that is there, which is as new and lacks others: its index into the plan's. */
  readonly carried?: { readonly file: number; readonly columns: readonly string[] }
}

/** The table that keeps a view's tiles, as a plan uses it. */
export interface PlannedTiles<TableSchema = unknown> {
  /** `namespace.table` */
  readonly table: string
  readonly location: string
  /** With the columns that the run adds. */
  readonly schema: TableSchema
  /** Files that slices read, each the tiles of one partition. */
  readonly files: readonly {
    readonly ordinal: number
    readonly path: string
    readonly rows: number
    readonly bytes: number
  }[]
}

/** A join of a view's source: what is read of its table. */
export interface PlannedJoin<TableSchema = unknown, SourceScan = unknown> {
  /** The join's. */
  readonly name: string
  readonly table: string
  readonly snapshotId: string
  readonly schema: TableSchema
  readonly files: readonly {
    readonly path: string
    readonly rows: number
    readonly bytes: number
    /** Microseconds since 1970: before that none of its rows is valid. */
    readonly from?: string
  }[]
  readonly scan: SourceScan
}

/**
 * plan.json: everything a run computes and what it was decided from. `View`, `TableSchema` and `SourceScan` are the canonical definition,
 * Iceberg's schema and what reading the source's files takes, which this folder does not know.
 */
export interface Plan<View = unknown, TableSchema = unknown, SourceScan = unknown> {
  readonly version: 1
  readonly summary: PlanSummary
  readonly run: { readonly workflowId: string; readonly folder: string }
  readonly definition: View
  readonly fingerprint: { readonly data: string; readonly metadata: string }
  readonly codeVersion: string
  readonly engine: string
  /** URI of the folder that holds this table's runs and slices. */
  readonly runsFolder: string
  readonly target: {
    readonly namespace: string
    readonly name: string
    readonly location: string
    /** The schema that this run writes; its ids continue those of the table. */
    readonly schema: TableSchema
  }
  readonly source: {
    readonly table: string
    readonly snapshotId: string
    readonly schema: TableSchema
    readonly files: readonly { readonly path: string; readonly rows: number; readonly bytes: number }[]
    /** How `files` are read: their deletes, and whatever of the table's metadata it takes. */
    readonly scan: SourceScan
  }
  /** Joins that the view reads columns of, in the order of their names; absent where there are none. */
  readonly joins?: readonly PlannedJoin<TableSchema, SourceScan>[]
  /** Feature columns that need not be computed, under the names that they have in this snapshot of the table. */
  readonly carried?: { readonly snapshotId: string; readonly columns: Readonly<Record<string, string>> }
  /** What the ledger will say that the partitions were read from. */
  readonly pin: SourcePin
  readonly partitions: readonly PlannedPartition[]
  readonly causes: readonly PartitionCause[]
  readonly changedFiles: readonly ChangedFile[]
  /** Entries that the ledger had lost, as the table alone tells them. */
  readonly recovered: Readonly<Record<string, LedgerEntry>>
  readonly slices: readonly PlannedSlice[]
  readonly tiles?: PlannedTiles<TableSchema>
  readonly createdAt: string
}
