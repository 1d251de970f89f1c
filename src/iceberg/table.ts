import type { Schema } from './types/schema.ts'
import type {
  FormatVersion,
  PartitionSpec,
  PartitionStatisticsFile,
  Snapshot,
  SnapshotRef,
  SortOrder,
  StatisticsFile,
  TableMetadata,
} from './metadata/table-metadata.ts'

export interface TableIdentifier {
  readonly namespace: readonly string[]
  readonly name: string
}

/** The identifier as people write it: `features.origin_delays`. */
export const qualifiedName = ({ namespace, name }: TableIdentifier): string => [...namespace, name].join('.')

/** A table as it was when loaded: immutable, load again to see newer commits. */
export interface Table {
  readonly identifier: TableIdentifier
  readonly metadata: TableMetadata
  readonly metadataLocation: string
  /** What the catalog says of the table beside its metadata: a REST catalog's `config`. May hold secrets: never print it. */
  readonly config?: Readonly<Record<string, string>>
  /** Storage credentials that the catalog vends, for paths that begin with `prefix`; the longest prefix counts. Secrets. */
  readonly storageCredentials?: readonly {
    readonly prefix: string
    readonly config: Readonly<Record<string, string>>
  }[]
}

/** What must hold of the table at the instant of the commit; names are the REST catalog's. */
export type TableRequirement =
  | { readonly type: 'assert-create' }
  | { readonly type: 'assert-table-uuid'; readonly uuid: string }
  /** `snapshotId: null` asserts that the ref does not exist. */
  | { readonly type: 'assert-ref-snapshot-id'; readonly ref: string; readonly snapshotId: bigint | null }
  | { readonly type: 'assert-current-schema-id'; readonly currentSchemaId: number }
  | { readonly type: 'assert-default-spec-id'; readonly defaultSpecId: number }
  | { readonly type: 'assert-default-sort-order-id'; readonly defaultSortOrderId: number }
  | { readonly type: 'assert-last-assigned-field-id'; readonly lastAssignedFieldId: number }
  | { readonly type: 'assert-last-assigned-partition-id'; readonly lastAssignedPartitionId: number }

export type TableUpdate =
  | { readonly action: 'assign-uuid'; readonly uuid: string }
  | { readonly action: 'upgrade-format-version'; readonly formatVersion: FormatVersion }
  | { readonly action: 'set-location'; readonly location: string }
  | { readonly action: 'add-schema'; readonly schema: Schema; readonly lastColumnId: number }
  | { readonly action: 'set-current-schema'; readonly schemaId: number }
  | { readonly action: 'add-spec'; readonly spec: PartitionSpec }
  | { readonly action: 'set-default-spec'; readonly specId: number }
  | { readonly action: 'add-sort-order'; readonly sortOrder: SortOrder }
  | { readonly action: 'set-default-sort-order'; readonly sortOrderId: number }
  | { readonly action: 'add-snapshot'; readonly snapshot: Snapshot }
  | { readonly action: 'set-snapshot-ref'; readonly refName: string; readonly ref: SnapshotRef }
  | { readonly action: 'remove-snapshot-ref'; readonly refName: string }
  | { readonly action: 'remove-snapshots'; readonly snapshotIds: readonly bigint[] }
  | { readonly action: 'set-statistics'; readonly statistics: StatisticsFile }
  | { readonly action: 'remove-statistics'; readonly snapshotId: bigint }
  | { readonly action: 'set-partition-statistics'; readonly partitionStatistics: PartitionStatisticsFile }
  | { readonly action: 'remove-partition-statistics'; readonly snapshotId: bigint }
  | { readonly action: 'remove-partition-specs'; readonly specIds: readonly number[] }
  | { readonly action: 'remove-schemas'; readonly schemaIds: readonly number[] }
  | { readonly action: 'set-properties'; readonly updates: Readonly<Record<string, string>> }
  | { readonly action: 'remove-properties'; readonly removals: readonly string[] }

/** One commit: applied whole if every requirement holds, else not at all. */
export interface TableChange {
  readonly requirements: readonly TableRequirement[]
  readonly updates: readonly TableUpdate[]
}

export type CommitOutcome =
  | { readonly status: 'committed'; readonly table: Table }
  /** A requirement did not hold, or another commit won: nothing was changed. */
  | { readonly status: 'conflicted'; readonly reason: string }
  /** The answer was lost: it may have been applied or not. Load the table and look; delete nothing. */
  | { readonly status: 'unknown'; readonly cause: unknown }

export interface NewTable {
  readonly schema: Schema
  readonly spec: PartitionSpec
  readonly sortOrder?: SortOrder
  readonly properties?: Readonly<Record<string, string>>
  readonly location?: string
  /** 2 unless given, or unless the property `format-version` says 3. */
  readonly formatVersion?: 2 | 3
}

/**
 * Where tables are found and swapped. What an implementation owes:
 *
 * - **Atomic swap.** A commit is applied whole or not at all, and only on the state that its requirements were checked against. Of two
 *   commits on one state one wins; the other is checked anew, or `conflicted`.
 * - **Lost answers are `unknown`.** `conflicted`, or a thrown error, means that nothing was changed and never will be. Whoever
 *   cannot say so answers `unknown`: then nothing that was written for the commit may be deleted.
 * - **No silent change of meaning.** A branch or tag that a commit names is what the table has afterwards, and no other ref moved:
 *   a catalog that cannot hold to that refuses by `requireBranches`.
 *
 * Every method throws CATALOG_UNAVAILABLE when trying again may help, and ACCESS_DENIED when the catalog refuses the credentials.
 */
export interface Catalog {
  readonly name: string
  /** @throws TABLE_NOT_FOUND naming the nearest tables; METADATA_INVALID when the table's metadata is gone or damaged */
  loadTable(identifier: TableIdentifier): Promise<Table>
  tableExists(identifier: TableIdentifier): Promise<boolean>
  /**
   * Creates the namespace where it is missing. The ids of schema, spec and sort order are kept as given.
   * @throws CONFLICT when the table exists; REQUEST_INVALID for a name that is none
   */
  createTable(identifier: TableIdentifier, table: NewTable): Promise<Table>
  /**
   * Takes in a table by one of its metadata files, creating the namespace where it is missing.
   * @throws CONFLICT when the table exists; METADATA_INVALID when the file is none
   */
  registerTable(identifier: TableIdentifier, metadataLocation: string): Promise<Table>
  /** Forgets the table; its files stay, and it can be registered again. @throws TABLE_NOT_FOUND */
  dropTable(identifier: TableIdentifier): Promise<void>
  /** Its files stay where they are. @throws TABLE_NOT_FOUND; CONFLICT when there is a table of the new name */
  renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void>
  /**
   * Applies a change to the table as it was loaded; retries by itself while the requirements hold and only the pointer moved.
   * @throws TABLE_NOT_FOUND when the table is gone; FEATURE_UNSUPPORTED as `requireBranches` does, before anything is sent
   */
  commit(table: Table, change: TableChange): Promise<CommitOutcome>
  /**
   * Makes sure that this catalog keeps a commit to a branch or tag on that ref. May try it out, on that table or on one beside it that
   * it makes and drops, in a way that never changes what `main` shows; the finding is remembered.
   * @throws FEATURE_UNSUPPORTED for a catalog that has no refs but `main`
   */
  requireBranches(identifier: TableIdentifier): Promise<void>
  /** All tables, or those of one namespace (not of those below it); none for a namespace that is not there. */
  listTables(namespace?: readonly string[]): Promise<readonly TableIdentifier[]>
  /** The namespaces right below the given one, or the topmost. */
  listNamespaces(parent?: readonly string[]): Promise<readonly (readonly string[])[]>
  /** Makes a namespace; one that is there already is left as it is. */
  createNamespace(namespace: readonly string[]): Promise<void>
  /** False when there was none. @throws CONFLICT when it has tables or namespaces in it */
  dropNamespace(namespace: readonly string[]): Promise<boolean>
  close(): Promise<void>
}
