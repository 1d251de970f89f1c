import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { dirname } from 'node:path'
import { Connection } from '@temporalio/client'
import { HindcastError } from '../../src/contract/index.ts'
import { refuseTakenPort } from './ports.ts'

const startTimeoutMs = 20_000
const stopTimeoutMs = 5_000
const probeIntervalMs = 50
const probeTimeoutMs = 1_000
const logTailBytes = 4_096

export interface DevServerOptions {
  /** The Temporal CLI, as `findServer` returns it. */
  readonly executable: string
  /** SQLite file that keeps the server's state. */
  readonly dbFile: string
  readonly port: number
  /** Port of the Web UI; null runs without one. */
  readonly uiPort: number | null
  /** Address to listen on. */
  readonly ip: string
  /** Gets whatever the server prints, appended. */
  readonly logFile: string
  /** Created when it isn't there. */
  readonly namespace: string
}

export interface DevServerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface DevServer {
  readonly address: string
  /** URL of the Web UI; null without one. */
  readonly uiAddress: string | null
  readonly pid: number
  /** Ends the server, by SIGKILL if it takes longer than 5 s, and waits until it is gone. Stopping twice is stopping once. */
  stop(): Promise<void>
  /** Resolves when the process is gone, whoever ended it. */
  readonly exited: Promise<DevServerExit>
}

/**
 * Starts `temporal server start-dev` and waits until it answers. The server leads a process group of its own: Ctrl-C in the terminal
 * reaches only its starter, so that a worker can finish against a living server and then call `stop`.
 *
 * @throws PORT_IN_USE before anything is started, TEMPORAL_UNAVAILABLE when the server ends or doesn't answer within 20 s
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const { ip, port, uiPort } = options
  await refuseTakenPort(ip, port, 'the Temporal dev server', '--port')
  if (uiPort !== null) await refuseTakenPort(ip, uiPort, 'Temporal’s Web UI', '--ui-port')
  await mkdir(dirname(options.dbFile), { recursive: true })
  await mkdir(dirname(options.logFile), { recursive: true })

  const log = openSync(options.logFile, 'a')
  const child = spawn(options.executable, serverArguments(options), { stdio: ['ignore', log, log], detached: true })
  closeSync(log)
  const spawned = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  const exited = new Promise<DevServerExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  try {
    await spawned
  } catch (cause) {
    throw new HindcastError('TEMPORAL_UNAVAILABLE', `the Temporal dev server ${options.executable} does not run`, {
      hint: 'Is it made for this machine? Remove it, and the next start gets another.',
      context: { executable: options.executable },
      cause,
    })
  }

  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    await exited
    clearTimeout(timer)
  }
  const address = `${ip}:${port}`
  try {
    await waitUntilHealthy(options, address, exited)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    address,
    uiAddress: uiPort === null ? null : `http://${ip}:${uiPort}`,
    pid: child.pid ?? 0,
    stop,
    exited,
  }
}

/**
 * Stock settings throttle a task queue to 20 reads a second, which costs a serial activity 0.1 s; and the default journal of SQLite
 * syncs on every write. State survives a killed server with these settings too; only a power cut may cost the last moments.
 */
function serverArguments(options: DevServerOptions): readonly string[] {
  const ui = options.uiPort === null ? '--headless' : `--ui-port=${options.uiPort}`
  return [
    'server',
    'start-dev',
    `--ip=${options.ip}`,
    `--port=${options.port}`,
    ui,
    '--ui-disable-news-fetch',
    `--namespace=${options.namespace}`,
    '--log-level=warn',
    '--log-format=json',
    `--db-filename=${options.dbFile}`,
    '--sqlite-pragma=journal_mode=wal',
    '--sqlite-pragma=synchronous=normal',
    ...['transfer', 'timer', 'visibility'].map(
      (queue) => `--dynamic-config-value=history.${queue}ProcessorMaxPollRPS=2000`,
    ),
  ]
}

async function waitUntilHealthy(
  options: DevServerOptions,
  address: string,
  exited: Promise<DevServerExit>,
): Promise<void> {
  const deadline = performance.now() + startTimeoutMs
  let gone: DevServerExit | null = null
  void exited.then((exit) => {
    gone = exit
  })
  while (performance.now() < deadline) {
    if (await answers(options, address)) return
    if (gone !== null) break
    await new Promise((resolve) => setTimeout(resolve, probeIntervalMs))
  }
  const what = gone === null ? `does not answer within ${startTimeoutMs / 1000} s` : 'ended while it started'
  const tail = await lastBytes(options.logFile)
  throw new HindcastError('TEMPORAL_UNAVAILABLE', `the Temporal dev server at ${address} ${what}${tail}`, {
    hint: `Its log is ${options.logFile}. Another server may hold ${options.dbFile}: stop that one first.`,
    context: { address, exit: gone, logFile: options.logFile },
  })
}

/** Whether the server serves the namespace: it listens a moment before it does, and gRPC waits a second after a refused connection. */
async function answers({ ip, port, namespace }: DevServerOptions, address: string): Promise<boolean> {
  if (!(await accepts(ip, port))) return false
  try {
    const connection = await Connection.connect({ address, connectTimeout: probeTimeoutMs })
    try {
      const describe = () => connection.workflowService.describeNamespace({ namespace })
      await connection.withDeadline(Date.now() + probeTimeoutMs, describe)
      return true
    } finally {
      await connection.close()
    }
  } catch {
    return false
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port })
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

async function lastBytes(file: string): Promise<string> {
  await using handle = await open(file, 'r')
  const { size } = await handle.stat()
  const length = Math.min(size, logTailBytes)
  const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length)
  const text = buffer.toString('utf8').trim()
  return text === '' ? '' : `; its last words:\n${text}`
}
