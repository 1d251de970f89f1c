import { expect, test } from 'vitest'
import { appendFiles, planScan } from '../../src/iceberg/index.ts'
import { dataFileOf } from '../support/catalogs/append-worker.ts'
import { catalogSuite } from '../support/catalogs/catalog-suite.ts'
import { filesOf, openAddress } from '../support/catalogs/catalog-under-test.ts'
import { startRestFixture, type RestFixture } from '../support/catalogs/rest-fixture.ts'
import { cuttingProxy, type Cut } from '../support/cutting-proxy.ts'
import { salesProject } from '../support/runtime.ts'

const io = filesOf({})
const isCommit = (sent: Buffer): boolean => /^POST \/v1\/namespaces\/lost\/tables\/\w+ /.test(sent.toString('latin1'))

/** Appends through a proxy that breaks off at the commit, and tries the same commit again when that is mended. */
async function appendCut(server: RestFixture, what: Cut) {
  await using proxy = await cuttingProxy(server)
  const catalog = await openAddress({
    ...server.address,
    config: { type: 'rest', uri: uriOf({ ...server, port: proxy.port }) },
  })
  const table = await catalog.createTable(
    { namespace: ['lost'], name: what },
    {
      schema: { schemaId: 0, fields: [{ id: 1, name: 'id', required: false, type: 'long' }] },
      spec: { specId: 0, fields: [] },
    },
  )
  const append = { table, io, files: [dataFileOf(what)], specId: 0, snapshotId: 71n, nowMs: Date.now() }
  const { change } = await appendFiles(append)
  proxy.cut(what, isCommit)
  const outcome = await catalog.commit(table, change)
  proxy.mend()
  const loaded = await catalog.loadTable(table.identifier)
  const again = await catalog.commit(table, change)
  const { tasks } = await planScan({ io, table: await catalog.loadTable(table.identifier) })
  return { table, outcome, loaded, again, tasks }
}

const uriOf = ({ host, port }: Pick<RestFixture, 'host' | 'port'>): string => `http://${host}:${port}`

const unknown = { status: 'unknown', cause: { code: 'CATALOG_UNAVAILABLE' } }

catalogSuite('REST (Iceberg’s fixture)', startRestFixture, (server) => {
  test('an answer that is lost: the commit stands, is found, and is not made a second time', async () => {
    const { outcome, loaded, again, tasks } = await appendCut(server(), 'answer')
    expect(outcome).toMatchObject(unknown)
    expect(loaded.metadata.currentSnapshotId).toBe(71n)
    expect(again).toMatchObject({ status: 'conflicted' })
    expect(tasks).toHaveLength(1)
  })

  test('a request that is lost: nothing stands, and the same commit can be made', async () => {
    const { outcome, table, loaded, again, tasks } = await appendCut(server(), 'request')
    expect(outcome).toMatchObject(unknown)
    expect(loaded.metadata).toEqual(table.metadata)
    expect(again).toMatchObject({ status: 'committed' })
    expect(tasks).toHaveLength(1)
  })

  test('a client that takes a token from the server’s own endpoint, and what it vends with a table', async () => {
    const { address } = server()
    const auth = { type: 'oauth2', clientId: 'hindcast', clientSecret: 's3cret' } as const
    const catalog = await openAddress({ ...address, config: { type: 'rest', uri: uriOf(server()), auth } })
    const identifier = { namespace: ['vended'], name: 'events' }
    await catalog.createTable(identifier, {
      schema: { schemaId: 0, fields: [{ id: 1, name: 'id', required: false, type: 'long' }] },
      spec: { specId: 0, fields: [] },
    })
    const { config } = await catalog.loadTable(identifier)
    expect(config).toMatchObject({ 's3.access-key-id': 'vended-key', 's3.secret-access-key': 'vended-secret' })
  })

  test('a backfill is staged on its branch and published', async () => {
    await using project = await salesProject(undefined, { catalog: server().address.config })
    const staged = await project.staged('run', {})
    expect(await project.main()).toEqual({ snapshotId: null, snapshots: 1, refs: ['hindcast_run'] })
    await project.publish(staged)
    expect(await project.main()).toMatchObject({ snapshotId: staged.snapshotId })
  })
})
