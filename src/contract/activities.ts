import type {
  ApprovalDecision,
  AuditResult,
  BackfillInput,
  PlanSummary,
  PublishedSnapshot,
  SliceSummary,
  StagedSnapshot,
} from './backfill.ts'
import type { RunCost } from './record.ts'

/** Who is asking: the workflow id, and the id of its first execution, which survives retries, resets and continue-as-new. */
export interface RunIdentity {
  readonly workflowId: string
  readonly executionId: string
}

export interface PublishRequest {
  readonly plan: string
  /** The snapshot that was audited. */
  readonly snapshotId: string
  readonly audits: readonly AuditResult[]
  readonly decision: ApprovalDecision | null
  /** What the run's slices took; absent from runs of before, null where none was computed. */
  readonly cost?: RunCost | null
}

export type ReportVerdict = 'published' | 'refused by its audits' | 'rejected'

export interface ReportRequest {
  readonly plan: string
  readonly snapshotId: string
  readonly verdict: ReportVerdict
  readonly audits: readonly AuditResult[]
  readonly totals: {
    readonly rows: number
    readonly bytes: number
    readonly reused: number
    readonly rejectedRows: number
  }
}

/** The side effects of one backfill, in the order of its steps. Each may run more than once and then gives the same answer. */
export interface BackfillActivities {
  planBackfill(request: { readonly input: BackfillInput; readonly run: RunIdentity }): Promise<PlanSummary>
  computeSlice(request: { readonly plan: string; readonly index: number }): Promise<SliceSummary>
  stageSnapshot(request: { readonly plan: string }): Promise<StagedSnapshot>
  runAudit(request: {
    readonly plan: string
    readonly snapshotId: string
    readonly index: number
  }): Promise<AuditResult>
  publishSnapshot(request: PublishRequest): Promise<PublishedSnapshot>
  /** Writes audit.json and report.html; gives the report's address. */
  writeReport(request: ReportRequest): Promise<string>
  dropBranch(request: { readonly plan: string }): Promise<void>
}
