import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { registerSearchAttributes } from '../activities/index.ts'
import { clearDevState, isAlive, readDevState, writeDevState, type DevState } from '../src/io/dev-state.ts'
import type { ProjectSettings } from '../src/io/project-config.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { connectClient } from './connection.ts'
import { findServer, freePort, startDevServer, type DevServer } from './temporal-server/index.ts'
import { configuredTemporal, encryptionOf, type TemporalTarget } from './temporal-target.ts'
import { startWebPage } from './web/server.ts'
import { startWorkerService } from './service.ts'

const ip = '127.0.0.1'

export interface DevOptions {
  readonly runtime: Runtime
  /** Override the project's; 0 is any free port. */
  readonly ports: {
    readonly temporal?: number | undefined
    readonly temporalUi?: number | undefined
    readonly web?: number | undefined
    readonly health?: number | undefined
  }
  readonly note: (text: string) => void
}

export interface RunningDev {
  readonly state: DevState
  readonly stopped: Promise<void>
  stop(): Promise<void>
  /** Kills the Temporal server that was started, without waiting: for a process that is about to end. */
  killServer(): void
}

/**
 * Starts what a project needs on one machine: a Temporal server (unless one is configured), a worker and the web page. A Temporal server
 * that dies is started again on its state.
 * @throws PORT_IN_USE, TEMPORAL_UNAVAILABLE; nothing is left running then
 */
export async function startDev({ runtime, ports, note }: DevOptions): Promise<RunningDev> {
  const { settings } = runtime
  const { stateDir, config } = settings
  await stopOrphan(stateDir, await readDevState(stateDir))

  const closers: (() => Promise<void>)[] = []
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    const server = await temporalServer(settings, ports, note)
    if (server.stop !== null) closers.push(server.stop)
    const { target } = server
    const client = await connectClient(target)
    closers.push(() => client.connection.close())
    if (server.stop !== null) await registerSearchAttributes(client)
    const web = await startWebPage({ runtime, client, target, ip, port: ports.web ?? config.dev.webPort })
    closers.push(() => web.close())
    const worker = await startWorkerService(runtime, target, { healthPort: ports.health })
    closers.push(() => worker.shutdown())
    const state: DevState = {
      pid: process.pid,
      temporal: {
        address: target.address,
        namespace: target.namespace,
        uiAddress: target.uiAddress,
        pid: server.pid(),
      },
      webAddress: web.address,
      healthAddress: worker.healthAddress,
      startedAt: new Date(runtime.now()).toISOString(),
    }
    await writeDevState(stateDir, state)
    closers.push(() => clearDevState(stateDir))
    server.onRestart((pid) => writeDevState(stateDir, { ...state, temporal: { ...state.temporal, pid } }))

    let stopping: Promise<void> | undefined
    const stop = (): Promise<void> => (stopping ??= closeAll())
    const stopped = worker.stopped.then(stop, async (error: unknown) => {
      await stop()
      throw error
    })
    const killServer = (): void => {
      const pid = server.pid()
      if (pid !== null && isAlive(pid)) process.kill(pid, 'SIGKILL')
    }
    return { state, stop, stopped, killServer }
  } catch (error) {
    await closeAll()
    throw error
  }
}

interface SupervisedServer {
  readonly target: TemporalTarget
  readonly stop: (() => Promise<void>) | null
  pid(): number | null
  onRestart(listener: (pid: number) => Promise<void>): void
}

async function temporalServer(
  settings: ProjectSettings,
  ports: DevOptions['ports'],
  note: (text: string) => void,
): Promise<SupervisedServer> {
  const configured = configuredTemporal(settings)
  if (configured !== null) {
    note(`Using the Temporal server at ${configured.address}`)
    return { target: configured, stop: null, pid: () => null, onRestart: () => undefined }
  }
  const { config, stateDir } = settings
  const executable = await findServer({ onProgress: note })
  const chosen = async (port: number): Promise<number> => (port === 0 ? freePort(ip) : port)
  const options = {
    executable,
    dbFile: join(stateDir, 'temporal.db'),
    port: await chosen(ports.temporal ?? config.dev.temporalPort),
    uiPort: await chosen(ports.temporalUi ?? config.dev.temporalUiPort),
    ip,
    logFile: join(stateDir, 'temporal.log'),
    namespace: config.temporal.namespace,
  }
  let server: DevServer = await startDevServer(options)
  let stopping = false
  let announce: (pid: number) => Promise<void> = () => Promise.resolve()
  const supervise = (current: DevServer): void => {
    void current.exited.then(async () => {
      if (stopping) return
      note('The Temporal server ended; starting it again on its state.')
      try {
        server = await startDevServer(options)
      } catch (error) {
        note(`The Temporal server does not start again: ${error instanceof Error ? error.message : String(error)}`)
        return
      }
      if (stopping) {
        await server.stop()
        return
      }
      await announce(server.pid)
      supervise(server)
    })
  }
  supervise(server)
  return {
    target: {
      options: { address: server.address },
      address: server.address,
      namespace: config.temporal.namespace,
      uiAddress: server.uiAddress,
      origin: 'dev',
      ...encryptionOf(settings),
    },
    stop: async () => {
      stopping = true
      await server.stop()
    },
    pid: () => server.pid,
    onRestart: (listener) => (announce = listener),
  }
}

/** Ends the Temporal server of a `dev` that was killed before it could: it would hold the port and the state file. */
export async function stopOrphan(stateDir: string, state: DevState | null): Promise<void> {
  if (state === null || isAlive(state.pid)) return
  const { pid } = state.temporal
  if (pid !== null && (await isOurServer(pid, stateDir))) {
    process.kill(pid, 'SIGKILL')
    while (isAlive(pid) && (await isOurServer(pid, stateDir))) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await clearDevState(stateDir)
}

/** A process id may have been given to another process since: ours has the state file in its command line. */
async function isOurServer(pid: number, stateDir: string): Promise<boolean> {
  if (!isAlive(pid)) return false
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(join(stateDir, 'temporal.db'))
  } catch {
    // Without /proc nothing can be told, and a stranger must not be killed.
    return false
  }
}
