import type { Client } from '@temporalio/client'
import { grouped, HindcastError, type Progress } from '../../src/contract/index.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, filePath, table, type ExitCode } from '../output.ts'
import { describePartitions, progressLine } from '../progress.ts'
import { newestBackfills, statusText } from '../../workers/runs.ts'
import { backfillHandle, lastErrorOf, pendingActivities, queryProgress, runError } from '../runs.ts'
import { renderAudits } from './backfill.ts'

const newestRuns = 20

export async function statusCommand(context: CommandContext, [runId]: readonly string[]): Promise<ExitCode> {
  const { client } = await context.temporal()
  return runId === undefined ? listRuns(context, client) : showRun(context, client, runId)
}

async function listRuns(context: CommandContext, client: Client): Promise<ExitCode> {
  const runs = await newestBackfills(client, newestRuns)
  context.output.result({ runs }, () =>
    runs.length === 0
      ? 'No run yet: hindcast backfill VIEW --from T --to T starts one.'
      : table(
          ['run', 'status', 'from', 'to', 'started'],
          runs.map((run) => [run.runId, run.status, run.from, run.to, run.startedAt.slice(0, 19).replace('T', ' ')]),
        ),
  )
  return exitCodes.done
}

async function showRun(context: CommandContext, client: Client, runId: string): Promise<ExitCode> {
  const description = await backfillHandle(client, runId)
    .describe()
    .catch((error: unknown) => {
      throw runError(error, runId)
    })
  if (description.type !== 'backfill') {
    throw new HindcastError('RUN_NOT_FOUND', `${runId} is a workflow of type ${description.type}, not a backfill`)
  }
  const progress = await queryProgress(client, runId)
  const status = statusText(description.status)
  const pending = await pendingActivities(client, description)
  const lastError = lastErrorOf(progress, pending)
  context.output.result({ runId, status, ...progress, lastError, pendingActivities: pending }, () =>
    [
      `Run ${runId}: ${status}`,
      ...(progress === null
        ? ['No worker answers; start one with hindcast dev or hindcast worker.']
        : describe(progress)),
      ...pending
        .filter(({ lastFailure }) => lastFailure !== null)
        .map(
          ({ activity, attempt, lastFailure }) =>
            `${activity}, attempt ${attempt}, failed before: ${lastFailure ?? ''}`,
        ),
    ].join('\n'),
  )
  return exitCodes.done
}

function describe(progress: Progress): string[] {
  const { plan, staged, published } = progress
  return [
    `${progress.input.view} from ${progress.input.from} to ${progress.input.to}`,
    ...(plan === null ? [] : [`Partitions: ${describePartitions(plan.partitions)}`]),
    progressLine(progress, progress.updatedMs),
    ...(progress.rows === 0
      ? []
      : [`${grouped(progress.rows)} rows so far, ${progress.slices.reused} slices found finished`]),
    ...(staged === null ? [] : [`Staged snapshot ${staged.snapshotId} on branch ${staged.branch}`]),
    ...(progress.audits.length === 0 ? [] : [renderAudits(progress.audits)]),
    ...(progress.decision === null
      ? []
      : [`${progress.decision.decision} by ${progress.decision.by} ${progress.decision.reason}`.trimEnd()]),
    ...(published === null
      ? []
      : [`Published snapshot ${published.snapshotId}${published.restaged ? ' (staged anew on a newer head)' : ''}`]),
    ...(progress.report === null ? [] : [`Report: ${filePath(progress.report)}`]),
    ...(progress.lastError === null ? [] : [`Failed: ${progress.lastError}`]),
  ]
}
