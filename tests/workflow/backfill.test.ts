// The order and the bounds of a run are the workflow's own: audits before publishing, never more slices in flight than allowed, no step
// after a refusal, and a history that stays small however many slices there are.
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BackfillActivities, BackfillResult, Progress } from '../../src/contract/index.ts'
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

const running = <T>(
  activities: BackfillActivities,
  request: unknown,
  work: (handle: WorkflowHandle) => Promise<T>,
): Promise<T> => whileBackfilling(temporal, activities, request, work)

async function failureOf(handle: WorkflowHandle): Promise<ApplicationFailure> {
  const error: unknown = await handle.result().then(
    () => null,
    (cause: unknown) => cause,
  )
  if (error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure) return error.cause
  throw new Error('the run did not fail as expected', { cause: error })
}

test('the steps come in the order plan, slices, stage, audits, publish, drop branch, report', async () => {
  const activities = scriptedActivities({ slices: 3, audits: ['pass', 'warn'] })
  const result = (await running(activities, input, (handle) => handle.result())) as BackfillResult
  expect(result).toMatchObject({ verdict: 'published', snapshotId: '42', rows: 30, slices: 3 })
  const { calls } = activities
  expect(calls[0]).toBe('plan')
  expect(calls.slice(1, 4).sort()).toEqual(['slice 0', 'slice 1', 'slice 2'])
  expect(calls[4]).toBe('stage')
  expect(calls.slice(5, 7).sort()).toEqual(['audit 0', 'audit 1'])
  expect(calls.slice(7)).toEqual(['publish', 'drop branch', 'report published'])
})

test('a refused audit: no publish, the branch stays, the failure carries every audit', async () => {
  const activities = scriptedActivities({ slices: 1, audits: ['pass', 'fail'] })
  const failure = await running(activities, input, failureOf)
  expect(failure).toMatchObject({ type: 'AUDIT_FAILED', message: 'audit_1: 0.5, limit 0.1', nonRetryable: true })
  expect(failure.details?.[0]).toMatchObject({ audits: [{ status: 'pass' }, { status: 'fail' }] })
  expect(activities.calls).not.toContain('publish')
  expect(activities.calls).not.toContain('drop branch')
})

test.each([
  ['no object', 'origin_delays', /backfill: .*expected object/i],
  ['a missing field', { view: 'v', from: '2001-01-01' }, /to: /],
  ['an unknown field', { ...input, forec: true }, /unknown field forec/],
  ['a field of the wrong type', { ...input, concurrency: 'many' }, /concurrency: /],
  ['a time that is none', { ...input, to: 'tomorrow' }, /to: "tomorrow" is not/],
  ['from after to', { ...input, from: '2002-01-01' }, /from \(2002-01-01\) is not before/],
])('input that does not fit fails at once with the field’s name: %s', async (_, request, message) => {
  const activities = scriptedActivities({ slices: 1 })
  const failure = await running(activities, request, failureOf)
  expect(failure.type).toBe('REQUEST_INVALID')
  expect(failure.message).toMatch(message)
  expect(failure.nonRetryable).toBe(true)
  expect(activities.calls).toEqual([])
})

test('never more slices in flight than allowed, pause starts none, a raised limit starts more', async () => {
  const waiting: (() => void)[] = []
  let most = 0
  let finished = 0
  const activities = scriptedActivities({
    slices: 12,
    plan: { concurrency: 2 },
    onSlice: () => {
      most = Math.max(most, waiting.length + 1)
      return new Promise((resolve) => waiting.push(resolve))
    },
  })
  const finishOne = (): void => {
    finished += 1
    waiting.shift()?.()
  }
  await running(activities, input, async (handle) => {
    const progress = (): Promise<Progress> => handle.query<Progress, []>('progress')
    await until('two slices run', () => waiting.length === 2)
    expect(most).toBe(2)
    await handle.executeUpdate('pause')
    finishOne()
    await until('the finished slice is counted', async () => (await progress()).slices.done === 1)
    expect((await progress()).slices).toMatchObject({ running: 1, done: 1 })
    expect(waiting).toHaveLength(1)
    await handle.executeUpdate('resume')
    await until('a second slice runs again', () => waiting.length === 2)
    await handle.executeUpdate('setConcurrency', { args: [{ concurrency: 5 }] })
    await until('five slices run', () => waiting.length === 5)
    await expect(handle.executeUpdate('setConcurrency', { args: [{ concurrency: 0 }] })).rejects.toThrow()
    await expect(handle.executeUpdate('approve')).rejects.toThrow()
    const done = handle.result()
    while (finished < 12) {
      finishOne()
      await until('the next slice runs', () => waiting.length > 0 || finished === 12)
    }
    expect(await done).toMatchObject({ verdict: 'published', slices: 12 })
  })
  expect(most).toBeLessThanOrEqual(5)
})

test('a cancelled run publishes nothing and drops its branch', async () => {
  const activities = scriptedActivities({ slices: 1, plan: { approval: 'always' } })
  await running(activities, input, async (handle) => {
    await until(
      'it waits for approval',
      async () => (await handle.query<Progress, []>('progress')).state === 'awaiting-approval',
    )
    await handle.cancel()
    await expect(handle.result()).rejects.toThrow()
  })
  expect(activities.calls).not.toContain('publish')
  expect(activities.calls).toContain('drop branch')
})

test('a cancellation that comes while it publishes is too late: the run ends as published, and hands over', async () => {
  let publishing = false
  let finish = (): void => undefined
  const activities = scriptedActivities({
    slices: 1,
    onPublish: () => {
      publishing = true
      return new Promise((resolve) => (finish = resolve))
    },
  })
  await running(activities, input, async (handle) => {
    await until('it publishes', () => publishing)
    await handle.cancel()
    await until('the cancellation is in the history', async () =>
      ((await handle.fetchHistory()).events ?? []).some(
        (event) => event.workflowExecutionCancelRequestedEventAttributes,
      ),
    )
    finish()
    expect(await handle.result()).toMatchObject({ verdict: 'published' })
  })
  expect(activities.calls.slice(-3)).toEqual(['publish', 'drop branch', 'report published'])
})

test('a published run starts the configured workflow with the snapshot, and does not wait for it', async () => {
  const activities = scriptedActivities({
    slices: 1,
    plan: { onPublished: { workflow: 'train', taskQueue: 'training' } },
  })
  await running(activities, input, async (handle) => {
    expect(await handle.result()).toMatchObject({ verdict: 'published' })
    const training = temporal.client.workflow.getHandle(`${handle.workflowId}/train`)
    const description = await training.describe()
    expect(description).toMatchObject({ type: 'train', taskQueue: 'training', status: { name: 'RUNNING' } })
    await training.terminate()
  })
})

// 100,000 partitions are some 800 slices (bench/partitions.ts), where none is larger than others.
test('2,000 slices: the run is cut into executions of fewer than 10,000 events and 10 MB, and loses none', async () => {
  const activities = scriptedActivities({ slices: 2_000, plan: { concurrency: 100 } })
  await running(activities, input, async (handle) => {
    expect(await handle.result()).toMatchObject({ verdict: 'published', slices: 2_000, rows: 20_000 })
    const executions: { readonly events: number; readonly bytes: number }[] = []
    for await (const run of temporal.client.workflow.list({ query: `WorkflowId = '${handle.workflowId}'` })) {
      executions.push({ events: run.historyLength, bytes: Number(run.raw.historySizeBytes) })
    }
    expect(executions.length).toBeGreaterThan(1)
    expect(Math.max(...executions.map(({ events }) => events))).toBeLessThan(10_000)
    expect(Math.max(...executions.map(({ bytes }) => bytes))).toBeLessThan(10_000_000)
    expect(Math.min(...executions.map(({ bytes }) => bytes))).toBeGreaterThan(1_000)
  })
  const slices = activities.calls.filter((call) => call.startsWith('slice'))
  expect(new Set(slices).size).toBe(2_000)
  expect(slices).toHaveLength(2_000)
}, 120_000)
