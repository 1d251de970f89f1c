// A run is spread over processes and hours: a trace is of use only if it is one, from the command that asked to the file that was written, and
// if replay adds nothing that did not happen.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../workers/temporal-server/index.ts'
import { testProject, type TestProject } from '../support/project.ts'
import { importSales } from '../support/sales.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { startTraceCollector, type CollectedSpan, type TraceCollector } from '../support/trace-collector.ts'

const view = `
import { count, entity, featureView, source } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
export const shopSales = featureView({ name: 'shop_sales', entity: shop, source: sales, every: '1d', features: { sales: count({ over: ['7d'] }) } })
`

let collector: TraceCollector
let temporal: TestTemporal
let project: TestProject

beforeAll(async () => {
  collector = await startTraceCollector()
  temporal = await startTestTemporal()
  project = await testProject({
    features: { 'sales.ts': view },
    env: { TEMPORAL_ADDRESS: temporal.address, OTEL_EXPORTER_OTLP_ENDPOINT: collector.address },
  })
  await importSales(project, 30)
})

afterAll(async () => {
  for (const resource of [project, temporal, collector]) await resource[Symbol.asyncDispose]()
})

/** The names of a span and of those above it, up to the topmost. */
function pathOf(span: CollectedSpan): string {
  const above = collector.spans.find(({ id }) => id === span.parent)
  return above === undefined ? span.name : `${pathOf(above)} > ${span.name}`
}

const named = (name: string): readonly CollectedSpan[] => collector.spans.filter((span) => span.name === name)

test('one trace from the command to what is written, over two workers and a replay', async () => {
  const first = await project.withEnv({ OTEL_SERVICE_NAME: 'first-worker' }).startWorker()
  const input = ['--from', '2024-01-02', '--to', '2024-01-09', '--require-approval']
  const started = await project.hindcast('backfill', 'shop_sales', ...input, '--detach', '--json')
  expect(started.code, started.stdout).toBe(4)
  const { runId } = started.json<{ runId: string }>()
  first.process.kill('SIGTERM')
  expect(await first.ended).toBe(0)

  const second = await project.withEnv({ OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test' }).startWorker()
  const approved = await project.hindcast('approve', runId, '--json')
  expect(approved.code, approved.stdout).toBe(0)
  await temporal.client.workflow.getHandle(runId).result()
  second.process.kill('SIGTERM')
  expect(await second.ended).toBe(0)

  const [root, ...others] = named('StartWorkflow:backfill')
  expect(others).toEqual([])
  expect(root).toMatchObject({ parent: '', resource: { 'service.name': 'hindcast' } })
  const run = 'StartWorkflow:backfill > RunWorkflow:backfill'
  const paths = collector.spans.filter(({ traceId }) => traceId === root?.traceId).map(pathOf)
  const steps = ['claimRange', 'planBackfill', 'computeSlice', 'stageSnapshot', 'publishSnapshot', 'writeReport']
  for (const step of steps) expect(paths).toContain(`${run} > StartActivity:${step} > RunActivity:${step}`)
  for (const part of ['read', 'write'])
    expect(paths).toContain(`${run} > StartActivity:computeSlice > RunActivity:computeSlice > ${part}`)

  const ids = collector.spans.map(({ id }) => id)
  expect(ids.length, 'replay tells nothing again').toBe(new Set(ids).size)
  expect(named('RunWorkflow:backfill').length).toBe(1)
  expect(named('RunActivity:computeSlice').length).toBe(1)
  expect(collector.spans.filter(({ name }) => /Query|Describe/.test(name))).toEqual([])

  const [slice] = named('RunActivity:computeSlice')
  expect(slice?.resource).toMatchObject({ 'service.name': 'first-worker' })
  expect(slice?.resource['service.instance.id']).not.toBe(root?.resource['service.instance.id'])
  expect(slice?.attributes).toMatchObject({
    'hindcast.run': runId,
    'hindcast.slice': 0,
    'hindcast.partitions': 7,
    'hindcast.rows': 7,
    'hindcast.reused': false,
    'hindcast.attempt': 1,
  })
  expect(slice?.attributes['hindcast.bytes']).toBeGreaterThan(100)
  expect(named('read')[0]?.attributes).toMatchObject({ 'hindcast.view': 'shop_sales' })
  expect(named('RunActivity:publishSnapshot')[0]).toMatchObject({
    attributes: { 'hindcast.run': runId, 'hindcast.restaged': false },
    resource: { 'service.name': 'hindcast', 'deployment.environment': 'test' },
  })
  // The decision is another command's doing, and has its own trace.
  const [handled] = named('HandleUpdate:approve')
  expect(handled === undefined ? null : pathOf(handled)).toBe('StartWorkflowUpdate:approve > HandleUpdate:approve')
})

test('a run begun without traces goes on with them', async () => {
  const without = project.withEnv({ OTEL_EXPORTER_OTLP_ENDPOINT: '' })
  const first = await without.startWorker()
  const input = ['--from', '2024-01-10', '--to', '2024-01-12', '--require-approval']
  const started = await without.hindcast('backfill', 'shop_sales', ...input, '--detach', '--json')
  const { runId } = started.json<{ runId: string }>()
  first.process.kill('SIGTERM')
  await first.ended
  const seen = collector.spans.length
  const second = await project.startWorker()
  const approved = await project.hindcast('approve', runId, '--json')
  expect(approved.code, approved.stdout).toBe(0)
  await expect(temporal.client.workflow.getHandle(runId).result()).resolves.toMatchObject({ verdict: 'published' })
  second.process.kill('SIGTERM')
  await second.ended
  const names = collector.spans.slice(seen).map(({ name }) => name)
  expect(names).toContain('RunActivity:publishSnapshot')
  expect(names, 'that was before').not.toContain('RunActivity:computeSlice')
})

test('a collector that is not there, or speaks another protocol, is said once and holds nothing up', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`
  const away = await project.withEnv({ OTEL_EXPORTER_OTLP_ENDPOINT: nobody }).hindcast('cancel', 'no-such-run')
  expect(away.code, away.stderr).toBe(1)
  expect(away.stderr).toContain('there is no run "no-such-run"')
  expect(away.stderr.match(/warn: traces are not delivered: .*ECONNREFUSED/g)?.length, away.stderr).toBe(1)
  const seen = collector.spans.length
  const other = await project.withEnv({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }).hindcast('cancel', 'no-such-run')
  expect(other.stderr).toContain('warn: traces are sent by OTLP over HTTP only')
  expect(other.stderr).toContain('there is no run "no-such-run"')
  expect(collector.spans.length).toBe(seen)
})
