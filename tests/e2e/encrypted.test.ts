// What a run is asked and what it answers may be secret, and Temporal's database is somebody else's: with keys configured none of it may be
// readable there but what docs/operations.md names, and none of the commands may work less for it.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from '@temporalio/client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { registerSearchAttributes } from '../../activities/index.ts'
import type { Progress } from '../../src/contract/index.ts'
import { payloadCodec } from '../../workers/encryption/index.ts'
import { findServer } from '../../workers/temporal-server/index.ts'
import { testProject, type TestProject, type TestWorker } from '../support/project.ts'
import { importSales, january } from '../support/sales.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { until } from '../support/until.ts'

const keys = { old: randomBytes(32).toString('base64'), new: randomBytes(32).toString('base64') }
const config = (entries: string): string => `export default { temporal: { encryption: { keys: [${entries}] } } }\n`
const plain = 'export default {}\n'
const oldKey = "{ id: 'old', file: 'old.key' }"
const newKey = "{ id: 'new', key: '${NEW_KEY}' }"
const view = `
import { count, entity, featureView, source } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
export const secretView = featureView({ name: 'secret_view', entity: shop, source: sales, every: '1d', features: { sales: count({ over: ['7d'] }) } })
`

let temporal: TestTemporal
let project: TestProject
const workers: TestWorker[] = []

beforeAll(async () => {
  temporal = await startTestTemporal()
  await registerSearchAttributes(temporal.client)
  project = await testProject({
    config: plain,
    features: { 'secret.ts': view },
    env: { TEMPORAL_ADDRESS: temporal.address, NEW_KEY: keys.new },
  })
  await writeFile(join(project.dir, 'old.key'), `${keys.old}\n`)
  await importSales(project, 30)
})

afterEach(async () => {
  for (const { process: worker, ended } of workers.splice(0)) {
    worker.kill('SIGKILL')
    await ended
  }
})

afterAll(async () => {
  await project[Symbol.asyncDispose]()
  await temporal[Symbol.asyncDispose]()
})

const configure = (text: string): Promise<void> => writeFile(join(project.dir, 'hindcast.config.ts'), text)

async function startWorker(): Promise<TestWorker> {
  const worker = await project.startWorker()
  workers.push(worker)
  return worker
}

const range = (from: number, to: number): readonly string[] => [
  'secret_view',
  '--from',
  january(from),
  '--to',
  january(to),
]

/** Waits until the run itself says so, to one who has all keys. */
async function waitFor(runId: string, state: string): Promise<void> {
  const codec = payloadCodec(new Map(Object.entries(keys).map(([id, key]) => [id, Buffer.from(key, 'base64')])))
  const { connection } = temporal.client
  const run = new Client({ connection, dataConverter: { payloadCodecs: [codec] } }).workflow.getHandle(runId)
  await until(`${runId} is ${state}`, async () =>
    connection
      .withDeadline(Date.now() + 2_000, () => run.query<Progress, []>('progress'))
      .then(
        (progress) => progress.state === state,
        () => false,
      ),
  )
}

const asText = (value: unknown): string | null =>
  typeof value === 'string' ? value : value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : null

/** Every text and all bytes within a message of the server's, by where they are. */
function textsOf(value: unknown, path = ''): (readonly [string, string])[] {
  const text = asText(value)
  if (text !== null) return [[path, text]]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, part]) =>
    textsOf(part, Array.isArray(value) ? path : path === '' ? key : `${path}.${key}`),
  )
}

const describeRun = (workflowId: string) =>
  temporal.client.workflowService.describeWorkflowExecution({
    namespace: temporal.namespace,
    execution: { workflowId },
  })

/** All that the server has of a run. */
async function storedTexts(workflowId: string): Promise<(readonly [string, string])[]> {
  const history = await temporal.client.workflow.getHandle(workflowId).fetchHistory()
  return [...textsOf(history), ...textsOf(await describeRun(workflowId))]
}

/** Where one of the words can be read, as the docs call the places. */
const readableIn = (texts: readonly (readonly [string, string])[], words: readonly string[]): string[] => {
  const places = texts
    .filter(([, text]) => words.some((word) => text.includes(word)))
    .map(([path]) => {
      const attribute = /earchAttributes\.(?:indexedFields\.)?(\w+)/.exec(path)?.[1]
      return attribute ?? (/(?:^|\.)(fairnessKey|workflowId)$/.exec(path)?.[1] || path)
    })
  return [...new Set(places)].sort()
}

const readable = ['HindcastFrom', 'HindcastTo', 'HindcastView', 'fairnessKey', 'workflowId']

test('a run begun in plain text goes on encrypted', async () => {
  const before = await startWorker()
  const started = await project.hindcast('backfill', ...range(2, 4), '--require-approval', '--detach', '--json')
  const { runId } = started.json<{ runId: string }>()
  await waitFor(runId, 'awaiting-approval')
  expect(readableIn(await storedTexts(runId), ['secret_view']), 'this test sees plain text').not.toEqual(readable)
  before.process.kill('SIGKILL')
  await before.ended

  await configure(config(oldKey))
  await startWorker()
  const approved = await project.hindcast('approve', runId, '--reason', 'looks right to me', '--json')
  expect(approved.code, approved.stdout).toBe(0)
  await waitFor(runId, 'published')
  const stored = await storedTexts(runId)
  expect(readableIn(stored, ['looks right'])).toEqual([])
  expect(readableIn(stored, ['binary/encrypted'])).not.toEqual([])
})

test('a run is asked, approved and shown as ever, and the server reads nothing of it', async () => {
  await configure(config(oldKey))
  await startWorker()
  const started = await project.hindcast('backfill', ...range(4, 9), '--require-approval', '--detach', '--json')
  expect(started.code, started.stdout).toBe(4)
  const { runId } = started.json<{ runId: string }>()
  await waitFor(runId, 'awaiting-approval')
  const status = await project.hindcast('status', runId, '--json')
  expect(status.json()).toMatchObject({ state: 'awaiting-approval', input: { view: 'secret_view' } })
  const approved = await project.hindcast('approve', runId, '--reason', 'looks right to me', '--json')
  expect(approved.code, approved.stdout).toBe(0)
  await waitFor(runId, 'published')
  // The server's lists follow what happens a moment later.
  const latest = async (): Promise<object | undefined> =>
    (await project.hindcast('status', '--json')).json<{ runs: object[] }>().runs[0]
  await expect.poll(latest, { timeout: 20_000 }).toMatchObject({ runId, view: 'secret_view', from: '2024-01-04' })

  const stored = await storedTexts(runId)
  expect(readableIn(stored, ['secret_view', '2024-01-0'])).toEqual(readable)
  // Reasons, summaries, details of heartbeats, inputs and results.
  const words = ['looks right', 'slice 1', 'requireApproval', 'partitions', 'audit', 'raw.sales', project.dir]
  expect(readableIn(stored, words)).toEqual([])
  expect(readableIn(stored, ['binary/encrypted'])).not.toEqual([])
})

test('a schedule and its runs', async () => {
  await configure(config(oldKey))
  await startWorker()
  // Long enough not to be found in ciphertext by chance.
  const lag = '361m'
  const times = ['--every', '1d', '--lag', lag, '--paused']
  const created = await project.hindcast('schedule', 'create', 'secret_view', '--id', 'nightly', ...times, '--json')
  expect(created.code, created.stdout).toBe(0)
  const listed = await project.hindcast('schedule', 'list', '--json')
  expect(listed.json()).toMatchObject({ schedules: [{ id: 'nightly', view: 'secret_view', when: 'every 1d' }] })
  const described = await temporal.client.workflowService.describeSchedule({
    namespace: temporal.namespace,
    scheduleId: 'nightly',
  })
  expect(readableIn(textsOf(described), ['secret_view', lag, 'every 1d', 'lag'])).toEqual([])

  const at = new Date('2024-01-10T12:00:00Z')
  const overlap = 'ALLOW_ALL'
  await temporal.client.schedule
    .getHandle('nightly')
    .backfill({ start: at, end: new Date('2024-01-11T12:00:00Z'), overlap })
  const runs = async () =>
    (await project.hindcast('status', '--json')).json<{ runs: { runId: string; status: string }[] }>().runs
  await until('the scheduled run is done', async () =>
    (await runs()).some(({ runId, status }) => runId.startsWith('nightly') && status === 'completed'),
  )
  const scheduled = (await runs()).map(({ runId }) => runId).filter((runId) => runId.startsWith('nightly'))
  expect(scheduled.length).toBeGreaterThan(0)
  for (const runId of scheduled) {
    const parent = runId.slice(0, runId.indexOf('/'))
    expect(readableIn(await storedTexts(parent), ['secret_view', lag]), parent).toEqual(['fairnessKey', 'workflowId'])
    const ofRun = ['HindcastView', 'fairnessKey', 'workflowId']
    expect(readableIn(await storedTexts(runId), ['secret_view']), runId).toEqual(ofRun)
  }
  await project.hindcast('schedule', 'delete', 'nightly', '--json')
})

test('what a failure says is encrypted too, and the commands read it', async () => {
  await configure(config(oldKey))
  await startWorker()
  const folder = join(project.dir, '.hindcast', 'warehouse', 'raw')
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.parquet'))
  const files = await Promise.all(
    names.map(async (name) => [join(folder, name), await readFile(join(folder, name))] as const),
  )
  for (const [file, bytes] of files) await writeFile(file, Buffer.alloc(bytes.byteLength, 'x'))
  const failed = await project.hindcast('backfill', ...range(12, 14), '--json')
  for (const [file, bytes] of files) await writeFile(file, bytes)
  expect(failed.code, failed.stdout).toBe(1)
  const { code, message } = failed.json<{ error: { code: string; message: string } }>().error
  expect(code).toBe('DATA_FILE_INVALID')
  expect(message).toContain('.parquet')
  const [run] = (await project.hindcast('status', '--json')).json<{ runs: { runId: string; status: string }[] }>().runs
  expect(run?.status).toBe('failed')
  const shown = await project.hindcast('status', run?.runId ?? '', '--json')
  expect(shown.json()['lastError']).toContain('.parquet')
  const stored = await storedTexts(run?.runId ?? '')
  expect(readableIn(stored, [message, '.parquet', 'activities/', 'workflow-bundle'])).toEqual([])
  expect(readableIn(stored, ['DATA_FILE_INVALID']), 'retry policies go by it').not.toEqual([])
  const retried = await project.hindcast('retry', run?.runId ?? '', '--json')
  expect(retried.code, retried.stdout).toBe(0)
})

test('a new key writes, the old one still reads; without it the message names it', async () => {
  const before = await project.hindcast('status', '--json')
  const runId = before.json<{ runs: { runId: string }[] }>().runs.at(-2)?.runId ?? ''
  await configure(config(`${newKey}, ${oldKey}`))
  await startWorker()
  const both = await project.hindcast('backfill', ...range(14, 17), '--json')
  expect(both.code, both.stdout).toBe(0)
  const written = (await storedTexts(both.json<{ runId: string }>().runId))
    .filter(([path]) => path.endsWith('.encryption-key-id'))
    .map(([, id]) => id)
  expect([...new Set(written)]).toEqual(['new'])
  const old = await project.hindcast('status', runId, '--json')
  expect(old.code, old.stdout).toBe(0)
  expect(old.json()).toMatchObject({ state: 'published' })

  const refused = async (text: string): Promise<{ code: string; message: string; hint: string; stdout: string }> => {
    await configure(text)
    const status = await project.hindcast('status', '--json')
    const { stdout } = status
    expect(status.code, stdout).toBe(1)
    return { ...status.json<{ error: { code: string; message: string; hint: string } }>().error, stdout }
  }
  const without = await refused(config(newKey))
  expect(without).toMatchObject({ code: 'CONFIG_INVALID', hint: expect.stringContaining('temporal.encryption.keys') })
  expect(without.message).toMatch(/key "old".*the keys here are new/)
  expect((await refused(plain)).message).toContain('no key is configured')
  expect((await refused(config(oldKey.replace('old.key', 'gone.key')))).message).toContain('gone.key')
  const short = await refused(config("{ id: 'old', key: 'c2hvcnQ=' }"))
  expect(short.message).toContain('not 32 bytes')
  expect(short.stdout, 'a key is never shown').not.toContain('c2hvcnQ=')
  const doctor = await project.hindcast('doctor', '--json')
  expect(doctor.json<{ findings: object[] }>().findings).toContainEqual(
    expect.objectContaining({ check: 'configuration', status: 'fail' }),
  )
})

test('a worker without the key holds a run up until one with it comes', async () => {
  await configure(config(newKey))
  const started = await project.hindcast('backfill', ...range(17, 19), '--detach', '--json')
  const { runId } = started.json<{ runId: string }>()
  await configure(plain)
  const without = await startWorker()
  await until('its workflow task has failed', async () => {
    const { pendingWorkflowTask } = await describeRun(runId)
    return (pendingWorkflowTask?.attempt ?? 0) > 1
  })
  without.process.kill('SIGKILL')
  await configure(config(newKey))
  await startWorker()
  await waitFor(runId, 'published')
})

test('the temporal command reads and writes through the codec server', async () => {
  await configure(config(`${newKey}, ${oldKey}`))
  const { process: server, document } = await project.startJson<{ address: string }>('codec-server', '--port', '0')
  await startWorker()
  const run = promisify(execFile)
  const temporalCommand = async (...args: readonly string[]): Promise<string> => {
    const flags = ['--address', temporal.address, '--codec-endpoint', document.address, '-o', 'json']
    return (await run(await findServer(), [...args, ...flags])).stdout
  }
  const workflow = (...args: readonly string[]) => temporalCommand('workflow', ...args, '-w', 'by-hand')
  const input = JSON.stringify({ view: 'secret_view', from: '2024-01-19', to: '2024-01-21', requireApproval: true })
  await workflow('start', '--type', 'backfill', '--task-queue', 'hindcast', '--input', input)
  await until('it waits for approval', async () =>
    (await workflow('query', '--name', 'progress')).includes('awaiting-approval'),
  )
  await workflow('update', 'execute', '--name', 'approve', '--input', '{"by":"ada"}')
  await expect(workflow('result')).resolves.toContain('published')
  await expect(workflow('metadata')).resolves.toContain('| published |')
  expect(readableIn(await storedTexts('by-hand'), ['secret_view'])).toEqual(['HindcastView'])
  server.kill('SIGTERM')
})
