/** Rules: a file's bytes follow from its rows alone, and its bounds hold. Damage otherwise: retries differ, readers lose rows. */
import { createHash } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { DataFile, PartitionTuple } from '../../../src/iceberg/manifest/model.ts'
import type { IcebergType, PrimitiveType, Schema } from '../../../src/iceberg/types/schema.ts'
import { encodeSingleValue } from '../../../src/iceberg/types/single-value.ts'
import type { PartitionSpec } from '../../../src/iceberg/metadata/table-metadata.ts'
import { applyTransform } from '../../../src/iceberg/types/transforms.ts'
import { openDuckDb, type DuckDb } from '../../../src/io/duckdb.ts'
import { localFiles, toUri } from '../../../src/io/files/index.ts'
import { writePartitions } from '../../../src/io/parquet-write.ts'
import { tableRelation } from '../../../src/io/table-read.ts'
import { tempDir } from '../../support/temp-dir.ts'

const io = localFiles()

const schemaOf = (columns: Readonly<Record<string, IcebergType>>): Schema => ({
  schemaId: 0,
  fields: Object.entries(columns).map(([name, type], index) => ({ id: index + 1, name, required: false, type })),
})

/** SQL of the files' rows; without deletes it needs nothing in the engine. */
async function relationOf(db: DuckDb, files: readonly DataFile[], schema: Schema, columns: readonly string[]) {
  const tasks = files.map((dataFile) => ({ dataFile, specId: 0, sequenceNumber: 1n, deletes: [] }))
  const metadata = { schemas: [schema], partitionSpecs: [], properties: {} }
  return (await tableRelation(db, { metadata, schema, tasks, columns, io })).sql
}

const specOf = (sourceId: number, transform: string): PartitionSpec => ({
  specId: 0,
  fields: [{ sourceId, fieldId: 1000, name: 'part', transform }],
})

async function setUp(threads = 1) {
  const dir = await tempDir()
  const db = await openDuckDb({ threads, memoryLimit: '1GB', tempDirectory: join(dir.path, 'spill') })
  return {
    dir: dir.path,
    db,
    write: (folder: string, query: string, schema: Schema, spec: PartitionSpec, sortBy = '1') =>
      writePartitions(db, {
        query,
        schema,
        spec,
        sortBy,
        scratchDir: join(dir.path, 'scratch'),
        place: (_tuple: PartitionTuple, path: string) => toUri(join(dir.path, folder, path, 'rows.parquet')),
        io,
      }),
    [Symbol.asyncDispose]: async () => {
      await db.close()
      await dir[Symbol.asyncDispose]()
    },
  }
}

const shaOf = async (file: DataFile): Promise<string> =>
  createHash('sha256')
    .update(await io.read(file.filePath))
    .digest('hex')

const byPartition = async (files: readonly DataFile[]) =>
  new Map(await Promise.all(files.map(async (file) => [file.partition[0], await shaOf(file)] as const)))

test('the same rows give the same bytes, whichever rows and threads are beside them', { timeout: 60_000 }, async () => {
  await using one = await setUp(1)
  await using two = await setUp(2)
  const schema = schemaOf({ id: 'long', ts: 'timestamptz', text: 'string', value: 'double' })
  const spec = specOf(2, 'day')
  // One day holds more than a row group, so that where row groups are cut matters too.
  const rows = (where: string, shuffle: string) =>
    `SELECT * FROM (SELECT i AS id, TIMESTAMPTZ '1969-12-30 00:00:00+00' + to_days((CASE WHEN i < 300000 THEN 3 ELSE i % 7 END)::INTEGER) AS ts,
            'text ' || (i % 1000) AS text, i / 7 AS value
     FROM range(400000) t(i)) WHERE ${where} ORDER BY ${shuffle}`
  const all = await byPartition(await one.write('all', rows('true', 'id'), schema, spec))
  const shuffled = await byPartition(await two.write('shuffled', rows('true', 'hash(id)'), schema, spec))
  expect(all.size).toBe(7)
  expect(shuffled).toEqual(all)
  const half = await byPartition(await one.write('half', rows(`dayofyear(ts) % 2 = 0`, 'id DESC'), schema, spec))
  expect(half.size).toBeLessThan(7)
  for (const [day, sha] of half) expect(sha).toBe(all.get(day))
  for (const [day, sha] of all) {
    const alone = await two.write(`day ${day}`, rows(`epoch_us(ts) = ${Number(day)} * 86400000000`, 'id'), schema, spec)
    expect(await byPartition(alone)).toEqual(new Map([[day, sha]]))
  }
})

test('split offsets name every row group', async () => {
  await using context = await setUp()
  const schema = schemaOf({ id: 'long', even: 'boolean' })
  const [file] = await context.write('groups', 'SELECT i AS id, i % 2 = 0 AS even FROM range(300000) t(i)', schema, {
    specId: 0,
    fields: [],
  })
  expect(file?.splitOffsets?.[0]).toBe(4n)
  expect(file?.splitOffsets).toHaveLength(3)
  expect(file?.partition).toEqual([])
})

test('a second attempt keeps the first one’s files and leaves nothing in scratch', async () => {
  await using context = await setUp()
  const schema = schemaOf({ id: 'long' })
  const spec = specOf(1, 'identity')
  const first = await context.write('out', 'SELECT i AS id FROM range(5) t(i)', schema, spec)
  const second = await context.write('out', 'SELECT 4 - i AS id FROM range(5) t(i)', schema, spec)
  expect(second).toEqual(first)
  expect(await readdir(join(context.dir, 'scratch'))).toEqual([])
  await expect(context.write('out', 'SELECT 3 AS id FROM range(2)', schema, spec)).rejects.toMatchObject({
    code: 'INVARIANT_VIOLATED',
  })
  expect(await readdir(join(context.dir, 'scratch'))).toEqual([])
})

test('no rows make no file; a column that does not fit fails with the caller’s code', async () => {
  await using context = await setUp()
  const schema = schemaOf({ id: 'int' })
  const spec = specOf(1, 'identity')
  expect(await context.write('out', 'SELECT 1 AS id WHERE false', schema, spec)).toEqual([])
  await expect(context.write('out', 'SELECT 3000000000 AS id', schema, spec)).rejects.toMatchObject({
    code: 'INPUT_INVALID',
  })
})

const timestamps = `SELECT TIMESTAMPTZ '1901-03-01 00:00:00+00' + i * INTERVAL '871 days 13:14:15.161718' AS x FROM range(60) t(i)
  UNION ALL SELECT unnest([TIMESTAMPTZ '1969-12-31 23:59:59.999999+00', '1970-01-01 00:00:00+00', NULL])`

test.each<[transform: string, type: PrimitiveType, query: string]>([
  ...['year', 'month', 'day', 'hour'].flatMap((transform): [string, PrimitiveType, string][] => [
    [transform, 'timestamptz', timestamps],
    [transform, 'timestamp', `SELECT x AT TIME ZONE 'UTC' AS x FROM (${timestamps})`],
  ]),
  ...['year', 'month', 'day'].map((transform): [string, PrimitiveType, string] => [
    transform,
    'date',
    `SELECT x::DATE AS x FROM (${timestamps})`,
  ]),
  ['truncate[10]', 'int', 'SELECT (i - 50)::INTEGER AS x FROM range(100) t(i)'],
  ['truncate[7]', 'long', 'SELECT (i - 50) * 1000000007 AS x FROM range(100) t(i)'],
  ['truncate[3]', 'string', `SELECT unnest(['', 'ab', 'abcd', '🦆🦆é☃', NULL]) AS x`],
  ['identity', 'decimal(9, 2)', 'SELECT (i - 50) / 8 AS x FROM range(100) t(i)'],
  ['identity', 'date', `SELECT DATE '1970-01-10' - i::INTEGER AS x FROM range(30) t(i)`],
  ['identity', 'boolean', 'SELECT unnest([true, false, NULL]) AS x'],
  ['void', 'long', 'SELECT 1 AS x'],
  ['bucket[4]', 'long', 'SELECT (i - 50) * 1000000007 AS x FROM range(100) t(i)'],
  ['bucket[4]', 'int', 'SELECT (i - 50)::INTEGER AS x FROM range(100) t(i)'],
  ['bucket[4]', 'string', `SELECT unnest(['', 'ab', 'abcd', '🦆🦆é☃', NULL]) AS x`],
  ['bucket[4]', 'decimal(9, 2)', 'SELECT (i - 50) / 8 AS x FROM range(100) t(i)'],
  ['bucket[4]', 'date', `SELECT DATE '1970-01-10' - i::INTEGER AS x FROM range(30) t(i)`],
  ['bucket[4]', 'timestamptz', timestamps],
  ['bucket[4]', 'binary', `SELECT unnest(['a'::BLOB, ''::BLOB, NULL]) AS x`],
  ['truncate[3]', 'binary', `SELECT unnest(['abcd'::BLOB, ''::BLOB, NULL]) AS x`],
  ['truncate[10]', 'decimal(9, 2)', 'SELECT (i - 50) / 8 AS x FROM range(100) t(i)'],
])('every row of a %s partition of %s has the value that the spec says', async (transform, type, query) => {
  await using context = await setUp()
  const schema = schemaOf({ x: type })
  const files = await context.write('out', query, schema, specOf(1, transform))
  expect(files.length).toBeGreaterThan(0)
  for (const file of files) {
    const rows = await context.db.rows<{ x: never }>(
      `SELECT x FROM ${await relationOf(context.db, [file], schema, ['x'])}`,
    )
    expect(BigInt(rows.length)).toBe(file.recordCount)
    for (const { x } of rows) expect(applyTransform(transform, type, x)).toEqual(file.partition[0])
  }
  const total = files.reduce((sum, file) => sum + file.recordCount, 0n)
  expect(await context.db.rows(`SELECT count(*) AS n FROM (${query})`)).toEqual([{ n: total }])
})

test.each([
  ['bucket[4]', 'double'],
  ['hour', 'date'],
] as const)('%s of a %s is refused before anything is written', async (transform, type) => {
  await using context = await setUp()
  const write = context.write('out', 'SELECT NULL AS x', schemaOf({ x: type }), specOf(1, transform))
  await expect(write).rejects.toMatchObject({
    code: 'FEATURE_UNSUPPORTED',
    message: expect.stringContaining(transform),
  })
})

const bounded: readonly [type: PrimitiveType, values: string][] = [
  ['int', '(i - 50)::INTEGER'],
  ['long', '(i - 50) * 90000000000000000'],
  ['float', '((i - 50) / 7)::FLOAT'],
  ['double', '(i - 50) / 7'],
  ['date', `DATE '1970-01-10' - i::INTEGER`],
  ['timestamp', `TIMESTAMP '1969-12-31 23:00:00.000001' + i * INTERVAL 1 MINUTE`],
  ['timestamptz', `TIMESTAMPTZ '1969-12-31 23:00:00.1+00' + i * INTERVAL 1 MINUTE`],
  ['decimal(9, 2)', '(i - 50) / 8'],
  ['decimal(18, 0)', '(i - 50) * 1000000'],
  ['decimal(38, 10)', '((i - 50)::DECIMAL(38, 10) * 12345678.0123456789)::DECIMAL(38, 10)'],
]

test.each(bounded)('bounds and counts of %s are the rows’ own', async (type, values) => {
  await using context = await setUp()
  const schema = schemaOf({ x: type })
  const query = `SELECT CASE WHEN i % 10 = 3 THEN NULL ELSE ${values} END AS x FROM range(100) t(i)`
  const [file] = await context.write('out', query, schema, { specId: 0, fields: [] })
  const [row] = await context.db.rows<{ low: never; high: never }>(
    `SELECT min(x) AS low, max(x) AS high FROM (${await relationOf(context.db, [file as DataFile], schema, ['x'])})`,
  )
  expect(file?.lowerBounds?.get(1)).toEqual(encodeSingleValue(type, row?.low as never))
  expect(file?.upperBounds?.get(1)).toEqual(encodeSingleValue(type, row?.high as never))
  expect(file?.valueCounts?.get(1)).toBe(100n)
  expect(file?.nullValueCounts?.get(1)).toBe(10n)
  expect(file?.columnSizes?.get(1)).toBeGreaterThan(0n)
  expect(file?.fileSizeInBytes).toBe(await io.size(file?.filePath ?? ''))
})

test.each([
  ['short', 'short'],
  ['exactly 16 chars', 'exactly 16 chars'],
  ['a text of seventeen', 'a text of sevent', 'a text of sevenu'],
  ['🦆'.repeat(17), '🦆'.repeat(16), `${'🦆'.repeat(15)}🦇`],
  [`${'a'.repeat(15)}\u{10ffff}tail`, `${'a'.repeat(15)}\u{10ffff}`, `${'a'.repeat(14)}b`],
  [`${'a'.repeat(15)}\u{d7ff}tail`, `${'a'.repeat(15)}\u{d7ff}`, `${'a'.repeat(15)}\u{e000}`],
])('the bounds of the text %j are cut so that they still hold', async (text, lower, upper = lower) => {
  await using context = await setUp()
  const schema = schemaOf({ x: 'string' })
  const [file] = await context.write('out', `SELECT '${text}' AS x`, schema, { specId: 0, fields: [] })
  expect(file?.lowerBounds?.get(1)).toEqual(encodeSingleValue('string', lower))
  expect(file?.upperBounds?.get(1)).toEqual(encodeSingleValue('string', upper))
})

test('NaN, infinities, zeros, BC dates and long text never give a bound that hides a row', async () => {
  await using context = await setUp()
  const schema = schemaOf({
    nan: 'double',
    inf: 'double',
    zero: 'double',
    bc: 'date',
    long: 'string',
    top: 'string',
    none: 'long',
  })
  const query = `SELECT 'NaN'::DOUBLE AS nan, unnest(['-Infinity'::DOUBLE, 1]) AS inf, 0.0::DOUBLE AS zero,
    DATE '0044-03-15 (BC)' AS bc, repeat('é', 1000) AS long, repeat(chr(1114111), 20) AS top, NULL::BIGINT AS none`
  const [file] = await context.write('out', query, schema, { specId: 0, fields: [] })
  const [nan, inf, zero, bc, , top, none] = [1, 2, 3, 4, 5, 6, 7].map((id) => ({
    lower: file?.lowerBounds?.get(id),
    upper: file?.upperBounds?.get(id),
  }))
  const bcDay = Date.UTC(-43, 2, 15) / 86_400_000
  expect(file?.nanValueCounts?.get(1)).toBe(2n)
  expect(nan).toEqual({ lower: undefined, upper: undefined })
  expect(inf).toEqual({ lower: encodeSingleValue('double', -Infinity), upper: encodeSingleValue('double', 1) })
  expect(zero).toEqual({ lower: encodeSingleValue('double', -0), upper: encodeSingleValue('double', 0) })
  expect(bc).toEqual({ lower: encodeSingleValue('date', bcDay), upper: encodeSingleValue('date', bcDay) })
  expect(top?.upper).toBeUndefined()
  expect(none).toEqual({ lower: undefined, upper: undefined })
})

test('files are read by field id: renamed, added, widened and nested columns, also from no file at all', async () => {
  await using context = await setUp()
  await mkdir(join(context.dir, 'odd [name]*'), { recursive: true })
  const tags: IcebergType = { type: 'list', elementId: 4, elementRequired: false, element: 'string' }
  const place: IcebergType = {
    type: 'struct',
    fields: [
      { id: 6, name: 'lat', required: false, type: 'double' },
      {
        id: 7,
        name: 'names',
        required: false,
        type: { type: 'map', keyId: 8, key: 'string', valueId: 9, valueRequired: false, value: 'int' },
      },
    ],
  }
  const old: Schema = {
    schemaId: 0,
    fields: [
      { id: 1, name: 'the "id"', required: false, type: 'int' },
      { id: 3, name: 'tags', required: false, type: tags },
      { id: 5, name: 'place', required: false, type: place },
    ],
  }
  const query = `SELECT 7 AS "the ""id""", ['a', NULL] AS tags, {'lat': 1.5, 'names': MAP {'x': 1}} AS place`
  const files = await context.write('odd [name]*', query, old, { specId: 0, fields: [] })
  const now: Schema = {
    schemaId: 1,
    fields: [
      { id: 10, name: 'added', required: false, type: 'timestamptz' },
      { id: 1, name: 'renamed', required: false, type: 'long' },
      { id: 3, name: 'tags', required: false, type: tags },
      { id: 5, name: 'place', required: false, type: place },
    ],
  }
  const columns = ['place', 'renamed', 'added', 'tags']
  const relation = (of: readonly DataFile[], wanted: readonly string[]) => relationOf(context.db, of, now, wanted)
  const read = async (sql: Promise<string>) => context.db.rows(`SELECT * FROM ${await sql}`)
  expect(await read(relation(files, columns))).toEqual([
    { place: { lat: 1.5, names: [['x', 1]] }, renamed: 7n, added: null, tags: ['a', null] },
  ])
  expect(await read(relation([], columns))).toEqual([])
  const types = async (sql: Promise<string>) =>
    (await context.db.describe(`SELECT * FROM ${await sql}`)).map(({ name, type }) => `${name} ${type.toString()}`)
  expect(await types(relation([], columns))).toEqual(await types(relation(files, columns)))
  expect(await context.db.rows(`SELECT count(*) AS n FROM ${await relation(files, [])}`)).toEqual([{ n: 1n }])
  await expect(relation(files, ['renmaed'])).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    hint: expect.stringContaining('renamed') as string,
  })
})

test('broken, missing and interrupted reads have codes of their own', async () => {
  await using context = await setUp()
  const { db, dir } = context as { db: DuckDb; dir: string }
  const schema = schemaOf({ id: 'long' })
  const [file] = await context.write('out', 'SELECT i AS id FROM range(1000) t(i)', schema, { specId: 0, fields: [] })
  const read = async (path: string) => {
    const moved = { ...(file as DataFile), filePath: toUri(path) }
    return db.rows(`SELECT sum(id) FROM ${await relationOf(db, [moved], schema, ['id'])}`)
  }
  await expect(read(join(dir, 'none.parquet'))).rejects.toMatchObject({ code: 'DATA_FILE_INVALID' })
  const whole = await io.read(file?.filePath ?? '')
  for (const [name, bytes] of Object.entries({
    empty: whole.slice(0, 0),
    cut: whole.slice(0, whole.length / 2),
    middleless: new Uint8Array([...whole.slice(0, 4), ...whole.slice(-300)]),
    overwritten: whole.map((byte, index) => (index > 30 && index < 200 ? 0xff : byte)),
  })) {
    const path = join(dir, `${name}.parquet`)
    await io.replace(toUri(path), bytes)
    await expect(read(path), name).rejects.toMatchObject({ code: 'DATA_FILE_INVALID' })
  }
  const controller = new AbortController()
  const query = db.rows('SELECT count(*) FROM range(1000000000000) t(i)', { signal: controller.signal })
  controller.abort()
  await expect(query).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(db.rows('SELECT 1', { signal: controller.signal })).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(db.rows('SELECT nothing', { otherwise: 'DEFINITION_INVALID' })).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
  })
  expect(await db.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
  const unfinished = db.rows('SELECT count(*) FROM range(1000000000000) t(i)').catch((error: unknown) => error)
  await db.close()
  expect(await unfinished).toMatchObject({ code: 'CANCELLED' })
})
