/** Rule: however a partition's rows come to the writer, and whatever else is written beside them, its file is the same, and so is the order in which places are asked for. */
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { HindcastError } from '../../../src/contract/errors.ts'
import type { DataFile } from '../../../src/iceberg/manifest/model.ts'
import type { PartitionSpec } from '../../../src/iceberg/metadata/table-metadata.ts'
import type { Schema } from '../../../src/iceberg/types/schema.ts'
import { openDuckDb } from '../../../src/io/duckdb.ts'
import { localFiles, toUri } from '../../../src/io/files/index.ts'
import { writePartitionRows, writePartitions } from '../../../src/io/parquet-write.ts'
import { tempDir } from '../../support/temp-dir.ts'

const io = localFiles()

const schema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'part', required: true, type: 'int' },
    { id: 2, name: 'id', required: true, type: 'long' },
    { id: 3, name: 'value', required: false, type: 'double' },
    { id: 4, name: 'text', required: false, type: 'string' },
  ],
}
const spec: PartitionSpec = {
  specId: 0,
  fields: [{ sourceId: 1, fieldId: 1000, name: 'part', transform: 'identity' }],
}

/** Partition 2 is longer than a row group, its rows lie among others’; 4 has no rows. */
const rows = `SELECT CASE WHEN i < 200000 AND i % 5 <> 3 THEN 2 ELSE i % 4 END::INTEGER AS part, i AS id,
  CASE WHEN i % 5 = 0 THEN 'NaN'::DOUBLE WHEN i % 7 <> 0 THEN i / 3 END AS value, repeat('long text ' || i % 90, 5) AS text
FROM range(260000) t(i)`

type Request = Parameters<typeof writePartitionRows>[1]

const rowsOf: Request['rows'] = (keys) =>
  keys.map((part) => `SELECT * FROM rows WHERE part = ${part}`).join(' UNION ALL ')

async function setUp(threads: number) {
  const dir = await tempDir()
  const db = await openDuckDb({ threads, memoryLimit: '1GB', tempDirectory: join(dir.path, 'spill') })
  const placed: string[] = []
  const common = {
    schema,
    spec,
    scratchDir: join(dir.path, 'scratch'),
    place: async (_: unknown, path: string, part: number) => {
      const name = `${path}/${part}.parquet`
      await nextTurn()
      placed.push(name)
      return toUri(join(dir.path, 'out', name))
    },
    io,
  }
  return {
    db,
    placed,
    sorted: () => writePartitions(db, { ...common, query: rows, sortBy: 'id' }),
    byRows: (options: Pick<Request, 'partitions'> & Partial<Request>) =>
      writePartitionRows(db, { ...common, rows: rowsOf, ...options }),
    byQuery: async (options: Partial<Request> = {}) => {
      await db.run(`CREATE OR REPLACE TABLE rows AS ${rows} ORDER BY id`)
      const partitions = await Promise.all(
        [0, 1, 2, 3, 4].map(async (part) => {
          const [{ count } = { count: 0n }] = await db.rows<{ count: bigint }>(
            `SELECT count(*) AS count FROM rows WHERE part = ${part}`,
          )
          return { key: part, count }
        }),
      )
      return writePartitionRows(db, { ...common, partitions, rows: rowsOf, ...options })
    },
    scratch: () => readdir(common.scratchDir),
    threads: () => db.rows(`SELECT current_setting('threads') AS threads`),
    [Symbol.asyncDispose]: async () => {
      await db.close()
      await dir[Symbol.asyncDispose]()
    },
  }
}

const described = (files: readonly DataFile[]) =>
  Promise.all(
    files.map(async ({ filePath, ...file }) => ({
      ...file,
      sha: createHash('sha256')
        .update(await io.read(filePath))
        .digest('hex'),
    })),
  )

test('a query for each partition writes what sorting all rows writes, on any number of threads', async () => {
  await using reference = await setUp(1)
  const expected = await described(await reference.sorted())
  expect(expected.map(({ partition }) => partition)).toEqual([[0], [1], [2], [3]])
  for (const threads of [1, 3]) {
    await using context = await setUp(threads)
    expect(await described(await context.byQuery())).toEqual(expected)
    expect(context.placed).toEqual([0, 1, 2, 3].map((part) => `part=${part}/0.parquet`))
    expect(await context.scratch()).toEqual([])
    expect(await context.threads()).toEqual([{ threads: BigInt(threads) }])
  }
})

test('small partitions written together are the files that each makes alone', async () => {
  // Of 0 to 8,000 rows; at times many of one follow each other, at times few.
  const small = `SELECT CASE WHEN i // 5000 % 3 = 0 THEN i // 700 % 37 ELSE (i % 199 * (i % 37)) % 41 END AS part, i AS id,
    CASE WHEN i % 5 = 0 THEN 'NaN'::DOUBLE ELSE i / 3 END AS value, 'text ' || i % 90 AS text FROM range(160000) t(i)`
  for (const threads of [1, 2]) {
    await using context = await setUp(threads)
    const { db } = context
    await db.run(`CREATE OR REPLACE TABLE rows AS SELECT * REPLACE (part::INTEGER AS part) FROM (${small}) ORDER BY id`)
    const counts = await db.rows<{ part: number; count: bigint }>(
      'SELECT part, count(*) AS count FROM rows GROUP BY ALL',
    )
    const partitions = Array.from({ length: 60 }, (_, part) => ({
      key: part,
      count: counts.find((one) => one.part === part)?.count ?? 0n,
    }))
    const inBatches = await described(await context.byRows({ partitions }))
    const alone = []
    for (const partition of partitions)
      alone.push(...(await described(await context.byRows({ partitions: [partition] }))))
    expect(inBatches).toEqual(alone)
    expect(inBatches.length).toBeGreaterThan(20)
  }
})

test.each(['count', 'value'])('small partitions that lack a %s are refused together, too', async (what) => {
  await using context = await setUp(1)
  await context.db
    .run(`CREATE TABLE rows AS SELECT 1::INTEGER AS part, 1::BIGINT AS id, 0.5::DOUBLE AS value, 'x' AS text
    UNION ALL SELECT 2, ${what === 'value' ? 'NULL' : '2'}, 0.5, 'x'`)
  const partitions = [1, 2].map((part) => ({
    key: part,
    count: what === 'count' ? 2n : 1n,
  }))
  await expect(context.byRows({ partitions, otherwise: 'DEFINITION_INVALID' })).rejects.toMatchObject({
    code: what === 'value' ? 'DEFINITION_INVALID' : 'INVARIANT_VIOLATED',
  })
  expect(await context.scratch()).toEqual([])
})

test('a partition of several files is cut in the same places', async () => {
  const properties = { 'write.target-file-size-bytes': '200000' }
  await using one = await setUp(1)
  await using three = await setUp(3)
  const expected = await described(await one.byQuery({ properties }))
  expect(expected.length).toBeGreaterThan(5)
  expect(await described(await three.byQuery({ properties }))).toEqual(expected)
  expect(three.placed).toEqual(one.placed)
})

test('a null in a required column is refused with the caller’s code', async () => {
  await using context = await setUp(2)
  const partitions = [1, 2].map((key) => ({ key, count: 1n }))
  const values = [
    "1::BIGINT AS id, 0.5::DOUBLE AS value, 'x' AS text",
    "NULL::BIGINT AS id, NULL::DOUBLE AS value, 'x' AS text",
  ]
  const rows: Request['rows'] = (keys) =>
    keys.map((key) => `SELECT ${key}::INTEGER AS part, ${values[key - 1]}`).join(' UNION ALL ')
  await expect(context.byQuery({ partitions, rows, otherwise: 'DEFINITION_INVALID' })).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: 'column id is required, and 1 rows have none',
  })
  expect(await context.scratch()).toEqual([])
})

test.each([100, 200_000])('a query that gives other rows than the %i said is refused', async (count) => {
  await using context = await setUp(1)
  const query = `SELECT 1::INTEGER AS part, i AS id, 0.5::DOUBLE AS value, 'x' AS text FROM range(${count + 1}) t(i)`
  const partitions = [{ key: 1, count: BigInt(count) }]
  await expect(context.byQuery({ partitions, rows: () => query })).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
})

test('a file that cannot be brought to its place stops the others, and the failure is the caller’s to see', async () => {
  await using context = await setUp(3)
  const full = new HindcastError('STORAGE_UNAVAILABLE', 'no space left')
  let adopted = 0
  const failing = {
    adopt: async (local: string, uri: string) => {
      if (uri.includes('part=1')) throw full
      const outcome = await io.adopt(local, uri)
      adopted++
      return outcome
    },
  }
  await expect(context.byQuery({ io: failing })).rejects.toBe(full)
  const afterwards = adopted
  await nextTurn()
  expect(adopted).toBe(afterwards)
  expect(await context.scratch()).toEqual([])
  expect(await context.threads()).toEqual([{ threads: 3n }])
  expect(await context.db.rows(`SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'hindcast%'`)).toEqual([])
})
