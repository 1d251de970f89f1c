export type { BackfillActivities, RunIdentity } from './activities.ts'
export {
  approvalSchema,
  concurrencySchema,
  describeIssue,
  parseBackfillInput,
  parseRequest,
  TASK_QUEUE,
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
  type RunState,
  type SliceSummary,
  type StagedSnapshot,
} from './backfill.ts'
export { configSchema, defineConfig, type ProjectConfig, type ProjectConfigInput } from './config.ts'
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
export type { Plan, PlannedPartition, PlannedSlice, SlicePartition } from './plan.ts'
export { buildRecordSchema, summaryKeys, type BuildRecord, type LedgerEntry } from './record.ts'
export { nearest } from './suggest.ts'
