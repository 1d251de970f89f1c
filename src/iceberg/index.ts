export { appendFiles, type AppendRequest } from './actions/append.ts'
export { cherryPick, type CherryPickRequest } from './actions/cherry-pick.ts'
export { expireSnapshots, requireGarbageCollection, type ExpireSnapshotsRequest } from './actions/expire-snapshots.ts'
export { retainedSnapshots, type RetentionLimits } from './actions/snapshot-retention.ts'
export { describeTable, type TableDescription } from './actions/create-table.ts'
export { updatePartitionSpec, type PartitionSpecChange } from './actions/update-partition-spec.ts'
export { updateProperties } from './actions/update-properties.ts'
export { updateSchema, type SchemaChange } from './actions/update-schema.ts'
export { updateSortOrder, type SortColumn } from './actions/update-sort-order.ts'
export { overwriteByFilter, type OverwriteByFilterRequest } from './actions/overwrite-by-filter.ts'
export { overwritePartitions, type OverwritePartitionsRequest } from './actions/overwrite-partitions.ts'
export { createRef, dropRef, fastForward, rollBack, setBranch, setCurrentSnapshot } from './actions/refs.ts'
export { overwriteFiles, type OverwriteFilesRequest } from './actions/overwrite-files.ts'
export { rewriteFiles, type RewriteFilesRequest } from './actions/rewrite-files.ts'
export {
  deletesOnlyOf,
  planCompaction,
  type CompactionGroup,
  type CompactionLimits,
} from './actions/plan-compaction.ts'
export { rewriteManifests, type RewriteManifestsRequest } from './actions/rewrite-manifests.ts'
export { rowDelta, type RowDeltaRequest } from './actions/row-delta.ts'
export type { ChangeResult, NewFile } from './actions/change-files.ts'
export { selectMatching, type FileSelection, type LiveFile } from './actions/file-selection.ts'
export type { Isolation, Validation } from './actions/validate-history.ts'
export type { RefRetention, SnapshotRequest, SnapshotResult } from './actions/write-snapshot.ts'
export { booleanProperty, dataFolder, metadataFolder, numberProperty } from './metadata/properties.ts'
export { avroCompression, type AvroCompression } from './avro/compression.ts'
export { readAvroContainer, writeAvroContainer, type AvroContainer } from './avro/container.ts'
export { decodeDeletionVector, encodeDeletionVector } from './deletes/deletion-vector.ts'
export {
  cardinality,
  emptyPositionSet,
  highestPosition,
  positionChunks,
  positionSet,
  unionOf,
  type PositionSet,
} from './deletes/position-set.ts'
export {
  decodePuffinFooter,
  DELETION_VECTOR_BLOB,
  encodePuffin,
  puffinBlobContent,
  type NewPuffinBlob,
  type PuffinBlob,
  type PuffinFooter,
} from './deletes/puffin.ts'
export { evolveSchema } from './actions/evolve-schema.ts'
export { mapConcurrently } from './concurrent.ts'
export { maxReadBytes, type FileIO, type ListedFile } from './file-io.ts'
export { bindExpression } from './expression/bind.ts'
export {
  boundAnd,
  boundFieldIds,
  boundOr,
  boundTrue,
  type BoundColumn,
  type BoundExpression,
  type BoundPredicate,
} from './expression/bound.ts'
export { evaluateRow } from './expression/evaluate.ts'
export {
  alwaysFalse,
  alwaysTrue,
  and,
  equal,
  greaterThan,
  greaterThanOrEqual,
  isIn,
  isNaN,
  isNull,
  lessThan,
  lessThanOrEqual,
  not,
  notEqual,
  notIn,
  notNaN,
  notNull,
  notStartsWith,
  or,
  startsWith,
  type Expression,
  type ExpressionValue,
  type Predicate,
} from './expression/expression.ts'
export { tableFilter, type TableFilter } from './expression/table-filter.ts'
export { decodeManifestList, encodeManifestList, type ManifestListHeader } from './manifest/manifest-list.ts'
export {
  DataContent,
  EntryStatus,
  type DataFile,
  type DetachedManifest,
  type Literal,
  type ManifestEntry,
  type ManifestFile,
  type PartitionFieldSummary,
  type PartitionTuple,
} from './manifest/model.ts'
export {
  decodeManifest,
  encodeManifest,
  type DecodeManifestOptions,
  type EncodedManifest,
  type EncodeManifestRequest,
  type ManifestContext,
} from './manifest/manifest.ts'
export { readManifests } from './manifest/read-manifests.ts'
export { assignFirstRowIds } from './manifest/row-ids.ts'
export { jsonText, parseJsonBytes, parseJsonText } from './metadata/json-text.ts'
export { metricsModes, type MetricsMode } from './metadata/metrics-modes.ts'
export { encodeMetadataFile, type MetadataFile } from './metadata/metadata-file.ts'
export { checkRequirements, conflictIn } from './metadata/conflicts.ts'
export { changeToJson, identifierToJson, newTableToJson } from './metadata/rest-json.ts'
export { applyUpdates, newTableMetadata, withMetadataLog } from './metadata/updates.ts'
export type { IncrementalRequest } from './scan/incremental.ts'
export { planAppends, type AppendsRequest } from './scan/plan-appends.ts'
export { planChanges, type SnapshotChanges } from './scan/plan-changes.ts'
export { collectScan, planScan, type ScanPlan, type ScanRequest } from './scan/plan-scan.ts'
export type { DeleteFile, ScanFile, ScanTask } from './scan/scan-task.ts'
export { valueFromJson, valueToJson, type SingleValue } from './types/json-value.ts'
export {
  NAME_MAPPING_PROPERTY,
  mappedFieldId,
  nameMappingFor,
  nameMappingOf,
  nameMappingText,
  parseNameMapping,
  type MappedField,
  type NameMapping,
} from './types/name-mapping.ts'
export { compareSorted } from './types/sort.ts'
export type { IcebergType, ListType, MapType, NestedField, PrimitiveType, Schema, StructType } from './types/schema.ts'
export {
  bigintToFixed,
  bytesToBigint,
  compareLiterals,
  decodeSingleValue,
  encodeSingleValue,
  truncateLowerBound,
  truncateUpperBound,
} from './types/single-value.ts'
export { partitionKey } from './types/partition-values.ts'
export { ancestorsOf, snapshotFor, type SnapshotSelector } from './metadata/snapshots.ts'
export {
  parseTableMetadata,
  serializeTableMetadata,
  tableMetadataFromJson,
  tableMetadataToJson,
} from './metadata/table-metadata-json.ts'
export type {
  FormatVersion,
  PartitionField,
  PartitionSpec,
  Snapshot,
  SnapshotRef,
  SortField,
  SortOrder,
  TableMetadata,
} from './metadata/table-metadata.ts'
export {
  qualifiedName,
  type Catalog,
  type CommitOutcome,
  type NewTable,
  type Table,
  type TableChange,
  type TableIdentifier,
  type TableRequirement,
  type TableUpdate,
} from './table.ts'
export {
  applyTransform,
  bucketHash,
  humanPartitionValue,
  parseTransform,
  partitionPath,
  transformResultType,
  type TimeUnit,
  type Transform,
} from './types/transforms.ts'
export {
  assignFieldIds,
  decimalShape,
  findFieldById,
  findFieldByName,
  fixedLength,
  highestFieldId,
  parseSchema,
  schemaToJson,
  TypeSyntaxError,
} from './types/types.ts'
