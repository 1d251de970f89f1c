import { setTimeout as delay } from 'node:timers/promises'
import type { TestWorker } from '../../tests/support/project.ts'
import type { SoakRequest } from './request.ts'

export interface Killed {
  workers: number
  servers: number
}

const workers = 2

/**
 * Keeps two workers and the server running, and kills one worker or the other every 5 to 20 s and the server every 45 to 120 s. Once told to
 * stop it kills nothing more; the workers go on until they are ended.
 */
export function startKiller(request: SoakRequest): {
  readonly killed: Killed
  /** Resolves once all kills are done, with everything running. */
  readonly stopped: Promise<void>
  /** Stops the workers as an operator does. */
  end(): Promise<void>
} {
  const { project, temporal, stop } = request
  const killed: Killed = { workers: 0, servers: 0 }
  const running = new Map<number, TestWorker>()
  let ending = false

  const keepWorker = async (slot: number): Promise<void> => {
    while (!ending) {
      // It may find no server, or one that dies.
      const worker = await project.startWorker().catch(() => null)
      if (worker === null) {
        await delay(1_000)
        continue
      }
      running.set(slot, worker)
      await worker.ended
      running.delete(slot)
    }
  }
  const keepers = Array.from({ length: workers }, (_, slot) => keepWorker(slot))

  const every = async (purpose: string, low: number, high: number, kill: () => void | Promise<void>): Promise<void> => {
    const random = request.random(purpose)
    for (;;) {
      await delay(random.between(low, high) * 1000, undefined, { signal: stop }).catch(() => undefined)
      if (stop.aborted) return
      await kill()
    }
  }
  const which = request.random('which worker')
  const workerKills = every('workers', 5, 20, () => {
    if (running.size === 0) return
    which.pick([...running.values()]).process.kill('SIGKILL')
    killed.workers += 1
  })
  const serverKills = every('server', 45, 120, async () => {
    killed.servers += 1
    await temporal
      .crash()
      .catch((error: unknown) => request.anomaly(`the server did not start again: ${String(error)}`))
  })

  return {
    killed,
    stopped: Promise.all([workerKills, serverKills]).then(() => undefined),
    end: async () => {
      ending = true
      for (const { process } of running.values()) process.kill('SIGTERM')
      await Promise.all(keepers)
    },
  }
}
