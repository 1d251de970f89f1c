import {
  type AuditResult,
  type BackfillInput,
  type BackfillResult,
  grouped,
  HindcastError,
  isHindcastError,
  parseBackfillInput,
  type OverlapPolicy,
} from '../../src/contract/index.ts'
import { makePlan, requirePlanned } from '../../src/io/backfill/index.ts'
import type { CommandContext } from '../context.ts'
import { newRunId } from '../identifiers.ts'
import { bytes, exitCodes, filePath, paint, plural, table, type ExitCode } from '../output.ts'
import { ProgressDisplay } from '../progress.ts'
import { followRun, hasWorker } from '../runs.ts'
import { nullEventTimesLine, renderPlan } from '../plan-text.ts'
import { backfillRequest, type RangeOptions } from '../range-options.ts'
import { savedPlan } from '../saved-plan.ts'

interface BackfillOptions extends RangeOptions {
  readonly requireApproval?: boolean
  readonly detach?: boolean
  readonly concurrency?: number
  readonly priority?: number
  readonly maxBytes?: number
  readonly maxMinutes?: number
  readonly onOverlap?: OverlapPolicy
  readonly withUpstream?: boolean
  /** A file that `plan --out` wrote. */
  readonly plan?: string
}

export async function backfillCommand(
  context: CommandContext,
  [view = '']: readonly string[],
  options: BackfillOptions,
): Promise<ExitCode> {
  const { requireApproval, concurrency, maxBytes, maxMinutes, onOverlap, withUpstream } = options
  const input = parseBackfillInput({
    ...(options.plan === undefined ? backfillRequest(view, options) : await savedPlan(options.plan, view, options)),
    ...(requireApproval === true ? { requireApproval } : {}),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(maxMinutes === undefined ? {} : { maxMinutes }),
    ...(onOverlap === undefined ? {} : { onOverlap }),
    ...(withUpstream === true ? { withUpstream } : {}),
  })
  return startAndFollow(context, input, options)
}

/** Starts a run, shows how it goes, and ends with its verdict. */
export async function startAndFollow(
  context: CommandContext,
  input: BackfillInput,
  options: { readonly detach?: boolean; readonly priority?: number },
): Promise<ExitCode> {
  const { output, settings } = context
  // Planned here too: what is wrong with the request is said at once, before a run exists. What is still to be published is not.
  const plan = input.withUpstream === true ? null : await makePlan(await context.runtime(), input)
  if (plan !== null) {
    output.note(`${renderPlan(plan)}\n`)
    requirePlanned(plan, input)
  }

  const { client, target } = await context.temporal()
  const { taskQueue } = settings.config.temporal
  const runId = newRunId(input.view, input.from, input.to)
  await client.workflow.start('backfill', {
    workflowId: runId,
    taskQueue,
    args: [input],
    staticSummary: `${input.view} from ${input.from} to ${input.to}`,
    staticDetails: `Backfill of the feature view \`${input.view}\` over \`[${input.from}, ${input.to})\`.`,
    memo: { view: input.view, from: input.from, to: input.to },
    // One view's many slices do not starve another's of the same priority.
    priority: { fairnessKey: input.view, ...(options.priority === undefined ? {} : { priorityKey: options.priority }) },
  })
  const web = target.uiAddress === null ? '' : `  ${target.uiAddress}/namespaces/${target.namespace}/workflows/${runId}`
  output.note(`Run ${paint('bold', runId)}${web}`)
  if (options.detach === true && plan?.summary.approval === 'never') {
    output.result({ runId, state: 'started' }, () => `Started ${runId}; follow it with: hindcast status ${runId}`)
    return exitCodes.done
  }

  process.once('SIGINT', () => {
    process.stderr.write(`\nThe run goes on: hindcast status ${runId} shows it, hindcast cancel ${runId} stops it.\n`)
    process.exit(130)
  })
  const display = new ProgressDisplay({ interactive: output.interactive, silent: output.json })
  let silences = 0
  const ended = await followRun(client, runId, {
    stopAtApproval: options.detach === true,
    onProgress: (progress) => {
      silences = 0
      display.show(progress, Date.now())
    },
    onRetry: (failure) => display.warn(failure),
    onSilence: () => {
      silences += 1
      if (silences !== 2) return
      void hasWorker(client, taskQueue).then((polled) => {
        if (polled) return
        display.warn(
          `no worker polls task queue ${taskQueue}; the run goes on as soon as one does (hindcast dev, or hindcast worker)`,
        )
      })
    },
  })
    .catch((error: unknown) => {
      if (isHindcastError(error)) throw withAudits(error, runId, output.json)
      throw error
    })
    .finally(() => display.end())

  if (ended.end === 'awaiting-approval') {
    output.result(
      { runId, state: 'awaiting-approval', staged: ended.progress.staged, audits: ended.progress.audits },
      () =>
        [
          renderAudits(ended.progress.audits),
          '',
          `Run ${runId} waits for approval: hindcast approve ${runId}, or hindcast reject ${runId} --reason '…'`,
        ].join('\n'),
    )
    return exitCodes.awaitingApproval
  }
  output.result(ended.result, () => renderResult(ended.result))
  return exitCodes.done
}

/** The run's id, and for a person the table of the audits that refused it, with the error. */
function withAudits(error: HindcastError, runId: string, json: boolean): HindcastError {
  const audits = error.context['audits'] as readonly AuditResult[] | undefined
  if (audits !== undefined && !json) process.stderr.write(`\n${renderAudits(audits)}\n\n`)
  return new HindcastError(error.code, error.message, {
    hint: [error.hint, `hindcast status ${runId} shows the run.`, ...goingOn(error, runId)]
      .filter((part) => part !== undefined)
      .join(' '),
    context: { runId, ...error.context },
    cause: error,
  })
}

/** A verdict stands; all else may be mended. */
const goingOn = ({ code }: HindcastError, runId: string): string[] =>
  code === 'AUDIT_FAILED' || code === 'REJECTED'
    ? []
    : [`Once it is mended, hindcast retry ${runId} goes on from what is computed.`]

export function renderAudits(audits: readonly AuditResult[]): string {
  if (audits.length === 0) return 'This view declares no audits.'
  return table(
    ['audit', 'verdict', 'finding'],
    audits.map(({ name, status, message }) => [name, status, message.slice(name.length + 2)]),
  )
}

export function renderResult(result: BackfillResult): string {
  if (result.verdict === 'fresh') {
    return `Everything is fresh: ${result.table} shows snapshot ${result.snapshotId ?? 'none'}, nothing was computed.`
  }
  return [
    renderAudits(result.audits),
    '',
    `${paint('green', 'Published')} snapshot ${result.snapshotId ?? ''} of ${result.table}: ${plural(result.rows, 'row')}, ${bytes(result.bytes)}, ${plural(result.slices, 'slice')}${result.reusedSlices === 0 ? '' : ` (${grouped(result.reusedSlices)} found finished)`}`,
    ...nullEventTimesLine(result.nullEventTimes),
    ...(result.rejectedRows === 0 ? [] : [`${plural(result.rejectedRows, 'source row')} left out for a null key`]),
    ...(result.report === null ? [] : [`Report: ${filePath(result.report)}`]),
  ].join('\n')
}
