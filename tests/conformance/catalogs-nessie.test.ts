import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { catalogSuite } from '../support/catalogs/catalog-suite.ts'
import { startNessie } from '../support/catalogs/nessie.ts'
import { salesProject } from '../support/runtime.ts'

catalogSuite('REST (Nessie)', startNessie, (server) => {
  test('a backfill is refused when it is planned, and nothing is written for it', async () => {
    const { config, warehouse, s3 } = server().address
    await using project = await salesProject(undefined, { catalog: config, warehouse, storage: { s3 } })
    const { runtime } = project
    await expect(project.staged('run', {})).rejects.toMatchObject({
      code: 'FEATURE_UNSUPPORTED',
      hint: expect.stringContaining('Nessie'),
    })
    const written: string[] = []
    for await (const { path } of runtime.io.list(`${runtime.warehouse}/_hindcast`)) written.push(path)
    expect(written).toEqual([])
    expect(existsSync(join(runtime.settings.dir, '.hindcast', 'warehouse', '_hindcast'))).toBe(false)
    expect(await runtime.catalog.listTables(['features'])).toEqual([])
    // What could be done there was done: the source's rows are in one snapshot of `main`.
    const sales = await runtime.catalog.loadTable({ namespace: ['raw'], name: 'sales' })
    expect(sales.metadata.currentSnapshotId).toBeGreaterThan(1_000n)
  })
})
