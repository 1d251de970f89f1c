// The command cleans up without a worker, and where no Temporal answers it must not take for over what it cannot ask about.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TableMaintenance } from '../../src/contract/index.ts'
import { freePort } from '../../workers/temporal-server/index.ts'
import { testProject, type TestProject } from '../support/project.ts'

const definition = `
import { count, entity, featureView, source } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
export const shopSales = featureView({
  name: 'shop_sales', entity: shop, source: sales, every: '1d', features: { sales: count({ over: ['7d'] }) },
})
`

let project: TestProject
beforeAll(async () => {
  const nobody = `127.0.0.1:${await freePort()}`
  project = await testProject({ features: { 'sales.ts': definition }, env: { TEMPORAL_ADDRESS: nobody } })
  await writeFile(join(project.dir, 'sales.csv'), 'shop,at,amount\nnorth,2024-01-01 10:00:00,5\n')
  const file = join(project.dir, 'sales.csv')
  const imported = await project.hindcast('import', file, '--table', 'raw.sales', '--event-time', 'at')
  expect(imported.code, imported.stderr).toBe(0)
})
afterAll(() => project[Symbol.asyncDispose]())

test('one document with --json, a sentence without', async () => {
  const json = await project.hindcast('gc', '--dry-run', '--table', 'raw.sales', '--json')
  expect(json.code, json.stdout).toBe(0)
  const document = json.json<{ dryRun: boolean; temporal: string; tables: TableMaintenance[] }>()
  expect(document).toMatchObject({ dryRun: true, temporal: 'unreachable', tables: [{ table: 'raw.sales', files: [] }] })
  const text = await project.hindcast('gc')
  expect([text.code, text.stdout]).toEqual([0, 'Nothing to delete in 1 table.\n'])
})

test.each([
  [['--older-than', '1h'], 2, /olderThan: 1h is less than a day/],
  [['--older-than', 'soon'], 2, /"soon" is not a length of time/],
  [['--table', 'raw.sale'], 1, /raw\.sale/],
])('refused: gc %j', async (args, code, message) => {
  const refused = await project.hindcast('gc', ...args)
  expect([refused.code, refused.stderr]).toEqual([code, expect.stringMatching(message)])
})
