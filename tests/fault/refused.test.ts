// A failing audit must publish nothing and say why; SQLMesh once published first and raised the failure after.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { testProject, type TestProject } from '../support/project.ts'
import { loadFeatureTable, mainBytes } from '../support/table-bytes.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'

const definition = (maxNulls: number, options = ''): string => `
import { avg, count, entity, featureView, nullRate, source, unique } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
export const shopSales = featureView({
  name: 'shop_sales', entity: shop, source: sales, every: '1d',
  features: { sales: count({ over: ['1d', '7d'] }), amount_avg: avg('amount', { over: ['1d', '7d'] }) },
  audits: [unique(), nullRate('amount_avg_1d', { max: ${maxNulls}${options} })],
})
`
const range = ['--from', '2024-01-02', '--to', '2024-01-12']

let temporal: TestTemporal
let project: TestProject

beforeAll(async () => {
  temporal = await startTestTemporal()
  project = await testProject({
    features: { 'sales.ts': definition(0.9) },
    env: { TEMPORAL_ADDRESS: temporal.address },
  })
  // One sale a shop on 1 January only: from the third day on, the one-day average is null in every row.
  await writeFile(
    join(project.dir, 'sales.csv'),
    'shop,at,amount\nnorth,2024-01-01 10:00:00,5\nsouth,2024-01-01 11:00:00,7\nnorth,2024-01-05 09:00:00,1\n',
  )
  const imported = await project.hindcast(
    'import',
    join(project.dir, 'sales.csv'),
    '--table',
    'raw.sales',
    '--event-time',
    'at',
  )
  expect(imported.code, imported.stderr).toBe(0)
  await project.start('worker')
})

afterAll(async () => {
  await project[Symbol.asyncDispose]()
  await temporal[Symbol.asyncDispose]()
})

const define = (text: string): Promise<void> => writeFile(join(project.dir, 'features', 'sales.ts'), text)

test('the first publish: refused audits leave `main` without any snapshot', async () => {
  await define(definition(0.1))
  const refused = await project.hindcast('backfill', 'shop_sales', ...range)
  expect(refused.code).toBe(3)
  expect(refused.stderr).toMatch(/null_rate\(amount_avg_1d\): 0\.\d+ of 17 rows are null, limit 0\.1/)
  const table = await loadFeatureTable(project.dir, 'shop_sales')
  expect(table?.metadata.refs['main']).toBeUndefined()
  expect(Object.keys(table?.metadata.refs ?? {}), 'the branch stays for inspection').toHaveLength(1)
})

test('a worse recomputation leaves `main` as it was, and the same command with --json names check, value and limit', async () => {
  await define(definition(0.9))
  const published = await project.hindcast('backfill', 'shop_sales', ...range, '--json')
  expect(published.code, published.stdout).toBe(0)
  const before = await mainBytes(project.dir, 'shop_sales')
  await define(definition(0.2))
  const refused = await project.hindcast('backfill', 'shop_sales', ...range, '--force', '--json')
  expect(refused.code).toBe(3)
  const { error } = refused.json<{
    error: { code: string; message: string; context: { audits: Record<string, unknown>[] } }
  }>()
  expect(error.code).toBe('AUDIT_FAILED')
  expect(error.context.audits[1]).toMatchObject({ name: 'null_rate(amount_avg_1d)', status: 'fail', limit: 0.2 })
  expect(error.context.audits[1]?.['value']).toBeGreaterThan(0.2)
  expect(await mainBytes(project.dir, 'shop_sales')).toEqual(before)
  const table = await loadFeatureTable(project.dir, 'shop_sales')
  expect(table?.metadata.refs['main']?.snapshotId.toString()).toBe(published.json<{ snapshotId: string }>().snapshotId)
})

test('an audit that does not block warns and publishes', async () => {
  await define(definition(0.2, ', blocking: false'))
  const published = await project.hindcast('backfill', 'shop_sales', ...range, '--force', '--json')
  expect(published.code, published.stdout).toBe(0)
  expect(published.json<{ audits: { status: string }[] }>().audits.map(({ status }) => status)).toEqual([
    'pass',
    'warn',
  ])
})

test('approval: nothing is published before it, a rejection publishes nothing, an approval publishes the audited snapshot', async () => {
  await define(definition(0.9))
  const waits = async (): Promise<{ runId: string; staged: { snapshotId: string } }> => {
    const waiting = await project.hindcast(
      'backfill',
      'shop_sales',
      ...range,
      '--force',
      '--require-approval',
      '--detach',
      '--json',
    )
    expect(waiting.code, waiting.stdout).toBe(4)
    return waiting.json()
  }
  const head = async (): Promise<string | undefined> =>
    (await loadFeatureTable(project.dir, 'shop_sales'))?.metadata.refs['main']?.snapshotId.toString()
  const before = await head()

  const first = await waits()
  expect(await head()).toBe(before)
  const rejected = await project.hindcast('reject', first.runId, '--reason', 'wrong week', '--json')
  expect(rejected.code, rejected.stdout).toBe(0)
  await expect(temporal.client.workflow.getHandle(first.runId).result()).rejects.toThrow()
  expect(await head()).toBe(before)

  const second = await waits()
  expect((await project.hindcast('approve', second.runId)).code).toBe(0)
  const result = (await temporal.client.workflow.getHandle(second.runId).result()) as { snapshotId: string }
  expect(result.snapshotId).toBe(second.staged.snapshotId)
  expect(await head()).toBe(second.staged.snapshotId)
  const late = await project.hindcast('approve', second.runId, '--json')
  expect(late.code).not.toBe(0)
})
