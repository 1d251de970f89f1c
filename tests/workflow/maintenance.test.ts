// A clean-up runs beside backfills: of those that Temporal says are open it must spare everything, and of the others leave nothing.
import { WorkflowFailedError } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createActivities } from '../../activities/index.ts'
import { HindcastError, type MaintenanceResult, type Progress } from '../../src/contract/index.ts'
import type { Runtime } from '../../src/io/runtime.ts'
import { overrideCatalog } from '../support/override-catalog.ts'
import { expectNoGarbage } from '../support/clean-up.ts'
import { warehouseFiles } from '../support/reachable.ts'
import { salesProject } from '../support/runtime.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { until } from '../support/until.ts'
import { whileWorking } from '../support/workflow-worker.ts'

let temporal: TestTemporal
beforeAll(async () => {
  temporal = await startTestTemporal()
})
afterAll(() => temporal[Symbol.asyncDispose]())

const range = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-12' }
const dayMs = 86_400_000

test('the workflow asks Temporal which runs are over: one that waits for approval loses nothing, a rejected one all', async () => {
  await using project = await salesProject()
  const { workflow } = temporal.client
  const start = (workflowId: string, input: object) =>
    workflow.start('backfill', { taskQueue: 'hindcast', workflowId, args: [{ ...range, ...input }] })
  const reach = async (id: string): Promise<void> => {
    const handle = workflow.getHandle(id)
    await until(`${id} waits`, async () => (await handle.query<Progress>('progress')).state === 'awaiting-approval')
  }
  const waiting = { requireApproval: true, force: true }
  await whileWorking(
    temporal.address,
    { taskQueue: 'hindcast', activities: createActivities(project.runtime) },
    async () => {
      await (await start('published', {})).result()
      await start('rejected', waiting)
      await reach('rejected')
      await workflow.getHandle('rejected').executeUpdate('reject', { args: [{ by: 'ada' }] })
      await expect(workflow.getHandle('rejected').result()).rejects.toThrow()
      await start('terminated', { ...waiting, to: '2024-01-05' })
      await reach('terminated')
      await workflow.getHandle('terminated').terminate()
      await start('waiting', { ...waiting, from: '2024-01-06' })
      await reach('waiting')
    },
  )

  const later: Runtime = { ...project.runtime, now: () => Date.now() + 60 * dayMs }
  await whileWorking(temporal.address, { taskQueue: 'hindcast', activities: createActivities(later) }, async () => {
    const run = (workflowId: string, input: object): Promise<MaintenanceResult> =>
      workflow.execute('maintenance', { taskQueue: 'hindcast', workflowId, args: [input] })
    const before = await warehouseFiles(later)
    const dry = await run('dry', { dryRun: true })
    expect(await warehouseFiles(later)).toEqual(before)
    const { tables } = await run('gc', {})
    expect(tables[0]?.garbage).toEqual(dry.tables[0]?.garbage)
    expect(tables).toMatchObject([
      {
        table: 'features.shop_sales',
        problem: null,
        openRuns: ['waiting'],
        unknownRuns: 0,
        failed: { count: 0 },
      },
    ])
    expect([...(tables[0]?.droppedRefs ?? [])].sort()).toEqual(['hindcast_rejected', 'hindcast_terminated'])
    expect((await project.main()).refs).toContain('hindcast_waiting')
    await workflow.getHandle('waiting').executeUpdate('approve', { args: [{ by: 'ada' }] })
    expect(await workflow.getHandle('waiting').result()).toMatchObject({ verdict: 'published' })

    await run('again', {})
    await expectNoGarbage(later, { isMeant: (path) => /\/waiting\/|\/slices\/|\/claims\//.test(path) })
  })
})

test('a catalog that stays away ends it after as many attempts as the project allows', async () => {
  await using project = await salesProject(undefined, { limits: { attempts: 2 } })
  const listTables = () => Promise.reject(new HindcastError('CATALOG_UNAVAILABLE', 'the catalog is away'))
  const away: Runtime = { ...project.runtime, catalog: overrideCatalog(project.runtime.catalog, { listTables }) }
  const taskQueue = 'away'
  await whileWorking(temporal.address, { taskQueue, activities: createActivities(away) }, async () => {
    const error: unknown = await temporal.client.workflow
      .execute('maintenance', { taskQueue, workflowId: taskQueue, args: [{}] })
      .catch((cause: unknown) => cause)
    expect(error instanceof WorkflowFailedError ? error.cause : null).toMatchObject({
      type: 'CATALOG_UNAVAILABLE',
      message: 'the catalog is away (given up after 2 attempts)',
    })
  })
})

test.each([
  ['an unknown field', { table: 'a.b' }, /unknown field table/],
  ['an age that is none', { olderThan: 'soon' }, /olderThan: "soon" is not a length of time/],
  ['less than a day, unforced', { olderThan: '1h' }, /less than a day/],
  ['a table that is not there', { tables: ['features.nothing'] }, /features\.nothing/],
])('input that does not fit fails at once and says why: %s', async (_, input, message) => {
  await using project = await salesProject()
  const taskQueue = 'refusals'
  await whileWorking(temporal.address, { taskQueue, activities: createActivities(project.runtime) }, async () => {
    const workflowId = `refused-${JSON.stringify(input)}`
    const error: unknown = await temporal.client.workflow
      .execute('maintenance', { taskQueue, workflowId, args: [input] })
      .catch((cause: unknown) => cause)
    const failure = error instanceof WorkflowFailedError ? error.cause : null
    expect(failure).toBeInstanceOf(ApplicationFailure)
    expect(failure?.message).toMatch(message)
  })
})
