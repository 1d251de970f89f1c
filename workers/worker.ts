import { Runtime as TemporalRuntime, DefaultLogger, Worker } from '@temporalio/worker'
import { availableParallelism } from 'node:os'
import { createActivities } from '../activities/index.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { measuredActivities, type WorkerMetrics } from './endpoints/index.ts'
import { findTracing } from './tracing/index.ts'
import type { TemporalTarget } from './temporal-target.ts'
import { freePort } from './temporal-server/index.ts'
import { connectWorker } from './worker-connection.ts'
import { failureConverterPath, workflowBundle } from './workflow-bundle.ts'

export interface RunningWorker {
  /** Settles when the worker has stopped; rejects when it failed. */
  readonly stopped: Promise<void>
  /** Stops taking tasks, lets running slices finish for as long as the project's grace says, then cancels them, and waits. */
  shutdown(): Promise<void>
  /** Why it takes no tasks; null while it does. */
  idle(): string | null
  /** Asks the Temporal server for a sign of life. @throws what the connection says */
  ping(): Promise<void>
  /** The Temporal SDK's own metrics in Prometheus's text format. */
  sdkMetrics(): Promise<string>
}

const logLevel = 'WARN'
const localhost = '127.0.0.1'
const portAttempts = 5

/** Only warnings: a worker's own log lines would drown what a command says. */
async function installRuntime(): Promise<{ readonly temporalRuntime: TemporalRuntime; readonly metricsUrl: string }> {
  for (let attempt = 1; ; attempt++) {
    const bindAddress = `${localhost}:${await freePort(localhost)}`
    try {
      const temporalRuntime = TemporalRuntime.install({
        logger: new DefaultLogger(logLevel, ({ level, message, meta }) => {
          process.stderr.write(`${level.toLowerCase()}: ${message}${describe(meta)}\n`)
        }),
        telemetryOptions: {
          logging: { filter: { core: logLevel, other: 'ERROR' }, forward: {} },
          // It has a server of its own, whose port it does not tell: the worker's page asks it and shows one text.
          metrics: {
            prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true },
          },
        },
        // Signals are the command's to take.
        shutdownSignals: [],
      })
      return { temporalRuntime, metricsUrl: `http://${bindAddress}/metrics` }
    } catch (error) {
      // Somebody took the port meanwhile.
      if (attempt === portAttempts || !/address already in use/i.test(String(error))) throw error
    }
  }
}

const describe = (meta: unknown): string => {
  const error = (meta as { error?: unknown } | undefined)?.error
  return error === undefined ? '' : `: ${error instanceof Error ? error.message : String(error)}`
}

/** Beyond the grace: what a cancelled slice has to stop in. Whatever is not gone then is left to its missing heartbeat. */
const forceMs = 5_000

/** Starts a worker for the project's task queue. @throws as `connectWorker` */
export async function startWorker(
  runtime: Runtime,
  target: TemporalTarget,
  metrics: WorkerMetrics,
): Promise<RunningWorker> {
  const { config } = runtime.settings
  const { codec, encrypted } = target
  const tracing = await findTracing()
  const { temporalRuntime, metricsUrl } = await installRuntime()
  const connection = await connectWorker(target).catch(async (error: unknown) => {
    // Without a connection nothing else shuts it down, and it would keep the process alive.
    await temporalRuntime.shutdown()
    throw error
  })
  const graceMs = config.worker.shutdownGraceSeconds * 1000
  const slices = config.limits.slicesPerWorker ?? availableParallelism()
  const activities = createActivities(runtime, tracing === null ? {} : { inSpan: tracing.worker.inSpan })
  const worker = await Worker.create({
    connection,
    namespace: target.namespace,
    taskQueue: config.temporal.taskQueue,
    workflowBundle: await workflowBundle({ encrypted, traced: tracing !== null }),
    dataConverter: {
      payloadCodecs: [codec],
      ...(encrypted ? { failureConverterPath: failureConverterPath() } : {}),
    },
    activities: measuredActivities(tracing?.worker.described(activities) ?? activities, metrics),
    ...(tracing === null ? {} : { interceptors: tracing.worker.interceptors, sinks: tracing.worker.sinks }),
    maxConcurrentActivityTaskExecutions: slices,
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: graceMs,
    shutdownForceTime: graceMs + forceMs,
  })
  const stopped = endAfter(worker.run(), () => connection.close())
  return {
    stopped,
    shutdown: async () => {
      if (worker.getState() === 'RUNNING') worker.shutdown()
      await stopped
    },
    idle: () => {
      const { runState, hasOutstandingActivityPoll, hasOutstandingWorkflowPoll } = worker.getStatus()
      if (runState !== 'RUNNING') return `the worker is ${runState.toLowerCase()}`
      return hasOutstandingActivityPoll || hasOutstandingWorkflowPoll ? null : 'the worker does not poll'
    },
    ping: () =>
      connection.withDeadline(Date.now() + pingTimeoutMs, async () => {
        await connection.workflowService.getSystemInfo({})
      }),
    sdkMetrics: async () => (await fetch(metricsUrl, { signal: AbortSignal.timeout(pingTimeoutMs) })).text(),
  }
}

const pingTimeoutMs = 3_000

/** Does what is to be done after `work`, however that ended. */
export async function endAfter(work: Promise<void>, end: () => Promise<void>): Promise<void> {
  try {
    await work
  } finally {
    await end()
  }
}
