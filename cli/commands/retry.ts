import { parseBackfillInput, HindcastError } from '../../src/contract/index.ts'
import type { CommandContext } from '../context.ts'
import type { ExitCode } from '../output.ts'
import { backfillHandle, inputOf, runError } from '../runs.ts'
import { startAndFollow } from './backfill.ts'

/** Starts a run again that failed, was cancelled or was stopped: on the same request, with all slices that are finished. */
export async function retryCommand(
  context: CommandContext,
  [runId = '']: readonly string[],
  options: { readonly detach?: boolean; readonly priority?: number },
): Promise<ExitCode> {
  const { client } = await context.temporal()
  const { status, type } = await backfillHandle(client, runId)
    .describe()
    .catch((error: unknown) => {
      throw runError(error, runId)
    })
  if (type !== 'backfill')
    throw new HindcastError('RUN_NOT_FOUND', `${runId} is a workflow of type ${type}, not a backfill`)
  if (status.name === 'RUNNING' || status.name === 'COMPLETED' || status.name === 'CONTINUED_AS_NEW') {
    throw new HindcastError(
      'REQUEST_INVALID',
      `run ${runId} is not one to try again: it ${status.name === 'COMPLETED' ? 'ended well' : 'goes on'}`,
      { hint: `hindcast status ${runId} shows it.`, context: { run: runId } },
    )
  }
  // The plan of then is not bound: what it left out or got wrong is planned anew, and what is finished is found.
  const { planHash: _, ...input } = parseBackfillInput(await inputOf(client, runId))
  return startAndFollow(context, input, options)
}
