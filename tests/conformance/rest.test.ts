// A commit to a real REST server whose answer is lost: taking it for failed loses or doubles it, so it is looked up.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { appendFiles, planScan, type Catalog, type Table } from '../../src/iceberg/index.ts'
import { dataFileOf } from '../support/catalogs/append-worker.ts'
import { filesOf, openAddress } from '../support/catalogs/catalog-under-test.ts'
import { startRestFixture, type RestFixture } from '../support/catalogs/rest-fixture.ts'
import { cuttingProxy, type Cut, type CuttingProxy } from '../support/cutting-proxy.ts'

let fixture: RestFixture
let proxy: CuttingProxy
let catalog: Catalog
beforeAll(async () => {
  fixture = await startRestFixture()
  proxy = await cuttingProxy(fixture)
  const config = { type: 'rest', uri: `http://127.0.0.1:${proxy.port}` } as const
  catalog = await openAddress({ ...fixture.address, config })
}, 600_000)
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]()
  await fixture?.[Symbol.asyncDispose]()
})

const isCommit = (sent: Buffer): boolean => /^POST \/v1\/namespaces\/lost\/tables\/\w+ /.test(sent.toString('latin1'))
const io = filesOf({})

async function appendOnce(name: string, cut: Cut): Promise<{ readonly table: Table; readonly loaded: Table }> {
  proxy.mend()
  const identifier = { namespace: ['lost'], name }
  const table = await catalog.createTable(identifier, {
    schema: { schemaId: 0, fields: [{ id: 1, name: 'id', required: false, type: 'long' }] },
    spec: { specId: 0, fields: [] },
  })
  const { change } = await appendFiles({
    table,
    io,
    files: [dataFileOf(name)],
    specId: 0,
    snapshotId: 71n,
    nowMs: Date.now(),
  })
  proxy.cut(cut, isCommit)
  const outcome = await catalog.commit(table, change)
  expect(outcome).toMatchObject({ status: 'unknown', cause: { code: 'CATALOG_UNAVAILABLE' } })
  proxy.mend()
  return { table, loaded: await catalog.loadTable(identifier) }
}

test('an answer that is lost: the commit stands, is found, and is not made a second time', async () => {
  const { table, loaded } = await appendOnce('answer', 'answer')
  expect(loaded.metadata.currentSnapshotId).toBe(71n)
  const { change } = await appendFiles({
    table,
    io,
    files: [dataFileOf('answer')],
    specId: 0,
    snapshotId: 71n,
    nowMs: Date.now(),
  })
  expect(await catalog.commit(table, change)).toMatchObject({ status: 'conflicted' })
  expect((await planScan({ io, table: await catalog.loadTable(table.identifier) })).tasks).toHaveLength(1)
})

test('a request that is lost: nothing stands, and the same commit can be made', async () => {
  const { table, loaded } = await appendOnce('request', 'request')
  expect(loaded.metadata).toEqual(table.metadata)
  const { change } = await appendFiles({
    table,
    io,
    files: [dataFileOf('request')],
    specId: 0,
    snapshotId: 71n,
    nowMs: Date.now(),
  })
  expect(await catalog.commit(table, change)).toMatchObject({ status: 'committed' })
})
