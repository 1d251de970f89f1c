import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common'
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  ContinueAsNew,
  continueAsNew,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  patched,
  startChild,
  workflowInfo,
} from '@temporalio/workflow'
import {
  parseBackfillInput,
  referenceTo,
  type ApprovalDecision,
  type BackfillInput,
  type BackfillResult,
  type DownstreamWorkflow,
  type PlanSummary,
  type ReportVerdict,
  type RunIdentity,
} from '../src/contract/index.ts'
import { parting, steps, waiting } from './activity-options.ts'
import { computeSlices } from './compute-slices.ts'
import { finalFailure, orFail, rootOf } from './failures.ts'
import { BackfillState, type Carried } from './run-state.ts'
import { showInLists } from './search-attributes.ts'
import { costOf } from './slice-totals.ts'
import { takeSteering } from './steering.ts'

/** Runs that began before it have no claim on their range, and release none. */
const CLAIMS_PATCH = 'range-claims'

/**
 * Backfills one view over `[from, to)`: wait for its turn, plan, compute in slices, stage on a branch, audit, approve where asked, publish,
 * hand over. Fails without retry with the code of what went wrong; `main` shows either what it showed before or the whole published
 * snapshot.
 */
export async function backfill(request: unknown, carried?: Carried): Promise<BackfillResult> {
  const input: BackfillInput = orFail(() => parseBackfillInput(request))
  const run = new BackfillState(input, carried)
  takeSteering(run)
  const { workflowId, firstExecutionRunId } = workflowInfo()
  const identity: RunIdentity = { workflowId, executionId: firstExecutionRunId }
  const claims = patched(CLAIMS_PATCH)
  const release = async (): Promise<void> => {
    if (!claims) return
    // With storage away it fails too, and must not hide why the run did, nor undo what is published.
    await CancellationScope.nonCancellable(() => parting.releaseRange({ input, run: identity })).catch(() => undefined)
  }

  try {
    if (carried === undefined) run.plan = await begin(run, identity, claims)
    const plan = run.plan
    if (plan === null) throw finalFailure('INVARIANT_VIOLATED', 'a run without a plan')
    if (plan.todoPartitions === 0) {
      run.enter('fresh')
      showInLists(run, 'fresh')
      await release()
      await condition(allHandlersFinished)
      return resultOf(run, plan, 'fresh', plan.baseSnapshotId)
    }
    run.enter('computing')
    run.computeStartedMs ??= Date.now()
    const unfinished = await computeSlices(run, plan, carried?.nextSlice ?? 0)
    if (unfinished !== null) {
      await condition(allHandlersFinished)
      return await continueAsNew<typeof backfill>(input, unfinished)
    }
    const result = await finish(run, run.plan ?? plan)
    await release()
    return result
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error
    if (isCancellation(error)) {
      run.enter('cancelled')
      const { plan } = run
      // A staged branch of a cancelled run is of no use; finished slices stay, for the next run to find.
      if (plan !== null)
        await CancellationScope.nonCancellable(() => parting.dropBranch(referenceTo(plan))).catch(() => undefined)
      showInLists(run, 'cancelled')
      await release()
      throw error
    }
    const cause = rootOf(error)
    run.lastError = cause instanceof Error ? cause.message : String(cause)
    run.enter('failed')
    showInLists(run, cause instanceof ApplicationFailure ? (cause.type ?? 'failed') : 'failed')
    await release()
    throw cause
  }
}

/** Waits for the run's turn and for the views it reads, then plans it. */
async function begin(run: BackfillState, identity: RunIdentity, claims: boolean): Promise<PlanSummary> {
  let { input } = run
  if (claims) {
    await claimRange(run, identity)
    if (input.withUpstream === true) input = await backfillUpstream(run)
  }
  run.enter('planning')
  const plan = await steps.planBackfill({ input, run: identity })
  run.concurrency = input.concurrency ?? plan.concurrency
  run.plan = plan
  showInLists(run, 'computing')
  return plan
}

/** @throws CONFLICT when another run works on partitions of the range, and this one is not to wait */
async function claimRange(run: BackfillState, identity: RunIdentity): Promise<void> {
  const { input } = run
  const claim = await steps.claimRange({ input, run: identity, wait: false })
  run.searchAttributes = claim.searchAttributes
  if (claim.holder === null) return
  if (claim.onOverlap === 'refuse') {
    throw finalFailure(
      'CONFLICT',
      `run ${claim.holder} works on partitions between ${input.from} and ${input.to} of ${input.view}`,
      {
        otherRun: claim.holder,
        hint: `Wait for its end (hindcast status ${claim.holder}), cancel it, or let this run wait: onOverlap "wait".`,
      },
    )
  }
  run.waitingFor = claim.holder
  run.enter('waiting')
  showInLists(run, 'waiting')
  await waiting.claimRange.executeWithOptions({ summary: `waits for ${claim.holder}` }, [
    { input, run: identity, wait: true },
  ])
  run.waitingFor = null
}

/** Backfills the views that this one reads, one after the other; gives the input that reads what they published. */
async function backfillUpstream(run: BackfillState): Promise<BackfillInput> {
  const { input } = run
  let { asOf } = input
  const { workflowId } = workflowInfo()
  for (const upstream of await steps.listUpstream({ input })) {
    const { view } = upstream.input
    run.upstream = `${workflowId}/${view}`
    run.enter('upstream')
    const published = await executeChild(backfill, {
      args: [upstream.input],
      workflowId: run.upstream,
      staticSummary: `${view}, which ${input.view} reads`,
      memo: { view, from: upstream.input.from, to: upstream.input.to },
    })
    if (upstream.isSource && asOf === undefined && published.snapshotId !== null) asOf = published.snapshotId
  }
  run.upstream = null
  return asOf === undefined ? input : { ...input, asOf }
}

/** Stages, audits, asks and publishes what the slices computed. */
async function finish(run: BackfillState, plan: PlanSummary): Promise<BackfillResult> {
  const reference = referenceTo(plan)
  run.enter('staging')
  run.staged = await steps.stageSnapshot(reference)
  const { branch, snapshotId } = run.staged

  run.enter('auditing')
  run.audits = await Promise.all(
    plan.audits.map((name, index) =>
      steps.runAudit.executeWithOptions({ summary: name }, [{ ...reference, snapshotId, index }]),
    ),
  )
  const { audits } = run
  const reportOf = async (verdict: ReportVerdict, ofSnapshot: string): Promise<void> => {
    const { rows, bytes, reused, rejectedRows } = run.totals
    const totals = { rows, bytes, reused, rejectedRows }
    run.report = await steps.writeReport({ ...reference, snapshotId: ofSnapshot, verdict, audits, totals })
  }
  const failed = audits.filter((audit) => audit.status === 'fail')
  if (failed.length > 0) {
    await reportOf('refused by its audits', snapshotId)
    throw finalFailure('AUDIT_FAILED', failed.map((audit) => audit.message).join('; '), {
      runId: plan.runId,
      branch,
      snapshotId,
      audits,
      hint: `Nothing was published. The refused snapshot stays on branch ${branch} for inspection.`,
    })
  }

  const warned = audits.some((audit) => audit.status === 'warn')
  if (plan.approval === 'always' || (plan.approval === 'on-warn' && warned)) {
    run.enter('awaiting-approval')
    showInLists(run, 'awaiting-approval')
    await condition(() => run.decision !== null)
    const made = run.decision as ApprovalDecision | null
    if (made?.decision === 'reject') {
      await reportOf('rejected', snapshotId)
      throw finalFailure('REJECTED', `rejected by ${made.by}${made.reason === '' ? '' : `: ${made.reason}`}`, {
        runId: plan.runId,
        branch,
        snapshotId,
      })
    }
  }

  // A cancellation from here on comes too late: the answer of publishing decides, and what is published is handed over.
  return CancellationScope.nonCancellable(async () => {
    run.enter('publishing')
    const { decision } = run
    const cost = costOf(run.totals)
    const published = await steps.publishSnapshot({ ...reference, snapshotId, audits, decision, cost })
    run.published = published
    run.enter('handing-over')
    await steps.dropBranch(reference)
    await reportOf('published', published.snapshotId)
    if (plan.onPublished !== null) await startDownstream(plan, plan.onPublished, published.snapshotId)
    run.enter('published')
    showInLists(run, 'published')
    await condition(allHandlersFinished)
    return resultOf(run, plan, 'published', published.snapshotId)
  })
}

function resultOf(
  run: BackfillState,
  plan: PlanSummary,
  verdict: BackfillResult['verdict'],
  snapshotId: string | null,
): BackfillResult {
  const { totals } = run
  return {
    runId: plan.runId,
    view: plan.view,
    table: plan.table,
    from: plan.from,
    to: plan.to,
    verdict,
    snapshotId,
    partitions: plan.partitions,
    slices: plan.slices,
    reusedSlices: totals.reused,
    rows: totals.rows,
    bytes: totals.bytes,
    rejectedRows: totals.rejectedRows,
    nullEventTimes: plan.nullEventTimes,
    audits: run.audits,
    report: run.report,
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
