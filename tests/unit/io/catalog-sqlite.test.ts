/** Rule: of two commits on one state, one wins and the other builds on it. Damage otherwise: a published snapshot vanishes. */
import { execFile } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { NewTable } from '../../../src/iceberg/table.ts'
import { testWarehouse } from '../../support/warehouse.ts'

const identifier = { namespace: ['raw'], name: 'events' }
const newTable: NewTable = {
  schema: { schemaId: 0, fields: [{ id: 1, name: 'at', required: false, type: 'timestamptz' }] },
  spec: { specId: 0, fields: [{ sourceId: 1, fieldId: 1000, name: 'at_day', transform: 'day' }] },
}

test('a created table is found by every handle, in the layout that other Iceberg libraries use', async () => {
  await using warehouse = await testWarehouse()
  const created = await warehouse.catalog.createTable(identifier, newTable)
  const other = await warehouse.openCatalog()
  expect(await other.tableExists(identifier)).toBe(true)
  expect(await other.loadTable(identifier)).toEqual(created)
  expect(await other.listTables()).toEqual([identifier])
  expect(await other.listTables(['features'])).toEqual([])
  expect(created.metadata.location).toBe(`${warehouse.warehouse}/raw/events`)
  expect(created.metadataLocation).toMatch(/\/raw\/events\/metadata\/00000-[0-9a-f-]{36}\.metadata\.json$/)

  const database = new DatabaseSync(warehouse.catalogFile, { readOnly: true })
  expect({ ...database.prepare('SELECT * FROM iceberg_tables').get() }).toEqual({
    catalog_name: 'hindcast',
    table_namespace: 'raw',
    table_name: 'events',
    metadata_location: created.metadataLocation,
    previous_metadata_location: null,
    iceberg_type: 'TABLE',
  })
  expect(database.prepare('SELECT namespace, property_key FROM iceberg_namespace_properties').all()).toHaveLength(1)
  database.close()
})

test('creating a table twice is a conflict that leaves the first and no stray file', async () => {
  await using warehouse = await testWarehouse()
  const outcomes = await Promise.allSettled([
    warehouse.catalog.createTable(identifier, newTable),
    (await warehouse.openCatalog()).createTable(identifier, newTable),
    (await warehouse.openCatalog()).createTable(identifier, newTable),
  ])
  const lost = outcomes.filter((outcome) => outcome.status === 'rejected')
  expect(lost).toHaveLength(2)
  for (const { reason } of lost) expect(reason).toMatchObject({ code: 'CONFLICT' })
  expect(await readdir(join(warehouse.dir, 'warehouse/raw/events/metadata'))).toHaveLength(1)
})

test.each(['a/b', '', 'a.b', '..'])('the table name "%s" is refused', async (name) => {
  await using warehouse = await testWarehouse()
  await expect(warehouse.catalog.createTable({ namespace: ['raw'], name }, newTable)).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
  })
})

test('a missing table is answered with the nearest names', async () => {
  await using warehouse = await testWarehouse()
  const missing = { namespace: ['raw'], name: 'evnts' }
  await expect(warehouse.catalog.loadTable(missing)).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
  await warehouse.catalog.createTable(identifier, newTable)
  await expect(warehouse.catalog.loadTable(missing)).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    hint: expect.stringContaining('raw.events'),
  })
})

test('many processes that change one table at once lose no update', { timeout: 60_000 }, async () => {
  await using warehouse = await testWarehouse()
  await warehouse.catalog.createTable(identifier, newTable)
  const source = (path: string) => JSON.stringify(new URL(`../../../src/io/${path}`, import.meta.url).href)
  const [writers, commits] = [4, 15]
  const script = (writer: number) => `
    import { randomUUID } from 'node:crypto'
    import { openSqliteCatalog } from ${source('catalog-sqlite.ts')}
    import { localFiles } from ${source('files/index.ts')}
    const catalog = await openSqliteCatalog({
      file: ${JSON.stringify(warehouse.catalogFile)}, name: 'hindcast', warehouse: ${JSON.stringify(warehouse.warehouse)},
      io: localFiles(), now: Date.now, uuid: randomUUID,
    })
    // The same stale table every time: the catalog must build on what is there.
    const table = await catalog.loadTable(${JSON.stringify(identifier)})
    for (let i = 0; i < ${commits}; i++) {
      const outcome = await catalog.commit(table, {
        requirements: [{ type: 'assert-table-uuid', uuid: table.metadata.tableUuid }],
        updates: [{ action: 'set-properties', updates: { ['writer-${writer}-' + i]: 'done' } }],
      })
      if (outcome.status !== 'committed') throw new Error(JSON.stringify(outcome))
    }
    await catalog.close()
  `
  await Promise.all(
    Array.from({ length: writers }, (_, writer) =>
      promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script(writer)]),
    ),
  )
  const { metadata, metadataLocation } = await warehouse.catalog.loadTable(identifier)
  const kept = Object.keys(metadata.properties).filter((key) => key.startsWith('writer-'))
  expect(kept).toHaveLength(writers * commits)
  expect(metadataLocation).toContain(`/metadata/${String(writers * commits).padStart(5, '0')}-`)
  expect(await readdir(join(warehouse.dir, 'warehouse/raw/events/metadata'))).toHaveLength(writers * commits + 1)
})

test('a commit whose requirement no longer holds changes nothing and says why', async () => {
  await using warehouse = await testWarehouse()
  const table = await warehouse.catalog.createTable(identifier, newTable)
  const outcome = await warehouse.catalog.commit(table, {
    requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: 7n }],
    updates: [{ action: 'set-properties', updates: { a: 'b' } }],
  })
  expect(outcome).toEqual({ status: 'conflicted', reason: expect.stringContaining('main') })
  expect(await warehouse.catalog.loadTable(identifier)).toEqual(table)
})

test('a stale table commits on the newest metadata, and the log names every file before', async () => {
  await using warehouse = await testWarehouse()
  const table = await warehouse.catalog.createTable(identifier, newTable)
  const set = (key: string) =>
    warehouse.catalog.commit(table, {
      requirements: [],
      updates: [{ action: 'set-properties', updates: { [key]: '1' } }],
    })
  await set('a')
  const second = await set('b')
  if (second.status !== 'committed') throw new Error(second.status)
  expect(second.table.metadata.properties).toMatchObject({ a: '1', b: '1' })
  expect(second.table.metadata.metadataLog).toHaveLength(2)
  expect(second.table.metadata.metadataLog[0]?.metadataFile).toBe(table.metadataLocation)
  expect(await warehouse.catalog.loadTable(identifier)).toEqual(second.table)
})

test('old metadata files go after the commit that drops them from the log, where the table wants that', async () => {
  await using warehouse = await testWarehouse()
  const { catalog } = warehouse
  await catalog.createTable(identifier, newTable)
  const files = async (): Promise<string[]> =>
    (await readdir(join(warehouse.dir, 'warehouse/raw/events/metadata'))).map((name) => name.slice(0, 5)).sort()
  const set = async (updates: Record<string, string>): Promise<string[]> => {
    const table = await catalog.loadTable(identifier)
    const outcome = await catalog.commit(table, { requirements: [], updates: [{ action: 'set-properties', updates }] })
    expect(outcome.status).toBe('committed')
    return files()
  }
  await set({ 'write.metadata.previous-versions-max': '2' })
  await set({ n: '2' })
  expect(await set({ n: '3' })).toEqual(['00000', '00001', '00002', '00003'])
  // What had left the log before is not known any more: it is an orphan.
  expect(await set({ 'write.metadata.delete-after-commit.enabled': 'true' })).toEqual([
    '00000',
    '00002',
    '00003',
    '00004',
  ])
  expect(await set({ n: '5' })).toEqual(['00000', '00003', '00004', '00005'])
})

test.each([
  ['text', Buffer.from('this is no database, but long enough to look like one'.repeat(100))],
  ['a damaged header', Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(8192, 0xff)])],
])('a catalog file of %s is named, with the way to mend it', async (_, bytes) => {
  await using warehouse = await testWarehouse()
  const file = join(warehouse.dir, 'broken.db')
  await writeFile(file, bytes)
  await expect(warehouse.openCatalog(file)).rejects.toMatchObject({
    code: 'CATALOG_INVALID',
    message: expect.stringContaining(file),
    hint: expect.stringContaining('Restore'),
  })
})

test('a database whose iceberg_tables is another is refused', async () => {
  await using warehouse = await testWarehouse()
  const file = join(warehouse.dir, 'other.db')
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE iceberg_tables (id INTEGER)')
  database.close()
  await expect(warehouse.openCatalog(file)).rejects.toMatchObject({
    code: 'CATALOG_INVALID',
    message: expect.stringContaining('metadata_location'),
  })
})

test('a missing metadata file is told from a missing table', async () => {
  await using warehouse = await testWarehouse()
  const table = await warehouse.catalog.createTable(identifier, newTable)
  await warehouse.io.delete(table.metadataLocation)
  await expect(warehouse.catalog.loadTable(identifier)).rejects.toMatchObject({
    code: 'METADATA_INVALID',
    message: expect.stringContaining('no such file'),
  })
})

test('a table is found while others commit to it and drop its old metadata files at once', async () => {
  await using warehouse = await testWarehouse()
  const { catalog } = warehouse
  await catalog.createTable(identifier, newTable)
  const set = async (updates: Record<string, string>): Promise<void> => {
    const table = await catalog.loadTable(identifier)
    await catalog.commit(table, { requirements: [], updates: [{ action: 'set-properties', updates }] })
  }
  await set({ 'write.metadata.previous-versions-max': '1', 'write.metadata.delete-after-commit.enabled': 'true' })
  let moves = 0
  const readsThatComeLate = {
    ...warehouse.io,
    read: async (path: string): Promise<Uint8Array> => {
      // Two commits between the catalog's answer and the read: the file is gone.
      if (moves++ < 2) for (const n of ['1', '2', '3']) await set({ n: `${moves} ${n}` })
      return warehouse.io.read(path)
    },
  }
  const reader = await warehouse.openCatalog(undefined, readsThatComeLate)
  expect((await reader.loadTable(identifier)).metadata.properties['n']).toBe('2 3')
}, 20_000)

test('a writer waits for a short lock instead of failing', async () => {
  await using warehouse = await testWarehouse()
  const table = await warehouse.catalog.createTable(identifier, newTable)
  const other = new DatabaseSync(warehouse.catalogFile)
  other.exec('BEGIN IMMEDIATE')
  const commit = warehouse.catalog.commit(table, {
    requirements: [],
    updates: [{ action: 'set-properties', updates: { a: '1' } }],
  })
  const held = await Promise.race([
    commit.then(() => 'committed'),
    new Promise((resolve) => setTimeout(resolve, 300, 'held')),
  ])
  expect(held).toBe('held')
  other.exec('COMMIT')
  other.close()
  expect(await commit).toMatchObject({ status: 'committed' })
})
