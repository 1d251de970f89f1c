/** Rule: a table of another make is read for what it is, or refused by name. Damage otherwise: rows that are there read as nulls. */
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { define, definitionJson } from '../support/counterparts/definition.ts'
import { lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'
import { toUri } from '../../src/io/files/index.ts'

const definition = define({ columns: { id: 'long', day: 'date', name: 'string' }, partitionBy: ['identity(day)'] })
const rows = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, i) => ({
    id: String(from + i),
    day: (from + i) % 4 === 0 ? null : String((from + i) % 4),
    name: (from + i) % 3 === 0 ? null : `n${from + i}`,
  }))

test('a version 1 table of theirs is read, and written once it is raised', async () => {
  await using lake = await lakehouse()
  await lake.java('create', { table: 'db.t', ...definitionJson(definition), properties: { 'format-version': '1' } })
  await lake.java('append', { table: 'db.t', rows: rows(0, 6) })
  await lake.spark('DELETE FROM db.t WHERE id = 5')
  expect((await lake.load('db.t')).metadata.formatVersion).toBe(1)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows(0, 5)))
  await expect(lake.append('db.t', rows(6, 9))).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' })
  await lake.spark(`ALTER TABLE db.t SET TBLPROPERTIES ('format-version' = '2')`)
  await lake.append('db.t', rows(6, 9))
  await lake.overwrite('db.t', [{ id: '100', day: null, name: 'x' }])
  const kept = [...rows(0, 5), ...rows(6, 9)].filter(({ day }) => day !== null)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder([...kept, { id: '100', day: null, name: 'x' }]))
})

for (const format of ['avro', 'orc'] as const) {
  test(`${format} files are refused by name, and the rest of the table can be written on`, async () => {
    await using lake = await lakehouse()
    await lake.java('create', { table: 'db.t', ...definitionJson(definition) })
    await lake.java('append', { table: 'db.t', rows: rows(0, 3), format })
    await expect(lake.read('ours', 'db.t')).rejects.toMatchObject({
      code: 'FEATURE_UNSUPPORTED',
      message: expect.stringContaining(`.${format}`) as string,
    })
    await lake.append('db.t', rows(3, 6))
    // PyIceberg reads Parquet and ORC.
    const without = format === 'avro' ? (['ours', 'python'] as const) : (['ours'] as const)
    expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder(rows(0, 6)))
  })
}

test('files without field ids are read by the table’s name mapping', async () => {
  // Iceberg's generic reader takes columns without ids by position, and no nested ones.
  const without = ['java'] as const
  await using lake = await lakehouse()
  const folder = join(lake.dir, 'plain')
  await mkdir(folder)
  await lake.db.run(`COPY (SELECT range AS id, 'n' || range AS name, {'x': range, 'y': 'y' || range} AS point
                           FROM range(5)) TO '${join(folder, 'a.parquet')}' (FORMAT parquet)`)
  await lake.spark('CREATE NAMESPACE db')
  await lake.spark('CREATE TABLE db.t (id BIGINT, name STRING, point STRUCT<x: BIGINT, y: STRING>) USING iceberg')
  await lake.spark(
    `CALL hindcast.system.add_files(table => 'db.t', source_table => '\`parquet\`.\`${toUri(folder)}\`')`,
  )
  const plain = Array.from({ length: 5 }, (_, i) => ({
    id: String(i),
    name: `n${i}`,
    point: { x: String(i), y: `y${i}` },
  }))
  const { metadata } = await lake.load('db.t')
  expect(metadata.properties['schema.name-mapping.default']).toBeDefined()
  expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder(plain))

  await lake.spark('ALTER TABLE db.t RENAME COLUMN name TO title')
  await lake.spark('ALTER TABLE db.t RENAME COLUMN point.x TO lon')
  await lake.spark('ALTER TABLE db.t ADD COLUMN note STRING')
  const renamed = plain.map(({ id, name, point }) => ({
    id,
    title: name,
    point: { lon: point.x, y: point.y },
    note: null,
  }))
  expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder(renamed))
  const more = { id: '9', title: 't', point: { lon: '9', y: null }, note: 'n' }
  await lake.append('db.t', [more])
  expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder([...renamed, more]))
})

test('files that lack their partition column, as Hive lays them out, have it from the partition', async () => {
  await using lake = await lakehouse()
  const source = join(lake.dir, 'source.parquet')
  await lake.db.run(`COPY (SELECT range AS id FROM range(3)) TO '${source}' (FORMAT parquet)`)
  for (const day of ['2020-01-01', '2020-01-02']) {
    await mkdir(join(lake.dir, 'hive', `day=${day}`), { recursive: true })
    await copyFile(source, join(lake.dir, 'hive', `day=${day}`, 'a.parquet'))
  }
  await lake.spark('CREATE NAMESPACE db')
  await lake.spark('CREATE TABLE db.t (id BIGINT, day DATE) USING iceberg PARTITIONED BY (day)')
  await lake.spark(
    `CALL hindcast.system.add_files(table => 'db.t', source_table => '\`parquet\`.\`${toUri(join(lake.dir, 'hive'))}\`')`,
  )
  const days = ['18262', '18263'].flatMap((day) => [0, 1, 2].map((id) => ({ id: String(id), day })))
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(days))
})

test('tables of theirs with gzipped metadata, many manifests and no rows are read and written on', async () => {
  await using lake = await lakehouse()
  await lake.java('create', {
    table: 'db.t',
    ...definitionJson(definition),
    properties: { 'write.metadata.compression-codec': 'gzip', 'commit.manifest-merge.enabled': 'false' },
  })
  expect((await lake.load('db.t')).metadataLocation).toMatch(/gz\.metadata\.json$/)
  expect(await lake.agreedRows('db.t')).toEqual([])
  for (let i = 0; i < 5; i++) await lake.java('append', { table: 'db.t', rows: rows(i * 2, i * 2 + 2), fast: true })
  await lake.append('db.t', rows(10, 12))
  expect((await lake.load('db.t')).metadataLocation).toMatch(/gz\.metadata\.json$/)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows(0, 12)))
  await lake.spark('DELETE FROM db.t')
  expect(await lake.agreedRows('db.t')).toEqual([])
  await lake.append('db.t', rows(0, 2))
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows(0, 2)))
})

test('tables of ours with gzipped metadata, merged manifests and no rows are read and written on', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', {
    ...definition,
    properties: {
      'write.metadata.compression-codec': 'gzip',
      'write.metadata.delete-after-commit.enabled': 'true',
      'write.metadata.previous-versions-max': '3',
      'commit.manifest.min-count-to-merge': '4',
    },
  })
  expect(await lake.agreedRows('db.t')).toEqual([])
  for (let i = 0; i < 6; i++) await lake.append('db.t', rows(i * 2, i * 2 + 2))
  const [{ n } = { n: null }] = await lake.spark('SELECT count(*) AS n FROM db.t.manifests')
  expect(Number(n)).toBeLessThan(4)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows(0, 12)))
  expect((await lake.load('db.t')).metadata.metadataLog.length).toBeLessThanOrEqual(3)
  await lake.java('append', { table: 'db.t', rows: rows(12, 14) })
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows(0, 14)))
})

test('a table that Spark replaced under us is another table', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', definition)
  await lake.append('db.t', rows(0, 4))
  const before = await lake.load('db.t')
  await lake.spark('CREATE OR REPLACE TABLE db.t USING iceberg AS SELECT id * 2 AS id, name FROM db.t')
  const replaced = inOrder(rows(0, 4).map(({ id, name }) => ({ id: String(Number(id) * 2), name })))
  expect(await lake.agreedRows('db.t')).toEqual(replaced)
  expect(await lake.agreedRows('db.t', { snapshot: String(before.metadata.currentSnapshotId) })).toEqual(
    inOrder(rows(0, 4)),
  )
  await lake.append('db.t', [{ id: '99', name: null }])
  expect(await lake.agreedRows('db.t')).toEqual(inOrder([...replaced, { id: '99', name: null }]))
})
