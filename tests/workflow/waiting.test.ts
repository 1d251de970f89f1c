// Runs that wait for their turn must leave the one that has it what it needs to come to its end: a worker has few slots, and waiting runs may
// be many.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createActivities } from '../../activities/index.ts'
import type { Progress } from '../../src/contract/index.ts'
import { salesProject } from '../support/runtime.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { until } from '../support/until.ts'
import { whileWorking } from '../support/workflow-worker.ts'

let temporal: TestTemporal
beforeAll(async () => {
  temporal = await startTestTemporal()
})
afterAll(() => temporal[Symbol.asyncDispose]())

test('two runs wait for a third on a worker with one slot: all come to their end', async () => {
  await using project = await salesProject(undefined, { limits: { sliceInputBytes: 400 } })
  const taskQueue = 'one-slot'
  const start = (workflowId: string, more: object = {}) =>
    temporal.client.workflow.start('backfill', {
      taskQueue,
      workflowId,
      args: [{ view: 'shop_sales', from: '2024-01-02', to: '2024-01-06', ...more }],
    })
  const activities = createActivities(project.runtime)
  await whileWorking(temporal.address, { taskQueue, activities, slots: 1 }, async () => {
    const first = await start('first', { requireApproval: true })
    const progressOf = (handle: typeof first): Promise<Progress> => handle.query<Progress, []>('progress')
    await until('the first is asked about', async () => (await progressOf(first)).state === 'awaiting-approval')
    const others = await Promise.all([start('second'), start('third')])
    for (const other of others)
      await until('it waits', async () => (await progressOf(other)).waitingFor === first.workflowId)
    const looks = async (): Promise<number> => {
      const { raw } = await (others[1] ?? first).describe()
      return raw.pendingActivities?.[0]?.attempt ?? 0
    }
    await until('the last looks again and again', async () => (await looks()) > 2)
    const { historyLength } = await (others[1] ?? first).describe()
    await first.executeUpdate('approve', { args: [{ by: 'ada' }] })
    expect(await first.result()).toMatchObject({ verdict: 'published' })
    for (const other of others) expect(await other.result()).toMatchObject({ verdict: 'fresh' })
    expect(historyLength, 'waiting adds nothing to the history').toBeLessThan(20)
  })
})
