import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkflowBundle,
} from '@temporalio/worker'
import type { WorkflowHandle } from '@temporalio/client'
import { fileURLToPath } from 'node:url'
import type { TestTemporal } from './temporal.ts'

// Tests print nothing; a failed workflow, which a worker warns of, is often what a test wants.
Runtime.install({ logger: new DefaultLogger('ERROR') })

let bundled: Promise<WorkflowBundle> | undefined

/** The workflows as a worker runs them. */
export const workflowBundle = (): Promise<WorkflowBundle> =>
  (bundled ??= bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  }))

/** Runs `work` while a worker of the given activities polls `taskQueue`. */
export async function whileWorking<T>(
  address: string,
  options: { readonly taskQueue: string; readonly activities: object; readonly identity?: string },
  work: () => Promise<T>,
): Promise<T> {
  const connection = await NativeConnection.connect({ address })
  try {
    const worker = await Worker.create({
      connection,
      taskQueue: options.taskQueue,
      workflowBundle: await workflowBundle(),
      activities: options.activities,
      ...(options.identity === undefined ? {} : { identity: options.identity }),
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
