import { WorkflowUpdateFailedError } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { userInfo } from 'node:os'
import { fromFailure } from '../../activities/index.ts'
import { HindcastError } from '../../src/contract/index.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, type ExitCode } from '../output.ts'
import { runError } from '../runs.ts'

export type Steering = 'pause' | 'resume' | 'approve' | 'reject' | 'cancel'

const done: Readonly<Record<Steering, string>> = {
  pause: 'paused: running slices finish, none starts',
  resume: 'goes on',
  approve: 'approved: it is published now',
  reject: 'rejected: nothing is published, its branch stays for inspection',
  cancel: 'is being cancelled: nothing is published, finished slices are kept',
}

/** A command that steers one run by a validated update, or cancels it. */
export const steerCommand =
  (action: Steering) =>
  async (
    context: CommandContext,
    [runId = '']: readonly string[],
    options: { readonly reason?: string },
  ): Promise<ExitCode> => {
    const { client } = await context.temporal()
    const handle = client.workflow.getHandle(runId)
    try {
      if (action === 'cancel') await handle.cancel()
      else if (action === 'approve' || action === 'reject') {
        const decision = {
          by: userInfo().username,
          ...(options.reason === undefined ? {} : { reason: options.reason }),
        }
        await handle.executeUpdate(action, { args: [decision] })
      } else await handle.executeUpdate(action)
    } catch (error) {
      throw steeringError(error, runId)
    }
    context.output.result({ runId, action, accepted: true }, () => `Run ${runId} ${done[action]}.`)
    return exitCodes.done
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
