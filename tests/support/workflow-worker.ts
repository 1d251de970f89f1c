import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker'
import type { WorkflowHandle } from '@temporalio/client'
import { bundleFile, makeBundle, type BundleVariant } from '../../workers/workflow-bundle.ts'
import type { TestTemporal } from './temporal.ts'

// Tests print nothing; a failed workflow, which a worker warns of, is often what a test wants.
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } },
})

/** Where a traced bundle's spans go when nobody collects them. */
export const noSinks = { exporter: { export: { fn: () => undefined } } }

const bundled = new Map<string, Promise<WorkflowBundle>>()

/** The workflows as a worker runs them. */
export function workflowBundle(variant: BundleVariant = { encrypted: false, traced: false }): Promise<WorkflowBundle> {
  const bundle = bundled.get(bundleFile(variant)) ?? makeBundle(variant)
  bundled.set(bundleFile(variant), bundle)
  return bundle
}

/** Runs `work` while a worker of the given activities polls `taskQueue`. */
export async function whileWorking<T>(
  address: string,
  options: {
    readonly taskQueue: string
    readonly activities: object
    readonly identity?: string
    readonly variant?: BundleVariant
    /** Activities at once; many unless given. */
    readonly slots?: number
  },
  work: () => Promise<T>,
): Promise<T> {
  const connection = await NativeConnection.connect({ address })
  try {
    const worker = await Worker.create({
      connection,
      taskQueue: options.taskQueue,
      workflowBundle: await workflowBundle(options.variant),
      activities: options.activities,
      sinks: noSinks,
      ...(options.identity === undefined ? {} : { identity: options.identity }),
      ...(options.slots === undefined ? {} : { maxConcurrentActivityTaskExecutions: options.slots }),
    })
    return await worker.runUntil(work)
  } finally {
    await connection.close()
  }
}

let runs = 0

/** Starts a backfill of its own id and task queue, and runs `work` on it while a worker of the given activities polls. */
export function whileBackfilling<T>(
  { address, client }: TestTemporal,
  activities: object,
  request: unknown,
  work: (handle: WorkflowHandle) => Promise<T>,
): Promise<T> {
  const taskQueue = `run-${++runs}`
  return whileWorking(address, { taskQueue, activities }, async () =>
    work(await client.workflow.start('backfill', { taskQueue, workflowId: taskQueue, args: [request] })),
  )
}
