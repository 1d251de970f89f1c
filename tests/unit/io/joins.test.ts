// A joined column belongs to the event, so what a partition is computed from is also what its events see of the dimension. Were a changed
// row of it overlooked, a table would go on showing what was true of the shops once, and nothing would ever look at it again.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { summaryKeys } from '../../../src/contract/index.ts'
import { explainSlice, makePlan } from '../../../src/io/backfill/index.ts'
import { describeTable, equal, planScan, type TableIdentifier } from '../../../src/iceberg/index.ts'
import { compactTable } from '../../../src/io/maintenance/index.ts'
import { deleteRows, mergeInto } from '../../../src/io/rows/index.ts'
import { readJson, sha256 } from '../../../src/io/run-store.ts'
import { salesProject, type SalesProject } from '../../support/runtime.ts'

const january = (day: number): string => `2024-01-${String(day).padStart(2, '0')}`
const range = { view: 'regions', from: january(2), to: january(14) }
const shops: TableIdentifier = { namespace: ['raw'], name: 'shops' }

interface Definition {
  readonly join?: string
  readonly columns?: string
  readonly features?: string
}

const latest = `on: { shop: 'shop' }, columns: ['region', 'size']`
const asOf = `on: { shop: 'shop' }, asOf: 'since', columns: ['region', 'size']`
const ordinary = `sales: count({ over: ['3d'] }), large: sum('amount', { over: ['3d'], where: sql\`shop_size > 10\` })`

/** Sales by region: a joined column is the key. */
const define = async (project: SalesProject, { join: on = latest, columns = '', features = ordinary }: Definition) =>
  writeFile(
    join(project.runtime.settings.dir, 'features', 'regions.ts'),
    `
import { count, entity, featureView, last, max, source, sql, sum } from 'hindcast'
export const regions = featureView({
  name: 'regions',
  entity: entity({ name: 'region', keys: { shop_region: 'string' } }),
  source: source({
    name: 'sales', table: 'raw.sales', eventTime: 'at', columns: { ${columns} },
    joins: { shop: { table: 'raw.shops', ${on} } },
  }),
  every: '1d',
  features: { ${features} },
})
`,
  )

let snapshots = 5_000n

/** Inserts or changes rows of the dimension: `shop, since, region, size`. */
async function change(project: SalesProject, ...rows: readonly (readonly [string, string, string, number])[]) {
  const values = rows.map(
    ([shop, since, region, size]) => `('${shop}', CAST('${since}' AS TIMESTAMPTZ), '${region}', ${size})`,
  )
  await mergeInto(project.runtime, {
    table: shops,
    snapshotId: (snapshots += 1n),
    source: `SELECT * FROM (VALUES ${values.join(', ')}) AS shops(shop, since, region, size)`,
    keys: ['shop', 'since'],
    mode: 'copy-on-write',
  })
}

/** @param partitioned whether versions of other days lie in other files */
async function shopsProject(partitioned = false): Promise<SalesProject> {
  const project = await salesProject()
  const fields = [
    { id: 1, name: 'shop', required: false, type: 'string' },
    { id: 2, name: 'since', required: false, type: 'timestamptz' },
    { id: 3, name: 'region', required: false, type: 'string' },
    { id: 4, name: 'size', required: false, type: 'int' },
    { id: 5, name: 'unread', required: false, type: 'string' },
  ] as const
  const layout = describeTable({
    schema: { schemaId: 0, fields },
    partitionBy: partitioned ? [{ column: 'since', transform: 'day' }] : [],
  })
  await project.runtime.catalog.createTable(shops, layout)
  await change(project, ['north', '2023-01-01', 'coast', 5], ['south', '2023-01-01', 'hills', 20])
  return project
}

type Staged = Awaited<ReturnType<SalesProject['staged']>>

const hashes = async (project: SalesProject, { plan }: Staged): Promise<string[]> =>
  Promise.all(
    plan.slices
      .flatMap(({ partitions }) => partitions)
      .map(async ({ path }) => sha256(Buffer.from(await project.runtime.io.read(path)).toString('base64'))),
  )

const rowsOf = (project: SalesProject, { plan }: Staged, day: string) => {
  const path = plan.slices.flatMap(({ partitions }) => partitions).find(({ key }) => key === day)?.path ?? ''
  return project.runtime.withEngine((db) =>
    db.rows(
      `SELECT shop_region AS region, CAST(sales_3d AS INTEGER) AS sales, CAST(large_3d AS INTEGER) AS large FROM read_parquet('${fileURLToPath(path)}') ORDER BY 1`,
    ),
  )
}

const withReason = ({ plan }: Pick<Staged, 'plan'>, wanted: string): string[] =>
  plan.partitions.filter(({ reason }) => reason === wanted).map(({ key }) => key)

test('each event has the columns of its row of the dimension, and one without a row stays', async () => {
  await using project = await shopsProject()
  await project.sell('east,2024-01-03 09:00:00,7', 'west,2024-01-03 09:00:00,8')
  await change(project, ['east', '2023-01-01', 'coast', 30])
  await define(project, {})
  const staged = await project.staged('first', range)
  // 1 to 3 January: north sold 0, 1, 2 (small), south 0, 2, 4 (large); west is in no region.
  expect(await rowsOf(project, staged, january(4))).toEqual([
    { region: 'coast', sales: 4, large: 7 },
    { region: 'hills', sales: 3, large: 6 },
  ])
})

test('a changed row of the dimension makes all partitions stale, and what is published is as computed anew', async () => {
  await using project = await shopsProject()
  await define(project, {})
  await project.publish(await project.staged('first', range))
  expect(withReason({ plan: await makePlan(project.runtime, range) }, 'fresh').length).toBe(12)
  await change(project, ['south', '2023-01-01', 'coast', 20])
  const second = await project.staged('second', range)
  expect(withReason(second, 'source-changed').length).toBe(12)
  expect(second.plan.changedFiles.map((file) => file.change).sort()).toEqual(['added', 'removed'])
  expect(await rowsOf(project, second, january(4))).toEqual([{ region: 'coast', sales: 6, large: 6 }])
  await project.publish(second)
  const anew = await project.staged('anew', { ...range, force: true })
  expect(await hashes(project, second)).toEqual(await hashes(project, anew))
  expect(withReason({ plan: await makePlan(project.runtime, range) }, 'fresh').length).toBe(12)
})

test('a version that begins late makes just the partitions stale whose windows reach it', async () => {
  await using project = await shopsProject(true)
  await define(project, { join: asOf })
  await project.publish(await project.staged('first', range))
  await change(project, ['south', '2024-01-08 11:00:00', 'coast', 20])
  const second = await project.staged('second', range)
  expect(withReason(second, 'source-changed')).toEqual([9, 10, 11, 12, 13].map(january))
  // From 6 to 8 January: the sale of 8 January at 11:00 is the first under the new version.
  expect(await rowsOf(project, second, january(9))).toEqual([
    { region: 'coast', sales: 4, large: 14 },
    { region: 'hills', sales: 2, large: 22 },
  ])
  await project.publish(second)
  const anew = await project.staged('anew', { ...range, force: true })
  const later = (await hashes(project, anew)).slice(-5)
  expect(await hashes(project, second)).toEqual(later)
  // The partitions before were right as they were.
  await using other = await shopsProject(true)
  await define(other, { join: asOf })
  const before = await other.staged('first', { ...range, to: january(9) })
  expect((await hashes(project, anew)).slice(0, 7)).toEqual(await hashes(other, before))
})

test('a compaction of the dimension changes no row: all stays fresh', async () => {
  await using project = await shopsProject()
  const { runtime } = project
  await change(project, ['east', '2023-01-01', 'coast', 30])
  await define(project, {})
  await project.publish(await project.staged('first', range))
  const table = await runtime.catalog.loadTable(shops)
  const { rewrittenFiles } = await compactTable(runtime, table, { rewriteAll: true, newSnapshotId: () => 900n })
  expect(rewrittenFiles).toBe(2)
  expect(withReason({ plan: await makePlan(runtime, range) }, 'fresh').length).toBe(12)
})

test('deleted rows of the dimension are seen no more', async () => {
  await using project = await shopsProject()
  await define(project, {})
  await project.publish(await project.staged('first', range))
  await deleteRows(project.runtime, {
    table: shops,
    snapshotId: (snapshots += 1n),
    where: equal('shop', 'north'),
    mode: 'merge-on-read',
  })
  const second = await project.staged('second', range)
  expect(withReason(second, 'source-changed').length).toBe(12)
  expect(await rowsOf(project, second, january(4))).toEqual([{ region: 'hills', sales: 3, large: 6 }])
})

test.each([
  ['latest', latest, ['south', '2023-05-05'], 'join shop: raw.shops has two rows with shop south'],
  ['as of', asOf, ['south', '2023-01-01'], 'join shop: raw.shops has two rows with shop south, since 2023-01-01'],
] as const)('%s: two rows with one key are an error that names them', async (_, on, [shop, since], message) => {
  await using project = await shopsProject()
  await define(project, { join: on })
  await mergeInto(project.runtime, {
    table: shops,
    snapshotId: (snapshots += 1n),
    source: `SELECT '${shop}' AS shop, CAST('${since}' AS TIMESTAMPTZ) AS since, 'coast' AS region, 1 AS size, 'other' AS unread`,
    keys: ['unread'],
  })
  await expect(project.staged('first', range)).rejects.toMatchObject({
    code: 'INPUT_INVALID',
    message: expect.stringContaining(message),
    context: { table: 'raw.shops' },
  })
})

test('plan, snapshot and record name the dimension and its snapshot', async () => {
  await using project = await shopsProject()
  await define(project, {})
  const staged = await project.staged('first', range)
  const { metadata } = await project.runtime.catalog.loadTable(shops)
  const pinned = String(metadata.currentSnapshotId)
  const sources = { 'raw.sales': staged.plan.source.snapshotId, 'raw.shops': pinned }
  expect(staged.plan.summary.joinedSnapshots).toEqual({ 'raw.shops': pinned })
  expect(staged.plan.joins).toMatchObject([{ name: 'shop', table: 'raw.shops', snapshotId: pinned }])
  await project.publish(staged)
  const table = await project.runtime.catalog.loadTable({ namespace: ['features'], name: 'regions' })
  const summary = table.metadata.snapshots.at(-1)?.summary ?? {}
  expect(JSON.parse(summary[summaryKeys.sourceSnapshots] ?? '')).toEqual(sources)
  expect(await readJson(project.runtime.io, summary[summaryKeys.record] ?? '')).toMatchObject({
    sources: Object.entries(sources).map(([name, snapshotId]) => ({ table: name, snapshotId })),
  })
})

test('a run as of a time, or of a snapshot of the source, sees the dimension as it was then', async () => {
  await using project = await shopsProject()
  await define(project, {})
  await project.sell('north,2024-01-05 10:00:00,7')
  const source = (await project.runtime.catalog.loadTable({ namespace: ['raw'], name: 'sales' })).metadata
  const then = source.snapshots.at(-1)
  await change(project, ['south', '2023-01-01', 'coast', 20])
  const dimension = (await project.runtime.catalog.loadTable(shops)).metadata
  const [earlier, later] = dimension.snapshots.map(({ snapshotId }) => String(snapshotId))
  const joined = async (of: string | undefined) =>
    (await makePlan(project.runtime, { ...range, ...(of === undefined ? {} : { asOf: of }) })).summary.joinedSnapshots
  expect(await joined(undefined)).toEqual({ 'raw.shops': later })
  expect(await joined(new Date(then?.timestampMs ?? 0).toISOString())).toEqual({ 'raw.shops': earlier })
  expect(await joined(String(then?.snapshotId))).toEqual({ 'raw.shops': earlier })
  await expect(joined(String(source.snapshots[0]?.snapshotId))).rejects.toMatchObject({
    code: 'SNAPSHOT_NOT_FOUND',
    message: expect.stringContaining('joined table raw.shops'),
  })
})

test('a dimension that is not there, or has no rows, is missed by name', async () => {
  await using project = await salesProject()
  await define(project, {})
  await expect(project.staged('first', range)).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    message: expect.stringContaining('raw.shops'),
  })
  const fields = [{ id: 1, name: 'shop', required: false, type: 'string' }] as const
  await project.runtime.catalog.createTable(shops, describeTable({ schema: { schemaId: 0, fields } }))
  await expect(project.staged('first', range)).rejects.toMatchObject({
    code: 'INPUT_INVALID',
    message: 'joined table raw.shops has no rows yet',
  })
})

const more = `${ordinary}, largest: max('shop_size', { over: ['3d'] })`

test.each([
  ['a feature over a joined column more', ordinary, more],
  ['one less', more, ordinary],
  ['another meaning', ordinary, ordinary.replace('> 10', '> 15')],
])('%s: the others are carried over, with the same bytes', async (_, before, after) => {
  const published = async (): Promise<SalesProject> => {
    const project = await shopsProject()
    await define(project, { features: before })
    await project.publish(await project.staged('first', range))
    await define(project, { features: after })
    return project
  }
  await using project = await published()
  await using other = await published()
  const carried = await project.staged('carried', range)
  expect(carried.plan.slices.every(({ isCarried }) => isCarried === true)).toBe(true)
  const all = await other.staged('all', { ...range, force: true })
  expect(await hashes(project, carried)).toEqual(await hashes(other, all))
})

test('nothing is carried over once the dimension has changed', async () => {
  await using project = await shopsProject()
  await define(project, {})
  await project.publish(await project.staged('first', range))
  await define(project, { features: more })
  await change(project, ['south', '2023-01-01', 'coast', 20])
  const { plan } = await project.staged('second', range)
  expect(plan.slices.some(({ isCarried }) => isCarried === true)).toBe(false)
})

test('a join that nothing reads is neither read nor part of what partitions are computed from', async () => {
  await using project = await shopsProject()
  await writeFile(
    join(project.runtime.settings.dir, 'features', 'sales.ts'),
    `
import { count, entity, featureView, source } from 'hindcast'
export const shopSales = featureView({
  name: 'shop_sales',
  entity: entity({ name: 'shop', keys: { shop: 'string' } }),
  source: source({ name: 'sales', table: 'raw.sales', eventTime: 'at', joins: { shop: { table: 'raw.shops', ${latest} } } }),
  every: '1d',
  features: { sales: count({ over: ['3d'] }) },
})
`,
  )
  await project.publish(await project.staged('first', { ...range, view: 'shop_sales' }))
  await change(project, ['south', '2023-01-01', 'coast', 20])
  const plan = await makePlan(project.runtime, { ...range, view: 'shop_sales' })
  expect(withReason({ plan }, 'fresh').length).toBe(12)
  expect(plan.joins).toBeUndefined()
})

test('the bytes of a plan are also those that each slice reads of the dimension', async () => {
  await using project = await shopsProject(true)
  await change(project, ['south', '2024-01-08 11:00:00', 'coast', 20])
  await define(project, { features: 'sales: count({ over: ["3d"] })' })
  const { runtime } = project
  const sizes = async (table: TableIdentifier): Promise<number[]> => {
    const loaded = await runtime.catalog.loadTable(table)
    const { tasks } = await planScan({ table: loaded, io: runtime.tableFiles(loaded) })
    const files = tasks.map(({ dataFile }) => dataFile)
    return files.sort((a, b) => (a.filePath < b.filePath ? -1 : 1)).map((file) => Number(file.fileSizeInBytes))
  }
  const sum = (all: readonly number[]): number => all.reduce((total, size) => total + size, 0)
  const sales = await sizes({ namespace: ['raw'], name: 'sales' })
  const [before = 0, since = 0, ...more] = await sizes(shops)
  expect(more).toEqual([])
  // Sales of 1 to 3 January; all versions of shops, where one row a key is asked for.
  const day = { ...range, from: january(4), to: january(5) }
  const latestPlan = await makePlan(runtime, day)
  expect(latestPlan.summary.inputBytes).toBe(sum(sales.slice(0, 3)) + before + since)
  await define(project, { join: asOf, features: 'sales: count({ over: ["3d"] })' })
  const asOfPlan = await makePlan(runtime, day)
  expect(asOfPlan.summary.inputBytes).toBe(sum(sales.slice(0, 3)) + before)
  expect(asOfPlan.summary.estimate.memoryBytes).toBeLessThan(latestPlan.summary.estimate.memoryBytes)
  const withoutJoin = await makePlan(runtime, { ...day, view: 'shop_sales' })
  expect(withoutJoin.summary.inputBytes).toBe(sum(sales.slice(0, 3)))
})

test('explain shows how the dimension is read and joined', async () => {
  await using project = await shopsProject()
  await define(project, { join: asOf })
  const { statements, select } = await explainSlice(project.runtime, { view: 'regions', withPlan: true })
  const text = statements.map(({ sql }) => sql).join('\n')
  expect(text).toContain('CREATE TEMP VIEW "dimension_shop"')
  expect(text).toContain('ASOF LEFT JOIN "joined_shop"')
  // By their ids: the column `unread`, the fifth, is not.
  expect(text).toContain('{1: {name: ')
  expect(text).toContain('3: {name: ')
  expect(text).not.toContain('5: {name: ')
  expect(select.plan).not.toBeNull()
})
