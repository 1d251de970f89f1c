// A backfill of two years keeps every slot busy for hours. The runs that a schedule starts meanwhile come first, step by step: else tonight's
// features are there when the backfill is.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BackfillActivities } from '../../src/contract/index.ts'
import { scriptedActivities } from '../support/scripted-activities.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { until } from '../support/until.ts'
import { whileWorking } from '../support/workflow-worker.ts'

let temporal: TestTemporal
beforeAll(async () => {
  temporal = await startTestTemporal()
})
afterAll(() => temporal[Symbol.asyncDispose]())

const queued = 200

test('a scheduled run overtakes the slices of a long one that wait for the only slot', async () => {
  const long = scriptedActivities({ slices: 2_000, plan: { plan: 'file:///long', concurrency: queued } })
  const daily = scriptedActivities({ slices: 1, plan: { plan: 'file:///daily' } })
  const of = (plan: string) => (plan === 'file:///daily' ? daily : long)
  const activities: BackfillActivities = {
    ...long,
    planBackfill: (request) => (request.input.view === 'daily' ? daily : long).planBackfill(request),
    computeSlice: (request) => of(request.plan).computeSlice(request),
    stageSnapshot: (request) => of(request.plan).stageSnapshot(request),
    runAudit: (request) => of(request.plan).runAudit(request),
    publishSnapshot: (request) => of(request.plan).publishSnapshot(request),
    writeReport: (request) => of(request.plan).writeReport(request),
    dropBranch: (request) => of(request.plan).dropBranch(request),
  }
  const taskQueue = 'priority'
  const start = (type: string, workflowId: string, input: object) =>
    temporal.client.workflow.start(type, { taskQueue, workflowId, args: [input] })
  await whileWorking(temporal.address, { taskQueue, activities, slots: 1 }, async () => {
    const backfill = await start('backfill', 'long', { view: 'v', from: '2001-01-01', to: '2003-01-01' })
    await until('the long run is well under way', () => long.calls.length > queued)
    const before = long.calls.length
    const scheduled = await start('scheduledBackfill', 'daily', { view: 'daily' })
    expect(await scheduled.result()).toMatchObject({ verdict: 'published' })
    const overtaken = long.calls.length - before
    expect(daily.calls).toContain('publish')
    // It has ten steps: if each came after the slices that are queued by then, thousands.
    expect(overtaken, `slices of the long run that were done meanwhile: ${overtaken}`).toBeLessThan(queued)
    expect(long.calls).not.toContain('publish')
    await backfill.terminate('enough seen')
  })
})
