// Rule: a query over many files that fails on one of them names it.
// Damage: "Invalid data" in a table of ten thousand files, and nobody knows which to restore.
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDuckDb, pathList, type DuckDb } from '../../../src/io/duckdb.ts'
import { parquetPathsIn } from '../../../src/io/broken-file.ts'
import { tempDir } from '../../support/temp-dir.ts'

const dir = await tempDir()
const folder = dir.path
let db: DuckDb
const good = join(folder, 'good.parquet')
const read = (paths: readonly string[]): readonly string[] => [
  `SELECT count(*), count(hash(COLUMNS(*))) FROM read_parquet(${pathList(paths)}, hive_partitioning = false)`,
  `SELECT sum(i) FROM read_parquet(${pathList(paths)}, schema = MAP {1: {name: 'i', type: 'BIGINT', default_value: NULL},
     2: {name: 's', type: 'VARCHAR', default_value: NULL}}) WHERE s <> ''`,
]

beforeAll(async () => {
  db = await openDuckDb({ threads: 1, memoryLimit: '500MB', tempDirectory: join(folder, 'spill') })
  await db.run(
    `COPY (SELECT i, 'text ' || i AS s FROM range(5000) r(i)) TO '${good}' (FORMAT parquet, FIELD_IDS {i: 1, s: 2})`,
  )
})
afterAll(async () => {
  await db.close()
  await dir[Symbol.asyncDispose]()
})

const damages: Readonly<Record<string, (bytes: Buffer) => Uint8Array>> = {
  'cut short': (bytes) => bytes.subarray(0, 3000),
  empty: () => new Uint8Array(),
  'with a broken footer': (bytes) => bytes.fill(0xff, bytes.length - 100, bytes.length - 60),
  'with broken pages': (bytes) => bytes.fill(0xff, 100, 2000),
}

/** The letters that mean something to SQL, or to the engine's patterns of paths. */
const names = ["b's", 'c[1]', 'd*', 'e?']

describe.each(Object.entries(damages))('one file of many is %s', (damage, damaged) => {
  test.each(names)('%s.parquet', async (name) => {
    // A path of its own for each: the engine keeps what it has read of a path.
    const at = (which: string): string => join(folder, `${damage} ${which}.parquet`)
    const paths = [at(`${name} before`), at(name), at(`${name} after`)]
    for (const path of paths) await copyFile(good, path)
    expect(parquetPathsIn(read(paths)[0] ?? '')).toEqual(paths)
    await writeFile(at(name), damaged(await readFile(good)))
    for (const sql of read(paths)) {
      await expect(db.rows(sql, { otherwise: 'DEFINITION_INVALID' })).rejects.toThrow(
        expect.objectContaining({
          code: 'DATA_FILE_INVALID',
          message: expect.stringContaining(at(name)) as string,
          context: expect.objectContaining({ path: at(name) }) as object,
        }),
      )
    }
  })
})

test('files of such names are read when they are whole', async () => {
  const paths = names.map((name) => join(folder, `whole ${name}.parquet`))
  for (const path of paths) await copyFile(good, path)
  for (const sql of read(paths)) expect(await db.rows(sql)).toHaveLength(1)
})

test('what a user’s own expression does wrong is no broken file', async () => {
  const sql = `SELECT CAST(s AS INTEGER) FROM read_parquet(${pathList([good])})`
  await expect(db.rows(sql, { otherwise: 'DEFINITION_INVALID' })).rejects.toThrow(
    expect.objectContaining({ code: 'DEFINITION_INVALID' }),
  )
})
