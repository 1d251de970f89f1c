// What a worker says of itself steers restarts, traffic and alarms: it must count what a run says that it did, and say when it cannot work.
import { expect, test } from 'vitest'
import { cuttingProxy } from '../support/cutting-proxy.ts'
import { flightsParquet, testProject } from '../support/project.ts'
import { scriptedServer } from '../support/scripted-server.ts'
import { startTestTemporal } from '../support/temporal.ts'
import { until } from '../support/until.ts'

interface Answer {
  readonly status: number
  readonly reasons: readonly { readonly check: string; readonly message: string }[]
}

const readiness = async (address: string): Promise<Answer> => {
  const response = await fetch(`${address}/readyz`)
  const { reasons = [] } = (await response.json()) as { reasons?: Answer['reasons'] }
  return { status: response.status, reasons }
}

test('it counts what runs do, shows the SDK’s metrics, and is not ready while Temporal is away', async () => {
  await using temporal = await startTestTemporal()
  const [host = '', port = ''] = temporal.address.split(':')
  await using proxy = await cuttingProxy({ host, port: Number(port) })
  await using project = await testProject({ env: { TEMPORAL_ADDRESS: `127.0.0.1:${proxy.port}` } })
  const imported = await project.hindcast('import', flightsParquet, '--table', 'raw.flights', '--event-time', 'date')
  expect(imported.code, imported.stderr).toBe(0)

  const worker = await project.startWorker()
  expect(await (await fetch(`${worker.healthAddress}/healthz`)).json()).toEqual({ status: 'ok' })
  expect(await readiness(worker.healthAddress)).toEqual({ status: 200, reasons: [] })

  const backfill = ['backfill', 'origin_delays', '--from', '2001-02-01', '--to', '2001-02-15', '--json'] as const
  const ran = await project.hindcast(...backfill)
  const result = ran.json<{ slices: number; rows: number; bytes: number; audits: { status: string }[] }>()
  expect(ran.code, ran.stdout).toBe(0)
  expect(await worker.metric('hindcast_slices_total{outcome="computed"}')).toBe(result.slices)
  expect(await worker.metric('hindcast_rows_written_total')).toBe(result.rows)
  expect(await worker.metric('hindcast_bytes_written_total')).toBe(result.bytes)
  expect(await worker.metric('hindcast_bytes_read_total')).toBeGreaterThan(0)
  expect(await worker.metric('hindcast_slice_seconds_count')).toBe(result.slices)
  expect(await worker.metric('hindcast_publishes_total{outcome="published"}')).toBe(1)
  const passed = result.audits.filter(({ status }) => status === 'pass').length
  expect(await worker.metric('hindcast_audits_total{status="pass"}')).toBe(passed)
  expect(await worker.metric('hindcast_running_slices')).toBe(0)
  expect((await project.hindcast(...backfill, '--force')).code).toBe(0)
  expect(
    (await worker.metric('hindcast_slices_total{outcome="computed"}')) +
      (await worker.metric('hindcast_slices_total{outcome="reused"}')),
    'a second run adds to it',
  ).toBe(2 * result.slices)
  const text = await (await fetch(`${worker.healthAddress}/metrics`)).text()
  expect(text, 'the SDK’s own').toMatch(/^temporal_activity_execution_latency_seconds_count\{.*computeSlice.*\} \d+$/m)

  proxy.cut('request', () => true)
  await until('it is not ready', async () => (await readiness(worker.healthAddress)).status === 503)
  const { reasons } = await readiness(worker.healthAddress)
  expect(reasons.map(({ check }) => check)).toEqual(['temporal'])
  expect((await fetch(`${worker.healthAddress}/healthz`)).status, 'it lives').toBe(200)
  proxy.mend()
  await until('it is ready again', async () => (await readiness(worker.healthAddress)).status === 200)
})

test('it is not ready while the catalog is away', async () => {
  await using temporal = await startTestTemporal()
  await using catalog = await scriptedServer(({ path }) =>
    path.includes('/config')
      ? { status: 200, body: { defaults: {}, overrides: {} } }
      : { status: 200, body: { namespaces: [] } },
  )
  await using project = await testProject({
    config: `export default { catalog: { type: 'rest', uri: '${catalog.uri}' } }\n`,
    env: { TEMPORAL_ADDRESS: temporal.address },
  })
  const worker = await project.startWorker()
  expect(await readiness(worker.healthAddress)).toEqual({ status: 200, reasons: [] })
  catalog.script = () => ({
    status: 500,
    body: { error: { message: 'the disk is full', type: 'Internal', code: 500 } },
  })
  await until('it is not ready', async () => (await readiness(worker.healthAddress)).status === 503)
  const { reasons } = await readiness(worker.healthAddress)
  expect(reasons).toEqual([{ check: 'catalog', message: expect.any(String) as string }])
})

test('a port that is taken is refused before anything is started', async () => {
  await using taken = await scriptedServer(() => ({ status: 200 }))
  await using temporal = await startTestTemporal()
  await using project = await testProject({ env: { TEMPORAL_ADDRESS: temporal.address } })
  const refused = await project.hindcast('worker', '--health-port', new URL(taken.uri).port, '--json')
  expect(refused.code).toBe(1)
  expect(refused.json<{ error: { code: string } }>().error.code).toBe('PORT_IN_USE')
})
