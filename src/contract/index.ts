export type { BackfillActivities, PublishRequest, ReportRequest, ReportVerdict, RunIdentity } from './activities.ts'
export {
  approvalSchema,
  concurrencySchema,
  describeIssue,
  parseBackfillInput,
  parseRequest,
  type ApprovalDecision,
  type ApprovalInput,
  type ApprovalPolicy,
  type AuditResult,
  type AuditStatus,
  type BackfillInput,
  type BackfillResult,
  type ConcurrencyInput,
  type DownstreamWorkflow,
  type PartitionReason,
  type PlanSummary,
  type Progress,
  type PublishedSnapshot,
  type RunEstimate,
  type RunState,
  type SliceSummary,
  type StagedSnapshot,
} from './backfill.ts'
export {
  catalogSchema,
  type CatalogConfig,
  type CatalogConfigInput,
  type RestAuthConfig,
  type RestCatalogConfig,
} from './catalog-config.ts'
export { configSchema, type ProjectConfig } from './config.ts'
export { HindcastError, isHindcastError, isRetryable, type ErrorCode, type HindcastErrorOptions } from './errors.ts'
export {
  floorDiv,
  floorMod,
  formatInstant,
  MICROS_PER_DAY,
  MICROS_PER_HOUR,
  MICROS_PER_SECOND,
  parseDuration,
  parseInstant,
  type Micros,
} from './instant.ts'
export {
  garbageKinds,
  parseMaintenanceInput,
  type GarbageFile,
  type GarbageKind,
  type MaintainTableRequest,
  type MaintenanceActivities,
  type MaintenanceInput,
  type MaintenancePlan,
  type MaintenanceResult,
  type TableMaintenance,
} from './maintenance.ts'
export { parsePeriod, type Period } from './period.ts'
export type {
  ChangedFile,
  DefinitionChanges,
  PartitionCause,
  Plan,
  PlannedJoin,
  PlannedPartition,
  PlannedSlice,
  SlicePartition,
} from './plan.ts'
export {
  buildRecordSchema,
  summaryKeys,
  type BuildRecord,
  type LedgerEntry,
  type RunCost,
  type SourcePin,
} from './record.ts'
export { nearest } from './suggest.ts'
export type { StorageConfig } from './storage-config.ts'
