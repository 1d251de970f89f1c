// Storage may be away for longer than any step's patience. The run waits as long as it may and says for what; it ends with the bytes of an
// undisturbed run once the storage is back, or fails clearly with `main` as it was, and then goes on when it is told to.
import { rename } from 'node:fs/promises'
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createActivities, fromFailure } from '../../activities/index.ts'
import { lastErrorOf, pendingActivities } from '../../cli/runs.ts'
import type { BackfillResult, Progress } from '../../src/contract/index.ts'
import { openFiles, toPath } from '../../src/io/files/index.ts'
import type { Runtime } from '../../src/io/runtime.ts'
import { salesProject, type SalesProject } from '../support/runtime.ts'
import { spoilingProxy } from '../support/s3/proxy.ts'
import { startTestS3 } from '../support/s3/server.ts'
import { mainBytes } from '../support/table-bytes.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { until } from '../support/until.ts'
import { whileWorking } from '../support/workflow-worker.ts'

const input = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-08' }
const limits = { sliceInputBytes: 400, concurrency: 1 }

let temporal: TestTemporal
beforeAll(async () => {
  temporal = await startTestTemporal()
})
afterAll(() => temporal[Symbol.asyncDispose]())

let reference: ReadonlyMap<string, readonly string[]>
beforeAll(async () => {
  await using project = await salesProject()
  await project.publish(await project.staged('undisturbed', input))
  reference = await mainBytes(project.runtime.settings.dir, 'shop_sales')
})

/** A runtime whose storage goes away when the third file of the run is to be moved there. */
function interrupted(runtime: Runtime, goAway: () => Promise<void>): Runtime {
  let files = 0
  const io = {
    ...runtime.io,
    adopt: async (localPath: string, uri: string) => {
      files += 1
      if (files === 3) await goAway()
      return runtime.io.adopt(localPath, uri)
    },
  }
  return { ...runtime, io, tableFiles: () => io, filesOf: () => Promise.resolve(io) }
}

const start = (workflowId: string): Promise<WorkflowHandle> =>
  temporal.client.workflow.start('backfill', { taskQueue: 'hindcast', workflowId, args: [input] })

/** What `hindcast status` says of a run that goes on. */
async function lastError(handle: WorkflowHandle): Promise<string> {
  const pending = await pendingActivities(temporal.client, await handle.describe())
  return lastErrorOf(await handle.query<Progress>('progress'), pending) ?? ''
}

async function failureOf(handle: WorkflowHandle) {
  const error: unknown = await handle.result().then(
    () => null,
    (cause: unknown) => cause,
  )
  if (error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure) return fromFailure(error.cause)
  throw new Error('the run did not fail as expected', { cause: error })
}

const onLocalDisk = (project: SalesProject) => {
  const root = toPath(project.runtime.warehouse)
  return {
    goAway: () => rename(root, `${root}-away`),
    comeBack: () => rename(`${root}-away`, root),
    bytes: () => mainBytes(project.runtime.settings.dir, 'shop_sales'),
  }
}

test('a local warehouse that is away for a while: the run says so, and goes on', async () => {
  await using project = await salesProject(undefined, { limits })
  const { goAway, comeBack, bytes } = onLocalDisk(project)
  const activities = createActivities(interrupted(project.runtime, goAway))
  await whileWorking(temporal.address, { taskQueue: 'hindcast', activities }, async () => {
    const handle = await start('away-for-a-while')
    await until('the run says what it waits for', async () =>
      (await lastError(handle)).includes(toPath(project.runtime.warehouse)),
    )
    await comeBack()
    expect(((await handle.result()) as BackfillResult).verdict).toBe('published')
  })
  expect(await bytes()).toEqual(reference)
  expect(await project.main()).toMatchObject({ snapshots: 1, refs: ['main'] })
})

test('one that stays away past all attempts: it fails clearly, main is as it was, and the same request goes on', async () => {
  await using project = await salesProject(undefined, { limits: { ...limits, attempts: 3 } })
  await project.publish(await project.staged('before', { ...input, to: '2024-01-04' }))
  const before = await mainBytes(project.runtime.settings.dir, 'shop_sales')
  const { goAway, comeBack, bytes } = onLocalDisk(project)
  const activities = createActivities(interrupted(project.runtime, goAway))
  await whileWorking(temporal.address, { taskQueue: 'hindcast', activities }, async () => {
    const failure = await failureOf(await start('away-too-long'))
    expect(failure).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringMatching(/the folder .*warehouse is not there.*\(given up after 3 attempts\)$/) as string,
    })
    await comeBack()
    expect(await bytes()).toEqual(before)
    const again = (await (await start('away-too-long-again')).result()) as BackfillResult
    expect(again).toMatchObject({ verdict: 'published', partitions: { fresh: 2, missing: 4 } })
  })
  expect(await bytes()).toEqual(reference)
})

test('a store in S3 that does not answer for a while: the same', async () => {
  await using server = await startTestS3()
  let isAway = false
  await using proxy = await spoilingProxy(server.settings.endpoint, async ({ ask, answer, response }) => {
    if (isAway) response.destroy()
    else answer(await ask())
  })
  const warehouse = `s3://${server.bucket}/warehouse`
  const storage = { s3: { ...server.settings, endpoint: proxy.endpoint } }
  await using project = await salesProject(undefined, { limits, warehouse, storage })
  const goAway = () => {
    isAway = true
    return Promise.resolve()
  }
  const activities = createActivities(interrupted(project.runtime, goAway))
  await whileWorking(temporal.address, { taskQueue: 'hindcast', activities }, async () => {
    const handle = await start('away-in-s3')
    await until('the run says what it waits for', async () => (await lastError(handle)).includes(warehouse))
    isAway = false
    expect(((await handle.result()) as BackfillResult).verdict).toBe('published')
  })
  expect(await mainBytes(project.runtime.settings.dir, 'shop_sales', openFiles({ s3: server.settings }))).toEqual(
    reference,
  )
})
