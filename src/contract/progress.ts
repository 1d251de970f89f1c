import type {
  ApprovalDecision,
  AuditResult,
  BackfillInput,
  PlanSummary,
  PublishedSnapshot,
  StagedSnapshot,
} from './backfill.ts'
import type { RunBudget } from './steering.ts'

export const runStates = [
  'waiting',
  'upstream',
  'planning',
  'computing',
  'narrowing',
  'staging',
  'auditing',
  'awaiting-approval',
  'publishing',
  'handing-over',
  'published',
  'fresh',
  'failed',
  'cancelled',
] as const
export type RunState = (typeof runStates)[number]

/** How long a run was in one of its states; `endedMs` is null for the one that it is in. Epoch ms. */
export interface StepProgress {
  readonly state: RunState
  readonly startedMs: number
  readonly endedMs: number | null
}

/** Who stopped a run from starting slices, and why; `budget` when it reached its limit. */
export interface PauseState {
  readonly by: string
  readonly reason: string
  readonly sinceMs: number
}

/** What is left of computing, as a band that it ends in nineteen times out of twenty if the slices to come are like those that were. */
export interface TimeLeft {
  readonly lowSeconds: number
  readonly highSeconds: number
}

/** Answer of the query `progress`. */
export interface Progress {
  readonly state: RunState
  readonly paused: boolean
  readonly pause: PauseState | null
  readonly runId: string | null
  readonly input: BackfillInput
  readonly plan: PlanSummary | null
  /** The run over the same partitions that this one waits for. */
  readonly waitingFor: string | null
  /** The run that computes a view that this one reads. */
  readonly upstream: string | null
  readonly steps: readonly StepProgress[]
  readonly slices: {
    readonly total: number
    readonly done: number
    readonly running: number
    /** Found finished. */
    readonly reused: number
    /** Computed in parts, since the engine's memory did not hold them. */
    readonly split: number
  }
  readonly partitionsDone: number
  readonly rows: number
  readonly bytes: number
  /** Source rows and bytes that finished slices read. */
  readonly inputRows: number
  readonly inputBytes: number
  readonly rejectedRows: number
  /** Output of a second of computing; null before the first slice is finished. */
  readonly rate: { readonly rows: number; readonly bytes: number } | null
  readonly left: TimeLeft | null
  readonly budget: RunBudget
  readonly concurrency: number
  /** Epoch ms of the first slice's start, and of the last change of this answer. */
  readonly computeStartedMs: number | null
  readonly updatedMs: number
  readonly staged: StagedSnapshot | null
  readonly audits: readonly AuditResult[]
  readonly decision: ApprovalDecision | null
  readonly published: PublishedSnapshot | null
  readonly report: string | null
  /** What the run failed with. Of a step that is tried again only Temporal knows: see the workflow's pending activities. */
  readonly lastError: string | null
}
