/** Rule: our tables are Iceberg's. Damage otherwise: another engine loses rows, reads wrong ones, or refuses the table. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Schema } from '../../src/iceberg/types/schema.ts'
import { decimalShape } from '../../src/iceberg/types/types.ts'
import { runPython } from '../support/python.ts'
import { testWarehouse } from '../support/warehouse.ts'

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url))

type Row = Readonly<Record<string, unknown>>

interface PyTable {
  readonly format: number
  readonly tables: readonly string[]
  readonly schema: readonly (readonly [number, string, string])[]
  readonly spec: readonly (readonly [number, number, string, string])[]
  readonly summaries: readonly Readonly<Record<string, string>>[]
  readonly files: readonly string[]
  readonly rows: readonly Row[]
  readonly scans: Readonly<Record<string, { readonly files: readonly string[]; readonly rows: readonly Row[] }>>
}

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

test(
  'PyIceberg reads what we import as we do, prunes to the same rows, and sees the summary',
  { timeout: 180_000 },
  async () => {
    await using warehouse = await testWarehouse()
    const { db, dir, catalog } = warehouse
    const first = join(dir, 'first.parquet')
    const second = join(dir, 'second.parquet')
    await db.run(`COPY (SELECT * FROM (${awkwardRows}) WHERE id < 200) TO '${first}' (FORMAT parquet)`)
    await db.run(`COPY (SELECT * FROM (${awkwardRows}) WHERE id >= 200) TO '${second}' (FORMAT parquet)`)
    await warehouse.import({ files: [first], table: 'raw.awkward', eventTime: 'ts' })
    await warehouse.import({ files: [second], table: 'raw.awkward', eventTime: 'ts' })

    const filters: Readonly<Record<string, string>> = {
      "ts < '1970-01-01T00:00:00+00:00'": `ts < TIMESTAMPTZ '1970-01-01 00:00:00+00'`,
      "ts >= '1970-01-03T00:00:00+00:00' and ts < '1970-01-04T00:00:00+00:00'": `ts >= TIMESTAMPTZ '1970-01-03 00:00:00+00' AND ts < TIMESTAMPTZ '1970-01-04 00:00:00+00'`,
      'ts is null': 'ts IS NULL',
      'id > 290': 'id > 290',
      "name >= 'zzzzzzzzzzzzzzzzz'": `name >= 'zzzzzzzzzzzzzzzzz'`,
      "name = 'naïve ☃ 🦆'": `name = 'naïve ☃ 🦆'`,
      'price < -10.500': 'price < -10.5',
      'ratio > 90': `ratio > 90 AND NOT isnan(ratio)`,
      'ratio is nan': 'isnan(ratio)',
      'ratio = 0': 'ratio = 0',
      "day = '1969-12-31'": `day = DATE '1969-12-31'`,
      "local < '0099-01-02T00:00:00'": `local < TIMESTAMP '0099-01-02 00:00:00'`,
      'small is null': 'small IS NULL',
      'ok = true': 'ok',
    }
    const read = await runPython<PyTable>(script('read_table.py'), [
      warehouse.catalogFile,
      warehouse.warehouse,
      'raw.awkward',
      ...Object.keys(filters),
    ])
    const table = await catalog.loadTable({ namespace: ['raw'], name: 'awkward' })
    const schema = table.metadata.schemas[0] as Schema
    expect(read.format).toBe(2)
    expect(read.tables).toEqual(['raw.awkward'])
    expect(read.spec).toEqual([[2, 1000, 'ts_day', 'day']])
    expect(read.schema.map(([id, name]) => [id, name])).toEqual(schema.fields.map(({ id, name }) => [id, name]))

    const brute = async (where: string): Promise<Row[]> =>
      (await db.rows<Row>(`SELECT * FROM (${awkwardRows}) WHERE ${where} ORDER BY id`)).map((row) =>
        jsonForm(schema, row),
      )
    expect(sorted(read.rows)).toEqual(await brute('true'))
    for (const [filter, where] of Object.entries(filters)) {
      const expected = await brute(where)
      expect(expected.length, filter).toBeGreaterThan(0)
      expect(sorted(read.scans[filter]?.rows ?? []), filter).toEqual(expected)
    }
    const day = read.scans["ts >= '1970-01-03T00:00:00+00:00' and ts < '1970-01-04T00:00:00+00:00'"]
    // Both imports have rows of that day, and no other file is read for it.
    expect(day?.files).toHaveLength(2)
    for (const file of day?.files ?? []) expect(file).toContain('/ts_day=1970-01-03/')
    expect(read.scans['ts is null']?.files).toHaveLength(2)

    expect(read.summaries).toHaveLength(2)
    expect(read.summaries[0]).toMatchObject({ operation: 'append', 'added-records': '200', 'total-records': '200' })
    expect(read.summaries[1]).toMatchObject({
      operation: 'append',
      'added-records': '100',
      'total-records': '300',
      'total-data-files': String(read.files.length),
      'hindcast.import': expect.stringMatching(/^[0-9a-f]{64}$/),
    })
  },
)

test(
  'we read a table that PyIceberg created in its own catalog, append to it, and PyIceberg appends on',
  { timeout: 180_000 },
  async () => {
    // The catalog file is PyIceberg's, which lacks the column `iceberg_type`.
    await using elsewhere = await testWarehouse()
    const catalogFile = join(elsewhere.dir, 'py-catalog.db')
    const written = await runPython<{ rows: number; snapshot: string }>(script('write_table.py'), [
      catalogFile,
      elsewhere.warehouse,
    ])
    const catalog = await elsewhere.openCatalog(catalogFile)
    const identifier = { namespace: ['written'], name: 'events' }
    expect(await catalog.listTables()).toEqual([identifier])
    let table = await catalog.loadTable(identifier)
    expect(String(table.metadata.currentSnapshotId)).toBe(written.snapshot)
    const summary = `SELECT count(*) AS n, sum(id) AS ids, min(ts) AS first, max(ts) AS last, count(small) AS smalls,
    sum(price)::DECIMAL(38, 3) AS price, min(day) AS day, max(name) AS name, sum(ratio) AS ratio FROM ?`
    expect(await elsewhere.query(table, summary)).toEqual([
      {
        n: 100n,
        ids: 4950n * 2n ** 40n,
        first: -86_400_000_001n,
        last: 99n * 3_600_000_000n - 86_400_000_001n,
        smalls: 85n,
        price: 618_750n,
        day: -31,
        name: 'naïve ☃ 99',
        ratio: 1650,
      },
    ])

    const more = join(elsewhere.dir, 'more.csv')
    await elsewhere.db.run(`COPY (SELECT name, ts, id * 2 AS id, small, ratio, price, day, ok FROM
    (${await elsewhere.relation(table)})) TO '${more}' (FORMAT csv, HEADER true)`)
    await elsewhere.import({ files: [more], table: 'written.events', eventTime: 'ts', catalog })
    const again = await runPython<{ rows: number }>(script('write_table.py'), [catalogFile, elsewhere.warehouse])
    expect(again.rows).toBe(300)
    table = await catalog.loadTable(identifier)
    expect(await elsewhere.query(table, 'SELECT count(*) AS n FROM ?')).toEqual([{ n: 300n }])
    const read = await runPython<PyTable>(script('read_table.py'), [catalogFile, elsewhere.warehouse, 'written.events'])
    expect(read.rows).toHaveLength(300)
    expect(read.summaries.map((each) => each['total-records'])).toEqual(['100', '200', '300'])
  },
)

const sorted = (rows: readonly Row[]): Row[] => [...rows].sort((a, b) => Number(a['id']) - Number(b['id']))

/** A row of ours in the form that the Python scripts print. */
function jsonForm(schema: Schema, row: Row): Row {
  const form = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex').toUpperCase()
    if (typeof value === 'bigint') return String(value)
    if (Array.isArray(value)) return value.map(form)
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, form(entry)]))
    }
    return value
  }
  const entries = schema.fields.map(({ name, type }) => {
    const value = row[name]
    const decimal = decimalShape(type)
    if (decimal !== null && typeof value === 'bigint') {
      const digits = String(value < 0n ? -value : value).padStart(decimal.scale + 1, '0')
      return [name, `${value < 0n ? '-' : ''}${digits.slice(0, -decimal.scale)}.${digits.slice(-decimal.scale)}`]
    }
    if (typeof value === 'number' && (type === 'double' || type === 'float')) {
      return [name, Number.isNaN(value) ? 'nan' : value]
    }
    return [name, typeof value === 'number' ? String(value) : form(value)]
  })
  return Object.fromEntries(entries) as Row
}
