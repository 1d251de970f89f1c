// A worker is stopped every day: by a release, an autoscaler, a person. A slice that it was computing must neither be lost nor done in
// halves, and the stop must not take longer than was promised, or what stops it will kill it.
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { flightsParquet, testProject, type TestProject, type TestWorker } from '../support/project.ts'
import { mainBytes } from '../support/table-bytes.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { until } from '../support/until.ts'

const range = ['--from', '2001-03-01', '--to', '2001-05-01']
const memoryLimit = 400_000_000
const config = `export default {
  limits: { sliceInputBytes: '40MB', slicesPerWorker: 1, concurrency: 4 },
  engine: { memoryLimit: ${memoryLimit} },
  worker: { shutdownGraceSeconds: Number(process.env['GRACE'] ?? 20) },
}\n`

let temporal: TestTemporal
let project: TestProject
let reference: ReadonlyMap<string, readonly string[]>
let slices: number

beforeAll(async () => {
  temporal = await startTestTemporal()
  project = await testProject({ config, env: { TEMPORAL_ADDRESS: temporal.address } })
  const imported = await project.hindcast('import', flightsParquet, '--table', 'raw.flights', '--event-time', 'date')
  expect(imported.code, imported.stderr).toBe(0)
  const worker = await project.startWorker()
  const undisturbed = await project.hindcast('backfill', 'route_delays', ...range, '--json')
  expect(undisturbed.code, undisturbed.stdout).toBe(0)
  slices = undisturbed.json<{ slices: number }>().slices
  expect(slices).toBeGreaterThanOrEqual(4)
  reference = await mainBytes(project.dir, 'route_delays')
  worker.process.kill('SIGTERM')
  expect(await worker.ended, 'an idle worker stops with exit code 0').toBe(0)
})

afterAll(async () => {
  await project[Symbol.asyncDispose]()
  await temporal[Symbol.asyncDispose]()
})

/** Starts a forced run and waits until the worker is in the midst of a slice. */
async function runInMidSlice(worker: TestWorker): Promise<string> {
  const started = await project.hindcast('backfill', 'route_delays', ...range, '--force', '--detach', '--json')
  const { runId } = started.json<{ runId: string }>()
  await until('a slice runs', async () => (await worker.metric('hindcast_running_slices')) === 1)
  return runId
}

/** The attempts at which the activities of a run were done. */
async function lastAttempts(runId: string): Promise<readonly number[]> {
  const { events } = await temporal.client.workflow.getHandle(runId).fetchHistory()
  return (events ?? []).flatMap(({ activityTaskStartedEventAttributes: started }) =>
    started?.attempt === undefined || started.attempt === null ? [] : [started.attempt],
  )
}

async function stopped(worker: TestWorker): Promise<{ readonly outcome: unknown; readonly seconds: number }> {
  const before = performance.now()
  const outcome = await worker.ended
  return { outcome, seconds: (performance.now() - before) / 1000 }
}

test('out of grace, it hands its slice over: exit code 0, and the next worker makes the reference’s bytes', async () => {
  const worker = await project.withEnv({ GRACE: '0' }).startWorker()
  const runId = await runInMidSlice(worker)
  worker.process.kill('SIGTERM')
  const { outcome, seconds } = await stopped(worker)
  expect(outcome).toBe(0)
  expect(seconds).toBeLessThan(6)
  const next = await project.startWorker()
  await expect(temporal.client.workflow.getHandle(runId).result()).resolves.toMatchObject({ verdict: 'published' })
  expect(await mainBytes(project.dir, 'route_delays')).toEqual(reference)
  expect(Math.max(...(await lastAttempts(runId))), 'handed over at once, not after a heartbeat was missed').toBe(2)
  next.process.kill('SIGKILL')
})

test('within its grace it finishes its slice, is not ready meanwhile, and takes no other', async () => {
  const worker = await project.withEnv({ GRACE: '120' }).startWorker()
  const runId = await runInMidSlice(worker)
  const computed = await worker.metric('hindcast_slices_total{outcome="computed"}')
  worker.process.kill('SIGTERM')
  await until('it is not ready', async () => {
    const response = await fetch(`${worker.healthAddress}/readyz`).catch(() => null)
    return response === null || response.status === 503
  })
  expect((await stopped(worker)).outcome).toBe(0)
  const handle = temporal.client.workflow.getHandle(runId)
  const next = await project.startWorker()
  await expect(handle.result()).resolves.toMatchObject({ verdict: 'published' })
  expect(await mainBytes(project.dir, 'route_delays')).toEqual(reference)
  expect(Math.max(...(await lastAttempts(runId))), 'nothing was computed twice').toBe(1)
  expect(await next.metric('hindcast_slices_total{outcome="computed"}')).toBe(slices - computed - 1)
  next.process.kill('SIGKILL')
})

test('a second signal ends it at once', async () => {
  const worker = await project.withEnv({ GRACE: '120' }).startWorker()
  const runId = await runInMidSlice(worker)
  worker.process.kill('SIGTERM')
  await delay(200)
  worker.process.kill('SIGINT')
  const { outcome, seconds } = await stopped(worker)
  expect(outcome).toBe('SIGINT')
  expect(seconds).toBeLessThan(2)
  await temporal.client.workflow.getHandle(runId).terminate('enough seen')
})

test('several workers share a run, each within its memory', async () => {
  const workers = await Promise.all([project.startWorker(), project.startWorker()])
  const idle = await Promise.all(workers.map((worker) => worker.metric('hindcast_memory_high_water_bytes')))
  const ran = await project.hindcast('backfill', 'route_delays', ...range, '--force', '--json')
  expect(ran.json<{ verdict: string }>().verdict).toBe('published')
  const computed = await Promise.all(
    workers.map((worker) => worker.metric('hindcast_slices_total{outcome="computed"}')),
  )
  expect(Math.min(...computed), `computed: ${computed.join(', ')}`).toBeGreaterThan(0)
  expect(computed.reduce((sum, n) => sum + n, 0)).toBe(slices)
  expect(await mainBytes(project.dir, 'route_delays')).toEqual(reference)
  const most = await Promise.all(workers.map((worker) => worker.metric('hindcast_memory_high_water_bytes')))
  for (const [index, bytes] of most.entries())
    expect(bytes - (idle[index] ?? 0), `beyond the idle worker's ${idle[index]}`).toBeLessThan(memoryLimit)
})
