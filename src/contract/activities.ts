import type {
  ApprovalDecision,
  AuditResult,
  BackfillInput,
  OverlapPolicy,
  PlanSummary,
  PublishedSnapshot,
  SliceSummary,
  StagedSnapshot,
} from './backfill.ts'
import type { RunCost } from './record.ts'
import type { ScheduledRange, ScheduledRangeRequest } from './schedule.ts'

/** Who is asking: the workflow id, and the id of its first execution, which survives retries, resets and continue-as-new. */
export interface RunIdentity {
  readonly workflowId: string
  readonly executionId: string
}

/** Which plan a step is of. */
export interface PlanReference {
  /** Address of the plan's file. */
  readonly plan: string
  /** Its hash: what lies there must be it. Absent from runs of before. */
  readonly planHash?: string
}

export const referenceTo = ({ plan, planHash }: PlanSummary): PlanReference => ({ plan, planHash })

export interface PublishRequest extends PlanReference {
  /** The snapshot that was audited. */
  readonly snapshotId: string
  readonly audits: readonly AuditResult[]
  readonly decision: ApprovalDecision | null
  /** What the run's slices took; absent from runs of before, null where none was computed. */
  readonly cost?: RunCost | null
}

export type ReportVerdict = 'published' | 'refused by its audits' | 'rejected'

export interface ReportRequest extends PlanReference {
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

/** Asks for the partitions of a run's range, which one run at a time works on. */
export interface ClaimRequest {
  readonly input: BackfillInput
  readonly run: RunIdentity
  /** Waits until the range is free. */
  readonly wait: boolean
}

export interface RangeClaim {
  /** The run that works on partitions of the range; null when it is this one. */
  readonly holder: string | null
  /** What to do about it. */
  readonly onOverlap: OverlapPolicy
  /** Whether the namespace knows Hindcast's search attributes. */
  readonly searchAttributes: boolean
}

/** Cuts a plan off: at a time, or after as many slices. */
export interface NarrowRequest extends PlanReference {
  readonly to: string | null
  readonly slices: number
}

/** A backfill of a view that another one reads. */
export interface UpstreamRun {
  readonly input: BackfillInput
  /** Whether its table is the view's source itself, which is then read at the snapshot that it publishes. */
  readonly isSource: boolean
}

/** The side effects of one backfill, in the order of its steps. Each may run more than once and then gives the same answer. */
export interface BackfillActivities {
  scheduledRange(request: ScheduledRangeRequest): Promise<ScheduledRange>
  planBackfill(request: { readonly input: BackfillInput; readonly run: RunIdentity }): Promise<PlanSummary>
  computeSlice(request: PlanReference & { readonly index: number }): Promise<SliceSummary>
  stageSnapshot(request: PlanReference): Promise<StagedSnapshot>
  runAudit(request: PlanReference & { readonly snapshotId: string; readonly index: number }): Promise<AuditResult>
  publishSnapshot(request: PublishRequest): Promise<PublishedSnapshot>
  /** Writes audit.json and report.html; gives the report's address. */
  writeReport(request: ReportRequest): Promise<string>
  dropBranch(request: PlanReference): Promise<void>
  claimRange(request: ClaimRequest): Promise<RangeClaim>
  releaseRange(request: { readonly input: BackfillInput; readonly run: RunIdentity }): Promise<void>
  /** The same plan up to an earlier end; slices before it stay what they are, the last may be a part of what it was. */
  narrowPlan(request: NarrowRequest): Promise<{ readonly plan: PlanSummary; readonly sameSlices: number }>
  /** The backfills that a view's sources need first, in their order. */
  listUpstream(request: { readonly input: BackfillInput }): Promise<readonly UpstreamRun[]>
}
