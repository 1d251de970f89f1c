/** Rule: an import is all there or changes nothing, and twice is once. Damage otherwise: doubled or half-imported events. */
import { mkdir, readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { planScan } from '../../../src/iceberg/scan/plan-scan.ts'
import { testWarehouse, type TestWarehouse } from '../../support/warehouse.ts'

const events = { namespace: ['raw'], name: 'events' }
const request = { table: 'raw.events', eventTime: 'ts' }
const flights = fileURLToPath(new URL('../../../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url))

/** Writes a file from SQL, as Parquet or CSV by its name. */
async function fileOf({ db, dir }: TestWarehouse, name: string, select: string): Promise<string> {
  const path = join(dir, name)
  await db.run(`COPY (${select}) TO '${path}' (FORMAT ${name.endsWith('.csv') ? 'csv, HEADER true' : 'parquet'})`)
  return path
}

const someRows = `SELECT TIMESTAMPTZ '2020-01-01 00:00:00+00' + i * INTERVAL 1 HOUR AS ts, i AS id, 'n' || i AS name FROM range(48) t(i)`

test('three million flights become one snapshot of daily files, sorted by time', { timeout: 60_000 }, async () => {
  await using warehouse = await testWarehouse(2)
  const result = await warehouse.import({ files: [flights], table: 'raw.flights', eventTime: 'date' })
  expect(result).toMatchObject({ table: 'raw.flights', created: true, rows: 3_000_000n, files: 182, skipped: false })
  expect(result.columns).toEqual([
    { name: 'date', type: 'timestamp' },
    { name: 'delay', type: 'long' },
    { name: 'distance', type: 'long' },
    { name: 'origin', type: 'string' },
    { name: 'destination', type: 'string' },
  ])
  const table = await warehouse.catalog.loadTable({ namespace: ['raw'], name: 'flights' })
  expect(table.metadata.snapshots).toHaveLength(1)
  expect(table.metadata.currentSnapshotId).toBe(result.snapshotId)
  const sums = 'count(*) AS n, sum(delay) AS delay, sum(hash(date, origin, destination)::HUGEINT) AS hash'
  expect(await warehouse.query(table, `SELECT ${sums} FROM ?`)).toEqual(
    await warehouse.db.rows(`SELECT ${sums} FROM read_parquet('${flights}')`),
  )
  const disorder = `SELECT count(*) AS n FROM (SELECT date < lag(date) OVER () AS back FROM ?) WHERE back`
  const [first] = (await planScan({ io: warehouse.io, table })).tasks
  expect(first?.dataFile.sortOrderId).toBe(1)
  expect(await warehouse.query(table, disorder)).toEqual([{ n: 0n }])
  expect(await readdir(warehouse.scratchDir)).toEqual(['spill'])
})

test('what was imported before is skipped, unless forced; what is new goes in', async () => {
  await using warehouse = await testWarehouse()
  const first = await fileOf(warehouse, 'first.parquet', someRows)
  const second = await fileOf(warehouse, 'second.csv', someRows.replace('2020', '2021'))
  const imported = await warehouse.import({ ...request, files: [first, first] })
  expect(imported).toMatchObject({ created: true, rows: 48n, files: 2, skippedFiles: [first] })
  expect(await warehouse.import({ ...request, files: [first] })).toMatchObject({
    created: false,
    skipped: true,
    snapshotId: imported.snapshotId,
    rows: 0n,
    skippedFiles: [first],
  })
  expect(await warehouse.import({ ...request, files: [first, second] })).toMatchObject({
    skipped: false,
    rows: 48n,
    skippedFiles: [first],
  })
  expect(await warehouse.import({ ...request, files: [first], force: true })).toMatchObject({
    skipped: false,
    rows: 48n,
  })
  const table = await warehouse.catalog.loadTable(events)
  expect(await warehouse.query(table, 'SELECT count(*) AS n, count(DISTINCT ts) AS times FROM ?')).toEqual([
    { n: 144n, times: 96n },
  ])
})

test('imports at the same time all go in, each once', { timeout: 60_000 }, async () => {
  await using warehouse = await testWarehouse()
  await warehouse.import({ ...request, files: [await fileOf(warehouse, 'first.parquet', someRows)] })
  const files: string[] = []
  for (let year = 2021; year < 2027; year++) {
    files.push(await fileOf(warehouse, `${year}.parquet`, someRows.replace('2020', String(year))))
  }
  await Promise.all(
    files.map(async (file) => warehouse.import({ ...request, files: [file], catalog: await warehouse.openCatalog() })),
  )
  const table = await warehouse.catalog.loadTable(events)
  expect(table.metadata.snapshots).toHaveLength(7)
  expect(await warehouse.query(table, 'SELECT count(*) AS n, count(DISTINCT ts) AS times FROM ?')).toEqual([
    { n: 336n, times: 336n },
  ])
})

test('rows without an event time are kept, in the null partition', async () => {
  await using warehouse = await testWarehouse()
  const file = await fileOf(
    warehouse,
    'nulls.parquet',
    `SELECT CASE WHEN id % 2 = 0 THEN ts END AS ts, id FROM (${someRows})`,
  )
  await warehouse.import({ ...request, files: [file] })
  const table = await warehouse.catalog.loadTable(events)
  expect(await warehouse.query(table, 'SELECT count(*) AS n, count(ts) AS times FROM ?')).toEqual([
    { n: 48n, times: 24n },
  ])
  const { tasks: files } = await planScan({ io: warehouse.io, table })
  expect(files.filter(({ dataFile }) => dataFile.partition[0] === null)).toHaveLength(1)
})

test.each([
  ['month', 'month', 2],
  ['hour', 'hour', 48],
  ['none', undefined, 1],
] as const)('a new table can be partitioned by %s', async (partitionBy, transform, fileCount) => {
  await using warehouse = await testWarehouse()
  const file = await fileOf(warehouse, 'f.parquet', someRows.replace('2020-01-01', '2020-01-31'))
  expect(await warehouse.import({ ...request, files: [file], partitionBy })).toMatchObject({ files: fileCount })
  const { metadata } = await warehouse.catalog.loadTable(events)
  expect(metadata.partitionSpecs[0]?.fields[0]?.transform).toBe(transform)
})

test('types are mapped without loss, or to text where other engines read no such type', async () => {
  await using warehouse = await testWarehouse()
  const select = `SELECT TIMESTAMP_NS '2020-01-01 00:00:00.123456' AS ts, 1::UTINYINT AS tiny, 4294967295::UINTEGER AS wide,
    18446744073709551615::UBIGINT AS widest, 'a'::ENUM ('a', 'b') AS choice, TIME '10:11:12.5' AS clock,
    '00000000-0000-0000-0000-000000000001'::UUID AS uuid, 1.25::DECIMAL(9, 3) AS price, DATE '2020-02-29' AS day,
    '\\x01'::BLOB AS raw, [{'a': 1, 'b': MAP {'k': DATE '2020-01-01'}}] AS nested, 0.5::FLOAT AS single, true AS ok`
  const result = await warehouse.import({ ...request, files: [await fileOf(warehouse, 'types.parquet', select)] })
  expect(Object.fromEntries(result.columns.map(({ name, type }) => [name, type]))).toEqual({
    ts: 'timestamp',
    tiny: 'int',
    wide: 'long',
    widest: 'decimal(20, 0)',
    choice: 'string',
    clock: 'string',
    uuid: 'string',
    price: 'decimal(9, 3)',
    day: 'date',
    raw: 'binary',
    nested: 'STRUCT("a" INTEGER, "b" MAP(VARCHAR, DATE))[]',
    single: 'float',
    ok: 'boolean',
  })
  const table = await warehouse.catalog.loadTable(events)
  const ids = JSON.stringify(table.metadata.schemas[0]).match(/"(id|\w+Id)":\d+/g)
  expect(new Set(ids?.map((each) => each.replace(/\D/g, ''))).size).toBe(13 + 5 + 1)
  expect(table.metadata.lastColumnId).toBe(18)
  expect(await warehouse.query(table, 'SELECT * FROM ?')).toEqual([
    {
      ts: 1_577_836_800_123_456n,
      tiny: 1,
      wide: 4_294_967_295n,
      widest: 18_446_744_073_709_551_615n,
      choice: 'a',
      clock: '10:11:12.5',
      uuid: '00000000-0000-0000-0000-000000000001',
      price: 1250n,
      day: 18_321,
      raw: Buffer.from([1]),
      nested: [{ a: 1, b: [['k', 18_262]] }],
      single: 0.5,
      ok: true,
    },
  ])
})

test('the columns may come in another order, narrower, and, in a CSV, as text that reads as the table’s types', async () => {
  await using warehouse = await testWarehouse()
  const columns = `ts, id::BIGINT AS id, name, 0.5::DOUBLE AS ratio, 1.5::DECIMAL(9, 2) AS price`
  await warehouse.import({
    ...request,
    files: [await fileOf(warehouse, 'a.parquet', `SELECT ${columns} FROM (${someRows})`)],
  })
  const narrow = `SELECT 2::DECIMAL(5, 2) AS price, 0.25::FLOAT AS ratio, 'x' AS name, 7::SMALLINT AS id, TIMESTAMPTZ '2021-01-01 00:00:00+00' AS ts`
  await warehouse.import({ ...request, files: [await fileOf(warehouse, 'b.parquet', narrow)] })
  const csv = join(warehouse.dir, 'c.csv')
  await writeFile(csv, 'name,price,ratio,id,ts\n007,3,1,8,2022-01-01 00:00:00\n"",4.25,,,2022-01-02T00:00:00Z\n')
  await warehouse.import({ ...request, files: [csv] })
  const table = await warehouse.catalog.loadTable(events)
  const late = `SELECT * FROM ? WHERE ts >= TIMESTAMPTZ '2021-01-01 00:00:00+00' ORDER BY ts`
  expect(await warehouse.query(table, late)).toEqual([
    { ts: 1_609_459_200_000_000n, id: 7n, name: 'x', ratio: 0.25, price: 200n },
    { ts: 1_640_995_200_000_000n, id: 8n, name: '007', ratio: 1, price: 300n },
    { ts: 1_641_081_600_000_000n, id: null, name: null, ratio: null, price: 425n },
  ])
})

test('files of a new table are widened to types that hold all of them', async () => {
  await using warehouse = await testWarehouse()
  const ts = `TIMESTAMP '2020-01-01' AS ts`
  const result = await warehouse.import({
    ...request,
    files: [
      await fileOf(warehouse, 'a.parquet', `SELECT ${ts}, 1::INTEGER AS a, 2::BIGINT AS b`),
      await fileOf(warehouse, 'b.parquet', `SELECT ${ts}, 3::INTEGER AS b, 4::BIGINT AS a`),
    ],
  })
  expect(result.columns.slice(1)).toEqual([
    { name: 'a', type: 'long' },
    { name: 'b', type: 'long' },
  ])
  const table = await warehouse.catalog.loadTable(events)
  expect(await warehouse.query(table, 'SELECT a, b FROM ? ORDER BY a')).toEqual([
    { a: 1n, b: 2n },
    { a: 4n, b: 3n },
  ])
})

test.each<[what: string, select: string, message: RegExp]>([
  ['another type', `SELECT ts, id, id AS name FROM (${someRows})`, /"name" as long, raw\.events has it as string/],
  [
    'a wider type',
    `SELECT ts, id::DOUBLE AS id, name FROM (${someRows})`,
    /"id" as double, raw\.events has it as long/,
  ],
  ['a missing column', `SELECT ts, id FROM (${someRows})`, /lacks the column "name"/],
  ['a surplus column', `SELECT *, 1 AS more FROM (${someRows})`, /has the column "more"/],
  [
    'local time',
    `SELECT ts AT TIME ZONE 'UTC' AS ts, id, name FROM (${someRows})`,
    /"ts" as timestamp, .* timestamptz/,
  ],
])('a file with %s is refused and the table stays as it was', async (_, select, message) => {
  await using warehouse = await testWarehouse()
  await warehouse.import({ ...request, files: [await fileOf(warehouse, 'first.parquet', someRows)] })
  const before = await warehouse.catalog.loadTable(events)
  const fine = await fileOf(warehouse, 'fine.parquet', someRows.replace('2020', '2021'))
  const other = await fileOf(warehouse, 'other.parquet', select)
  await expect(warehouse.import({ ...request, files: [fine, other] })).rejects.toMatchObject({
    code: 'SCHEMA_INCOMPATIBLE',
    message: expect.stringMatching(message),
  })
  expect(await warehouse.catalog.loadTable(events)).toEqual(before)
})

test.each([
  [
    'no number',
    'id',
    (n: number) => `2021-01-01,${n === 20_000 ? 'oops' : n}`,
    /"id" as string, .* line 20002: .*oops/,
  ],
  ['too large', 'id', (n: number) => `2021-01-01,${n === 7 ? '99999999999999999999' : n}`, /"id".* line 9: .*9999/],
  [
    'no time',
    'ts',
    (n: number) => `${n === 20_000 ? 'some day' : '2021-01-01'},${n}`,
    /"ts" as string, .* line 20002: .*some day/,
  ],
])('a CSV with a value that is %s names the line', async (_, column, lineOf, message) => {
  await using warehouse = await testWarehouse()
  const first = await written(warehouse, 'first.csv', 'ts,id\n2020-01-01 10:00:00,1\n')
  await warehouse.import({ ...request, files: [first] })
  const lines = Array.from({ length: 30_000 }, (__, n) => lineOf(n))
  const bad = await written(warehouse, 'bad.csv', `ts,id\n${lines.join('\n')}\n`)
  await expect(warehouse.import({ ...request, files: [bad] })).rejects.toMatchObject({
    code: 'SCHEMA_INCOMPATIBLE',
    message: expect.stringMatching(message),
    context: { file: bad, column },
  })
})

test.each<[what: string, make: (warehouse: TestWarehouse) => Promise<string>, message: RegExp, hint?: RegExp]>([
  ['missing', async ({ dir }) => join(dir, 'none.parquet'), /none\.parquet does not exist/],
  ['a folder', async ({ dir }) => dir, /is not a file/],
  ['of zero bytes', (w) => written(w, 'empty.parquet', ''), /has no rows/],
  ['Parquet without rows', (w) => fileOf(w, 'norows.parquet', `${someRows} LIMIT 0`), /has no rows/],
  ['a CSV header alone', (w) => written(w, 'head.csv', 'ts,id\n'), /has no rows/],
  ['not Parquet', (w) => written(w, 'fake.parquet', 'ts,id\n2020-01-01,1\n'), /is not a Parquet file/],
  ['of an unknown kind', (w) => written(w, 'rows.xlsx', 'PK'), /neither Parquet nor CSV/],
  ['cut short', cutShort, /cannot be read: .*magic/],
  ['a CSV with a bad line', badLine, /line/i],
  [
    'without the event time',
    (w) => fileOf(w, 'f.parquet', "SELECT 1 AS id, DATE '2020-01-01' AS tss"),
    /no column "ts"/,
    /tss/,
  ],
  [
    'with text as event time',
    (w) => fileOf(w, 'f.parquet', `SELECT 'soon' AS ts, DATE '2020-01-01' AS day`),
    /"ts" as string/,
    /day/,
  ],
  [
    'of a type Iceberg lacks',
    (w) => fileOf(w, 'f.parquet', `SELECT now() AS ts, INTERVAL 1 DAY AS span`),
    /"span" is of type INTERVAL/,
  ],
  [
    'finer than microseconds',
    (w) => fileOf(w, 'f.parquet', `SELECT TIMESTAMP_NS '2020-01-01 00:00:00.000000001' AS ts`),
    /finer than a microsecond/,
  ],
])('a file that is %s is refused, and no table is made', async (_, make, message, hint) => {
  await using warehouse = await testWarehouse()
  const fine = await fileOf(warehouse, 'fine.parquet', someRows)
  const file = await make(warehouse)
  await expect(warehouse.import({ ...request, files: [file] })).rejects.toMatchObject({
    code: 'INPUT_INVALID',
    message: expect.stringMatching(message),
    ...(hint === undefined ? {} : { hint: expect.stringMatching(hint) }),
  })
  await expect(warehouse.import({ ...request, files: [fine, file] })).rejects.toThrow()
  expect(await warehouse.catalog.listTables()).toEqual([])
  expect(await readdir(warehouse.scratchDir)).toEqual(['spill'])
})

async function written({ dir }: TestWarehouse, name: string, text: string): Promise<string> {
  await writeFile(join(dir, name), text)
  return join(dir, name)
}

async function cutShort(warehouse: TestWarehouse): Promise<string> {
  const file = await fileOf(warehouse, 'cut.parquet', someRows)
  await truncate(file, 300)
  return file
}

/** One line among many has a quote that nothing closes and a column too many. */
async function badLine(warehouse: TestWarehouse): Promise<string> {
  const lines = Array.from({ length: 30_000 }, (_, index) => `2020-01-01,${index}`)
  lines[25_000] = '2020-01-01,1,2,3'
  return written(warehouse, 'bad.csv', `ts,id\n${lines.join('\n')}\n`)
}

test.each(['events', 'raw.', '.events', 'raw.ev/ents', '../x.y', ''])(
  'the table name "%s" is refused',
  async (table) => {
    await using warehouse = await testWarehouse()
    const file = await fileOf(warehouse, 'fine.parquet', someRows)
    await expect(warehouse.import({ files: [file], eventTime: 'ts', table })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    })
  },
)

test('dates cannot be partitioned by hour, and no files are no import', async () => {
  await using warehouse = await testWarehouse()
  const file = await fileOf(warehouse, 'dates.parquet', `SELECT DATE '2020-01-01' AS ts`)
  await expect(warehouse.import({ ...request, files: [file], partitionBy: 'hour' })).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
  })
  await expect(warehouse.import({ ...request, files: [] })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  expect(await warehouse.import({ ...request, files: [file] })).toMatchObject({ files: 1, rows: 1n })
})

test('a file’s path may hold any letters', async () => {
  await using warehouse = await testWarehouse()
  const folder = join(warehouse.dir, `it's a [new] folder? *`)
  await mkdir(folder)
  const file = join(folder, 'f%20 #1.csv')
  await writeFile(file, 'ts,id\n2020-01-01,1\n')
  expect(await warehouse.import({ ...request, files: [file] })).toMatchObject({ rows: 1n })
})
