// Kept tiles stand in for events that are not read again. One that is of other events than the source has now, or of another meaning, would
// be wrong in every row made from it; and no run may fail for want of them.
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  computeSlice,
  makePlan,
  narrowPlan,
  planRun,
  stageSnapshot,
  tileTableIdentifier,
} from '../../../src/io/backfill/index.ts'
import { equal, planScan, type Table } from '../../../src/iceberg/index.ts'
import { compactTable } from '../../../src/io/maintenance/index.ts'
import { deleteRows } from '../../../src/io/rows/index.ts'
import { sha256 } from '../../../src/io/run-store.ts'
import { salesProject, type OtherFeatures, type SalesProject } from '../../support/runtime.ts'

const january = (day: number): string => `2024-01-${String(day).padStart(2, '0')}`
const range = { view: 'shop_sales', from: january(2), to: january(16) }
const again = { ...range, force: true }
const raw = { namespace: ['raw'], name: 'sales' }

const sales = `sales: count({ over: ['2d', '4d'] })`
const features = `${sales}, amount: avg('amount', { over: ['4d'] }), last_amount: last('amount', { over: ['4d'] }),
  prices: countDistinct(sql\`CAST(amount AS DECIMAL(9, 2))\`, { over: ['4d'] }), hours: countDistinct(sql\`strftime("at", '%H')\`, { over: ['2d'] })`
const tiled = (text = features): OtherFeatures => ({ features: text, view: `tiles: 'keep',` })
const plain = ({ features: text }: OtherFeatures): OtherFeatures => ({ features: text })

type Staged = Awaited<ReturnType<SalesProject['staged']>>

/** Of each partition's file in a staged run. */
async function hashes({ runtime }: SalesProject, { plan }: Staged): Promise<ReadonlyMap<string, string>> {
  const hashed = plan.slices
    .flatMap(({ partitions }) => partitions)
    .map(async ({ key, path }): Promise<[string, string]> => [
      key,
      sha256(Buffer.from(await runtime.io.read(path)).toString('base64')),
    ])
  return new Map(await Promise.all(hashed))
}

const lines = Array.from({ length: 20 }, (_, i) => january(i + 1)).flatMap((day, i) => [
  `north,${day} 10:00:00,${i}.25`,
  `south,${day} 23:00:00,${-i}`,
  ...(i % 5 === 0 ? [`,${day} 12:00:00,1`] : []),
])

async function published(definition = tiled(), config: object = {}): Promise<SalesProject> {
  const project = await salesProject(lines, config)
  await project.define('3d', definition)
  await project.publish(await project.staged('first', range))
  return project
}

/** The same run in a project without tiles, after the same steps. */
async function withoutTiles(
  steps: (project: SalesProject) => Promise<unknown>,
  definition: OtherFeatures,
  input: object = range,
): Promise<ReadonlyMap<string, string>> {
  await using project = await published(plain(tiled()))
  await steps(project)
  await project.define('3d', plain(definition))
  const staged = await project.staged('second', input)
  expect(staged.plan.tiles).toBeUndefined()
  return await hashes(project, staged)
}

const nothing = (): Promise<void> => Promise.resolve()

/** All of a source that stayed as it was, made once for the tests that end there. */
let anew: ReturnType<typeof withoutTiles> | null = null
const computedAnew = (): ReturnType<typeof withoutTiles> => (anew ??= withoutTiles(nothing, tiled(), again))

/** Days of the source files that a run reads. */
function daysRead({ plan }: Pick<Staged, 'plan'>): string[] {
  const read = plan.slices.flatMap(({ tiles, files }) => tiles?.files ?? files)
  const indices = read.flatMap(([first, end]) => Array.from({ length: end - first }, (_, i) => first + i))
  const dayOf = (path: string): string => /at_day=([0-9-]+)/.exec(path)?.[1] ?? path
  return [...new Set(indices.map((index) => dayOf(plan.source.files[index]?.path ?? '')))].sort()
}

const sourceFiles = async ({ runtime }: SalesProject): Promise<string[]> => {
  const table = await runtime.catalog.loadTable(raw)
  const { tasks } = await planScan({ table, io: runtime.tableFiles(table) })
  return tasks.map(({ dataFile }) => dataFile.filePath)
}

/** Deletes the source's data files but for those of some days: a run that wants them fails. */
async function loseSource(project: SalesProject, but: readonly string[] = []): Promise<void> {
  for (const path of await sourceFiles(project))
    if (!but.some((day) => path.includes(`at_day=${day}/`))) await rm(fileURLToPath(path))
}

const tileTable = ({ runtime }: SalesProject): Promise<Table> =>
  runtime.catalog.loadTable(tileTableIdentifier(runtime, 'shop_sales'))

async function tileFiles(project: SalesProject): Promise<string[]> {
  const table = await tileTable(project)
  const { tasks } = await planScan({ table, io: project.runtime.tableFiles(table) })
  return tasks.map(({ dataFile }) => dataFile.filePath).sort()
}

const late = 'north,2024-01-07 23:59:59.999999,7.125'

describe('what is read', () => {
  test('of late data the events of that day alone, for the same bytes', async () => {
    await using project = await published()
    await project.sell(late)
    await loseSource(project, [january(7)])
    const staged = await project.staged('late', range)
    expect(staged.plan.summary.partitions).toMatchObject({ 'source-changed': 4, fresh: 10 })
    expect(daysRead(staged)).toEqual([january(7)])
    expect(staged.plan.summary.tiles).toMatchObject({ windows: 7, fromTiles: 6, kept: 1, problem: null })
    expect(staged.plan.summary.inputRows).toBe(3)
    expect(await hashes(project, staged)).toEqual(await withoutTiles((other) => other.sell(late), tiled()))
  })

  test.each([
    ['a window more', `${features}, sold: avg('amount', { over: ['3d'] })`],
    ['longer windows', features.replaceAll('4d', '6d')],
    ['an aggregation that is made from the same', `${features}, total: sum('amount', { over: ['2d'] })`],
  ])('of %s no event, for the same bytes', async (_, changed) => {
    await using project = await published()
    const definition = tiled(changed)
    await project.define('3d', definition)
    await loseSource(project)
    // Rows of the first days would see days whose tiles no run has made whole.
    const input = { ...range, from: january(4) }
    const staged = await project.staged('window', input)
    expect(staged.plan.summary).toMatchObject({ todoPartitions: 12, inputRows: 0, inputBytes: 0 })
    expect(daysRead(staged)).toEqual([])
    expect(await hashes(project, staged)).toEqual(await withoutTiles(nothing, definition, input))
  })

  test('what each slice leaves, the next run finds, however the slices were cut', async () => {
    const small = { limits: { sliceInputBytes: 200 } }
    await using project = await published(tiled(), small)
    await loseSource(project)
    const staged = await project.staged('again', again)
    expect(staged.plan.slices.length).toBeGreaterThan(2)
    expect(daysRead(staged)).toEqual([])
    expect(await hashes(project, staged)).toEqual(await computedAnew())
  })

  test('by a former state of the source tiles are read, and none left in the place of newer ones', async () => {
    await using project = await published()
    const former = (await project.runtime.catalog.loadTable(raw)).metadata.refs['main']?.snapshotId
    await project.sell(late)
    const before = await tileFiles(project)
    await project.staged('late', range)
    const files = await tileFiles(project)
    expect(files.filter((path) => !before.includes(path))).toHaveLength(1)
    const staged = await project.staged('former', { ...range, asOf: String(former), force: true })
    expect(daysRead(staged)).toEqual([january(7)])
    expect(await tileFiles(project)).toEqual(files)
    expect(await hashes(project, staged)).toEqual(await computedAnew())
  })
})

describe('what is not used', () => {
  test.each([
    ['of another condition', features.replace(`avg('amount', {`, "avg('amount', { where: sql`amount > 3`,")],
    ['without the values of a distinct count', `${features}, shops: countDistinct('shop', { over: ['3d'] })`],
  ])('tiles %s', async (_, text) => {
    await using project = await published()
    const changed = tiled(text)
    await project.define('3d', changed)
    const staged = await project.staged('where', range)
    expect(staged.plan.summary.tiles).toMatchObject({ fromTiles: 0, kept: 14 })
    expect(await hashes(project, staged)).toEqual(await withoutTiles(nothing, changed))
    // What was left beside them is found by the next.
    await project.publish(staged)
    await loseSource(project)
    const next = await project.staged('again', again)
    expect(next.plan.summary.tiles).toMatchObject({ fromTiles: 14, kept: 0 })
    expect(await hashes(project, next)).toEqual(await withoutTiles(nothing, changed, again))
  })

  test('tiles of source files that were rewritten', async () => {
    const compact = async ({ runtime }: SalesProject): Promise<unknown> => {
      const loaded = await runtime.catalog.loadTable(raw)
      return compactTable(runtime, loaded, { newSnapshotId: () => 77n, minInputFiles: 2 })
    }
    const steps = async (other: SalesProject): Promise<void> => {
      await other.sell(late)
      await compact(other)
    }
    await using project = await published()
    await steps(project)
    const staged = await project.staged('late', range)
    expect(staged.plan.summary.tiles?.fromTiles).toBe(6)
    expect(daysRead(staged)).toEqual([january(7)])
    expect(await hashes(project, staged)).toEqual(await withoutTiles(steps, tiled()))
  })

  test('tiles of a day with a deleted row', async () => {
    const steps = ({ runtime }: SalesProject): Promise<unknown> =>
      deleteRows(runtime, { table: raw, where: equal('amount', 5.25), snapshotId: 78n })
    await using project = await published()
    await steps(project)
    const staged = await project.staged('deleted', range)
    expect(daysRead(staged)).toEqual([january(6)])
    expect(await hashes(project, staged)).toEqual(await withoutTiles(steps, tiled()))
  })

  const tampered: readonly (readonly [string, (project: SalesProject) => Promise<unknown>])[] = [
    ['dropped', ({ runtime }) => runtime.catalog.dropTable(tileTableIdentifier(runtime, 'shop_sales'))],
    [
      'emptied of rows by another',
      (project) =>
        deleteRows(project.runtime, {
          table: tileTableIdentifier(project.runtime, 'shop_sales'),
          where: equal('shop', 'north'),
          snapshotId: 79n,
          mode: 'copy-on-write',
        }),
    ],
    [
      'given deletes by another',
      (project) =>
        deleteRows(project.runtime, {
          table: tileTableIdentifier(project.runtime, 'shop_sales'),
          where: equal('shop', 'north'),
          snapshotId: 79n,
          mode: 'merge-on-read',
        }),
    ],
  ]
  test.each(tampered)('a table of tiles that was %s, and the next run makes it anew', async (_, steps) => {
    await using project = await published()
    await steps(project)
    const staged = await project.staged('again', again)
    expect(staged.plan.summary.tiles).toMatchObject({ fromTiles: 0, kept: 14 })
    expect(await hashes(project, staged)).toEqual(await computedAnew())
    expect((await makePlan(project.runtime, again)).summary.tiles).toMatchObject({ fromTiles: 14, kept: 0 })
  })

  test('a table of the same name that is not one of tiles', async () => {
    await using project = await salesProject(lines)
    const { runtime } = project
    await project.define('3d', tiled())
    const { metadata } = await runtime.catalog.loadTable(raw)
    const [schema] = metadata.schemas
    if (schema === undefined) throw new Error('no schema')
    await runtime.catalog.createNamespace(['features']).catch(() => undefined)
    await runtime.catalog.createTable(tileTableIdentifier(runtime, 'shop_sales'), {
      schema,
      spec: { specId: 0, fields: [] },
      location: `${runtime.warehouse}/features/mine`,
    })
    const staged = await project.staged('first', range)
    expect(staged.plan.summary.tiles?.problem).toBe('features.shop_sales__tiles is not a table of this view’s tiles')
    expect((await project.publish(staged)).published).toBe(true)
    expect(await tileFiles(project)).toEqual([])
  })

  test('files that have gone since the plan', async () => {
    await using project = await published()
    const plan = await planRun(project.runtime, again, { workflowId: 'gone', executionId: 'gone' })
    expect(plan.summary.tiles).toMatchObject({ fromTiles: 14 })
    for (const path of (await tileFiles(project)).slice(0, 3)) await rm(fileURLToPath(path))
    for (const index of plan.slices.keys()) await computeSlice(project.runtime, { plan: plan.summary.plan, index })
    const { snapshotId } = await stageSnapshot(project.runtime, { plan: plan.summary.plan })
    expect(await hashes(project, { plan, snapshotId })).toEqual(await computedAnew())
  })
})

describe('runs that end in the middle', () => {
  test('one that dies before it stages leaves no table, and the next is as if there had been none', async () => {
    await using project = await salesProject(lines)
    const { runtime } = project
    await project.define('3d', tiled())
    const plan = await planRun(runtime, range, { workflowId: 'dies', executionId: 'dies' })
    for (const index of plan.slices.keys()) await computeSlice(runtime, { plan: plan.summary.plan, index })
    expect(await runtime.catalog.tableExists(tileTableIdentifier(runtime, 'shop_sales'))).toBe(false)
    const staged = await project.staged('next', range)
    expect(staged.plan.summary.tiles).toMatchObject({ fromTiles: 0, kept: 14 })
    expect(await tileFiles(project)).toHaveLength(14)
    await using other = await published(plain(tiled()))
    expect(await hashes(project, staged)).toEqual(await hashes(other, await other.staged('again', again)))
  })

  test('one that dies after its tiles were committed and before it publishes leaves tiles that hold', async () => {
    await using project = await salesProject(lines)
    await project.define('3d', tiled())
    const dead = await project.staged('dies', range)
    const files = await tileFiles(project)
    await stageSnapshot(project.runtime, { plan: dead.plan.summary.plan })
    expect((await tileTable(project)).metadata.snapshots).toHaveLength(1)
    await loseSource(project)
    const staged = await project.staged('next', again)
    expect(daysRead(staged)).toEqual([])
    expect(await tileFiles(project)).toEqual(files)
    expect((await project.publish(staged)).published).toBe(true)
  })

  test('one that is cut short leaves the tiles of whole days only', async () => {
    await using project = await salesProject(lines)
    const { runtime } = project
    await project.define('3d', tiled())
    const whole = await planRun(runtime, range, { workflowId: 'cut', executionId: 'cut' })
    expect(whole.slices).toHaveLength(1)
    const { plan } = await narrowPlan(runtime, { plan: whole.summary.plan, to: january(9), slices: 0 })
    await computeSlice(runtime, { plan: plan.plan, index: 0 })
    await stageSnapshot(runtime, { plan: plan.plan })
    expect(await tileFiles(project)).toHaveLength(7)
    const staged = await project.staged('next', again)
    expect(daysRead(staged)).toEqual([8, 9, 10, 11, 12, 13, 14].map(january))
    expect(await hashes(project, staged)).toEqual(await computedAnew())
  })

  test('two that leave tiles of the same days: the later commit stays, and is only used where it is of the source as it is', async () => {
    await using project = await published()
    const { runtime } = project
    const begin = async (id: string) => {
      const plan = await planRun(runtime, again, { workflowId: id, executionId: id })
      for (const index of plan.slices.keys()) await computeSlice(runtime, { plan: plan.summary.plan, index })
      return plan
    }
    await project.sell(late)
    const older = await begin('older')
    await project.sell(late.replace('7.125', '8.5'))
    const newer = await begin('newer')
    await stageSnapshot(runtime, { plan: newer.summary.plan })
    const files = await tileFiles(project)
    await stageSnapshot(runtime, { plan: older.summary.plan })
    expect((await tileFiles(project)).filter((path) => !files.includes(path))).toHaveLength(1)
    const plan = await makePlan(runtime, again)
    expect(plan.summary.tiles).toMatchObject({ fromTiles: 13, kept: 1 })
    expect(daysRead({ plan })).toEqual([january(7)])
  })
})

test('events without a key are counted from tiles as from the source', async () => {
  await using project = await published()
  const rejected = async (id: string, input: object): Promise<number> => {
    const { plan } = await project.staged(id, input)
    const summaries = await Promise.all(
      [...plan.slices.keys()].map((index) => computeSlice(project.runtime, { plan: plan.summary.plan, index })),
    )
    return summaries.reduce((sum, { rejectedRows }) => sum + rejectedRows, 0)
  }
  const counted = await rejected('tiled', again)
  await project.define('3d', plain(tiled()))
  expect(counted).toBeGreaterThan(0)
  expect(await rejected('plain', again)).toBe(counted)
})
