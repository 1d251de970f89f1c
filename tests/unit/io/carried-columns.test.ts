// When one feature changes, the others are not computed again but taken from what is published. A value taken from another row, of another
// meaning or of a source that has moved since is wrong for good: nothing later looks at it again.
import { expect, test } from 'vitest'
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { sha256 } from '../../../src/io/run-store.ts'
import { salesProject, type SalesProject } from '../../support/runtime.ts'

const january = (day: number): string => `2024-01-${String(day).padStart(2, '0')}`
const range = { from: january(2), to: january(14) }

const sales = `sales: count({ over: ['3d'] })`
const amount = `amount: sum('amount', { over: ['1d', '3d'] })`
const before = { features: `${sales}, ${amount}`, derived: 'mean: sql`amount_3d / sales_3d`' }

type Staged = Awaited<ReturnType<SalesProject['staged']>>

/** Of each partition's file in a staged run. */
const hashes = async (project: SalesProject, { plan }: Staged): Promise<string[]> =>
  Promise.all(
    plan.slices.flatMap((slice) =>
      slice.partitions.map(async ({ path }) =>
        sha256(Buffer.from(await project.runtime.io.read(path)).toString('base64')),
      ),
    ),
  )

async function published(): Promise<SalesProject> {
  const project = await salesProject()
  await project.define('3d', before)
  await project.publish(await project.staged('first', range))
  return project
}

const changes = [
  ['a feature more', { ...before, features: `${before.features}, top: max('amount', { over: ['3d'] })` }],
  ['a window more', { ...before, features: `${sales}, amount: sum('amount', { over: ['1d', '2d', '3d'] })` }],
  ['a feature less', { features: sales }],
  ['another meaning', { ...before, features: `${sales}, amount: avg('amount', { over: ['1d', '3d'] })` }],
  ['another name', { features: `${sales}, total: sum('amount', { over: ['1d', '3d'] })` }],
  ['another derived column', { ...before, derived: 'mean: sql`amount_3d / (sales_3d + 1)`' }],
] as const

test.each(changes)('%s: the same bytes as of computing all', async (_, after) => {
  // Two of a kind: staging gives new columns their ids.
  await using project = await published()
  await using other = await published()
  await Promise.all([project.define('3d', after), other.define('3d', after)])
  const carried = await project.staged('carried', range)
  expect(carried.plan.summary.partitions['definition-changed']).toBe(12)
  expect(carried.plan.slices.every(({ isCarried }) => isCarried === true)).toBe(true)
  const all = await other.staged('all', { ...range, force: true })
  expect(all.plan.slices.some(({ isCarried }) => isCarried === true)).toBe(false)
  expect(await hashes(project, carried)).toEqual(await hashes(other, all))
  expect((await project.publish(carried)).published).toBe(true)
})

test('where only a derived column changed, the source is not read', async () => {
  await using project = await published()
  await project.define('3d', { ...before, derived: 'mean: sql`amount_3d / (sales_3d + 1)`' })
  const source = await project.runtime.catalog.loadTable({ namespace: ['raw'], name: 'sales' })
  await rm(fileURLToPath(`${source.metadata.location}/data`), { recursive: true })
  expect((await project.publish(await project.staged('second', range))).published).toBe(true)
})

test('other rows are not carried over', async () => {
  await using project = await published()
  await project.define('3d', { ...before, features: `${before.features}, top: max('amount', { over: ['4d'] })` })
  const { plan } = await project.staged('longer', range)
  expect(plan.summary.partitions['definition-changed']).toBe(12)
  expect(plan.slices.some(({ isCarried }) => isCarried === true)).toBe(false)
})

test('what the source has changed since is computed, the rest carried', async () => {
  const late = 'north,2024-01-06 23:59:59.999999,7'
  await using project = await published()
  await using other = await published()
  await project.sell(late)
  await other.sell(late)
  await Promise.all([project.define('3d', changes[0][1]), other.define('3d', changes[0][1])])
  const carried = await project.staged('carried', range)
  const touched = [january(7), january(8), january(9)]
  expect(carried.plan.slices.some(({ isCarried }) => isCarried === true)).toBe(true)
  for (const { isCarried, partitions } of carried.plan.slices) {
    if (partitions.some(({ key }) => touched.includes(key))) expect(isCarried).toBeUndefined()
  }
  const all = await other.staged('all', { ...range, force: true })
  expect(await hashes(project, carried)).toEqual(await hashes(other, all))
})

test('what was computed from a definition before the last is computed again', async () => {
  await using project = await published()
  await project.define('3d', changes[0][1])
  await project.publish(await project.staged('half', { from: january(2), to: january(8) }))
  await project.define('3d', before)
  const { plan } = await project.staged('back', range)
  const carried = plan.slices.flatMap(({ isCarried, partitions }) =>
    isCarried === true ? partitions.map(({ key }) => key) : [],
  )
  expect(plan.summary.partitions).toMatchObject({ fresh: 6, 'definition-changed': 6 })
  expect(carried).toEqual([2, 3, 4, 5, 6, 7].map(january))
})
