import {
  QueryNotRegisteredError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionDescription,
  type WorkflowHandle,
} from '@temporalio/client'
import {
  ApplicationFailure,
  ApplicationFailureCategory,
  CancelledFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/common'
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js'
import { setTimeout as delay } from 'node:timers/promises'
import { fromFailure } from '../activities/index.ts'
import { HindcastError, type BackfillResult, type Progress } from '../src/contract/index.ts'
import type { backfill } from '../workflows/index.ts'

export type BackfillHandle = WorkflowHandle<typeof backfill>

export const backfillHandle = (client: Client, runId: string): BackfillHandle =>
  client.workflow.getHandle<typeof backfill>(runId)

/** Turns the ways a workflow fails into the error of this run. */
export function runError(error: unknown, runId: string): unknown {
  if (error instanceof WorkflowNotFoundError) {
    return new HindcastError('RUN_NOT_FOUND', `there is no run "${runId}"`, {
      hint: 'hindcast status lists the newest runs.',
      context: { run: runId },
    })
  }
  if (!(error instanceof WorkflowFailedError)) return error
  const { cause } = error
  if (cause instanceof CancelledFailure) {
    return new HindcastError('CANCELLED', `run ${runId} was cancelled; nothing was published`, {
      hint: 'Start it again: finished slices are reused.',
    })
  }
  if (cause instanceof TerminatedFailure || cause instanceof TimeoutFailure) {
    return new HindcastError('CANCELLED', `run ${runId} was stopped from outside: ${cause.message}`, {
      hint: 'Start it again: finished slices are reused.',
    })
  }
  return (cause instanceof ApplicationFailure ? fromFailure(cause) : null) ?? error
}

/** The run's progress; null while no worker answers. */
export async function queryProgress(client: Client, runId: string): Promise<Progress | null> {
  try {
    return await client.withDeadline(Date.now() + 3_000, () =>
      backfillHandle(client, runId).query<Progress, []>('progress'),
    )
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw runError(error, runId)
    if (error instanceof QueryNotRegisteredError) {
      throw new HindcastError('REQUEST_INVALID', `${runId} is a workflow, but not a backfill`)
    }
    return null
  }
}

/** What a run was started with. */
export async function inputOf(client: Client, runId: string): Promise<unknown> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId: runId },
    maximumPageSize: 1,
  })
  const payloads = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads
  const [input] = await decodeArrayFromPayloads(client.options.loadedDataConverter, payloads)
  return input
}

const pollMs = 250

/** So many polls apart, what is being tried again is asked for. */
const retryPolls = 20

export type FollowEnd =
  | { readonly end: 'closed'; readonly result: BackfillResult }
  | { readonly end: 'awaiting-approval'; readonly progress: Progress }

/**
 * Follows a run to its end, or, where asked, to the point where it waits for approval.
 * @throws the run's own error
 */
export async function followRun(
  client: Client,
  runId: string,
  options: {
    readonly stopAtApproval: boolean
    readonly onProgress: (progress: Progress) => void
    readonly onSilence: () => void
    /** Told once of each failure that is tried again. */
    readonly onRetry: (failure: string) => void
  },
): Promise<FollowEnd> {
  const stop = new AbortController()
  const closed = client
    .withAbortSignal(stop.signal, () => backfillHandle(client, runId).result())
    .then(
      (result) => ({ end: 'closed', result }) as const,
      (error: unknown) => {
        throw runError(error, runId)
      },
    )
    .finally(() => stop.abort())
  const told = new Set<string>()
  const watch = async (): Promise<FollowEnd> => {
    for (let poll = 1; !stop.signal.aborted; poll++) {
      if (poll % retryPolls === 0) {
        for (const failure of await pendingFailures(client, runId)) {
          if (!told.has(failure)) options.onRetry(failure)
          told.add(failure)
        }
      }
      const progress = await queryProgress(client, runId)
      if (stop.signal.aborted) break
      if (progress === null) options.onSilence()
      else {
        options.onProgress(progress)
        if (options.stopAtApproval && progress.state === 'awaiting-approval')
          return { end: 'awaiting-approval', progress }
      }
      await delay(pollMs, undefined, { signal: stop.signal }).catch(() => undefined)
    }
    return closed
  }
  try {
    return await Promise.race([closed, watch()])
  } finally {
    // Ends the long poll for the result, which would keep this process waiting when the run goes on without it.
    stop.abort()
    closed.catch(() => undefined)
  }
}

/** What the run's steps failed with and are about to try again; nothing while the server does not answer. */
async function pendingFailures(client: Client, runId: string): Promise<string[]> {
  const described = await client.workflow
    .getHandle(runId)
    .describe()
    .catch(() => null)
  const pending = described === null ? [] : await pendingActivities(client, described)
  return pending.flatMap(({ activity, lastFailure }) =>
    lastFailure === null ? [] : [`${activity} is tried again: ${lastFailure}`],
  )
}

export interface PendingActivity {
  readonly activity: string
  readonly attempt: number
  /** What the attempt before said; null where it is the first. */
  readonly lastFailure: string | null
}

/** The steps that a run is at. What they failed with may be encrypted. */
export const pendingActivities = (
  client: Client,
  { raw }: WorkflowExecutionDescription,
): Promise<readonly PendingActivity[]> =>
  Promise.all(
    (raw.pendingActivities ?? []).map(async ({ activityType, attempt, lastFailure }) => {
      const failure = await decodeOptionalFailureToOptionalError(client.options.loadedDataConverter, lastFailure)
      return {
        activity: activityType?.name ?? 'a step',
        attempt: attempt ?? 1,
        lastFailure: failure === undefined || failure.message === '' || isWait(failure) ? null : failure.message,
      }
    }),
  )

/** What a run failed with; of one that goes on, what the attempt before said of a step that is tried again, which the run itself is not told. */
export const lastErrorOf = (progress: Progress | null, pending: readonly PendingActivity[]): string | null =>
  progress?.lastError ?? pending.findLast(({ lastFailure }) => lastFailure !== null)?.lastFailure ?? null

/** Said by who waits: nothing failed. */
const isWait = (failure: Error): boolean =>
  failure instanceof ApplicationFailure && failure.category === ApplicationFailureCategory.BENIGN

/** Whether a worker polls the task queue. */
export async function hasWorker(client: Client, taskQueue: string): Promise<boolean> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: 1,
  })
  return pollers.length > 0
}
