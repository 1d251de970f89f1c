// What a plan says of each partition. One that is stale and called fresh keeps wrong values for good; one that is fresh and called stale
// costs two years of computing.
import { expect, test } from 'vitest'
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { makePlan, publishSnapshot, type BackfillPlan } from '../../../../src/io/backfill/index.ts'
import { compactTable } from '../../../../src/io/maintenance/index.ts'
import { recordPath } from '../../../../src/io/backfill/stage.ts'
import { salesProject, type SalesProject } from '../../../support/runtime.ts'

const january = (day: number): string => `2024-01-${String(day).padStart(2, '0')}`
const range = { view: 'shop_sales', from: january(2), to: january(20) }

async function published(): Promise<SalesProject> {
  const project = await salesProject()
  await project.publish(await project.staged('first', range))
  return project
}

const keysOf = ({ partitions }: BackfillPlan, reason: string): string[] =>
  partitions.flatMap((partition) => (partition.reason === reason ? [partition.key] : []))

const causeOf = (plan: BackfillPlan, key: string) => {
  const index = plan.partitions.find((partition) => partition.key === key)?.cause
  return index === undefined ? undefined : plan.causes[index]
}

test('a late file makes exactly the partitions stale whose windows it touches, and the plan names it and its rows', async () => {
  await using project = await published()
  await project.sell('north,2024-01-06 23:59:59.999999,7', 'south,2024-01-06 10:00:00,1')
  const plan = await makePlan(project.runtime, range)
  expect(keysOf(plan, 'source-changed')).toEqual([7, 8, 9].map(january))
  expect(plan.summary.partitions.fresh).toBe(15)
  expect(causeOf(plan, january(8))).toEqual({ files: [0] })
  expect(plan.changedFiles).toHaveLength(1)
  expect(plan.changedFiles[0]).toMatchObject({ change: 'added', rows: 2 })
})

test('each late file is named only where it counts', async () => {
  await using project = await published()
  await project.sell('north,2024-01-06 12:00:00,7')
  await project.sell('north,2024-01-08 12:00:00,7')
  const plan = await makePlan(project.runtime, range)
  const named = [7, 8, 9, 10, 11].map((day) => causeOf(plan, january(day))?.files?.length)
  expect(named).toEqual([1, 1, 2, 1, 1])
})

test('a compaction of the source changes no row: all stays fresh, also after the next run', async () => {
  await using project = await published()
  await project.sell('north,2024-01-18 12:00:00,7')
  const { runtime } = project
  const table = await runtime.catalog.loadTable({ namespace: ['raw'], name: 'sales' })
  const { rewrittenFiles } = await compactTable(runtime, table, { rewriteAll: true, newSnapshotId: () => 900n })
  expect(rewrittenFiles).toBeGreaterThan(1)
  const plan = await makePlan(runtime, range)
  expect(keysOf(plan, 'source-changed')).toEqual([19].map(january))
  await project.publish(await project.staged('second', range))
  expect((await makePlan(runtime, range)).summary.todoPartitions).toBe(0)
  // The ledger has the compacted files now: it need not look behind the compaction any more.
  await project.sell('north,2024-01-03 12:00:00,7')
  const third = await makePlan(runtime, range)
  expect(keysOf(third, 'source-changed')).toEqual([4, 5, 6].map(january))
})

test('without the history between, what changed cannot be told, and what reads other files is stale', async () => {
  await using project = await published()
  const { runtime } = project
  await project.sell('north,2024-01-06 12:00:00,7')
  const table = await runtime.catalog.loadTable({ namespace: ['raw'], name: 'sales' })
  const [first] = table.metadata.snapshots
  await runtime.catalog.commit(table, {
    requirements: [],
    updates: [{ action: 'remove-snapshots', snapshotIds: [first?.snapshotId ?? 0n] }],
  })
  await project.sell('north,2024-01-06 13:00:00,7')
  const known = await makePlan(runtime, range)
  // The oldest snapshot that is left names the expired one as its parent: nothing between is missing.
  expect(causeOf(known, january(7))?.files).toHaveLength(2)
})

test('a definition with one feature more says so by column; a changed filter concerns them all', async () => {
  await using project = await published()
  await project.define('3d', {
    features: `sales: count({ over: ['3d'] }), amount: avg('amount', { over: ['3d'] }), top: max('amount', { over: ['1d', '3d'] })`,
  })
  const plan = await makePlan(project.runtime, range)
  expect(keysOf(plan, 'definition-changed')).toHaveLength(18)
  expect(causeOf(plan, january(5))).toEqual({
    definition: { view: [], columns: { amount_3d: 'changed', top_1d: 'added', top_3d: 'added' } },
  })
  await project.define('4d')
  const longer = await makePlan(project.runtime, range)
  expect(causeOf(longer, january(5))?.definition?.view).toEqual(['rows'])
})

test('partitions of an older definition still say what differs from it', async () => {
  await using project = await published()
  await project.define('3d', { features: `sales: count({ over: ['3d'] })` })
  await project.publish(await project.staged('half', { from: january(2), to: january(8) }))
  await project.define('3d', { features: `sales: count({ over: ['3d'] }), top: max('amount', { over: ['3d'] })` })
  const plan = await makePlan(project.runtime, range)
  expect(causeOf(plan, january(5))?.definition?.columns).toEqual({ top_3d: 'added' })
  expect(causeOf(plan, january(12))?.definition?.columns).toEqual({ amount_3d: 'removed', top_3d: 'added' })
})

test('with the build record lost, the table alone tells what is fresh', async () => {
  await using project = await published()
  const { runtime } = project
  await project.sell('north,2024-01-06 12:00:00,7')
  const second = await project.staged('second', range)
  await project.publish(second)
  await rm(fileURLToPath(recordPath(second.plan)))
  expect((await makePlan(runtime, range)).summary.todoPartitions).toBe(0)

  await project.sell('north,2024-01-15 12:00:00,7')
  const plan = await makePlan(runtime, range)
  // A name tells that something differs, not what.
  expect(keysOf(plan, 'foreign-write')).toEqual([16, 17, 18].map(january))
  await project.publish(await project.staged('third', range))
  expect((await makePlan(runtime, range)).summary.partitions).toMatchObject({ fresh: 18 })
  await project.sell('north,2024-01-15 13:00:00,7')
  expect(keysOf(await makePlan(runtime, range), 'source-changed')).toEqual([16, 17, 18].map(january))
})

test('a plan that is named is run as it is, or refused once the world moved', async () => {
  await using project = await published()
  await project.sell('north,2024-01-06 12:00:00,7')
  const { planHash } = (await makePlan(project.runtime, range)).summary
  await project.sell('north,2024-02-06 12:00:00,7')
  // What no window of the range sees moves nothing.
  expect((await project.staged('planned', { ...range, planHash })).plan.summary.planHash).toBe(planHash)
  await project.sell('north,2024-01-07 12:00:00,7')
  await expect(project.staged('moved', { ...range, planHash })).rejects.toMatchObject({ code: 'CONFLICT' })
})

test('the estimate follows what the last run took', async () => {
  await using project = await salesProject()
  const first = await makePlan(project.runtime, range)
  expect(first.summary.estimate).toMatchObject({ rows: null, basis: 'usual-rate' })
  const { plan, snapshotId } = await project.staged('first', { ...range, to: january(11) })
  await publishSnapshot(project.runtime, {
    plan: plan.summary.plan,
    snapshotId,
    audits: [],
    decision: null,
    cost: { slices: 1, inputRows: plan.summary.inputRows, rows: 18, bytes: 1800, computeMs: 10_000 },
  })
  const { estimate } = (await makePlan(project.runtime, { ...range, force: true })).summary
  // Two shops a day.
  expect(estimate).toMatchObject({ rows: 36, bytes: 3600, basis: 'last-run' })
  expect(estimate.seconds).toBeGreaterThan(4)
})
