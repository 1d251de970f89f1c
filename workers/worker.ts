import {
  bundleWorkflowCode,
  NativeConnection,
  Runtime as TemporalRuntime,
  DefaultLogger,
  Worker,
  type WorkflowBundle,
} from '@temporalio/worker'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { createActivities } from '../activities/index.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { unreachable, type TemporalTarget } from './connection.ts'

export interface RunningWorker {
  /** Settles when the worker has stopped; rejects when it failed. */
  readonly stopped: Promise<void>
  /** Stops taking tasks, lets running slices see their cancellation, and waits. */
  shutdown(): Promise<void>
}

const logLevel = 'WARN'

/** Only warnings: a worker's own log lines would drown what a command says. */
function installRuntime(): TemporalRuntime {
  return TemporalRuntime.install({
    logger: new DefaultLogger(logLevel, ({ level, message, meta }) => {
      process.stderr.write(`${level.toLowerCase()}: ${message}${describe(meta)}\n`)
    }),
    telemetryOptions: { logging: { filter: { core: logLevel, other: 'ERROR' }, forward: {} } },
  })
}

const describe = (meta: unknown): string => {
  const error = (meta as { error?: unknown } | undefined)?.error
  return error === undefined ? '' : `: ${error instanceof Error ? error.message : String(error)}`
}

/** Starts a worker for the project's task queue. @throws TEMPORAL_UNAVAILABLE when the server does not answer */
export async function startWorker(runtime: Runtime, target: TemporalTarget): Promise<RunningWorker> {
  const { config } = runtime.settings
  const temporalRuntime = installRuntime()
  const { tls, apiKey, metadata } = target.options
  const connection = await NativeConnection.connect({
    address: target.address,
    ...(tls === undefined
      ? {}
      : { tls: tls as NonNullable<Parameters<typeof NativeConnection.connect>[0]>['tls'] & object }),
    ...(typeof apiKey === 'string' ? { apiKey } : {}),
    ...(metadata === undefined ? {} : { metadata: metadata as Record<string, string> }),
  }).catch(async (cause: unknown) => {
    // Without a connection nothing else shuts it down, and it would keep the process alive.
    await temporalRuntime.shutdown()
    throw unreachable(target, cause)
  })
  const slices = config.limits.slicesPerWorker ?? availableParallelism()
  const worker = await Worker.create({
    connection,
    namespace: target.namespace,
    taskQueue: config.temporal.taskQueue,
    workflowBundle: await workflowBundle(),
    activities: createActivities(runtime),
    maxConcurrentActivityTaskExecutions: slices,
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '10s',
  })
  const stopped = runAndClose(worker, connection)
  return {
    stopped,
    shutdown: async () => {
      if (worker.getState() === 'RUNNING') worker.shutdown()
      await stopped
    },
  }
}

async function runAndClose(worker: Worker, connection: NativeConnection): Promise<void> {
  try {
    await worker.run()
  } finally {
    await connection.close()
  }
}

/** The bundle that the build made, else one made now from the sources. */
async function workflowBundle(): Promise<WorkflowBundle | { codePath: string }> {
  const built = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url))
  if (existsSync(built)) return { codePath: built }
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  })
}
