// Probes steer traffic and restarts by what these say: a worker that cannot work must say so, with the reason, and one that can must not
// be taken for dead because somebody asked too often or a part was slow.
import { CancelledFailure, ApplicationFailure } from '@temporalio/common'
import { expect, test } from 'vitest'
import type { SliceSummary } from '../../../src/contract/index.ts'
import { createMetrics, createReadiness, measuredActivities, serveEndpoints } from '../../../workers/endpoints/index.ts'
import { freePort } from '../../../workers/temporal-server/index.ts'
import { scriptedActivities } from '../../support/scripted-activities.ts'

const never = new Promise<void>(() => undefined)

test('every part that fails is named, a slow one as such', async () => {
  const readiness = createReadiness({
    checks: {
      temporal: () => never,
      catalog: () => Promise.reject(new Error('connection refused')),
      disk: () => Promise.resolve(),
    },
    timeoutMs: 20,
    keptMs: 0,
    now: Date.now,
  })
  expect(await readiness()).toEqual([
    { check: 'temporal', message: 'no answer within 0.02 s' },
    { check: 'catalog', message: 'connection refused' },
  ])
})

test('many probes are one look, until it is old', async () => {
  let looks = 0
  let nowMs = 1_000
  const readiness = createReadiness({
    checks: {
      part: () => {
        looks += 1
        return looks === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve()
      },
    },
    timeoutMs: 1_000,
    keptMs: 500,
    now: () => nowMs,
  })
  const [first, second] = await Promise.all([readiness(), readiness()])
  nowMs += 499
  expect([first, second, await readiness()]).toEqual(Array(3).fill([{ check: 'part', message: 'not yet' }]))
  expect(looks).toBe(1)
  nowMs += 1
  expect(await readiness()).toEqual([])
  expect(looks).toBe(2)
})

test('200, 503 with the reasons, and nothing else', async () => {
  let reasons = [{ check: 'catalog', message: 'down' }]
  const server = await serveEndpoints({
    ip: '127.0.0.1',
    port: await freePort(),
    readiness: () => Promise.resolve(reasons),
    metrics: () => Promise.resolve({ type: 'text/plain', text: 'up 1\n' }),
  })
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${server.address}${path}`, init)
    return { status: response.status, body: await response.text() }
  }
  try {
    expect(await get('/healthz')).toEqual({ status: 200, body: '{"status":"ok"}\n' })
    const refused = await get('/readyz')
    expect(refused.status).toBe(503)
    expect(JSON.parse(refused.body)).toEqual({ status: 'not ready', reasons })
    reasons = []
    expect((await get('/readyz')).status).toBe(200)
    expect(await get('/metrics')).toEqual({ status: 200, body: 'up 1\n' })
    expect((await get('/')).status).toBe(404)
    expect((await get('/metrics', { method: 'POST' })).status).toBe(405)
    const port = Number(new URL(server.address).port)
    const same = { ip: '127.0.0.1', readiness: () => Promise.resolve([]), metrics: () => never as never }
    await expect(serveEndpoints({ ...same, port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      hint: expect.stringContaining('--health-port') as string,
    })
    const [one, two] = [await serveEndpoints({ ...same, port: null }), await serveEndpoints({ ...same, port: null })]
    expect(one.address, 'a second worker of the machine gets another port').not.toBe(two.address)
    await Promise.all([one.close(), two.close()])
  } finally {
    await server.close()
  }
})

test('what activities do is counted by its outcome', async () => {
  const slice = (over: Partial<SliceSummary>): SliceSummary => ({
    index: 0,
    reused: false,
    partitions: 1,
    files: 1,
    rows: 10,
    bytes: 100,
    inputRows: 1_000,
    inputBytes: 8_000,
    rejectedRows: 1,
    elapsedMs: 700,
    ...over,
  })
  const endings: (SliceSummary | Error)[] = [
    slice({}),
    slice({ elapsedMs: 40_000 }),
    slice({ reused: true }),
    new CancelledFailure('WORKER_SHUTDOWN'),
    new CancelledFailure('CANCELLED'),
    ApplicationFailure.create({ type: 'ENGINE_OUT_OF_MEMORY', message: 'too much' }),
  ]
  const metrics = createMetrics()
  let during = ''
  const activities = measuredActivities(
    {
      ...scriptedActivities({ slices: 1, audits: ['pass', 'fail'] }),
      computeSlice: async ({ index }: { readonly plan: string; readonly index: number }) => {
        during = await metrics.text()
        const ending = endings[index]
        if (ending instanceof Error) throw ending
        return ending ?? slice({})
      },
    },
    metrics,
  )
  const request = { plan: 'plan.json', snapshotId: '1' }
  for (const [index, ending] of endings.entries()) {
    const ended = await activities.computeSlice({ ...request, index }).catch((error: unknown) => error)
    expect(ended, 'what it gives or throws stays what it is').toBe(ending)
  }
  for (const index of [0, 1]) await activities.runAudit({ ...request, index })
  await activities.publishSnapshot({ ...request, audits: [], decision: null })
  expect(during).toContain('hindcast_running_slices 1')
  const text = await metrics.text()
  for (const line of [
    'hindcast_running_slices 0',
    'hindcast_slices_total{outcome="computed"} 2',
    'hindcast_slices_total{outcome="reused"} 1',
    'hindcast_slices_total{outcome="handed-over"} 1',
    'hindcast_slices_total{outcome="cancelled"} 1',
    'hindcast_slices_total{outcome="failed"} 1',
    'hindcast_activity_failures_total{activity="computeSlice",code="ENGINE_OUT_OF_MEMORY"} 1',
    'hindcast_slice_seconds_bucket{le="1"} 1',
    'hindcast_slice_seconds_bucket{le="60"} 2',
    'hindcast_slice_seconds_sum 40.7',
    'hindcast_rows_read_total 2000',
    'hindcast_bytes_read_total 16000',
    'hindcast_rows_written_total 20',
    'hindcast_bytes_written_total 200',
    'hindcast_rows_rejected_total 2',
    'hindcast_audits_total{status="pass"} 1',
    'hindcast_audits_total{status="fail"} 1',
    'hindcast_publishes_total{outcome="published"} 1',
  ])
    expect(text.split('\n')).toContain(line)
  const [, highWater] = /^hindcast_memory_high_water_bytes (\d+)$/m.exec(text) ?? []
  expect(Number(highWater)).toBeGreaterThanOrEqual(process.memoryUsage.rss() / 2)
})
