/** `hindcast/iceberg`: Iceberg tables for programs of one's own, as docs/iceberg.md shows. */
export * from './iceberg/index.ts'
export { openCatalog } from './io/catalog.ts'
export { commitChange, commitSnapshot, type CommitContext } from './io/commit.ts'
export { openDuckDb, type DuckDb } from './io/duckdb.ts'
export { expressionSql } from './io/expression-sql.ts'
export {
  normalizeUri,
  openFiles,
  openStorage,
  within,
  type FilesOptions,
  type ProjectStorage,
  type StorageOptions,
  type WarehouseFiles,
} from './io/files/index.ts'
export {
  compactTable,
  expireTable,
  removeOrphanFiles,
  rewriteTableManifests,
  type CompactOptions,
  type ExpireOptions,
  type OrphanOptions,
  type RewriteManifestsOptions,
} from './io/maintenance/index.ts'
export { writePartitions, type WriteRequest } from './io/parquet-write.ts'
export { loadSettings, type ProjectSettings } from './io/project-config.ts'
export {
  deleteRows,
  mergeInto,
  type MergeRequest,
  type RowChangeContext,
  type RowChangeMode,
  type RowChangeOptions,
  type RowChangeResult,
} from './io/rows/index.ts'
export { openRuntime, type Runtime } from './io/runtime.ts'
export { tableRelation, type TableReadRequest, type TableRelation } from './io/table-read.ts'
