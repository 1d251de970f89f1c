// Schedules as people make them from the command line, filled for the past by the server: each day once, whatever runs beside it.
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testProject, type CommandResult, type TestProject } from '../support/project.ts'
import { importSales, january } from '../support/sales.ts'
import { until } from '../support/until.ts'

const definition = `
import { count, entity, featureView, source } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
const options = { entity: shop, source: sales, every: '1d', features: { sales: count({ over: ['3d'] }) } } as const
export const shopSales = featureView({ name: 'shop_sales', ...options })
`

let project: TestProject
let client: Client
beforeAll(async () => {
  project = await testProject({ features: { 'sales.ts': definition } })
  await importSales(project, 20)
  const dev = await project.hindcast('dev', '--detach', '--port', '0', '--ui-port', '0', '--web-port', '0', '--json')
  const { address } = dev.json<{ temporal: { address: string } }>().temporal
  client = new Client({ connection: await Connection.connect({ address }) })
})
afterAll(async () => {
  await client.connection.close()
  await project.hindcast('dev', '--stop')
  await project[Symbol.asyncDispose]()
})

const why = ({ code, stdout, stderr }: CommandResult): string => `${code}: ${stdout}${stderr}`
const planOf = async (from: number, to: number) =>
  (await project.hindcast('plan', 'shop_sales', '--from', january(from), '--to', january(to), '--json')).json<{
    partitions: { fresh: number; missing: number }
  }>()

test('filling the past of a schedule computes each of its days once, in runs of their own', async () => {
  const created = await project.hindcast(
    'schedule',
    'create',
    'shop_sales',
    '--cron',
    '0 3 * * *',
    '--lag',
    '6h',
    '--paused',
    '--json',
  )
  expect(created.code, why(created)).toBe(0)
  expect(created.json()).toMatchObject({ id: 'shop_sales', input: { view: 'shop_sales', lag: '6h' }, paused: true })

  const again = await project.hindcast('schedule', 'create', 'shop_sales', '--every', '1d')
  expect([again.code, again.stderr]).toEqual([5, expect.stringContaining('there is a schedule "shop_sales" already')])

  // 03:00 of the 5th to the 8th: with events six hours late at most, the days before are complete.
  await client.schedule.getHandle('shop_sales').backfill({
    start: new Date(`${january(5)}T00:00:00Z`),
    end: new Date(`${january(8)}T12:00:00Z`),
    overlap: 'ALLOW_ALL',
  })
  const list = async () =>
    (await project.hindcast('schedule', 'list', '--json')).json<{
      schedules: { id: string; view: string; when: string; lastRun: { status: string; scheduledAt: string } | null }[]
    }>().schedules
  await until('its days are published', async () => (await planOf(4, 8)).partitions.fresh === 4)
  expect((await planOf(1, 20)).partitions).toMatchObject({ fresh: 4, missing: 15 })

  const runs: string[] = []
  await until('the runs are over', async () => {
    runs.splice(0)
    for await (const { memo, status } of client.workflow.list({ query: `WorkflowType = 'backfill'` }))
      runs.push(`${String(memo?.['from'])} ${status.name}`)
    return runs.length === 4 && runs.every((run) => run.endsWith('COMPLETED'))
  })
  expect(runs.sort()).toEqual([4, 5, 6, 7].map((day) => `${january(day)} COMPLETED`))
  await until('the list shows the last run', async () => (await list())[0]?.lastRun?.status === 'completed')
  expect(await list()).toMatchObject([
    {
      id: 'shop_sales',
      view: 'shop_sales',
      when: 'at 0 3 * * * UTC',
      lastRun: { scheduledAt: `${january(8)}T03:00:00.000Z` },
    },
  ])

  const text = await project.hindcast('schedule', 'list')
  expect(text.stdout).toMatch(/shop_sales +shop_sales +at 0 3 \* \* \* UTC +1 +6h +paused +completed/)
  expect((await project.hindcast('schedule', 'delete', 'shop_sales')).code).toBe(0)
  expect(await list()).toEqual([])
  const gone = await project.hindcast('schedule', 'delete', 'shop_sales')
  expect([gone.code, gone.stderr]).toEqual([2, expect.stringContaining('there is no schedule "shop_sales"')])
}, 180_000)

test('more partitions close the gaps that a schedule left', async () => {
  const created = await project.hindcast(
    'schedule',
    'create',
    'shop_sales',
    '--every',
    '1d',
    '--partitions',
    '12',
    '--paused',
  )
  expect(created.code, why(created)).toBe(0)
  await client.schedule.getHandle('shop_sales').backfill({
    start: new Date(`${january(14)}T00:00:00Z`),
    end: new Date(`${january(14)}T12:00:00Z`),
    overlap: 'ALLOW_ALL',
  })
  await until('the gaps are closed', async () => (await planOf(3, 15)).partitions.fresh === 12)
  expect((await planOf(1, 20)).partitions).toMatchObject({ fresh: 12, missing: 7 })
}, 180_000)

test('what is wrong with a schedule is said before it exists', async () => {
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await project.hindcast('schedule', 'create', ...args)
    return `${code}: ${stderr}`
  }
  expect(await refused('shop_sale', '--every', '1d')).toMatch(/^2: .*shop_sale/)
  expect(await refused('shop_sales')).toMatch(/^2: .*needs one of --cron and --every/)
  expect(await refused('shop_sales', '--every', 'daily')).toMatch(/^2: .*"daily" is not a length of time/)
  expect(await refused('shop_sales', '--cron', '0 3 * *', '--id', 'x')).toMatch(/^2: .*at 0 3 \* \* UTC/)
  expect(await refused('shop_sales', '--cron', '0 3 * * *', '--lag', 'some', '--id', 'x')).toMatch(/^2: .*lag: "some"/)
}, 120_000)
