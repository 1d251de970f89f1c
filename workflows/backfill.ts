import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common'
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow'
import {
  approvalSchema,
  concurrencySchema,
  parseBackfillInput,
  parseRequest,
  type ApprovalDecision,
  type ApprovalInput,
  type AuditResult,
  type BackfillActivities,
  type BackfillInput,
  type BackfillResult,
  type DownstreamWorkflow,
  type PlanSummary,
  type Progress,
  type PublishedSnapshot,
  type ReportVerdict,
  type RunState,
  type StagedSnapshot,
} from '../src/contract/index.ts'
import { finalFailure, orFail, rootOf } from './failures.ts'
import {
  approveUpdate,
  pauseUpdate,
  progressQuery,
  rejectUpdate,
  resumeUpdate,
  setConcurrencyUpdate,
} from './messages.ts'

const retry = { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '20s', maximumAttempts: 12 } as const

/** Short steps on metadata. */
const steps = proxyActivities<BackfillActivities>({ startToCloseTimeout: '10m', heartbeatTimeout: '10s', retry })

/** One slice: a lost worker is noticed by its missing heartbeat, long before the step's own limit. */
const compute = proxyActivities<BackfillActivities>({ startToCloseTimeout: '6h', heartbeatTimeout: '10s', retry })

/** What a run takes along when its history is cut by continue-as-new, which only happens between slices. */
interface Carried {
  readonly plan: PlanSummary
  readonly nextSlice: number
  readonly totals: Totals
  readonly paused: boolean
  readonly concurrency: number
  readonly computeStartedMs: number | null
}

interface Totals {
  done: number
  reused: number
  partitions: number
  rows: number
  bytes: number
  rejectedRows: number
}

/**
 * Backfills one view over `[from, to)`: plan, compute in slices, stage on a branch, audit, approve where asked, publish, hand over.
 * Fails without retry with the code of what went wrong; `main` shows either what it showed before or the whole published snapshot.
 */
export async function backfill(request: unknown, carried?: Carried): Promise<BackfillResult> {
  const input: BackfillInput = orFail(() => parseBackfillInput(request))

  let state: RunState = carried === undefined ? 'planning' : 'computing'
  let plan: PlanSummary | null = carried?.plan ?? null
  let paused = carried?.paused ?? false
  let concurrency = carried?.concurrency ?? input.concurrency ?? 1
  let computeStartedMs = carried?.computeStartedMs ?? null
  let running = 0
  let updatedMs = Date.now()
  let staged: StagedSnapshot | null = null
  let audits: AuditResult[] = []
  let decision: ApprovalDecision | null = null
  let published: PublishedSnapshot | null = null
  let report: string | null = null
  let lastError: string | null = null
  const totals: Totals = carried?.totals ?? { done: 0, reused: 0, partitions: 0, rows: 0, bytes: 0, rejectedRows: 0 }

  const progress = (): Progress => ({
    state,
    paused,
    runId: plan?.runId ?? null,
    input,
    plan,
    slices: { total: plan?.slices ?? 0, done: totals.done, running, reused: totals.reused },
    partitionsDone: totals.partitions,
    rows: totals.rows,
    bytes: totals.bytes,
    rejectedRows: totals.rejectedRows,
    concurrency,
    computeStartedMs,
    updatedMs,
    staged,
    audits,
    decision,
    published,
    report,
    lastError,
  })
  const enter = (next: RunState): void => {
    state = next
    updatedMs = Date.now()
  }

  const steering = (change: () => void) => (): Progress => {
    change()
    updatedMs = Date.now()
    return progress()
  }
  const mustBeOneOf = (states: readonly RunState[], action: string) => (): void => {
    if (!states.includes(state)) throw finalFailure('REQUEST_INVALID', `cannot ${action}: the run is ${state}`)
  }
  setHandler(progressQuery, progress, { description: 'Where the run stands' })
  setHandler(
    pauseUpdate,
    steering(() => (paused = true)),
    {
      description: 'Let running slices finish and start no more',
      validator: mustBeOneOf(['planning', 'computing'], 'pause'),
    },
  )
  setHandler(
    resumeUpdate,
    steering(() => (paused = false)),
    { description: 'Go on after a pause' },
  )
  setHandler(
    setConcurrencyUpdate,
    (request) => {
      concurrency = request.concurrency
      return progress()
    },
    {
      description: 'Change how many slices are in flight at once',
      validator: (request) =>
        void orFail(() => parseRequest(concurrencySchema, request, 'setConcurrency', { concurrency: 4 })),
    },
  )
  const decide = (kind: ApprovalDecision['decision']) => (request?: ApprovalInput) => {
    decision = { decision: kind, by: request?.by ?? 'unknown', reason: request?.reason ?? '' }
    return progress()
  }
  const validateDecision = (request?: ApprovalInput): void => {
    orFail(() => parseRequest(approvalSchema, request ?? {}, 'approval', { by: 'ada', reason: 'looks right' }))
    mustBeOneOf(['awaiting-approval'], 'approve or reject')()
    if (decision !== null)
      throw finalFailure('REQUEST_INVALID', `already decided: ${decision.decision} by ${decision.by}`)
  }
  setHandler(approveUpdate, decide('approve'), {
    description: 'Publish the audited snapshot: {by?, reason?}',
    validator: validateDecision,
  })
  setHandler(rejectUpdate, decide('reject'), {
    description: 'Do not publish; the branch stays for inspection: {by?, reason?}',
    validator: validateDecision,
  })

  const result = (verdict: BackfillResult['verdict'], of: PlanSummary, snapshotId: string | null): BackfillResult => ({
    runId: of.runId,
    view: of.view,
    table: of.table,
    from: of.from,
    to: of.to,
    verdict,
    snapshotId,
    partitions: of.partitions,
    slices: of.slices,
    reusedSlices: totals.reused,
    rows: totals.rows,
    bytes: totals.bytes,
    rejectedRows: totals.rejectedRows,
    nullEventTimes: of.nullEventTimes,
    audits,
    report,
  })

  /** Slices `[first, slices)`, at most `concurrency` in flight; returns early when the history should be cut. */
  const computeSlices = async (of: PlanSummary, first: number): Promise<'done' | Carried> => {
    let next = first
    let failure: unknown
    const cut = (): boolean => workflowInfo().continueAsNewSuggested
    const start = (index: number): void => {
      running += 1
      void compute.computeSlice
        .executeWithOptions({ summary: `slice ${index + 1} of ${of.slices}` }, [{ plan: of.plan, index }])
        .then(
          (slice) => {
            totals.done += 1
            totals.reused += slice.reused ? 1 : 0
            totals.partitions += slice.partitions
            totals.rows += slice.rows
            totals.bytes += slice.bytes
            totals.rejectedRows += slice.rejectedRows
          },
          (error: unknown) => {
            failure ??= error
          },
        )
        .finally(() => {
          running -= 1
          updatedMs = Date.now()
        })
    }
    while (next < of.slices && failure === undefined && !cut()) {
      while (!paused && next < of.slices && running < concurrency) {
        start(next)
        next += 1
      }
      const [atLimit, waiting] = [running, next]
      await condition(
        () => failure !== undefined || running < atLimit || (!paused && waiting < of.slices && running < concurrency),
      )
    }
    await condition(() => running === 0 || failure !== undefined)
    if (failure !== undefined) throw failure
    if (next >= of.slices) return 'done'
    return { plan: of, nextSlice: next, totals, paused, concurrency, computeStartedMs }
  }

  try {
    if (plan === null) {
      const info = workflowInfo()
      plan = await steps.planBackfill({
        input,
        run: { workflowId: info.workflowId, executionId: info.firstExecutionRunId },
      })
      concurrency = input.concurrency ?? plan.concurrency
    }
    if (plan.todoPartitions === 0) {
      enter('fresh')
      await condition(allHandlersFinished)
      return result('fresh', plan, plan.baseSnapshotId)
    }

    enter('computing')
    computeStartedMs ??= Date.now()
    const computed = await computeSlices(plan, carried?.nextSlice ?? 0)
    if (computed !== 'done') {
      await condition(allHandlersFinished)
      return await continueAsNew<typeof backfill>(input, computed)
    }

    enter('staging')
    staged = await steps.stageSnapshot({ plan: plan.plan })

    enter('auditing')
    const { plan: planAddress } = plan
    const { snapshotId } = staged
    audits = await Promise.all(
      plan.audits.map((name, index) =>
        steps.runAudit.executeWithOptions({ summary: name }, [{ plan: planAddress, snapshotId, index }]),
      ),
    )
    const reportOf = async (verdict: ReportVerdict, ofSnapshot: string): Promise<void> => {
      const { rows, bytes, reused, rejectedRows } = totals
      report = await steps.writeReport({
        plan: planAddress,
        snapshotId: ofSnapshot,
        verdict,
        audits,
        totals: { rows, bytes, reused, rejectedRows },
      })
    }
    const failed = audits.filter((audit) => audit.status === 'fail')
    if (failed.length > 0) {
      await reportOf('refused by its audits', snapshotId)
      throw finalFailure('AUDIT_FAILED', failed.map((audit) => audit.message).join('; '), {
        runId: plan.runId,
        branch: staged.branch,
        snapshotId,
        audits,
        hint: `Nothing was published. The refused snapshot stays on branch ${staged.branch} for inspection.`,
      })
    }

    const warned = audits.some((audit) => audit.status === 'warn')
    if (plan.approval === 'always' || (plan.approval === 'on-warn' && warned)) {
      enter('awaiting-approval')
      await condition(() => decision !== null)
      const made = decision as ApprovalDecision | null
      if (made?.decision === 'reject') {
        await reportOf('rejected', snapshotId)
        throw finalFailure('REJECTED', `rejected by ${made.by}${made.reason === '' ? '' : `: ${made.reason}`}`, {
          runId: plan.runId,
          branch: staged.branch,
          snapshotId,
        })
      }
    }

    const approved = plan
    // A cancellation from here on comes too late: the answer of publishing decides, and what is published is handed over.
    return await CancellationScope.nonCancellable(async () => {
      enter('publishing')
      published = await steps.publishSnapshot({ plan: planAddress, snapshotId, audits, decision })
      enter('handing-over')
      await steps.dropBranch({ plan: planAddress })
      await reportOf('published', published.snapshotId)
      if (approved.onPublished !== null) await startDownstream(approved, approved.onPublished, published.snapshotId)
      enter('published')
      await condition(allHandlersFinished)
      return result('published', approved, published.snapshotId)
    })
  } catch (error) {
    if (isCancellation(error)) {
      enter('cancelled')
      const { plan: planned } = progress()
      // A staged branch of a cancelled run is of no use; finished slices stay, for the next run to find.
      if (planned !== null) await CancellationScope.nonCancellable(() => steps.dropBranch({ plan: planned.plan }))
      throw error
    }
    enter('failed')
    const cause = rootOf(error)
    lastError = cause instanceof Error ? cause.message : String(cause)
    throw cause
  }
}

/** Starts the configured workflow on the published snapshot, once: a run that was reset finds it started. */
async function startDownstream(plan: PlanSummary, downstream: DownstreamWorkflow, snapshotId: string): Promise<void> {
  try {
    await startChild(downstream.workflow, {
      args: [{ view: plan.view, table: plan.table, snapshotId, runId: plan.runId }],
      taskQueue: downstream.taskQueue,
      workflowId: `${plan.runId}/${downstream.workflow}`,
      parentClosePolicy: ParentClosePolicy.ABANDON,
    })
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
  }
}
