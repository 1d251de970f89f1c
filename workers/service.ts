import type { Runtime } from '../src/io/runtime.ts'
import type { TemporalTarget } from './temporal-target.ts'
import { createMetrics, createReadiness, serveEndpoints } from './endpoints/index.ts'
import { endAfter, startWorker, type RunningWorker } from './worker.ts'

const probeTimeoutMs = 3_000
const probeKeptMs = 1_000

export interface WorkerService {
  readonly worker: RunningWorker
  /** Where `/healthz`, `/readyz` and `/metrics` are served. */
  readonly healthAddress: string
  /** Stops the worker as `RunningWorker.shutdown` does; the endpoints answer until it has stopped. */
  shutdown(): Promise<void>
  /** Settles when worker and endpoints are gone; rejects when the worker failed. */
  readonly stopped: Promise<void>
}

/**
 * A worker with its endpoints.
 * @param healthPort goes before the project's
 * @throws PORT_IN_USE, TEMPORAL_UNAVAILABLE; nothing is left running then
 */
export async function startWorkerService(
  runtime: Runtime,
  target: TemporalTarget,
  { healthPort }: { readonly healthPort?: number | undefined } = {},
): Promise<WorkerService> {
  const { config } = runtime.settings
  const metrics = createMetrics()
  let worker: RunningWorker | null = null
  const parts = createReadiness({
    checks: {
      temporal: async () => worker?.ping(),
      catalog: async () => void (await runtime.catalog.listNamespaces()),
    },
    timeoutMs: probeTimeoutMs,
    keptMs: probeKeptMs,
    now: runtime.now,
  })
  const endpoints = await serveEndpoints({
    ip: config.worker.healthHost,
    port: healthPort ?? config.worker.healthPort ?? null,
    readiness: async () => {
      // Never from an earlier look: a worker that stops must be out of the way at once.
      const idle = worker === null ? 'the worker is starting' : worker.idle()
      return [...(idle === null ? [] : [{ check: 'worker', message: idle }]), ...(await parts())]
    },
    metrics: async () => {
      const sdk = await (worker?.sdkMetrics() ?? '')
      return { type: metrics.contentType, text: `${await metrics.text()}\n${sdk}` }
    },
  })
  try {
    worker = await startWorker(runtime, target, metrics)
  } catch (error) {
    await endpoints.close()
    throw error
  }
  const running = worker
  const stopped = endAfter(running.stopped, () => endpoints.close())
  return {
    worker: running,
    healthAddress: endpoints.address,
    stopped,
    shutdown: async () => {
      await running.shutdown()
      await stopped
    },
  }
}
