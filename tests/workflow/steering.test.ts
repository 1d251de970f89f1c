// Steering a run: what is asked for happens, by whom and why is kept, and what does not fit is refused without a trace.
import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BackfillActivities, PlanSummary, Progress } from '../../src/contract/index.ts'
import { scriptedActivities } from '../support/scripted-activities.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { until } from '../support/until.ts'
import { whileBackfilling } from '../support/workflow-worker.ts'

let temporal: TestTemporal
beforeAll(async () => {
  temporal = await startTestTemporal()
})
afterAll(() => temporal[Symbol.asyncDispose]())

const input = { view: 'v', from: '2001-01-01', to: '2001-02-01' }
const progressOf = (handle: WorkflowHandle): Promise<Progress> => handle.query<Progress, []>('progress')

const running = <T>(
  activities: BackfillActivities,
  request: unknown,
  work: (handle: WorkflowHandle) => Promise<T>,
): Promise<T> => whileBackfilling(temporal, activities, request, work)

const refusal = (update: Promise<unknown>): Promise<string> =>
  update.then(
    () => 'accepted',
    (error: unknown) =>
      error instanceof WorkflowUpdateFailedError ? `${String(error.cause?.message)}` : `otherwise: ${String(error)}`,
  )

test('a budget pauses the run instead of failing it; a larger one lets it go on', async () => {
  const scripted = scriptedActivities({ slices: 6, plan: { concurrency: 1 } })
  const computeSlice: BackfillActivities['computeSlice'] = async (request) => ({
    ...(await scripted.computeSlice(request)),
    inputRows: 10,
    inputBytes: 100,
  })
  await running({ ...scripted, computeSlice }, { ...input, maxBytes: 250 }, async (handle) => {
    await until('its budget is used', async () => (await progressOf(handle)).paused)
    const paused = await progressOf(handle)
    expect(paused.slices).toMatchObject({ done: 3, running: 0 })
    expect(paused.pause).toMatchObject({ by: 'budget', reason: 'it has read 300 of 250 bytes' })
    expect(await refusal(handle.executeUpdate('resume', { args: [{ maxBytes: 300 }] }))).toMatch(/300 bytes are read/)
    await handle.executeUpdate('resume', { args: [{ maxBytes: 450 }] })
    await until('that is used too', async () => (await progressOf(handle)).slices.done === 5)
    await handle.executeUpdate('resume')
    expect(await handle.result()).toMatchObject({ verdict: 'published', slices: 6 })
  })
})

test('who paused a run, and why, is there to be read; the first word counts', async () => {
  const scripted = scriptedActivities({ slices: 3, plan: { concurrency: 1 }, onSlice: () => Promise.resolve() })
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  const computeSlice: BackfillActivities['computeSlice'] = async (request) => {
    await held
    return scripted.computeSlice(request)
  }
  await running({ ...scripted, computeSlice }, input, async (handle) => {
    await until('it computes', async () => (await progressOf(handle)).state === 'computing')
    await handle.executeUpdate('pause', { args: [{ by: 'ada', reason: 'the cluster is needed' }] })
    await handle.executeUpdate('pause', { args: [{ by: 'bob' }] })
    expect((await progressOf(handle)).pause).toMatchObject({ by: 'ada', reason: 'the cluster is needed' })
    expect(await refusal(handle.executeUpdate('pause', { args: [{ who: 'ada' }] }))).toMatch(/unknown field who/)
    release()
    await handle.executeUpdate('resume')
    expect(await handle.result()).toMatchObject({ verdict: 'published' })
    const states = (await progressOf(handle)).steps.map(({ state }) => state)
    expect(states).toEqual(['planning', 'computing', 'staging', 'auditing', 'publishing', 'handing-over', 'published'])
  })
})

test('a narrowed run publishes what is before the new end, and starts nothing after it', async () => {
  const scripted = scriptedActivities({ slices: 10, plan: { concurrency: 2 } })
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  const narrowed: unknown[] = []
  const activities: BackfillActivities = {
    ...scripted,
    computeSlice: async (request) => {
      await held
      return scripted.computeSlice(request)
    },
    narrowPlan: (request) => {
      narrowed.push(request)
      const plan = { ...narrowPlanOf, planHash: 'narrowed', slices: 5, todoPartitions: 5, to: '2001-01-06' }
      return Promise.resolve({ plan, sameSlices: 5 })
    },
  }
  await running(activities, input, async (handle) => {
    await until('two slices run', async () => (await progressOf(handle)).slices.running === 2)
    expect(await refusal(handle.executeUpdate('narrow', { args: [{ to: '2001-03-01' }] }))).toMatch(/not within/)
    await handle.executeUpdate('narrow', { args: [{ to: '2001-01-06' }] })
    release()
    expect(await handle.result()).toMatchObject({ verdict: 'published', slices: 5, to: '2001-01-06', rows: 50 })
  })
  expect(narrowed).toEqual([
    { plan: 'file:///warehouse/_hindcast/plan.json', planHash: 'hash', to: '2001-01-06', slices: 2 },
  ])
  expect(scripted.calls.filter((call) => call.startsWith('slice')).sort()).toEqual(
    [0, 1, 2, 3, 4].map((index) => `slice ${index}`),
  )
})

test('an approval is bound to the plan that was looked at', async () => {
  const activities = scriptedActivities({ slices: 1, plan: { approval: 'always', planHash: 'abcdef0123456789' } })
  await running(activities, input, async (handle) => {
    await until('it waits', async () => (await progressOf(handle)).state === 'awaiting-approval')
    expect(await refusal(handle.executeUpdate('approve', { args: [{ planHash: '0123456789' }] }))).toMatch(
      /computed plan abcdef0123456789/,
    )
    await handle.executeUpdate('approve', { args: [{ by: 'ada', planHash: 'abcdef01' }] })
    expect(await handle.result()).toMatchObject({ verdict: 'published' })
    expect((await progressOf(handle)).decision).toMatchObject({ by: 'ada', planHash: 'abcdef0123456789' })
  })
})

test.each([
  ['wait', 'published'],
  ['refuse', 'CONFLICT'],
] as const)('a run whose range another one holds: %s', async (onOverlap, end) => {
  const scripted = scriptedActivities({ slices: 1 })
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  let released = 0
  const activities: BackfillActivities = {
    ...scripted,
    claimRange: async ({ wait }) => {
      if (wait) await held
      return { holder: wait ? null : 'the-first', onOverlap, searchAttributes: false }
    },
    releaseRange: () => {
      released += 1
      return Promise.resolve()
    },
  }
  await running(activities, input, async (handle) => {
    if (onOverlap === 'wait') {
      await until('it waits', async () => (await progressOf(handle)).waitingFor === 'the-first')
      expect(scripted.calls).toEqual([])
      release()
      expect(await handle.result()).toMatchObject({ verdict: end })
    } else {
      await expect(handle.result()).rejects.toMatchObject({
        cause: { type: end, message: expect.stringMatching(/^run the-first works on partitions/) as string },
      })
    }
  })
  expect(released).toBe(1)
})

const narrowPlanOf: PlanSummary = {
  runId: 'run',
  view: 'v',
  table: 'features.v',
  plan: 'file:///warehouse/_hindcast/plan-narrowed.json',
  planHash: 'hash',
  from: input.from,
  to: input.to,
  partitions: {
    fresh: 0,
    missing: 5,
    'definition-changed': 0,
    'source-changed': 0,
    'foreign-write': 0,
    forced: 0,
  },
  todoPartitions: 5,
  slices: 5,
  inputRows: 1,
  inputBytes: 1,
  estimate: { rows: null, bytes: null, seconds: 1, memoryBytes: 0, basis: 'usual-rate' },
  sourceTable: 'raw.events',
  sourceSnapshotId: '1',
  nullEventTimes: 0,
  baseSnapshotId: null,
  audits: [],
  approval: 'never',
  concurrency: 2,
  onPublished: null,
}
