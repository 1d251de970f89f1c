// What the suite of all catalogs cannot ask: a server's refusals, TLS, and answers that are lost on the way.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isHindcastError } from '../../src/contract/index.ts'
import type { Catalog, NewTable } from '../../src/iceberg/index.ts'
import { openPostgresCatalog } from '../../src/io/catalog-postgres.ts'
import { localFiles, toUri } from '../../src/io/files/index.ts'
import { connectPostgres, type PostgresOptions } from '../../src/io/postgres-connection.ts'
import { cuttingProxy } from '../support/cutting-proxy.ts'
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts'
import { tempDir, type TempDir } from '../support/temp-dir.ts'

const newTable: NewTable = {
  schema: { schemaId: 0, fields: [{ id: 1, name: 'id', required: false, type: 'long' }] },
  spec: { specId: 0, fields: [] },
}

let server: TestPostgres
let dir: TempDir
beforeAll(async () => {
  dir = await tempDir()
  const certificate = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1']
  const names = [
    '-addext',
    'subjectAltName=IP:127.0.0.1',
    '-keyout',
    join(dir.path, 'key'),
    '-out',
    join(dir.path, 'crt'),
  ]
  await promisify(execFile)('openssl', [...certificate, ...names])
  server = await startTestPostgres({
    tls: { key: await readFile(join(dir.path, 'key')), certificate: await readFile(join(dir.path, 'crt')) },
  })
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  await dir?.[Symbol.asyncDispose]()
})

const address = () => ({
  host: server.host,
  port: server.port,
  user: 'hindcast',
  password: server.password,
  database: 'postgres',
})

const open = (options: PostgresOptions): Promise<Catalog> =>
  openPostgresCatalog({
    name: 'hindcast',
    server: options,
    warehouse: toUri(join(dir.path, 'warehouse')),
    io: localFiles(),
    now: Date.now,
    uuid: randomUUID,
  })

const newDatabase = async (): Promise<string> => {
  const name = `db_${randomUUID().replaceAll('-', '')}`
  await server.query(`CREATE DATABASE ${name}`)
  return name
}

test('many that open a fresh database at once all get a catalog', async () => {
  const database = await newDatabase()
  const catalogs = await Promise.all(Array.from({ length: 8 }, () => open({ ...address(), database })))
  await catalogs[0]?.createTable({ namespace: ['ns'], name: 't' }, newTable)
  expect(await catalogs[7]?.listTables()).toHaveLength(1)
  await Promise.all(catalogs.map((catalog) => catalog.close()))
})

test('a wrong password is refused by name, and not told', async () => {
  const error: unknown = await open({ ...address(), password: 'hunter2' }).catch((failure: unknown) => failure)
  expect(error).toMatchObject({ code: 'ACCESS_DENIED', message: expect.stringContaining(`${server.port}/postgres`) })
  if (!isHindcastError(error)) throw new Error('no HindcastError')
  expect(`${error.message} ${error.hint} ${JSON.stringify(error.context)}`).not.toContain('hunter2')
})

test('a database that is not there, and one of other tables, are told apart from a server that is not', async () => {
  await expect(open({ ...address(), database: 'nowhere' })).rejects.toMatchObject({ code: 'CATALOG_INVALID' })
  const database = await newDatabase()
  const connection = connectPostgres({ ...address(), database })
  await connection.transaction([['CREATE TABLE iceberg_tables (id INTEGER)']])
  await connection.close()
  await expect(open({ ...address(), database })).rejects.toMatchObject({
    code: 'CATALOG_INVALID',
    message: expect.stringContaining('metadata_location'),
  })
  await expect(open({ ...address(), port: 1 })).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
})

test.each(['mysql://localhost/x', 'localhost', 'postgres://localhost/x?sslmode=maybe', 'postgres://localhost/x?ssl=1'])(
  'the address %s is refused',
  async (url) => {
    await expect(open({ url })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  },
)

test('TLS: encrypted without a check, checked against an authority, refused without one', async () => {
  const required = connectPostgres({ url: `${server.url}?sslmode=require` })
  expect(await required.all('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).toEqual([{ ssl: true }])
  await required.close()
  const ca = await readFile(join(dir.path, 'crt'), 'utf8')
  const verified = connectPostgres({ ...address(), tls: 'verify', ca })
  expect(await verified.all('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).toEqual([{ ssl: true }])
  await verified.close()
  await expect(open({ url: `${server.url}?sslmode=verify-full` })).rejects.toMatchObject({
    code: 'CATALOG_UNAVAILABLE',
    message: expect.stringContaining('certificate'),
  })
})

test('a transaction that others make fail is done again', async () => {
  const database = await newDatabase()
  await server.query(`ALTER DATABASE ${database} SET default_transaction_isolation = 'serializable'`)
  const [one, two] = [connectPostgres({ ...address(), database }), connectPostgres({ ...address(), database })]
  await one.transaction([['CREATE TABLE counter (n INTEGER)'], ['INSERT INTO counter VALUES (0)']])
  const rounds = 20
  const count = async (connection: typeof one): Promise<void> => {
    for (let i = 0; i < rounds; i++) {
      expect(await connection.transaction([['UPDATE counter SET n = n + 1']])).toMatchObject({ status: 'committed' })
    }
  }
  await Promise.all([count(one), count(two), count(one)])
  expect(await one.all('SELECT n FROM counter')).toEqual([{ n: 3 * rounds }])
  await Promise.all([one.close(), two.close()])
})

const isCommit = (sent: Buffer): boolean => sent.includes('COMMIT')

test('an answer to COMMIT that is lost is looked up: the commit stands, once', async () => {
  await using proxy = await cuttingProxy(server)
  const database = await newDatabase()
  const catalog = await open({ ...address(), database, port: proxy.port })
  const identifier = { namespace: ['lost'], name: 'answer' }
  proxy.cut('answer', isCommit)
  const table = await catalog.createTable(identifier, newTable)
  const outcome = await catalog.commit(table, {
    requirements: [],
    updates: [{ action: 'set-properties', updates: { done: 'yes' } }],
  })
  expect(outcome).toMatchObject({ status: 'committed', table: { metadata: { properties: { done: 'yes' } } } })
  expect(proxy.cuts).toBe(2)
  proxy.mend()
  expect((await catalog.loadTable(identifier)).metadata).toMatchObject({ properties: { done: 'yes' } })
  await catalog.close()
})

test('a COMMIT that never came is unknown, keeps its metadata file, and can be made again', async () => {
  await using proxy = await cuttingProxy(server)
  const database = await newDatabase()
  const catalog = await open({ ...address(), database, port: proxy.port })
  const identifier = { namespace: ['lost'], name: 'request' }
  const table = await catalog.createTable(identifier, newTable)
  const change = { requirements: [], updates: [{ action: 'set-properties', updates: { done: 'yes' } } as const] }
  proxy.cut('request', isCommit)
  expect(await catalog.commit(table, change)).toMatchObject({
    status: 'unknown',
    cause: { code: 'CATALOG_UNAVAILABLE' },
  })
  proxy.mend()
  expect(await catalog.loadTable(identifier)).toEqual(table)
  expect(await readdir(join(dir.path, 'warehouse/lost/request/metadata'))).toHaveLength(2)
  expect(await catalog.commit(table, change)).toMatchObject({ status: 'committed' })
  await catalog.close()
})

test('a server that breaks off before COMMIT changes nothing, and the metadata file goes', async () => {
  await using proxy = await cuttingProxy(server)
  const database = await newDatabase()
  const catalog = await open({ ...address(), database, port: proxy.port })
  const identifier = { namespace: ['lost'], name: 'update' }
  const table = await catalog.createTable(identifier, newTable)
  proxy.cut('answer', (sent) => sent.includes('UPDATE iceberg_tables'))
  const change = { requirements: [], updates: [{ action: 'set-properties', updates: { done: 'yes' } } as const] }
  await expect(catalog.commit(table, change)).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
  proxy.mend()
  expect(await catalog.loadTable(identifier)).toEqual(table)
  expect(await readdir(join(dir.path, 'warehouse/lost/update/metadata'))).toHaveLength(1)
  await catalog.close()
})
