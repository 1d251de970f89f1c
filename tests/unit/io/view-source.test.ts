// A view may read another view's table: its rows are events at their feature time. A row that saw the feature row of its own time would know
// what that row was made from: events up to now.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { salesProject } from '../../support/runtime.ts'

const definition = `
import { count, entity, featureView, max, source } from 'hindcast'
import { shopSales } from './sales.ts'
export const shopBest = featureView({
  name: 'shop_best',
  entity: entity({ name: 'shop', keys: { shop: 'string' } }),
  source: source({ name: 'days', view: shopSales }),
  every: '1d',
  features: { rows: count({ over: ['2d'] }), best: max('amount_3d', { over: ['2d'] }) },
})
`

test('a view of another view sees the feature rows before its feature time', async () => {
  await using project = await salesProject()
  await project.publish(await project.staged('days', { from: '2024-01-02', to: '2024-01-12' }))
  await writeFile(join(project.runtime.settings.dir, 'features', 'best.ts'), definition)
  const { plan } = await project.staged('best', { view: 'shop_best', from: '2024-01-05', to: '2024-01-06' })
  expect(plan.summary.sourceTable).toBe('features.shop_sales')
  const [path = ''] = plan.slices.flatMap(({ partitions }) => partitions.map((partition) => partition.path))
  const rows = await project.runtime.withEngine((db) =>
    db.rows(
      `SELECT shop, CAST(rows_2d AS INTEGER) AS n, CAST(best_2d AS INTEGER) AS best FROM read_parquet('${fileURLToPath(path)}') ORDER BY shop`,
    ),
  )
  // Feature rows of 3 and 4 January: the sums of sales of 1 and 2 January, and of 1 to 3 January.
  expect(rows).toEqual([
    { shop: 'north', n: 2, best: 0 + 1 + 2 },
    { shop: 'south', n: 2, best: 0 + 2 + 4 },
  ])
})

test('before the other view is published, its table is missed by name', async () => {
  await using project = await salesProject()
  await writeFile(join(project.runtime.settings.dir, 'features', 'best.ts'), definition)
  await expect(project.staged('best', { view: 'shop_best' })).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    message: expect.stringContaining('features.shop_sales'),
    hint: expect.stringContaining('hindcast backfill shop_sales'),
  })
})
