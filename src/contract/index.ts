export {
  parseScheduledBackfillInput,
  type ScheduledBackfillInput,
  type ScheduledRange,
  type ScheduledRangeRequest,
} from './schedule.ts'
export { referenceTo } from './activities.ts'
export type {
  BackfillActivities,
  ClaimRequest,
  NarrowRequest,
  PlanReference,
  PublishRequest,
  RangeClaim,
  ReportRequest,
  ReportVerdict,
  RunIdentity,
  UpstreamRun,
} from './activities.ts'
export {
  describeIssue,
  parseBackfillInput,
  parseRequest,
  type ApprovalDecision,
  type ApprovalPolicy,
  type AuditResult,
  type AuditStatus,
  type BackfillInput,
  type BackfillResult,
  type OverlapPolicy,
  type DownstreamWorkflow,
  type PartitionReason,
  type PlanSummary,
  type PublishedSnapshot,
  type RunEstimate,
  type SliceSummary,
  type StagedSnapshot,
  type TilesSummary,
} from './backfill.ts'
export {
  catalogSchema,
  type CatalogConfig,
  type CatalogConfigInput,
  type RestAuthConfig,
  type RestCatalogConfig,
} from './catalog-config.ts'
export { configSchema, type ProjectConfig } from './config.ts'
export type { EncryptionConfig } from './encryption-config.ts'
export {
  errorCodes,
  HindcastError,
  isHindcastError,
  isRetryable,
  type ErrorCode,
  type HindcastErrorOptions,
} from './errors.ts'
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
  KeptPartition,
  PartitionCause,
  Plan,
  PlannedJoin,
  PlannedPartition,
  PlannedSlice,
  PlannedTiles,
  SlicePartition,
  SliceTilesPlan,
} from './plan.ts'
export {
  buildRecordSchema,
  summaryKeys,
  type BuildRecord,
  type LedgerEntry,
  type RunCost,
  type SourcePin,
} from './record.ts'
export type { PauseState, Progress, RunState, StepProgress, TimeLeft } from './progress.ts'
export {
  approvalSchema,
  concurrencySchema,
  narrowSchema,
  pauseSchema,
  resumeSchema,
  type ApprovalInput,
  type ConcurrencyInput,
  type NarrowInput,
  type PauseInput,
  type ResumeInput,
  type RunBudget,
} from './steering.ts'
export { searchAttributes, searchAttributeTypes } from './search-attributes.ts'
export { grouped } from './number-text.ts'
export { nearest } from './suggest.ts'
export type { StorageConfig } from './storage-config.ts'
