// A project works the same with its warehouse in S3: the same commands, the same rows in the same bytes, and no key in anything it says or keeps.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openFiles, type WarehouseFiles } from '../../src/io/files/index.ts'
import { listAll } from '../support/file-stores.ts'
import { httpfsExtension } from '../support/httpfs.ts'
import { testProject, type CommandResult, type TestProject } from '../support/project.ts'
import { startTestS3, type TestS3 } from '../support/s3/server.ts'
import { mainBytes } from '../support/table-bytes.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'

const view = `
import { avg, count, entity, featureView, source, sql } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
export const shopSales = featureView({
  name: 'shop_sales', entity: shop, source: sales, every: '1d',
  features: { sales: count({ over: ['3d'] }), amount: avg('amount', { over: ['3d'] }) },
})
`
const range = ['--from', '2024-01-02', '--to', '2024-01-12'] as const

let temporal: TestTemporal
let server: TestS3
let io: WarehouseFiles
let local: TestProject
const said: CommandResult[] = []

beforeAll(async () => {
  ;[temporal, server] = await Promise.all([startTestTemporal(), startTestS3()])
  io = openFiles({ s3: server.settings })
  local = await project('local', {})
  await backfilled(local)
})
afterAll(async () => {
  await local[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await temporal[Symbol.asyncDispose]()
})

/** A project with twenty days of sales, whose runs share no task queue with another's. */
async function project(taskQueue: string, config: Readonly<Record<string, unknown>>): Promise<TestProject> {
  const made = await testProject({
    config: `export default ${JSON.stringify({ ...config, temporal: { taskQueue }, limits: { sliceInputBytes: 400 } })}\n`,
    features: { 'sales.ts': view },
    env: { TEMPORAL_ADDRESS: temporal.address, TEST_S3_SECRET: server.settings.secretAccessKey },
  })
  const lines = Array.from({ length: 20 }, (_, i) => {
    const day = `2024-01-${String(i + 1).padStart(2, '0')}`
    return `north,${day} 10:00:00,${i}\nsouth,${day} 11:00:00,${2 * i}`
  })
  await writeFile(join(made.dir, 'sales.csv'), `shop,at,amount\n${lines.join('\n')}\n`)
  return made
}

const inS3 = (prefix: string, httpfs: string) => ({
  warehouse: `s3a://${server.bucket}/${prefix}/`,
  storage: { s3: { ...server.settings, secretAccessKey: '${TEST_S3_SECRET}' } },
  engine: { httpfs },
})

async function hindcast(of: TestProject, ...args: string[]): Promise<CommandResult> {
  const result = await of.hindcast(...args, '--json')
  said.push(result)
  expect(result.code, `${args[0]}: ${result.stderr}${result.stdout}`).toBe(0)
  return result
}

async function backfilled(of: TestProject): Promise<{ verdict: string; slices?: unknown }> {
  await hindcast(of, 'import', join(of.dir, 'sales.csv'), '--table', 'raw.sales', '--event-time', 'at')
  const worker = await of.start('worker')
  const planned = await hindcast(of, 'plan', 'shop_sales', ...range)
  expect(planned.json()).toMatchObject({ slices: expect.any(Number) })
  const result = await hindcast(of, 'backfill', 'shop_sales', ...range)
  worker.kill('SIGTERM')
  return result.json()
}

test.each(['httpfs', 'copies'])('a backfill in S3, read by %s, gives the bytes of a local one', async (way) => {
  await using lake = await project(way, inS3(`lake/${way} 1`, way === 'copies' ? 'off' : await httpfsExtension()))
  expect(await backfilled(lake)).toMatchObject({ verdict: 'published' })
  const expected = await mainBytes(local.dir, 'shop_sales')
  expect(expected.size).toBe(10)
  expect(await mainBytes(lake.dir, 'shop_sales', io)).toEqual(expected)

  const doctor = await lake.hindcast('doctor', '--json')
  said.push(doctor)
  expect(doctor.json<{ findings: { check: string; status: string; message: string }[] }>().findings).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        check: 'warehouse',
        status: 'ok',
        message: expect.stringContaining('conditional writes'),
      }),
      expect.objectContaining({
        check: 'engine',
        status: 'ok',
        message: expect.stringContaining(way === 'copies' ? 'copied to local disk' : 'by httpfs'),
      }),
    ]),
  )
  const history = await hindcast(lake, 'history', 'shop_sales')
  expect(history.json<{ snapshots: unknown[] }>().snapshots).toHaveLength(1)

  // All lies where the configuration says, nothing beside it, and nothing of a probe is left.
  const paths = (await listAll(io, `s3://${server.bucket}/lake`)).map(({ path }) => path)
  const own = paths.filter((path) => path.startsWith(`s3://${server.bucket}/lake/${way} 1/`))
  expect(own.filter((path) => path.includes('/features/shop_sales/data/'))).toHaveLength(10)
  expect(own.some((path) => /\/_hindcast\/features\.shop_sales\/.*record\.json$/.test(path))).toBe(true)
  expect(paths.filter((path) => /probe|doctor/.test(path))).toEqual([])
  expect(await readdir(join(lake.dir, '.hindcast'))).not.toContain('warehouse')
  expect(await readdir(join(lake.dir, '.hindcast/scratch')).catch(() => [])).toEqual([])

  await expectNoSecret(lake)
})

test('a store that cannot be used is said by name, before anything is done', async () => {
  await using closed = await project('closed', {
    ...inS3('closed', 'off'),
    storage: { s3: { ...server.settings, endpoint: 'http://127.0.0.1:1', secretAccessKey: '${TEST_S3_SECRET}' } },
  })
  const imported = await closed.hindcast(
    'import',
    join(closed.dir, 'sales.csv'),
    '--table',
    'raw.sales',
    '--event-time',
    'at',
    '--json',
  )
  said.push(imported)
  expect(imported.code).toBe(1)
  expect(imported.json()).toMatchObject({
    error: { code: 'STORAGE_UNAVAILABLE', hint: expect.stringContaining('storage.s3.endpoint') },
  })
  const doctor = await closed.hindcast('doctor', '--json')
  expect(doctor.code).toBe(1)
  expect(doctor.json<{ findings: { check: string; status: string }[] }>().findings).toContainEqual(
    expect.objectContaining({ check: 'warehouse', status: 'fail' }),
  )
  await expectNoSecret(closed)
})

/** Neither in what commands said, nor in what the project keeps on disk or in the store. */
async function expectNoSecret(of: TestProject): Promise<void> {
  const secret = server.settings.secretAccessKey
  for (const { stdout, stderr } of said) expect(stdout + stderr).not.toContain(secret)
  for (const entry of await readdir(of.dir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      expect((await readFile(join(entry.parentPath, entry.name))).includes(secret), entry.name).toBe(false)
  }
  for (const { path } of await listAll(io, `s3://${server.bucket}/lake`)) {
    expect(Buffer.from(await io.read(path)).includes(secret), path).toBe(false)
  }
}
