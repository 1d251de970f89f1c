// A clean-up that deletes too little costs money; one that deletes one file too many costs a snapshot, or the run that was about to publish.
import { beforeEach, describe, expect, test } from 'vitest'
import type { MaintenanceInput, RunIdentity, TableMaintenance } from '../../../../src/contract/index.ts'
import {
  computeSlice,
  dropBranch,
  makePlan,
  planRun,
  stageSnapshot,
  targetIdentifier,
} from '../../../../src/io/backfill/index.ts'
import { maintainTable, planMaintenance, type RunState } from '../../../../src/io/gc/index.ts'
import { rewriteTableManifests } from '../../../../src/io/maintenance/index.ts'
import { runsFolder } from '../../../../src/io/run-store.ts'
import type { Runtime } from '../../../../src/io/runtime.ts'
import { sweepsFolder } from '../../../../src/io/sweep-marker.ts'
import { expectNoGarbage } from '../../../support/clean-up.ts'
import { warehouseFiles } from '../../../support/reachable.ts'
import { salesProject, type SalesProject } from '../../../support/runtime.ts'

const dayMs = 86_400_000
const range = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-12' }
const table = 'features.shop_sales'

/** Runs that are not over; of all others it is known that they are. */
const open = new Set<string>()
beforeEach(() => open.clear())
const ask = async ({ workflowId }: RunIdentity): Promise<RunState> =>
  open.has(workflowId) ? { state: 'open' } : { state: 'over', closedMs: null }

/** The project as it is seen so many days later. */
const later = ({ runtime }: SalesProject, days: number): Runtime => ({
  ...runtime,
  now: () => Date.now() + days * dayMs,
})

async function gc(runtime: Runtime, input: MaintenanceInput = {}, asking = ask): Promise<TableMaintenance> {
  const plan = await planMaintenance(runtime, asking, input)
  const reports = []
  for (const name of plan.tables)
    reports.push(
      await maintainTable(runtime, asking, { table: name, sourceSnapshots: plan.sourceSnapshots[name] ?? [], input }),
    )
  const [report] = reports
  if (report === undefined || reports.length > 1) throw new Error(`not one table: ${reports.length}`)
  expect(report.problem).toBeNull()
  return report
}

/** Plans and computes some slices of a run, and then leaves it. */
async function begun(project: SalesProject, id: string, slices: number, input: object = {}) {
  const plan = await planRun(project.runtime, { ...range, ...input }, { workflowId: id, executionId: id })
  for (let index = 0; index < slices; index++) await computeSlice(project.runtime, { plan: plan.summary.plan, index })
  return plan
}

const filesOf = (report: TableMaintenance): number =>
  Object.values(report.garbage).reduce((sum, { files }) => sum + files, 0)

const sorted = (files: TableMaintenance['files']): string[] => files.map(({ kind, path }) => `${kind} ${path}`).sort()

async function mainFiles({ runtime }: SalesProject): Promise<unknown> {
  const { partitions } = await makePlan(runtime, range)
  return partitions.map(({ key, reason }) => `${key} ${reason}`)
}

/** Small slices, so that a run can be left in its middle. */
const small = { limits: { sliceInputBytes: 200 } }

describe('after runs of every end', () => {
  async function afterEveryEnd(): Promise<SalesProject> {
    const project = await salesProject(undefined, { limits: { sliceInputBytes: 450 } })
    await project.publish(await project.staged('first', {}))
    await project.staged('rejected', { force: true })
    const cancelled = await project.staged('cancelled', { force: true, from: '2024-01-04' })
    await dropBranch(project.runtime, { plan: cancelled.plan.summary.plan })
    await project.define('4d')
    await begun(project, 'failed', 1)
    await project.define('3d')
    // Replaces what the first published.
    await project.publish(await project.staged('second', { force: true }))
    await project.define('2d')
    await begun(project, 'superseded', 1)
    await project.publish(await project.staged('third', {}))
    return project
  }

  test('nothing goes within the grace period; long after, every file is referred to, and what is referred to is there', async () => {
    await using project = await afterEveryEnd()
    const written = await warehouseFiles(project.runtime)
    expect(filesOf(await gc(later(project, 2)))).toBe(0)
    expect(await warehouseFiles(project.runtime)).toEqual(written)

    const shown = await mainFiles(project)
    expect(shown).toEqual(expect.arrayContaining(['2024-01-02 fresh', '2024-01-11 fresh']))
    const dry = await gc(later(project, 40), { dryRun: true })
    const before = await warehouseFiles(project.runtime)
    const report = await gc(later(project, 40))
    const { files, garbage } = report
    expect(garbage).toEqual(dry.garbage)
    expect(sorted(files)).toEqual(sorted(dry.files))
    expect([...report.droppedRefs].sort()).toEqual(
      ['hindcast_first', 'hindcast_rejected', 'hindcast_second', 'hindcast_third'].sort(),
    )
    for (const kind of ['unreferenced file', 'slice result', 'run file'] as const)
      expect(garbage[kind], kind).toMatchObject({ files: expect.any(Number) as number })
    expect(garbage['run file'].files).toBeGreaterThan(0)
    expect(garbage['slice result'].files).toBeGreaterThan(0)
    const left = await warehouseFiles(project.runtime)
    const deleted = before.filter((path) => !left.includes(path))
    expect(deleted.sort()).toEqual(files.map(({ path }) => path).sort())
    expect(report.failed.count).toBe(0)
    await expectNoGarbage(project.runtime)
    expect(await mainFiles(project)).toEqual(shown)
    expect(filesOf(await gc(later(project, 40)))).toBe(0)
  })

  test('the newest ten snapshots stay unless the table or the command says otherwise; two clean-ups at once do no harm', async () => {
    await using project = await afterEveryEnd()
    const { snapshots } = await project.main()
    const before = await warehouseFiles(project.runtime)
    const runtime = later(project, 40)
    const dry = await gc(runtime, { dryRun: true, expireOlderThan: '10d' })
    expect(dry.expiredSnapshots).toHaveLength(snapshots - 1)
    expect(dry.garbage['data file'].files).toBeGreaterThanOrEqual(20)
    expect([await warehouseFiles(project.runtime), (await project.main()).snapshots]).toEqual([before, snapshots])
    // The cancelled run's, which no branch leads to, and the rejected one's.
    expect((await gc(runtime)).expiredSnapshots).toHaveLength(snapshots - 3)
    await Promise.all([gc(runtime, { expireOlderThan: '10d' }), gc(runtime, { expireOlderThan: '10d' })])
    expect((await project.main()).snapshots).toBe(1)
    await expectNoGarbage(project.runtime)
  })
})

describe('runs that are not over', () => {
  test('one that was paused in its middle for longer than any retention goes on and publishes', async () => {
    await using project = await salesProject(undefined, small)
    open.add('paused')
    const plan = await begun(project, 'paused', 3)
    expect(plan.slices.length).toBeGreaterThan(4)
    const report = await gc(later(project, 60))
    expect(report.openRuns).toEqual(['paused'])
    expect(filesOf(report)).toBe(0)
    const done = []
    for (const index of plan.slices.keys())
      done.push(await computeSlice(project.runtime, { plan: plan.summary.plan, index }))
    expect(done.map(({ reused }) => reused).slice(0, 4)).toEqual([true, true, true, false])
    const { snapshotId } = await stageSnapshot(project.runtime, { plan: plan.summary.plan })
    expect(await project.publish({ plan, snapshotId })).toMatchObject({ published: true })
  })

  test('one that waits for approval keeps its branch, and the snapshot that it was planned on', async () => {
    await using project = await salesProject()
    await project.publish(await project.staged('first', {}))
    open.add('waiting')
    const waiting = await project.staged('waiting', { from: '2024-01-10', to: '2024-01-15', force: true })
    for (const run of ['second', 'third', 'fourth'])
      await project.publish(await project.staged(run, { to: '2024-01-06', force: true }))
    const report = await gc(later(project, 60), { expireOlderThan: '10d', olderThan: '10d' })
    expect(report.droppedRefs).not.toContain('hindcast_waiting')
    expect(report.expiredSnapshots).toHaveLength(2)
    expect(await project.publish(waiting)).toMatchObject({ published: true, restaged: true })
  })

  test('files of partitions that it computes stay even where its plan does not name them: slices may be split', async () => {
    await using project = await salesProject(undefined, small)
    await project.publish(await project.staged('first', {}))
    open.add('open')
    const plan = await begun(project, 'open', 1, { force: true, to: '2024-01-06' })
    const { io } = project.runtime
    const folder = (of: typeof plan, index: number): string =>
      (of.slices[index]?.partitions[0]?.path ?? '').replace(/\/[^/]*$/, '')
    const other = await makePlan(project.runtime, { ...range, from: '2024-01-10', force: true })
    const split = `${folder(plan, 0)}/${'a'.repeat(32)}-half.parquet`
    const stray = `${folder(other, 0)}/${'b'.repeat(32)}.parquet`
    for (const path of [split, stray]) await io.create(path, new Uint8Array(1))
    await gc(later(project, 10))
    expect([await io.size(split), await io.size(stray)]).toEqual([1n, null])
    open.clear()
    await gc(later(project, 10))
    expect(await io.size(split)).toBeNull()
  })

  test('without a plan that can be read, everything of its table stays', async () => {
    await using project = await salesProject()
    await begun(project, 'failed', 1)
    open.add('open')
    await planRun(project.runtime, range, { workflowId: 'open', executionId: 'open' })
    const plan = `${project.runtime.warehouse}/_hindcast/${table}/open/plan.json`
    await project.runtime.io.replace(plan, new TextEncoder().encode('{"version":2}'))
    const { garbage } = await gc(later(project, 10))
    expect(garbage).toMatchObject({ 'unreferenced file': { files: 0 }, 'slice result': { files: 0 } })
  })

  test('where Temporal cannot be asked, a run stays for as long as its branch would', async () => {
    await using project = await salesProject(undefined, small)
    await begun(project, 'unknown', 2)
    const nobody = async (): Promise<RunState> => ({ state: 'unknown' })
    const young = await gc(later(project, 6), {}, nobody)
    expect([filesOf(young), young.unknownRuns]).toEqual([0, 1])
    const old = await gc(later(project, 8), {}, nobody)
    expect(old.garbage['slice result'].files).toBe(2)
    expect(await warehouseFiles(project.runtime)).toEqual(
      expect.not.arrayContaining([expect.stringContaining('shop_sales') as string]),
    )
  })

  test('a run that failed not long ago is gone on with, though it had run for long', async () => {
    await using project = await salesProject(undefined, small)
    await begun(project, 'failed', 2)
    const closed = async (): Promise<RunState> => ({ state: 'over', closedMs: Date.now() + 9 * dayMs })
    expect(filesOf(await gc(later(project, 10), {}, closed))).toBe(0)
    const plan = await planRun(project.runtime, range, { workflowId: 'again', executionId: 'again' })
    expect(await computeSlice(project.runtime, { plan: plan.summary.plan, index: 1 })).toMatchObject({ reused: true })
  })
})

test('the marker of a dead clean-up goes, and a dry run names it', async () => {
  await using project = await salesProject()
  await project.publish(await project.staged('first', {}))
  const { runtime } = project
  const marker = `${sweepsFolder(runsFolder(runtime.warehouse, table))}/dead`
  await runtime.io.replace(marker, new TextEncoder().encode('7\n'))
  const request = { table, sourceSnapshots: [] }
  const cleanUp = (dryRun: boolean) =>
    maintainTable(runtime, ask, { ...request, input: { dryRun } }, { patienceMs: 100 })
  const named = [{ kind: 'run file', path: marker, bytes: 2 }]
  expect((await cleanUp(true)).files).toEqual(named)
  expect(await warehouseFiles(runtime)).toContain(marker)
  expect((await cleanUp(false)).files).toEqual(named)
  expect(await warehouseFiles(runtime)).not.toContain(marker)
  expect((await cleanUp(true)).files).toEqual([])
})

test('the ledger is found though others have committed on top and all of ours is old', async () => {
  await using project = await salesProject()
  await project.publish(await project.staged('first', { to: '2024-01-06' }))
  await project.publish(await project.staged('second', { from: '2024-01-06' }))
  const { runtime } = project
  const loaded = await runtime.catalog.loadTable(targetIdentifier(runtime, 'shop_sales'))
  const { table: after } = await rewriteTableManifests(runtime, loaded, { snapshotId: 77n, rewrites: () => true })
  expect(after.metadata.currentSnapshotId).toBe(77n)
  const report = await gc(later(project, 60), { expireOlderThan: '1d' })
  expect(report.expiredSnapshots).toHaveLength(1)
  expect(await mainFiles(project)).toEqual(expect.arrayContaining(['2024-01-02 fresh']))
})

test('a table whose files may be another’s is left alone', async () => {
  await using project = await salesProject()
  await project.publish(await project.staged('first', {}))
  await begun(project, 'failed', 1, { force: true })
  const { runtime } = project
  const loaded = await runtime.catalog.loadTable(targetIdentifier(runtime, 'shop_sales'))
  await runtime.catalog.commit(loaded, {
    requirements: [],
    updates: [{ action: 'set-properties', updates: { 'gc.enabled': 'false' } }],
  })
  const before = await warehouseFiles(runtime)
  const report = await gc(later(project, 60))
  expect(report.notes).toEqual([expect.stringContaining('gc.enabled')])
  expect(await warehouseFiles(runtime)).toEqual(before)
})

test('of a source, the snapshots that published features were made from stay', async () => {
  await using project = await salesProject()
  const source = async () => (await project.runtime.catalog.loadTable({ namespace: ['raw'], name: 'sales' })).metadata
  await project.publish(await project.staged('first', {}))
  const madeFrom = (await source()).currentSnapshotId
  await project.sell('north,2024-01-06 10:00:00,1')
  const between = (await source()).currentSnapshotId
  await project.sell('north,2024-01-07 10:00:00,1')
  const report = await gc(later(project, 60), { tables: ['raw.sales'], expireOlderThan: '1d' })
  expect(report.expiredSnapshots).toEqual([String(between)])
  expect((await source()).snapshots.map(({ snapshotId }) => snapshotId)).toContain(madeFrom)
})

test('small files of a source are compacted where asked for, those of a feature table are not', async () => {
  await using project = await salesProject()
  for (const day of [1, 2, 3, 4, 5, 6]) await project.sell(`north,2024-01-06 1${day}:00:00,1`)
  await project.publish(await project.staged('first', {}))
  const source = await gc(project.runtime, { tables: ['raw.sales'], compact: true })
  expect(source.compaction).toMatchObject({ rewrittenFiles: 7, addedFiles: 1 })
  const features = await gc(project.runtime, { compact: true })
  expect(features.compaction).toMatchObject({ rewrittenFiles: 0 })
  expect(features.notes).toEqual([expect.stringContaining('ledger')])
  expect((await makePlan(project.runtime, range)).partitions.length).toBe(10)
})
