import { findTemporal } from '../../workers/temporal-target.ts'
import { startWorkerService } from '../../workers/service.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, type ExitCode } from '../output.ts'
import { stopOnSignals } from '../stop-signals.ts'

export async function workerCommand(
  context: CommandContext,
  _: readonly string[],
  options: { readonly healthPort?: number },
): Promise<ExitCode> {
  const { config } = context.settings
  const target = await findTemporal(context.settings)
  const worker = await startWorkerService(await context.runtime(), target, options)
  const { healthAddress } = worker
  const { taskQueue } = config.temporal
  const { shutdownGraceSeconds } = config.worker
  stopOnSignals((signal) => {
    context.output.note(
      `${signal}: running slices have ${shutdownGraceSeconds} s to finish, then another worker takes them over. A second signal ends it at once.`,
    )
    void worker.shutdown().catch(() => undefined)
  })
  context.output.result(
    { state: 'polling', taskQueue, temporal: target.address, healthAddress, pid: process.pid },
    () =>
      `Worker polls task queue ${taskQueue} at ${target.address}; stop it with Ctrl-C.\nHealth at ${healthAddress} (/healthz, /readyz, /metrics).`,
  )
  await worker.stopped
  return exitCodes.done
}
