// Whatever dies in mid-run, the table ends with the same bytes as after an undisturbed run, and `main` shows nothing in between: a lost
// slice is a hole in the training data, a doubled one skews it, a half visible one breaks tonight's job.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { planScan } from '../../src/iceberg/index.ts'
import { localFiles } from '../../src/io/files/index.ts'
import { flightsParquet, testProject, type TestProject } from '../support/project.ts'
import { loadFeatureTable, mainBytes } from '../support/table-bytes.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { until } from '../support/until.ts'

const range = ['--from', '2001-03-01', '--to', '2001-05-01']
// Small slices: a run that is over before it can be killed shows nothing.
const config = `export default { limits: { sliceInputBytes: '25MB', slicesPerWorker: 1 } }\n`

let temporal: TestTemporal
let project: TestProject
let reference: ReadonlyMap<string, readonly string[]>

beforeAll(async () => {
  temporal = await startTestTemporal()
  project = await testProject({ config, env: { TEMPORAL_ADDRESS: temporal.address } })
  const imported = await project.hindcast('import', flightsParquet, '--table', 'raw.flights', '--event-time', 'date')
  expect(imported.code, imported.stderr).toBe(0)
  const worker = await project.start('worker')
  const undisturbed = await project.hindcast('backfill', 'route_delays', ...range, '--json')
  expect(undisturbed.code, undisturbed.stdout).toBe(0)
  reference = await mainBytes(project.dir, 'route_delays')
  expect(reference.size).toBe(61)
  worker.kill('SIGTERM')
  await until('the first worker is gone', () => worker.exitCode !== null)
})

afterAll(async () => {
  await project[Symbol.asyncDispose]()
  await temporal[Symbol.asyncDispose]()
})

interface RunStatus {
  readonly status: string
  readonly slices: { readonly done: number; readonly total: number }
}

/** Starts a forced run and waits until it has finished some slices but not all. */
async function startedRun(): Promise<string> {
  const started = await project.hindcast('backfill', 'route_delays', ...range, '--force', '--detach', '--json')
  const { runId } = started.json<{ runId: string }>()
  await until('some slices are done', async () => {
    const progress = await temporal.client.workflow.getHandle(runId).query<RunStatus>('progress')
    return progress.slices.done >= 2 && progress.slices.done < progress.slices.total
  })
  return runId
}

/** Reads `main` again and again until it is told to stop; gives what it saw: each head, with the number of its files. */
function reader(): () => Promise<ReadonlyMap<string, number>> {
  let reading = true
  const seen = new Map<string, number>()
  const done = (async () => {
    while (reading) {
      const table = await loadFeatureTable(project.dir, 'route_delays')
      const head = table?.metadata.refs['main']?.snapshotId
      if (table !== null && head !== undefined) {
        const { tasks: files } = await planScan({ table, io: localFiles(), snapshotId: head })
        seen.set(String(head), files.length)
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })()
  return async () => {
    reading = false
    await done
    return seen
  }
}

test('a worker that is killed: another takes over and the table has the reference’s bytes', async () => {
  const before = (await snapshotsOnMain()).length
  const stopReading = reader()
  const killed = await project.start('worker')
  const runId = await startedRun()
  killed.kill('SIGKILL')
  expect(await snapshotsOnMain(), 'nothing was published by a run that died').toHaveLength(before)
  const next = await project.start('worker')
  const result = await temporal.client.workflow.getHandle(runId).result()
  expect(result).toMatchObject({ verdict: 'published', partitions: { forced: 61 } })
  expect(await mainBytes(project.dir, 'route_delays')).toEqual(reference)
  const snapshots = await snapshotsOnMain()
  expect(snapshots).toHaveLength(before + 1)
  const seen = await stopReading()
  expect([...seen.keys()].sort(), 'a reader saw the old head and the new one').toEqual(
    snapshots
      .slice(0, 2)
      .map(({ snapshotId }) => snapshotId)
      .sort(),
  )
  expect([...seen.values()], 'and each of them whole').toEqual([61, 61])
  next.kill('SIGKILL')
})

test('a Temporal server that is killed and started again on its state: the run goes on to the same bytes', async () => {
  const before = (await snapshotsOnMain()).length
  const worker = await project.start('worker')
  const runId = await startedRun()
  await temporal.crash()
  const result = await temporal.client.workflow.getHandle(runId).result()
  expect(result).toMatchObject({ verdict: 'published', partitions: { forced: 61 } })
  expect(await mainBytes(project.dir, 'route_delays')).toEqual(reference)
  expect(await snapshotsOnMain()).toHaveLength(before + 1)
  worker.kill('SIGKILL')
})

test('a run that lost all of Temporal’s history: the same command reuses every slice that was finished', async () => {
  const before = await sliceResults()
  const worker = await project.start('worker')
  const runId = await startedRun()
  await temporal.client.workflow.getHandle(runId).terminate('its history is lost')
  worker.kill('SIGKILL')
  await until('the worker is gone', () => worker.signalCode !== null)
  const finished = (await sliceResults()).filter((name) => !before.includes(name))
  expect(finished.length).toBeGreaterThanOrEqual(2)
  expect(await claimingRuns(), 'what it claimed outlives it').toEqual([runId])
  await using elsewhere = await startTestTemporal()
  const moved = project.withEnv({ TEMPORAL_ADDRESS: elsewhere.address })
  await moved.start('worker')
  const again = await moved.hindcast('backfill', 'route_delays', ...range, '--force', '--json')
  const result = again.json<{ verdict: string; reusedSlices: number }>()
  expect(result.verdict).toBe('published')
  expect(result.reusedSlices, 'each slice that was finished, and no other').toBe(finished.length)
  expect(await mainBytes(project.dir, 'route_delays')).toEqual(reference)
  expect(await claimingRuns()).toEqual([])
})

const runsFolder = (): string => join(project.dir, '.hindcast', 'warehouse', '_hindcast', 'features.route_delays')

const sliceResults = (): Promise<string[]> => readdir(join(runsFolder(), 'slices'))

/** The runs that have claims on ranges of the view. */
async function claimingRuns(): Promise<readonly string[]> {
  const folder = join(runsFolder(), 'claims')
  const newest = (await readdir(folder)).sort().at(-1) ?? ''
  const { claims } = JSON.parse(await readFile(join(folder, newest), 'utf8')) as {
    claims: readonly { readonly run: { readonly workflowId: string } }[]
  }
  return claims.map(({ run }) => run.workflowId)
}

async function snapshotsOnMain(): Promise<readonly { readonly snapshotId: string }[]> {
  const history = await project.hindcast('history', 'route_delays', '--json')
  return history.json<{ snapshots: { snapshotId: string }[] }>().snapshots
}
