// Explain shows people the SQL that computes a partition. Were it not what runs, they would look for an error in the wrong text, and what they
// tried out of it would be something else.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { explainSlice, type ExplainedSlice } from '../../../src/io/backfill/index.ts'
import { describeTable } from '../../../src/iceberg/index.ts'
import { mergeInto } from '../../../src/io/rows/index.ts'
import { salesProject, type SalesProject } from '../../support/runtime.ts'

const head = `
import { avg, count, entity, featureView, max, source, sql, sum } from 'hindcast'
import { shopSales } from './sales.ts'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
`

const define = async (project: SalesProject, view: string): Promise<void> =>
  writeFile(join(project.runtime.settings.dir, 'features', 'other.ts'), `${head}${view}`)

/** What the explained SQL gives in an engine of its own, beside the rows that a run writes for the same partition. */
async function bothWays(project: SalesProject, view: string, explained: ExplainedSlice) {
  const { statements, select, partition } = explained
  const { plan } = await project.staged(`run-${view}`, { view, from: partition.from, to: partition.to, force: true })
  const paths = plan.slices.flatMap(({ partitions }) => partitions.map(({ path }) => path))
  expect(paths).toHaveLength(1)
  const run = await project.runtime.withEngine(async (db) => {
    for (const { sql } of statements) await db.run(sql)
    return db.rows(select.sql)
  })
  const written = await project.runtime.withEngine((db) =>
    db.rows(`FROM read_parquet('${fileURLToPath(paths[0] ?? '')}', hive_partitioning = false)`),
  )
  expect(run.length).toBeGreaterThan(0)
  return { run, written }
}

const monthly = `
export const shopMonths = featureView({
  name: 'shop_months', entity: shop, source: sales, every: '1mo', partitionBy: 'month',
  features: { sales: count({ over: ['1mo', '2mo', 'lifetime'] }), amount: sum('amount', { over: ['1mo'] }) },
})
`

test('a partition of a month, with a grid of months', async () => {
  await using project = await salesProject()
  await define(project, monthly)
  const explained = await explainSlice(project.runtime, {
    view: 'shop_months',
    partition: '2024-02-17',
    withPlan: true,
  })
  expect(explained.partition).toEqual({ key: '2024-02', from: '2024-02-01', to: '2024-03-01' })
  const { run, written } = await bothWays(project, 'shop_months', explained)
  expect(run).toEqual(written)
  expect(run).toMatchObject([{ sales_1mo: 20n }, { sales_1mo: 20n }])
  expect(explained.select.plan).not.toBeNull()
})

test('the source is another view', async () => {
  await using project = await salesProject()
  await project.publish(await project.staged('days', { from: '2024-01-02', to: '2024-01-12' }))
  await define(
    project,
    `
export const shopBest = featureView({
  name: 'shop_best', entity: shop, source: source({ name: 'days', view: shopSales }), every: '1d',
  features: { rows: count({ over: ['2d'] }), best: max('amount_3d', { over: ['2d'] }) },
})
`,
  )
  // The view's last feature time is 11 January at midnight: the day before is whole.
  const explained = await explainSlice(project.runtime, { view: 'shop_best', withPlan: false })
  expect(explained.partition.key).toBe('2024-01-10')
  expect(explained.statements.map(({ plan }) => plan).every((plan) => plan === null)).toBe(true)
  const { run, written } = await bothWays(project, 'shop_best', explained)
  expect(run).toEqual(written)
})

test('dimensions are joined, as of a time and latest', async () => {
  await using project = await salesProject()
  const fields = [
    { id: 1, name: 'shop', required: false, type: 'string' },
    { id: 2, name: 'since', required: false, type: 'timestamptz' },
    { id: 3, name: 'region', required: false, type: 'string' },
  ] as const
  for (const name of ['shops', 'names']) {
    const table = { namespace: ['raw'], name }
    await project.runtime.catalog.createTable(table, describeTable({ schema: { schemaId: 0, fields } }))
    await mergeInto(project.runtime, {
      table,
      snapshotId: 70n,
      source: `FROM (VALUES ('north', TIMESTAMPTZ '2024-01-01 00:00:00+00', 'coast'), ('south', TIMESTAMPTZ '2024-01-08 11:00:00+00', 'hills')) AS t(shop, since, region)`,
      keys: ['shop'],
    })
  }
  await define(
    project,
    `
export const regions = featureView({
  name: 'regions', entity: entity({ name: 'region', keys: { shop_region: 'string', name_region: 'string' } }),
  source: source({
    name: 'sales', table: 'raw.sales', eventTime: 'at',
    joins: {
      shop: { table: 'raw.shops', on: { shop: 'shop' }, asOf: 'since', columns: ['region'] },
      name: { table: 'raw.names', on: { shop: 'shop' }, columns: ['region'] },
    },
  }),
  every: '1d', features: { sales: count({ over: ['3d'] }) },
})
`,
  )
  const explained = await explainSlice(project.runtime, { view: 'regions', partition: '2024-01-10', withPlan: true })
  const { run, written } = await bothWays(project, 'regions', explained)
  expect(run).toEqual(written)
  expect(run).toMatchObject([
    { shop_region: 'coast', name_region: 'coast', sales_3d: 3n },
    { shop_region: 'hills', name_region: 'hills', sales_3d: 2n },
  ])
})

test('where nothing tells how far events reach, the partition has to be named', async () => {
  await using project = await salesProject()
  const table = { namespace: ['raw'], name: 'unbounded' }
  const fields = [
    { id: 1, name: 'shop', required: false, type: 'string' },
    { id: 2, name: 'at', required: false, type: 'timestamptz' },
  ] as const
  const properties = { 'write.metadata.metrics.default': 'none' }
  await project.runtime.catalog.createTable(table, describeTable({ schema: { schemaId: 0, fields }, properties }))
  await mergeInto(project.runtime, {
    table,
    snapshotId: 70n,
    source: `SELECT 'north' AS shop, TIMESTAMPTZ '2024-01-05 12:00:00+00' AS at`,
    keys: ['shop'],
  })
  await define(
    project,
    `
export const unbounded = featureView({
  name: 'unbounded', entity: shop, source: source({ name: 'u', table: 'raw.unbounded', eventTime: 'at' }), every: '1d',
  features: { rows: count({ over: ['2d'] }) },
})
`,
  )
  await expect(explainSlice(project.runtime, { view: 'unbounded', withPlan: false })).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
    hint: expect.stringContaining('--partition'),
  })
  const explained = await explainSlice(project.runtime, { view: 'unbounded', partition: '2024-01-06', withPlan: false })
  const { run, written } = await bothWays(project, 'unbounded', explained)
  expect(run).toEqual(written)
})
