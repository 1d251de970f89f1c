// People reset runs from the Web UI. Wherever a run that published is reset to, it comes to its end again: the same snapshot, published once.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createActivities } from '../../activities/index.ts'
import type { BackfillResult } from '../../src/contract/index.ts'
import { salesProject } from '../support/runtime.ts'
import { mainBytes } from '../support/table-bytes.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { whileWorking } from '../support/workflow-worker.ts'

const workflowTaskCompleted = 7

let temporal: TestTemporal
beforeAll(async () => {
  temporal = await startTestTemporal()
})
afterAll(() => temporal[Symbol.asyncDispose]())

test('a run reset to each of its workflow tasks ends as it did', { timeout: 300_000 }, async () => {
  await using project = await salesProject(undefined, { limits: { sliceInputBytes: 400, concurrency: 1 } })
  const { client, namespace } = temporal
  const workflowId = 'reset'
  const input = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-06' }
  const activities = createActivities(project.runtime)
  await whileWorking(temporal.address, { taskQueue: 'hindcast', activities }, async () => {
    const first = await client.workflow.start('backfill', { taskQueue: 'hindcast', workflowId, args: [input] })
    const result = (await first.result()) as BackfillResult
    expect(result.verdict).toBe('published')
    const bytes = await mainBytes(project.runtime.settings.dir, 'shop_sales')
    const { events } = await first.fetchHistory()
    const tasks = (events ?? []).flatMap(({ eventType, eventId }) =>
      eventType === workflowTaskCompleted ? [Number(eventId)] : [],
    )
    expect(tasks.length).toBeGreaterThan(8)
    for (const task of tasks) {
      const { runId } = await client.workflowService.resetWorkflowExecution({
        namespace,
        workflowExecution: { workflowId, runId: first.firstExecutionRunId },
        reason: `to event ${task}`,
        // Typed as a Long, encoded from a number too.
        workflowTaskFinishEventId: task as never,
        requestId: randomUUID(),
      })
      const again = (await client.workflow.getHandle(workflowId, runId).result()) as BackfillResult
      expect(again, `reset to event ${task}`).toMatchObject({ snapshotId: result.snapshotId })
      // Where it plans again, everything is fresh.
      expect(['published', 'fresh']).toContain(again.verdict)
      expect(await mainBytes(project.runtime.settings.dir, 'shop_sales')).toEqual(bytes)
      expect(await project.main()).toMatchObject({ snapshotId: result.snapshotId, snapshots: 1, refs: ['main'] })
    }
  })
})
