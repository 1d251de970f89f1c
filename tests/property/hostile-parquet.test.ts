// Rule: a damaged Parquet file gives rows or an error with its name, and never takes the process down or fills its memory.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isHindcastError } from '../../src/contract/errors.ts'
import { openDuckDb, pathList, type DuckDb } from '../../src/io/duckdb.ts'
import { tempDir } from '../support/temp-dir.ts'
import { damaged, joined } from './hostile/mutate-bytes.ts'
import { Random } from './hostile/random.ts'
import { seed } from '../support/seed.ts'

const only = process.env['HINDCAST_FUZZ_CASE']
const cases = only === undefined ? Array.from({ length: 400 }, (_, index) => index) : [Number(only)]

const columns = `i AS id, i * 1.5 AS x, 'text ' || i AS s, [i, i + 1] AS l, {a: i, b: 'q'} AS st, MAP {i: 'v'} AS m,
  i::DECIMAL(9, 2) AS d, TIMESTAMP '2020-01-01' + to_days(i::INTEGER) AS t`

test(`damaged Parquet files (HINDCAST_SEED=${seed})`, { timeout: 300_000 }, async () => {
  await using dir = await tempDir()
  const folder = dir.path
  const good = join(folder, 'good.parquet')
  const open = (): Promise<DuckDb> =>
    openDuckDb({ threads: 1, memoryLimit: '1GB', tempDirectory: join(folder, 'spill') })
  let db = await open()
  await db.run(
    `COPY (SELECT ${columns} FROM range(2000) r(i))
     TO '${good}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 500, FIELD_IDS {id: 1, x: 2, s: 3, d: 7, t: 8})`,
  )
  const bytes = new Uint8Array(await readFile(good))
  const footerLength = new DataView(bytes.buffer).getUint32(bytes.length - 8, true)
  const footerStart = bytes.length - 8 - footerLength
  const memory = process.resourceUsage().maxRSS
  const queries = (list: string): readonly string[] => [
    `SELECT count(*), sum(hash(COLUMNS(*))) FROM read_parquet(${list})`,
    `SELECT id, x, s FROM read_parquet(${list}, schema = MAP {1: {name: 'id', type: 'BIGINT', default_value: NULL},
       2: {name: 'x', type: 'DOUBLE', default_value: NULL}, 3: {name: 's', type: 'VARCHAR', default_value: NULL}})`,
  ]
  let refused = 0
  for (const index of cases) {
    const random = new Random(Math.imul(seed, 31) + index)
    // A path of its own for each: the engine keeps what it has read of a path.
    const bad = join(folder, `hostile-${index}.parquet`)
    await writeFile(bad, damage(bytes, footerStart, random))
    for (const sql of queries(pathList([good, bad]))) {
      const about = `HINDCAST_SEED=${seed} HINDCAST_FUZZ_CASE=${index}`
      try {
        await db.rows(sql)
      } catch (error) {
        refused++
        if (!isHindcastError(error)) throw new Error(`${about}: another error`, { cause: error })
        if (error.code !== 'DATA_FILE_INVALID') throw new Error(`${about}: ${error.code}`, { cause: error })
        if (!error.message.includes(bad)) throw new Error(`${about}: the file is not named`, { cause: error })
        // The engine does not survive what it takes for a fault of its own.
        if (/(?:INTERNAL|FATAL) Error/.test(error.message)) {
          await db.close()
          db = await open()
        }
      }
    }
  }
  await db.close()
  const more = (process.resourceUsage().maxRSS - memory) / 1024
  if (more > 1500) throw new Error(`HINDCAST_SEED=${seed}: ${more} MB more than before`)
  if (only === undefined) expect(refused).toBeGreaterThan(cases.length / 2)
})

/** Anywhere; in the footer, whose length is made right again; or in the pages. */
function damage(bytes: Uint8Array, footerStart: number, random: Random): Uint8Array {
  switch (random.below(3)) {
    case 0:
      return damaged(bytes, random)
    case 1: {
      const footer = damaged(bytes.subarray(footerStart, bytes.length - 8), random)
      const trailer = joined(new Uint8Array(4), bytes.subarray(bytes.length - 4))
      new DataView(trailer.buffer).setUint32(0, footer.length, true)
      return joined(bytes.subarray(0, footerStart), footer, trailer)
    }
    default: {
      const copy = Uint8Array.from(bytes)
      for (let count = 3; count > 0; count--) copy[4 + random.below(footerStart - 4)] = random.below(256)
      return copy
    }
  }
}
