// What explain prints is the SQL that runs: statements in their order, with the engine's plans on request.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ExplainedSlice } from '../../src/io/backfill/index.ts'
import { testProject } from '../support/project.ts'

const features = `
import { count, entity, featureView, source } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
export const shopSales = featureView({ name: 'shop_sales', entity: shop, source: sales, every: '1d', features: { sales: count({ over: ['7d'] }) } })
`

test('explain prints the SQL of the last whole partition, or of the one asked for', async () => {
  await using project = await testProject({ features: { 'sales.ts': features } })
  const csv = join(project.dir, 'sales.csv')
  await writeFile(csv, 'shop,at\nnorth,2024-01-01 10:00:00\nnorth,2024-01-03 10:00:00\n')
  expect((await project.hindcast('import', csv, '--table', 'raw.sales', '--event-time', 'at')).code).toBe(0)

  const printed = await project.hindcast('explain', 'shop_sales')
  expect(printed.code, printed.stderr).toBe(0)
  expect(printed.stdout).toMatch(/^-- shop_sales, partition 2024-01-02: .*\n\nCREATE /)
  expect(printed.stdout).toMatch(/ORDER BY "shop", "feature_time";\n$/)

  const document = (
    await project.hindcast('explain', 'shop_sales', '--partition', '2024-01-03T12:00:00Z', '--plan', '--json')
  ).json<ExplainedSlice>()
  expect(document).toMatchObject({ view: 'shop_sales', partition: { key: '2024-01-03' } })
  const plans = document.statements.map(({ plan }) => plan ?? '')
  expect(plans.join('\n')).toMatch(/parquet/i)
  expect(document.select.plan).not.toBeNull()
  expect((await project.hindcast('explain', 'nothing')).code).toBe(2)
})
