import { ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy, type Client } from '@temporalio/client'
import {
  HindcastError,
  isHindcastError,
  parseDuration,
  parseScheduledBackfillInput,
  type ScheduledBackfillInput,
} from '../../src/contract/index.ts'
import { findView, loadDefinitions } from '../../src/io/project.ts'
import { statusText } from '../../workers/runs.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, table, type ExitCode } from '../output.ts'

const workflowType = 'scheduledBackfill'

/** An outage of so long is caught up with by the server itself; what is older is for `temporal schedule backfill`. */
const catchupWindow = '365d'

interface CreateOptions {
  readonly cron?: string
  readonly every?: string
  readonly timeZone?: string
  readonly lag?: string
  readonly partitions?: number
  readonly requireApproval?: boolean
  readonly withUpstream?: boolean
  readonly paused?: boolean
  readonly id?: string
}

/** Makes a Temporal Schedule of `scheduledBackfill`; what is wrong with it is said before it exists. */
export async function createSchedule(
  context: CommandContext,
  [view = '']: readonly string[],
  options: CreateOptions,
): Promise<ExitCode> {
  const { lag, partitions, requireApproval, withUpstream, id = view } = options
  const { when, spec } = times(options)
  const input = parseScheduledBackfillInput({
    view,
    ...(partitions === undefined ? {} : { partitions }),
    ...(lag === undefined ? {} : { lag }),
    ...(requireApproval === true ? { requireApproval } : {}),
    ...(withUpstream === true ? { withUpstream } : {}),
  })
  findView(await loadDefinitions(context.settings), view)
  const { client } = await context.temporal()
  const handle = await client.schedule
    .create({
      scheduleId: id,
      spec,
      action: {
        type: 'startWorkflow',
        workflowType,
        workflowId: id,
        taskQueue: context.settings.config.temporal.taskQueue,
        args: [input],
        staticSummary: `${view}, scheduled ${when}`,
      },
      // Runs of disjoint partitions go side by side; those that overlap take turns by themselves.
      policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL, catchupWindow },
      memo: { when },
      state: { paused: options.paused === true },
    })
    .catch((error: unknown) => {
      throw creationError(error, id, when)
    })
  const [next] = (await handle.describe()).info.nextActionTimes
  const nextTime = next?.toISOString() ?? null
  context.output.result({ id, view, when, input, paused: options.paused === true, next: nextTime }, () =>
    [
      `Schedule ${id} backfills ${view} ${when}${options.paused === true ? ', once it is unpaused' : ''}.`,
      nextTime === null ? 'It never starts a run: no such time is to come.' : `First at ${nextTime}.`,
      `The past: temporal schedule backfill --schedule-id ${id} --overlap-policy AllowAll --start-time T --end-time T`,
    ].join('\n'),
  )
  return exitCodes.done
}

/** @throws USAGE */
function times({ cron, every, timeZone }: CreateOptions): {
  readonly when: string
  readonly spec: {
    readonly cronExpressions?: string[]
    readonly timezone?: string
    readonly intervals?: { every: number }[]
  }
} {
  if ((cron === undefined) === (every === undefined)) {
    throw new HindcastError('USAGE', 'a schedule needs one of --cron and --every', {
      hint: "Say when: --cron '0 3 * * *', or --every 1d.",
    })
  }
  if (cron !== undefined) {
    const zone = timeZone ?? 'UTC'
    return { when: `at ${cron} ${zone}`, spec: { cronExpressions: [cron], timezone: zone } }
  }
  if (timeZone !== undefined) {
    throw new HindcastError('USAGE', '--time-zone belongs to --cron: --every counts from 1970 in UTC')
  }
  const length = every ?? ''
  return { when: `every ${length}`, spec: { intervals: [{ every: milliseconds(length) }] } }
}

function milliseconds(length: string): number {
  try {
    return Number(parseDuration(length, '--every') / 1000n)
  } catch (error) {
    if (!isHindcastError(error)) throw error
    throw new HindcastError('USAGE', error.message, error.hint === undefined ? {} : { hint: error.hint })
  }
}

function creationError(error: unknown, id: string, when: string): unknown {
  if (error instanceof ScheduleAlreadyRunning) {
    return new HindcastError('CONFLICT', `there is a schedule "${id}" already`, {
      hint: `hindcast schedule list shows it. Delete it (hindcast schedule delete ${id}), or give this one another --id.`,
      context: { schedule: id },
    })
  }
  // How the client reports a specification that the server does not take.
  if (error instanceof TypeError) {
    return new HindcastError('REQUEST_INVALID', `${when}: ${error.message}`, {
      hint: "A cron expression has five fields, minute hour day month weekday: '0 3 * * *' is 03:00 each day.",
      cause: error,
    })
  }
  return error
}

interface ScheduleRow {
  readonly id: string
  readonly view: string
  readonly when: string
  readonly input: ScheduledBackfillInput
  readonly paused: boolean
  readonly note: string
  readonly next: string | null
  readonly lastRun: { readonly workflowId: string; readonly scheduledAt: string; readonly status: string } | null
}

export async function listSchedules(context: CommandContext): Promise<ExitCode> {
  const { client } = await context.temporal()
  const schedules: ScheduleRow[] = []
  for await (const { scheduleId, action } of client.schedule.list()) {
    if (action?.workflowType === workflowType) schedules.push(await describe(client, scheduleId))
  }
  schedules.sort((a, b) => (a.id < b.id ? -1 : 1))
  context.output.result({ schedules }, () =>
    schedules.length === 0
      ? "No schedule yet: hindcast schedule create VIEW --cron '0 3 * * *' makes one."
      : table(
          ['schedule', 'view', 'when', 'partitions', 'lag', 'next', 'last run'],
          schedules.map(({ id, view, when, input, paused, next, lastRun }) => [
            id,
            view,
            when,
            String(input.partitions ?? 1),
            input.lag ?? '',
            paused ? 'paused' : (next ?? 'never'),
            lastRun === null ? 'none' : `${lastRun.status}, for ${lastRun.scheduledAt}`,
          ]),
        ),
  )
  return exitCodes.done
}

async function describe(client: Client, id: string): Promise<ScheduleRow> {
  const { action, memo, state, info } = await client.schedule.getHandle(id).describe()
  const input = (action.args?.[0] ?? {}) as ScheduledBackfillInput
  const when = memo?.['when']
  const last = info.recentActions.at(-1)
  return {
    id,
    view: input.view,
    when: typeof when === 'string' ? when : 'as in Temporal',
    input,
    paused: state.paused,
    note: state.note ?? '',
    next: state.paused ? null : (info.nextActionTimes[0]?.toISOString() ?? null),
    lastRun:
      last === undefined
        ? null
        : {
            workflowId: last.action.workflow.workflowId,
            scheduledAt: last.scheduledAt.toISOString(),
            status: await statusOf(client, last.action.workflow.workflowId),
          },
  }
}

/** A run of long ago may be gone from the server. */
const statusOf = async (client: Client, workflowId: string): Promise<string> =>
  client.workflow
    .getHandle(workflowId)
    .describe()
    .then(
      ({ status }) => statusText(status),
      () => 'unknown',
    )

export async function deleteSchedule(context: CommandContext, [id = '']: readonly string[]): Promise<ExitCode> {
  const { client } = await context.temporal()
  const handle = client.schedule.getHandle(id)
  try {
    const { action } = await handle.describe()
    if (action.workflowType !== workflowType) {
      throw new HindcastError(
        'REQUEST_INVALID',
        `schedule "${id}" starts ${action.workflowType}, it is none of Hindcast's`,
        {
          hint: `temporal schedule delete --schedule-id ${id} deletes any.`,
        },
      )
    }
    await handle.delete()
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error
    throw new HindcastError('REQUEST_INVALID', `there is no schedule "${id}"`, {
      hint: 'hindcast schedule list shows them.',
      context: { schedule: id },
      cause: error,
    })
  }
  context.output.result({ id, deleted: true }, () => `Schedule ${id} is deleted; runs that it started go on.`)
  return exitCodes.done
}
