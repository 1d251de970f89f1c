import { setCurrentDetails } from '@temporalio/workflow'
import type {
  ApprovalDecision,
  AuditResult,
  BackfillInput,
  PauseState,
  PlanSummary,
  Progress,
  PublishedSnapshot,
  RunBudget,
  RunState,
  StagedSnapshot,
  StepProgress,
} from '../src/contract/index.ts'
import { progressDetails } from './details.ts'
import { noSlices, timeLeft, type SliceTotals } from './slice-totals.ts'

/** What a run takes along when its history is cut by continue-as-new, which only happens between slices. */
export interface Carried {
  readonly plan: PlanSummary
  readonly nextSlice: number
  readonly totals: Partial<SliceTotals>
  readonly paused: boolean
  readonly concurrency: number
  readonly computeStartedMs: number | null
  /** Absent from runs of before. */
  readonly pause?: PauseState | null
  readonly budget?: RunBudget
  readonly steps?: readonly StepProgress[]
  readonly searchAttributes?: boolean
}

/** Where one execution of `backfill` stands: changed by its steps and by updates, shown by `progress`. */
export class BackfillState {
  readonly input: BackfillInput
  state: RunState
  plan: PlanSummary | null
  pause: PauseState | null
  budget: RunBudget
  concurrency: number
  computeStartedMs: number | null
  running = 0
  readonly totals: SliceTotals
  waitingFor: string | null = null
  upstream: string | null = null
  staged: StagedSnapshot | null = null
  audits: AuditResult[] = []
  decision: ApprovalDecision | null = null
  published: PublishedSnapshot | null = null
  report: string | null = null
  lastError: string | null = null
  /** Where a cut of the range was asked for: an end, or null for that of what is finished. */
  narrowing: { readonly to: string | null } | null = null
  searchAttributes: boolean
  #updatedMs: number
  #activeSinceMs = 0
  readonly #steps: StepProgress[]

  constructor(input: BackfillInput, carried: Carried | undefined) {
    this.input = input
    this.state = carried === undefined ? 'planning' : 'computing'
    this.plan = carried?.plan ?? null
    this.pause =
      carried?.pause ?? (carried?.paused === true ? { by: 'unknown', reason: '', sinceMs: Date.now() } : null)
    this.budget = carried?.budget ?? { maxBytes: input.maxBytes ?? null, maxMinutes: input.maxMinutes ?? null }
    this.concurrency = carried?.concurrency ?? input.concurrency ?? 1
    this.computeStartedMs = carried?.computeStartedMs ?? null
    this.totals = { ...noSlices(), ...carried?.totals }
    this.searchAttributes = carried?.searchAttributes ?? false
    this.#steps = [...(carried?.steps ?? [{ state: this.state, startedMs: Date.now(), endedMs: null }])]
    this.#updatedMs = Date.now()
  }

  enter(state: RunState): void {
    const now = Date.now()
    const current = this.#steps.at(-1)
    if (state !== current?.state) {
      if (current?.endedMs === null) this.#steps[this.#steps.length - 1] = { ...current, endedMs: now }
      this.#steps.push({ state, startedMs: now, endedMs: null })
    }
    this.state = state
    this.changed()
  }

  changed(): void {
    this.#updatedMs = Date.now()
    setCurrentDetails(progressDetails(this.progress()))
  }

  started(): void {
    if (this.running === 0) this.#activeSinceMs = Date.now()
    this.running += 1
  }

  ended(): void {
    const now = Date.now()
    this.totals.activeMs += now - this.#activeSinceMs
    this.#activeSinceMs = now
    this.running -= 1
    this.changed()
  }

  /** The limit that computing has reached, in words. */
  exhausted(): string | null {
    const { maxBytes, maxMinutes } = this.budget
    const { inputBytes, activeMs } = this.totals
    if (maxBytes !== null && inputBytes >= maxBytes) return `it has read ${inputBytes} of ${maxBytes} bytes`
    if (maxMinutes !== null && activeMs >= maxMinutes * 60_000)
      return `it has computed for ${(activeMs / 60_000).toFixed(1)} of ${maxMinutes} minutes`
    return null
  }

  carry(plan: PlanSummary, nextSlice: number): Carried {
    const { totals, pause, budget, concurrency, computeStartedMs, searchAttributes } = this
    return {
      plan,
      nextSlice,
      totals,
      paused: pause !== null,
      pause,
      budget,
      concurrency,
      computeStartedMs,
      steps: this.#steps,
      searchAttributes,
    }
  }

  progress(): Progress {
    const { totals, plan, pause, running } = this
    const total = plan?.slices ?? 0
    const seconds = totals.activeMs / 1000
    return {
      state: this.state,
      paused: pause !== null,
      pause,
      runId: plan?.runId ?? null,
      input: this.input,
      plan,
      waitingFor: this.waitingFor,
      upstream: this.upstream,
      steps: this.#steps,
      slices: { total, done: totals.done, running, reused: totals.reused, split: totals.split },
      partitionsDone: totals.partitions,
      rows: totals.rows,
      bytes: totals.bytes,
      inputRows: totals.inputRows,
      inputBytes: totals.inputBytes,
      rejectedRows: totals.rejectedRows,
      rate: seconds === 0 ? null : { rows: totals.computedRows / seconds, bytes: totals.computedBytes / seconds },
      left: this.state === 'computing' ? timeLeft(totals, total) : null,
      budget: this.budget,
      concurrency: this.concurrency,
      computeStartedMs: this.computeStartedMs,
      updatedMs: this.#updatedMs,
      staged: this.staged,
      audits: this.audits,
      decision: this.decision,
      published: this.published,
      report: this.report,
      lastError: this.lastError,
    }
  }
}
