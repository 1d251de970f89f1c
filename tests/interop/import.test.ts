/** Rule: what we import is a table to others, bounds included. Damage otherwise: a filter loses rows in the engine that trusts them. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { currentSchema, lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, plainRow, type Row } from '../support/counterparts/plain-values.ts'

/** Hourly rows around 1970 with nulls in every column, text beyond ASCII and numbers at their limits. */
const awkwardRows = `
  SELECT i::BIGINT AS id,
         CASE WHEN i % 50 = 49 THEN NULL ELSE TIMESTAMPTZ '1969-12-25 23:59:59.999999+00' + i * INTERVAL 1 HOUR END AS ts,
         CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN -2147483648 ELSE i END::INTEGER AS small,
         CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 9223372036854775807 ELSE -i END::BIGINT AS large,
         CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'naïve ☃ 🦆' WHEN 3 THEN repeat('🦆', 400)
                    ELSE repeat('z', i::INTEGER) END AS name,
         CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN 'NaN'::DOUBLE WHEN 2 THEN -0.0 ELSE i / 3 END::DOUBLE AS ratio,
         (i / 7)::FLOAT AS single,
         CASE WHEN i % 3 = 0 THEN NULL ELSE (i - 150) / 8 END::DECIMAL(12, 3) AS price,
         '-99999999999999999999999999999999.99999'::DECIMAL(38, 5) AS huge,
         DATE '1969-11-01' + i::INTEGER AS day,
         TIMESTAMP '0099-01-01 00:00:00.000001' + i * INTERVAL 1 DAY AS local,
         CASE WHEN i % 2 = 0 THEN NULL ELSE i % 3 = 0 END AS ok,
         CASE WHEN i % 2 = 0 THEN NULL ELSE '\\x00\\xFF'::BLOB END AS raw,
         CASE WHEN i % 2 = 0 THEN NULL ELSE [i, NULL] END AS list,
         {'a': i, 'b': 'x' || i} AS struct
  FROM range(300) t(i)`

/** A condition as PyIceberg, Spark and DuckDB write it. */
const filters: readonly (readonly [python: string, spark: string, duckDb: string])[] = [
  [
    `ts < '1970-01-01T00:00:00+00:00'`,
    `ts < TIMESTAMP '1970-01-01 00:00:00Z'`,
    `ts < TIMESTAMPTZ '1970-01-01 00:00:00+00'`,
  ],
  [
    `ts >= '1970-01-03T00:00:00+00:00' and ts < '1970-01-04T00:00:00+00:00'`,
    `ts >= TIMESTAMP '1970-01-03 00:00:00Z' AND ts < TIMESTAMP '1970-01-04 00:00:00Z'`,
    `ts >= TIMESTAMPTZ '1970-01-03 00:00:00+00' AND ts < TIMESTAMPTZ '1970-01-04 00:00:00+00'`,
  ],
  ['ts is null', 'ts IS NULL', 'ts IS NULL'],
  ['id > 290', 'id > 290', 'id > 290'],
  ['large = 9223372036854775807', 'large = 9223372036854775807', 'large = 9223372036854775807'],
  [`name >= 'zzzzzzzzzzzzzzzzz'`, `name >= 'zzzzzzzzzzzzzzzzz'`, `name >= 'zzzzzzzzzzzzzzzzz'`],
  [`name = 'naïve ☃ 🦆'`, `name = 'naïve ☃ 🦆'`, `name = 'naïve ☃ 🦆'`],
  [`name > 'zzz🦆'`, `name > 'zzz🦆'`, `name > 'zzz🦆'`],
  ['price < -10.500', 'price < -10.500', 'price < -10.5'],
  ['ratio > 90', 'ratio > 90 AND NOT isnan(ratio)', 'ratio > 90 AND NOT isnan(ratio)'],
  ['ratio is nan', 'isnan(ratio)', 'isnan(ratio)'],
  ['ratio = 0', 'ratio = 0', 'ratio = 0'],
  [`day = '1969-12-31'`, `day = DATE '1969-12-31'`, `day = DATE '1969-12-31'`],
  [
    `local < '0099-01-02T00:00:00'`,
    `local < TIMESTAMP_NTZ '0099-01-02 00:00:00'`,
    `local < TIMESTAMP '0099-01-02 00:00:00'`,
  ],
  ['small is null', 'small IS NULL', 'small IS NULL'],
  ['ok = true', 'ok', 'ok'],
]

test('the others read what we import, prune to the same rows, and see the summary', async () => {
  await using lake = await lakehouse()
  const { db, dir } = lake
  const first = join(dir, 'first.parquet')
  const second = join(dir, 'second.parquet')
  await db.run(`COPY (SELECT * FROM (${awkwardRows}) WHERE id < 200) TO '${first}' (FORMAT parquet)`)
  await db.run(`COPY (SELECT * FROM (${awkwardRows}) WHERE id >= 200) TO '${second}' (FORMAT parquet)`)
  await lake.import({ files: [first], table: 'raw.awkward', eventTime: 'ts' })
  await lake.import({ files: [second], table: 'raw.awkward', eventTime: 'ts' })

  const { fields } = currentSchema(await lake.load('raw.awkward'))
  const brute = async (where: string): Promise<Row[]> => {
    const rows = await db.rows<Row>(`SELECT * FROM (${awkwardRows}) WHERE ${where}`)
    return inOrder(rows.map((row) => plainRow(fields, row)))
  }
  expect(await lake.agreedRows('raw.awkward')).toEqual(await brute('true'))
  for (const [python, spark, duckDb] of filters) {
    const expected = await brute(duckDb)
    expect(expected.length, duckDb).toBeGreaterThan(0)
    expect(inOrder(await lake.python('read', { table: 'raw.awkward', filter: python })), python).toEqual(expected)
    expect(inOrder(await lake.spark(`SELECT * FROM raw.awkward WHERE ${spark}`)), spark).toEqual(expected)
  }
  // Both imports have rows of that day, and no other file is read for it.
  const day = await lake.python<string[]>('plan', { table: 'raw.awkward', filter: filters[1]?.[0] })
  expect(day).toHaveLength(2)
  for (const file of day) expect(file).toContain('/ts_day=1970-01-03/')
  expect(await lake.python('plan', { table: 'raw.awkward', filter: 'ts is null' })).toHaveLength(2)

  const seen = await lake.python<PyTable>('describe', { table: 'raw.awkward' })
  expect(seen).toMatchObject({ format: 2, spec: [[2, 1000, 'ts_day', 'day']] })
  expect(seen.schema.map(([id, name]) => [id, name])).toEqual(fields.map(({ id, name }) => [id, name]))
  const [{ files } = { files: null }] = await lake.spark('SELECT count(*) AS files FROM raw.awkward.files')
  expect(seen.summaries).toMatchObject([
    { operation: 'append', 'added-records': '200', 'total-records': '200' },
    {
      operation: 'append',
      'added-records': '100',
      'total-records': '300',
      'total-data-files': files,
      'hindcast.import': expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    },
  ])
})

interface PyTable {
  readonly schema: readonly (readonly [number, string, string])[]
  readonly summaries: readonly Readonly<Record<string, string>>[]
}
