// `main` moves between staging and publishing. Overwriting what somebody else just published loses it silently; refusing although nothing of
// ours was touched makes every table a queue.
import { expect, test } from 'vitest'
import { planScan } from '../../src/iceberg/index.ts'
import { makePlan, targetIdentifier } from '../../src/io/backfill/index.ts'
import { salesProject, type SalesProject } from '../support/runtime.ts'

const january = (day: number): string => `2024-01-${String(day).padStart(2, '0')}`

async function partitionsOnMain(project: SalesProject): Promise<number[]> {
  const table = await project.runtime.catalog.loadTable(targetIdentifier(project.runtime, 'shop_sales'))
  const { tasks: files } = await planScan({ table, io: project.runtime.io })
  return files.map(({ dataFile }) => Number(dataFile.partition[0]) - 19_722).sort((a, b) => a - b)
}

const days = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

test('in other partitions: the same files are staged again on the new head, and both runs show', async () => {
  await using project = await salesProject()
  const first = await project.staged('first', { from: january(2), to: january(8) })
  const second = await project.staged('second', { from: january(8), to: january(14) })
  expect(await project.publish(first)).toMatchObject({ published: true, restaged: false })
  const published = await project.publish(second)
  expect(published).toMatchObject({ published: true, restaged: true })
  expect(await partitionsOnMain(project)).toEqual(days(2, 14))
  expect(await project.publish(second)).toMatchObject({ published: false, snapshotId: published.snapshotId })
  const plan = await makePlan(project.runtime, { view: 'shop_sales', from: january(2), to: january(14) })
  expect(plan.summary.partitions.fresh).toBe(12)
})

test('in our partitions: a conflict that names both runs and the partitions, and nothing of ours', async () => {
  await using project = await salesProject()
  const first = await project.staged('first', { from: january(2), to: january(8) })
  const second = await project.staged('second', { from: january(6), to: january(12) })
  await project.publish(first)
  await expect(project.publish(second)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(/run first changed partitions 2024-01-06, 2024-01-07, which run second/) as string,
  })
  expect((await project.main()).snapshotId).toBe(first.snapshotId)
  expect(await partitionsOnMain(project)).toEqual(days(2, 8))
})

test('a workflow id that is used again is another run, with a branch and folder of its own', async () => {
  await using project = await salesProject()
  const first = await project.staged('nightly', {})
  await project.publish(first)
  const again = await project.stagedAgain('nightly', 'another execution', { force: true })
  expect(again.plan.summary.runId).toBe('nightly-2')
  expect(await project.publish(again)).toMatchObject({ published: true })
  expect((await project.main()).snapshotId).toBe(again.snapshotId)
})

test('late events make exactly the partitions stale whose windows they touch', async () => {
  await using project = await salesProject()
  await project.publish(await project.staged('first', { from: january(2), to: january(14) }))
  await project.sell('north,2024-01-06 23:59:59.999999,7')
  const plan = await makePlan(project.runtime, { view: 'shop_sales', from: january(2), to: january(14) })
  const stale = plan.partitions.filter(({ reason }) => reason !== 'fresh')
  expect(stale.map(({ key, reason }) => `${key} ${reason}`)).toEqual(
    [7, 8, 9].map((day) => `${january(day)} source-changed`),
  )
})

test('a definition that is changed and changed back never brings a deleted path back to the table', async () => {
  await using project = await salesProject()
  const range = { from: january(2), to: january(6) }
  const paths: string[] = []
  for (const [run, window] of [
    ['one', '3d'],
    ['two', '2d'],
    ['three', '3d'],
    ['four', '2d'],
  ] as const) {
    await project.define(window)
    const staged = await project.staged(run, range)
    expect(staged.plan.summary.partitions[run === 'one' ? 'missing' : 'definition-changed']).toBe(4)
    await project.publish(staged)
    paths.push(...staged.plan.slices.flatMap((slice) => slice.partitions.map(({ path }) => path)))
  }
  expect(new Set(paths).size).toBe(paths.length)
})
