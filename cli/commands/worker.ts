import { findTemporal } from '../../workers/connection.ts'
import { startWorker } from '../../workers/worker.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, type ExitCode } from '../output.ts'

export async function workerCommand(context: CommandContext): Promise<ExitCode> {
  const { config } = context.settings
  const target = await findTemporal(context.settings)
  const worker = await startWorker(await context.runtime(), target)
  context.output.result(
    { state: 'polling', taskQueue: config.temporal.taskQueue, temporal: target.address, pid: process.pid },
    () => `Worker polls task queue ${config.temporal.taskQueue} at ${target.address}; stop it with Ctrl-C.`,
  )
  const stop = (): void => void worker.shutdown().catch(() => undefined)
  process.once('SIGINT', stop).once('SIGTERM', stop)
  await worker.stopped
  return exitCodes.done
}
