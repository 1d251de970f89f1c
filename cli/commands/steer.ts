import { WorkflowUpdateFailedError } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { userInfo } from 'node:os'
import { fromFailure } from '../../activities/index.ts'
import { HindcastError } from '../../src/contract/index.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, type ExitCode } from '../output.ts'
import { runError } from '../runs.ts'

export type Steering = 'pause' | 'resume' | 'approve' | 'reject' | 'cancel' | 'narrow'

interface SteeringOptions {
  readonly reason?: string
  readonly plan?: string
  readonly maxBytes?: number
  readonly maxMinutes?: number
  readonly to?: string
}

const done: Readonly<Record<Steering, string>> = {
  pause: 'paused: running slices finish, none starts',
  resume: 'goes on',
  approve: 'approved: it is published now',
  reject: 'rejected: nothing is published, its branch stays for inspection',
  narrow: 'is narrowed: what is before the new end is published',
  cancel: 'is being cancelled: nothing is published, finished slices are kept',
}

/** A command that steers one run by a validated update, or cancels it. */
export const steerCommand =
  (action: Steering) =>
  async (context: CommandContext, [runId = '']: readonly string[], options: SteeringOptions): Promise<ExitCode> => {
    const { client } = await context.temporal()
    const handle = client.workflow.getHandle(runId)
    try {
      if (action === 'cancel') await handle.cancel()
      else await handle.executeUpdate(action, { args: [requestOf(action, options)] })
    } catch (error) {
      throw steeringError(error, runId)
    }
    context.output.result({ runId, action, accepted: true }, () => `Run ${runId} ${done[action]}.`)
    return exitCodes.done
  }

function requestOf(action: Exclude<Steering, 'cancel'>, options: SteeringOptions): Readonly<Record<string, unknown>> {
  const { reason, plan, maxBytes, maxMinutes, to } = options
  return {
    by: userInfo().username,
    ...(reason === undefined ? {} : { reason }),
    ...((action === 'approve' || action === 'reject') && plan !== undefined ? { planHash: plan } : {}),
    ...(action === 'resume' && maxBytes !== undefined ? { maxBytes } : {}),
    ...(action === 'resume' && maxMinutes !== undefined ? { maxMinutes } : {}),
    ...(action === 'narrow' && to !== undefined ? { to } : {}),
  }
}

function steeringError(error: unknown, runId: string): unknown {
  if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
    return fromFailure(error.cause) ?? error
  }
  if (error instanceof Error && /already completed|already closed/i.test(error.message)) {
    return new HindcastError('REQUEST_INVALID', `run ${runId} has ended already`, {
      hint: `hindcast status ${runId} shows how.`,
    })
  }
  return runError(error, runId)
}
