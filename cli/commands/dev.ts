import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError } from '../../src/contract/index.ts'
import { isAlive, readDevState, type DevState } from '../../src/io/dev-state.ts'
import { startDev, stopOrphan } from '../../workers/dev.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, type ExitCode } from '../output.ts'
import { stopOnSignals } from '../stop-signals.ts'

interface DevOptions {
  readonly port?: number
  readonly uiPort?: number
  readonly webPort?: number
  readonly healthPort?: number
  readonly detach?: boolean
  readonly stop?: boolean
}

const startTimeoutMs = 180_000
/** Beyond the grace of running slices. */
const stopTimeoutMs = 20_000

export async function devCommand(
  context: CommandContext,
  _: readonly string[],
  options: DevOptions,
): Promise<ExitCode> {
  const { stateDir } = context.settings
  const state = await readDevState(stateDir)
  const running = state !== null && isAlive(state.pid) ? state : null
  if (options.stop === true) return stopDev(context, state)
  if (running !== null) {
    if (options.detach === true) return describeDev(context, running)
    throw new HindcastError('PORT_IN_USE', `hindcast dev runs for this project already (process ${running.pid})`, {
      hint: `Its page is ${running.webAddress}. Stop it with: hindcast dev --stop`,
    })
  }
  if (options.detach === true) return startDetached(context, options)

  const dev = await startDev({
    runtime: await context.runtime(),
    ports: { temporal: options.port, temporalUi: options.uiPort, web: options.webPort, health: options.healthPort },
    note: (text) => context.output.note(text),
  })
  describeDev(context, dev.state)
  stopOnSignals(
    () => void dev.stop().catch(() => undefined),
    () => dev.killServer(),
  )
  await dev.stopped
  return exitCodes.done
}

function describeDev(context: CommandContext, state: DevState): ExitCode {
  context.output.result({ state: 'running', ...state }, () =>
    [
      `Hindcast      ${state.webAddress}`,
      ...(state.temporal.uiAddress === null ? [] : [`Temporal UI   ${state.temporal.uiAddress}`]),
      `Temporal      ${state.temporal.address} (namespace ${state.temporal.namespace})`,
      `Worker        polls task queue ${context.settings.config.temporal.taskQueue} in process ${state.pid}`,
      ...(state.healthAddress === '' ? [] : [`Health        ${state.healthAddress} (/healthz, /readyz, /metrics)`]),
    ].join('\n'),
  )
  return exitCodes.done
}

async function stopDev(context: CommandContext, state: DevState | null): Promise<ExitCode> {
  const { stateDir, config } = context.settings
  if (state !== null && isAlive(state.pid)) {
    process.kill(state.pid, 'SIGTERM')
    const deadline = Date.now() + config.worker.shutdownGraceSeconds * 1000 + stopTimeoutMs
    while (isAlive(state.pid)) {
      if (Date.now() > deadline) {
        throw new HindcastError('TEMPORAL_UNAVAILABLE', `hindcast dev (process ${state.pid}) did not stop in time`, {
          hint: `It may be finishing a slice. End it with: kill -9 ${state.pid}; nothing is lost.`,
        })
      }
      await delay(50)
    }
  }
  await stopOrphan(stateDir, state)
  context.output.result({ state: 'stopped' }, () => (state === null ? 'hindcast dev was not running.' : 'Stopped.'))
  return exitCodes.done
}

/** Starts `hindcast dev` as a process of its own and waits until it says that it is ready. */
async function startDetached(context: CommandContext, options: DevOptions): Promise<ExitCode> {
  const { stateDir, dir } = context.settings
  await mkdir(stateDir, { recursive: true })
  const logFile = join(stateDir, 'dev.log')
  const log = openSync(logFile, 'w')
  const flags = [
    ...(options.port === undefined ? [] : ['--port', String(options.port)]),
    ...(options.uiPort === undefined ? [] : ['--ui-port', String(options.uiPort)]),
    ...(options.webPort === undefined ? [] : ['--web-port', String(options.webPort)]),
    ...(options.healthPort === undefined ? [] : ['--health-port', String(options.healthPort)]),
  ]
  const child = spawn(
    process.execPath,
    [...process.execArgv, process.argv[1] ?? '', 'dev', '--project', dir, ...flags],
    {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: dir,
    },
  )
  closeSync(log)
  let exited = false
  child.once('exit', () => (exited = true)).once('error', () => (exited = true))
  const deadline = Date.now() + startTimeoutMs
  while (Date.now() < deadline && !exited) {
    const state = await readDevState(stateDir)
    if (state !== null && state.pid === child.pid) {
      child.unref()
      return describeDev(context, state)
    }
    await delay(50)
  }
  if (!exited) child.kill('SIGTERM')
  const [message = 'hindcast dev did not start', ...rest] = (await readFile(logFile, 'utf8'))
    .trim()
    .split('\n')
    .slice(-3)
  throw new HindcastError(
    /port/i.test(message) ? 'PORT_IN_USE' : 'TEMPORAL_UNAVAILABLE',
    message.replace(/^error: /, ''),
    {
      hint: [...rest.map((line) => line.trim()), `All it said is in ${logFile}.`].join(' '),
    },
  )
}
