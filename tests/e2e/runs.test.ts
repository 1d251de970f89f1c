// Runs as people start and steer them from the command line, on a real worker and server: many at once, narrowed, tried again, with the
// views that they read.
import { Client, Connection } from '@temporalio/client'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testProject, type CommandResult, type TestProject } from '../support/project.ts'
import { importSales, january } from '../support/sales.ts'
import { until } from '../support/until.ts'

const definition = `
import { count, entity, featureView, max, source } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
export const shopSales = featureView({
  name: 'shop_sales', entity: shop, source: sales, every: '1d', features: { sales: count({ over: ['3d'] }) },
})
export const keeping = featureView({
  name: 'keeping', entity: shop, source: sales, every: '1d', tiles: 'keep', features: { sales: count({ over: ['3d'] }) },
})
export const busiest = featureView({
  name: 'busiest', entity: shop, source: source({ name: 'counted', view: 'shop_sales', eventTime: 'feature_time' }), every: '1d',
  features: { most: max('sales_3d', { over: ['5d'] }) },
})
`

let project: TestProject
let address = ''
beforeAll(async () => {
  project = await testProject({
    features: { 'sales.ts': definition },
    // Slices of a day or two, so that there are some to steer.
    config: `export default { limits: { sliceInputBytes: 1, concurrency: 1 } }\n`,
  })
  await importSales(project, 28)
  const dev = await project.hindcast('dev', '--detach', '--port', '0', '--ui-port', '0', '--web-port', '0', '--json')
  address = dev.json<{ temporal: { address: string } }>().temporal.address
})
afterAll(async () => {
  await project.hindcast('dev', '--stop')
  await project[Symbol.asyncDispose]()
})

const started = async (...args: readonly string[]): Promise<string> => {
  const run = await project.hindcast('backfill', ...args, '--detach', '--json')
  expect(run.code, run.stdout).toBe(0)
  return run.json<{ runId: string }>().runId
}
const status = async (runId: string) =>
  (await project.hindcast('status', runId, '--json')).json<{
    status: string
    state: string
    waitingFor: string | null
    paused: boolean
    slices: { done: number; reused: number }
  }>()
const range = (from: number, to: number): string[] => ['shop_sales', '--from', january(from), '--to', january(to)]
const ended = async (runId: string, how: string): Promise<void> =>
  until(`${runId} is ${how}`, async () => (await status(runId)).status === how)
const why = ({ code, stdout, stderr }: CommandResult): string => `${code}: ${stdout}${stderr}`

/** A run that holds its range until it is approved. */
async function held(from: number, to: number): Promise<string> {
  const run = await project.hindcast('backfill', ...range(from, to), '--require-approval', '--detach', '--json')
  expect(run.code, why(run)).toBe(4)
  return run.json<{ runId: string }>().runId
}

test('of two runs over one stretch the second waits, says for which, and finds all fresh; another stretch goes beside it', async () => {
  const first = await held(2, 10)
  const second = await started(...range(8, 10))
  await until('it waits', async () => (await status(second)).waitingFor === first)
  const refused = await project.hindcast('backfill', ...range(9, 12), '--on-overlap', 'refuse')
  expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining(first)])
  const beside = await project.hindcast('backfill', ...range(10, 12), '--json')
  expect(beside.code, why(beside)).toBe(0)
  const another = await project.hindcast('approve', first, '--plan', '0123456789abcdef')
  expect([another.code, another.stderr]).toEqual([5, expect.stringContaining('0123456789abcdef')])
  expect((await project.hindcast('approve', first, '--reason', 'as it should be')).code).toBe(0)
  await ended(first, 'completed')
  await ended(second, 'completed')
  expect((await status(second)).state).toBe('fresh')
  const plan = (await project.hindcast('plan', ...range(2, 12), '--json')).json<{ todoPartitions: number }>()
  expect(plan.todoPartitions).toBe(0)
}, 180_000)

test('a cancelled run is tried again with what it had finished', async () => {
  const run = await held(12, 16)
  expect((await project.hindcast('retry', run)).code).toBe(2)
  expect((await project.hindcast('cancel', run)).code).toBe(0)
  await ended(run, 'cancelled')
  const again = await project.hindcast('retry', run, '--detach', '--json')
  expect(again.code, why(again)).toBe(4)
  const { runId } = again.json<{ runId: string }>()
  expect((await project.hindcast('approve', runId)).code).toBe(0)
  await ended(runId, 'completed')
  expect((await status(runId)).slices).toMatchObject({ done: 2, reused: 2 })
}, 180_000)

test('a narrowed run publishes what is before its new end', async () => {
  const before = await held(16, 17)
  const run = await started(...range(16, 26))
  await until('it waits', async () => (await status(run)).waitingFor === before)
  expect((await project.hindcast('pause', run)).code).toBe(0)
  await project.hindcast('approve', before)
  await until('it has its turn', async () => (await status(run)).state === 'computing')
  const narrowed = await project.hindcast('narrow', run, '--to', january(20), '--reason', 'enough')
  expect(narrowed.code, why(narrowed)).toBe(0)
  await ended(run, 'completed')
  const plan = (await project.hindcast('plan', ...range(16, 26), '--json')).json<{
    partitions: { fresh: number; missing: number }
  }>()
  expect(plan.partitions).toMatchObject({ fresh: 4, missing: 6 })
}, 180_000)

test('a view is backfilled with the one that it reads, at the snapshot that this published', async () => {
  const from = january(22)
  const to = january(25)
  const run = await project.hindcast('backfill', 'busiest', '--from', from, '--to', to, '--with-upstream', '--json')
  expect(run.code, why(run)).toBe(0)
  expect(run.json()).toMatchObject({ verdict: 'published', rows: 3 })
  const upstream = (await project.hindcast('plan', ...range(17, 25), '--json')).json<{ todoPartitions: number }>()
  expect(upstream.todoPartitions).toBe(0)
  const client = new Client({ connection: await Connection.connect({ address }) })
  const found: string[] = []
  for await (const { workflowId } of client.workflow.list({
    query: `HindcastView = 'busiest' AND HindcastVerdict = 'published'`,
  }))
    found.push(workflowId)
  await client.connection.close()
  expect(found).toHaveLength(1)
}, 180_000)

test('with kept tiles a day of late data reads that day, and the plan says so', async () => {
  const keeping = ['keeping', ...range(2, 12).slice(1)]
  const first = await project.hindcast('plan', ...keeping)
  expect(first.stdout).toContain('Leaves the tiles of 10 days in features.keeping__tiles.')
  expect((await project.hindcast('backfill', ...keeping)).code).toBe(0)
  const file = join(project.dir, 'late.csv')
  await writeFile(file, `shop,at,amount\nnorth,${january(6)} 23:00:00,1\n`)
  expect((await project.hindcast('import', file, '--table', 'raw.sales', '--event-time', 'at')).code).toBe(0)
  const planned = await project.hindcast('plan', ...keeping, '--json')
  // Two slices, of a day and of two, see three days and four: the late one is of both.
  expect(planned.json()).toMatchObject({
    inputRows: 4,
    tiles: { table: 'features.keeping__tiles', windows: 7, fromTiles: 5, kept: 1, problem: null },
    sliceList: [{ tiles: { read: 2, kept: 1 } }, { tiles: { read: 3, kept: 0 } }],
  })
  const { stdout } = await project.hindcast('plan', ...keeping)
  expect(stdout).toMatch(/Of 7 days of events in their windows, 5 from kept tiles \(10 rows, .*\)\./)
  expect((await project.hindcast('backfill', ...keeping)).code).toBe(0)
  const after = await project.hindcast('plan', ...keeping, '--force', '--json')
  expect(after.json()).toMatchObject({ inputRows: 0, tiles: { windows: 21, fromTiles: 21, kept: 0 } })
}, 180_000)
