/** Rule: rows are read as the table's metadata says, whoever wrote the files. Damage otherwise: wrong values, deleted rows shown, live ones hidden. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { quoteString } from '../../../src/compile/quote.ts'
import { encodeDeletionVector } from '../../../src/iceberg/deletes/deletion-vector.ts'
import { positionSet } from '../../../src/iceberg/deletes/position-set.ts'
import type { DataFile } from '../../../src/iceberg/manifest/model.ts'
import type { PartitionSpec } from '../../../src/iceberg/metadata/table-metadata.ts'
import { parseJsonText } from '../../../src/iceberg/metadata/json-text.ts'
import { parseSchema } from '../../../src/iceberg/types/types.ts'
import type { Schema } from '../../../src/iceberg/types/schema.ts'
import { openDuckDb } from '../../../src/io/duckdb.ts'
import { localFiles, toPath, toUri } from '../../../src/io/files/index.ts'
import { tableRelation, type ReadTask, type TableReadRequest } from '../../../src/io/table-read.ts'
import { tempDir } from '../../support/temp-dir.ts'

const io = localFiles()

const schemaOf = (fields: readonly object[]): Schema =>
  parseSchema({ type: 'struct', 'schema-id': 0, fields: fields.map((field) => ({ required: false, ...field })) })

const unpartitioned: PartitionSpec = { specId: 0, fields: [] }

async function setUp() {
  const dir = await tempDir()
  const db = await openDuckDb({ threads: 1, memoryLimit: '1GB', tempDirectory: join(dir.path, 'spill') })
  let count = 0
  const file = async (select: string, ids: string | null, more: Partial<DataFile> = {}): Promise<DataFile> => {
    const path = join(dir.path, `${count++}.parquet`)
    const options = ids === null ? '' : `, FIELD_IDS ${ids}`
    await db.run(`COPY (${select}) TO ${quoteString(path)} (FORMAT parquet${options})`)
    const [{ n } = { n: 0n }] = await db.rows<{ n: bigint }>(`SELECT count(*) AS n FROM (${select})`)
    return {
      content: 0,
      filePath: toUri(path),
      fileFormat: 'PARQUET',
      partition: [],
      recordCount: n,
      fileSizeInBytes: (await io.size(toUri(path))) ?? 0n,
      ...more,
    }
  }
  const relation = (request: Partial<TableReadRequest> & Pick<TableReadRequest, 'schema' | 'tasks'>) =>
    tableRelation(db, {
      metadata: { schemas: [request.schema], partitionSpecs: [unpartitioned], properties: {} },
      io,
      ...request,
    })
  return {
    dir: dir.path,
    db,
    file,
    relation,
    read: async (request: Parameters<typeof relation>[0]) => {
      await using opened = await relation(request)
      return await db.rows<Record<string, unknown>>(`FROM ${opened.sql}`)
    },
    [Symbol.asyncDispose]: async () => {
      await db.close()
      await dir[Symbol.asyncDispose]()
    },
  }
}

const task = (dataFile: DataFile, more: Partial<ReadTask> = {}): ReadTask => ({
  dataFile,
  specId: 0,
  sequenceNumber: 1n,
  deletes: [],
  ...more,
})

test('files without field ids are read by the name mapping, at every depth; unmapped columns are null', async () => {
  await using context = await setUp()
  const schema = schemaOf([
    { id: 1, name: 'id', type: 'long' },
    { id: 2, name: 'gone', type: 'string' },
    {
      id: 3,
      name: 'place',
      type: {
        type: 'struct',
        fields: [
          { id: 4, name: 'lat', required: false, type: 'double' },
          { id: 5, name: 'unmapped', required: false, type: 'int' },
        ],
      },
    },
    {
      id: 6,
      name: 'tags',
      type: {
        type: 'map',
        'key-id': 7,
        key: 'string',
        'value-id': 8,
        'value-required': false,
        value: {
          type: 'list',
          'element-id': 9,
          'element-required': false,
          element: { type: 'struct', fields: [{ id: 10, name: 'n', required: false, type: 'int' }] },
        },
      },
    },
  ])
  const mapping = [
    { 'field-id': 1, names: ['ID', 'key'] },
    { 'field-id': 3, names: ['where'], fields: [{ 'field-id': 4, names: ['latitude'] }] },
    {
      'field-id': 6,
      names: ['tags'],
      fields: [
        { 'field-id': 7, names: ['key'] },
        {
          'field-id': 8,
          names: ['value'],
          fields: [{ 'field-id': 9, names: ['element'], fields: [{ 'field-id': 10, names: ['old n'] }] }],
        },
      ],
    },
  ]
  const metadata = {
    schemas: [schema],
    partitionSpecs: [unpartitioned],
    properties: { 'schema.name-mapping.default': JSON.stringify(mapping) },
  }
  const without = await context.file(
    `SELECT 7 AS key, 'x' AS gone, {'latitude': 1.5::FLOAT, 'unmapped': 3} AS "where", MAP {'a': [{'old n': 1}, NULL]} AS tags`,
    null,
  )
  const withIds = await context.file(`SELECT 8 AS other, 'y' AS key`, '{other: 1, key: 2}')
  const rows = await context.read({ schema, metadata, tasks: [task(without), task(withIds)] })
  expect(rows).toEqual([
    { id: 7n, gone: null, place: { lat: 1.5, unmapped: null }, tags: [['a', [{ n: 1 }, null]]] },
    { id: 8n, gone: 'y', place: null, tags: null },
  ])
  await expect(context.read({ schema, tasks: [task(without)] })).rejects.toMatchObject({
    code: 'DATA_FILE_INVALID',
    message: expect.stringContaining(without.filePath) as string,
  })
})

test('a column that a file lacks is the partition’s value, then its default, then null', async () => {
  await using context = await setUp()
  const schema = schemaOf([
    { id: 1, name: 'id', type: 'int' },
    { id: 2, name: 'region', type: 'string' },
    { id: 3, name: 'day', type: 'date', 'initial-default': '2001-01-01' },
    { id: 4, name: 'kind', type: 'string', 'initial-default': "it's" },
  ])
  const specs: readonly PartitionSpec[] = [
    unpartitioned,
    {
      specId: 1,
      fields: [
        { sourceId: 3, fieldId: 1000, name: 'day', transform: 'identity' },
        { sourceId: 2, fieldId: 1001, name: 'region', transform: 'identity' },
        { sourceId: 1, fieldId: 1002, name: 'id_bucket', transform: 'bucket[4]' },
      ],
    },
  ]
  const metadata = { schemas: [schema], partitionSpecs: specs, properties: {} }
  const whole = '{id: 1, region: 2, day: 3, kind: 4}'
  const tasks = [
    task(await context.file('SELECT 1 AS id', '{id: 1}', { partition: [5, "o'hare", 1] }), { specId: 1 }),
    task(await context.file('SELECT 2 AS id', '{id: 1}', { partition: [null, null, 2] }), { specId: 1 }),
    task(await context.file('SELECT 3 AS id', '{id: 1}')),
    task(
      await context.file(`SELECT 4 AS id, 'west' AS region, DATE '1970-01-08' AS day, 'x' AS kind`, whole, {
        partition: [7, 'west', 0],
        columnSizes: new Map([1, 2, 3, 4].map((id) => [id, 1n])),
      }),
      { specId: 1 },
    ),
  ]
  const rows = await context.read({ schema, metadata, tasks, filter: { sql: 'id > 0', columns: ['id'] } })
  expect(rows.sort((a, b) => Number(a['id']) - Number(b['id']))).toEqual([
    { id: 1, region: "o'hare", day: 5, kind: "it's" },
    { id: 2, region: null, day: null, kind: "it's" },
    { id: 3, region: null, day: 11_323, kind: "it's" },
    { id: 4, region: 'west', day: 7, kind: 'x' },
  ])
})

test('every partition constant and default has the value of its type', async () => {
  await using context = await setUp()
  const values = {
    boolean: [true, 'false', true, false],
    int: [-5, '-7', -5, -7],
    long: [1n << 62n, '9007199254740993', 1n << 62n, 9_007_199_254_740_993n],
    double: [-0, '0', -0, 0],
    date: [-1, '"1969-12-31"', -1, -1],
    time: [86_399_999_999n, '"23:59:59.999999"', 86_399_999_999n, 86_399_999_999n],
    timestamp: [-1n, '"1969-12-31T23:59:59.999999"', -1n, -1n],
    timestamptz: [-1n, '"1969-12-31T23:59:59.999999+00:00"', -1n, -1n],
    timestamp_ns: [-1n, '"1969-12-31T23:59:59.999999999"', -1n, -1n],
    string: ["a'b\\", '"c\'d"', "a'b\\", "c'd"],
    'decimal(9, 2)': [-5n, '"-0.05"', -5n, -5n],
    'decimal(38, 0)': [
      10n ** 37n,
      '"12345678901234567890123456789012345678"',
      10n ** 37n,
      12345678901234567890123456789012345678n,
    ],
    binary: [Uint8Array.of(0, 255), '"00ff"', Buffer.of(0, 255), Buffer.of(0, 255)],
    'fixed[2]': [Uint8Array.of(7, 8), '"0708"', Buffer.of(7, 8), Buffer.of(7, 8)],
    uuid: [
      Uint8Array.from({ length: 16 }, (_, index) => index),
      '"00010203-0405-0607-0809-0a0b0c0d0e0f"',
      '00010203-0405-0607-0809-0a0b0c0d0e0f',
      '00010203-0405-0607-0809-0a0b0c0d0e0f',
    ],
  } as const
  for (const [type, [partition, json, constant, byDefault]] of Object.entries(values)) {
    const schema = schemaOf([
      { id: 1, name: 'id', type: 'int' },
      { id: 2, name: 'part', type },
      { id: 3, name: 'added', type, 'initial-default': parseJsonText(json) },
    ])
    const spec: PartitionSpec = {
      specId: 1,
      fields: [{ sourceId: 2, fieldId: 1000, name: 'part', transform: 'identity' }],
    }
    const tasks = [task(await context.file('SELECT 1 AS id', '{id: 1}', { partition: [partition] }), { specId: 1 })]
    const metadata = { schemas: [schema], partitionSpecs: [spec], properties: {} }
    const rows = await context.read({ schema, metadata, tasks })
    expect(rows, type).toEqual([{ id: 1, part: constant, added: byDefault }])
  }
})

test('an equality delete reaches older rows of its own partition, or of all when it has none; null equals null', async () => {
  await using context = await setUp()
  const place = { type: 'struct', fields: [{ id: 4, name: 'lat', required: false, type: 'int' }] }
  const older = schemaOf([
    { id: 1, name: 'id', type: 'int' },
    { id: 2, name: 'region', type: 'string' },
    { id: 3, name: 'place', type: place },
    { id: 5, name: 'dropped', type: 'int' },
  ])
  const schema: Schema = { schemaId: 1, fields: older.fields.slice(0, 3) }
  const byRegion: PartitionSpec = {
    specId: 1,
    fields: [{ sourceId: 2, fieldId: 1000, name: 'region', transform: 'identity' }],
  }
  const metadata = { schemas: [older, schema], partitionSpecs: [unpartitioned, byRegion], properties: {} }
  const ids = '{id: 1, region: 2, place: {__duckdb_field_id: 3, lat: 4}, dropped: 5}'
  const rowsOf = (region: string) =>
    context.file(
      `SELECT i::INTEGER AS id, '${region}' AS region, {'lat': nullif(i, 3)::INTEGER} AS place, (i * 10)::INTEGER AS dropped FROM range(1, 7) t(i)`,
      ids,
      { partition: [region], columnSizes: new Map([[2, 1n]]) },
    )
  const east = await rowsOf('east')
  const west = await rowsOf('west')
  const equality = async (select: string, fieldIds: string, equalityIds: number[], partition: [string] | []) => ({
    dataFile: await context.file(select, fieldIds, { content: 2, equalityIds, partition }),
    specId: partition.length,
    sequenceNumber: 2n,
  })
  const deletes = [
    await equality('SELECT 1::INTEGER AS id', '{id: 1}', [1], ['east']),
    await equality("SELECT {'lat': NULL::INTEGER} AS p", '{p: {__duckdb_field_id: 3, lat: 4}}', [4], []),
    await equality('SELECT 50::INTEGER AS d', '{d: 5}', [5], ['west']),
    await equality(`SELECT 6::INTEGER AS id, 'west' AS region`, '{id: 1, region: 2}', [2, 1], []),
  ]
  const tasks = [
    task(east, { specId: 1, deletes }),
    task(west, { specId: 1, deletes }),
    task(await rowsOf('west'), { specId: 1, sequenceNumber: 2n, deletes }),
  ]
  const columns = ['id', 'region']
  const rows = await context.read({ schema, metadata, tasks, columns })
  expect(rows.map(({ id, region }) => `${String(region)} ${String(id)}`)).toEqual([
    ...[2, 4, 5, 6].map((id) => `east ${id}`),
    ...[1, 2, 4].map((id) => `west ${id}`),
    ...[1, 2, 3, 4, 5, 6].map((id) => `west ${id}`),
  ])
  await expect(
    context.read({
      schema,
      metadata,
      tasks: [task(west, { specId: 1, deletes: [await equality('SELECT 1 AS x', '{x: 99}', [99], [])] })],
    }),
  ).rejects.toMatchObject({ code: 'METADATA_INVALID', message: expect.stringContaining('99') as string })
})

test('rows keep their id and last update, or take them over from their file', async () => {
  await using context = await setUp()
  const schema = schemaOf([{ id: 1, name: 'id', type: 'int' }])
  const rewritten = `SELECT unnest([1, 2, 3])::INTEGER AS id, unnest([70, NULL, 72]) AS r, unnest([NULL, 4, 5]) AS u`
  const ids = '{id: 1, r: 2147483540, u: 2147483539}'
  const tasks = [
    task(await context.file('SELECT i::INTEGER AS id FROM range(10, 12) t(i)', '{id: 1}', { firstRowId: 1000n }), {
      sequenceNumber: 6n,
    }),
    task(await context.file(rewritten, ids, { firstRowId: 2000n }), { sequenceNumber: 9n }),
    task(await context.file(rewritten, ids), { sequenceNumber: 9n }),
  ]
  const columns = ['_row_id', '_last_updated_sequence_number', 'id', '_pos']
  const expected = [
    [1000n, 6n, 10, 0n],
    [1001n, 6n, 11, 1n],
    [70n, 9n, 1, 0n],
    [2001n, 4n, 2, 1n],
    [72n, 5n, 3, 2n],
    [null, null, 1, 0n],
    [null, null, 2, 1n],
    [null, null, 3, 2n],
  ]
  const read = async (of: readonly ReadTask[]) =>
    (await context.read({ schema, tasks: of, columns })).map((row) => Object.values(row))
  expect(await read(tasks)).toEqual(expected)
  const deleted = await context.file(
    `SELECT ${quoteString(tasks[1]?.dataFile.filePath ?? '')} AS p, 1::BIGINT AS n`,
    '{p: 2147483546, n: 2147483545}',
    { content: 1 },
  )
  const deletes = [{ dataFile: deleted, specId: 0, sequenceNumber: 9n }]
  expect(await read(tasks.map((each) => ({ ...each, deletes })))).toEqual(
    expected.filter(([, , , pos], i) => i !== 3 || pos === null),
  )
})

test('a filter may use columns that are not asked for; files and positions are those of the table', async () => {
  await using context = await setUp()
  const schema = schemaOf([
    { id: 1, name: 'id', type: 'int' },
    { id: 2, name: 'file_row_number', type: 'int' },
    { id: 3, name: 'key', type: { type: 'list', 'element-id': 4, 'element-required': false, element: 'int' } },
  ])
  const select = (from: number) =>
    `SELECT i::INTEGER AS id, (100 + i)::INTEGER AS file_row_number, [i::INTEGER] AS key FROM range(${from}, ${from + 5}) t(i)`
  const ids = '{id: 1, file_row_number: 2, key: {__duckdb_field_id: 3, element: 4}}'
  const [first, second] = [await context.file(select(0), ids), await context.file(select(5), ids)]
  const tasks = [task(first), task(second)]
  const filter = {
    sql: '"id" IN (3, 6, 9) AND _pos < 4 AND file_row_number > 100',
    columns: ['id', '_pos', 'file_row_number'],
  }
  const columns = ['key', '_file']
  expect(await context.read({ schema, tasks, columns, filter })).toEqual([
    { key: [3], _file: first.filePath },
    { key: [6], _file: second.filePath },
  ])
  expect(await context.read({ schema, tasks, columns: [] })).toHaveLength(10)
  expect(await context.read({ schema, tasks: [], columns, filter })).toEqual([])
})

test('every type that DuckDB has is read, in the fast way and the thorough one', async () => {
  await using context = await setUp()
  const schema = schemaOf([
    { id: 1, name: 'ns', type: 'timestamp_ns' },
    { id: 2, name: 'u', type: 'uuid' },
    { id: 3, name: 'f', type: 'fixed[3]' },
    { id: 4, name: 't', type: 'time' },
    { id: 5, name: 'b', type: 'binary' },
    { id: 6, name: 'nothing', type: 'unknown' },
    { id: 7, name: 'v', type: 'variant' },
    { id: 8, name: 'g', type: 'geometry' },
    {
      id: 9,
      name: 's',
      type: {
        type: 'struct',
        fields: [
          { id: 10, name: 'n', required: false, type: 'unknown' },
          { id: 11, name: 'v', required: false, type: 'int' },
        ],
      },
    },
  ])
  const dataFile = await context.file(
    `SELECT '2001-01-01 00:00:00.123456789'::TIMESTAMP_NS AS ns, '00010203-0405-0607-0809-0a0b0c0d0e0f'::UUID AS u, 'abc'::BLOB AS f,
       TIME '12:34:56.789' AS t, '\\x00\\xFF'::BLOB AS b, {'a': 1}::VARIANT AS v, 'POINT(1 2)'::GEOMETRY AS g, {'v': 42} AS s`,
    '{ns: 1, u: 2, f: 3, t: 4, b: 5, v: 7, g: 8, s: {__duckdb_field_id: 9, v: 11}}',
  )
  const row = {
    ns: 978_307_200_123_456_789n,
    f: Buffer.from('abc'),
    t: 45_296_789_000n,
    b: Buffer.of(0, 255),
    nothing: null,
  }
  const flat = Object.keys(row)
  expect(await context.read({ schema, tasks: [task(dataFile)], columns: flat })).toEqual([row])
  await using relation = await context.relation({ schema, tasks: [task(dataFile)] })
  const more = `u::VARCHAR AS u, (v::STRUCT(a INTEGER)).a AS v, ST_AsText(g) AS g, s.n AS n, s.v AS sv`
  expect(await context.db.rows(`SELECT ${flat.join(', ')}, ${more} FROM ${relation.sql}`)).toEqual([
    { ...row, u: '00010203-0405-0607-0809-0a0b0c0d0e0f', v: 1, g: 'POINT (1 2)', n: null, sv: 42 },
  ])
  const zoned = schemaOf([{ id: 1, name: 'zoned', type: 'timestamptz_ns' }])
  await expect(context.read({ schema: zoned, tasks: [task(dataFile)] })).rejects.toMatchObject({
    code: 'FEATURE_UNSUPPORTED',
    message: expect.stringContaining('timestamptz_ns') as string,
  })
})

test('what cannot be read is refused by name, and delete files that lie are found out', async () => {
  await using context = await setUp()
  const schema = schemaOf([{ id: 1, name: 'id', type: 'int' }])
  const dataFile = await context.file('SELECT i::INTEGER AS id FROM range(5) t(i)', '{id: 1}')
  const read = (tasks: readonly ReadTask[]) => context.read({ schema, tasks })
  const refuses = (tasks: readonly ReadTask[], code: string, text: string) =>
    expect(read(tasks)).rejects.toMatchObject({ code, message: expect.stringContaining(text) as string })
  await refuses([task({ ...dataFile, fileFormat: 'ORC' })], 'FEATURE_UNSUPPORTED', 'ORC')
  await refuses([task({ ...dataFile, keyMetadata: Uint8Array.of(1) })], 'FEATURE_UNSUPPORTED', 'encrypted')
  const withDelete = (deleted: DataFile) => [
    task(dataFile, { deletes: [{ dataFile: deleted, specId: 0, sequenceNumber: 1n }] }),
  ]
  const unnamed = await context.file(`SELECT ${quoteString(dataFile.filePath)} AS file_path, 1::BIGINT AS pos`, null, {
    content: 1,
  })
  await refuses(withDelete({ ...unnamed, fileFormat: 'AVRO' }), 'FEATURE_UNSUPPORTED', 'AVRO')
  await refuses(withDelete(unnamed), 'DATA_FILE_INVALID', 'no field ids')
  await refuses(withDelete({ ...unnamed, content: 2 }), 'DATA_FILE_INVALID', 'names no column')

  const blob = encodeDeletionVector(positionSet([0n, 3n, 1n << 41n]))
  await mkdir(join(context.dir, 'dv'))
  const vector: DataFile = {
    content: 1,
    filePath: toUri(join(context.dir, 'dv', 'x.puffin')),
    fileFormat: 'PUFFIN',
    partition: [],
    recordCount: 3n,
    fileSizeInBytes: 100n,
    referencedDataFile: dataFile.filePath,
    contentOffset: 4n,
    contentSizeInBytes: BigInt(blob.length),
  }
  await io.create(vector.filePath, Uint8Array.of(1, 2, 3, 4, ...blob))
  expect((await read(withDelete(vector))).map(({ id }) => id)).toEqual([1, 2, 4])
  await refuses(withDelete({ ...vector, recordCount: 2n }), 'DATA_FILE_INVALID', vector.filePath)
  await refuses(withDelete({ ...vector, contentOffset: 5n }), 'DATA_FILE_INVALID', 'x.puffin')
  await refuses(withDelete({ ...vector, contentSizeInBytes: 1n << 40n }), 'DATA_FILE_INVALID', 'x.puffin')
  await refuses(withDelete({ ...vector, referencedDataFile: 'file:///other' }), 'DATA_FILE_INVALID', 'no place in')
  const left = await context.db.rows(`SELECT table_name FROM duckdb_tables()`)
  expect(left).toEqual([])
})

test.each([true, false])('rows are found by bytes that are no text, with field ids: %s', async (hasIds) => {
  await using context = await setUp()
  const schema = schemaOf([{ id: 1, name: 'key', type: 'binary' }])
  const select = String.raw`SELECT '\x00'::BLOB AS key FROM range(25)`
  const written = await context.file(select, hasIds ? '{key: 1}' : null)
  const properties = { 'schema.name-mapping.default': JSON.stringify([{ 'field-id': 1, names: ['key'] }]) }
  await using relation = await context.relation({
    schema,
    metadata: { schemas: [schema], partitionSpecs: [unpartitioned], properties },
    tasks: [task(written)],
  })
  const { db } = context
  // As DuckDB has it: where these find the rows, what keeps them from being lost can go.
  const path = quoteString(toPath(written.filePath))
  const [lost] = await db.rows(String.raw`SELECT count(*) AS n FROM read_parquet(${path}) WHERE key = '\x00'::BLOB`)
  expect(lost).toEqual({ n: 0n })
  const [found] = await db.rows(String.raw`SELECT count(*) AS n FROM ${relation.sql} WHERE key = '\x00'::BLOB`)
  expect(found).toEqual({ n: 25n })
  await db.run(String.raw`CREATE TABLE keys AS SELECT '\x00'::BLOB AS key`)
  const [joined] = await db.rows(`SELECT count(*) AS n FROM ${relation.sql} JOIN keys USING (key)`)
  expect(joined).toEqual({ n: 25n })
})
