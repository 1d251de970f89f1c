/** Rule: the types and defaults of version 3 are the same values to all who know them. Damage otherwise: values that only we can read. */
import { expect, test } from 'vitest'
import { updateSchema, type SchemaChange } from '../../src/iceberg/actions/update-schema.ts'
import { parseJsonText } from '../../src/iceberg/metadata/json-text.ts'
import { planScan } from '../../src/iceberg/scan/plan-scan.ts'
import type { IcebergType, PrimitiveType } from '../../src/iceberg/types/schema.ts'
import { define, definitionJson, struct, type TableDefinition } from '../support/counterparts/definition.ts'
import { lakehouse, type Lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

const version3 = (columns: Readonly<Record<string, IcebergType>>, more: Row = {}): TableDefinition =>
  define({ columns, properties: { 'format-version': '3', ...(more as Record<string, string>) } })

const hex = (bytes: Uint8Array | undefined): string | null =>
  bytes === undefined ? null : Buffer.from(bytes).toString('hex')

async function boundsOf(lake: Lakehouse, name: string, field: number): Promise<(string | null)[]> {
  const { tasks } = await planScan({ table: await lake.load(name), io: lake.io, columns: 'all' })
  return tasks.flatMap(({ dataFile: { lowerBounds, upperBounds } }) => [
    hex(lowerBounds?.get(field)),
    hex(upperBounds?.get(field)),
  ])
}

test('nanoseconds: Iceberg’s Java library and PyIceberg; Spark has none', async () => {
  await using lake = await lakehouse()
  const definition = version3({ id: 'long', at: 'timestamp_ns' })
  const without = ['spark'] as const
  const ats = ['978307200123456789', '-1', '0', '-9223286400000000000', '9223372036854775806', null]
  const rows = ats.map((at, id) => ({ id: String(id), at }))
  await lake.create('db.ours', definition)
  await lake.append('db.ours', rows)
  await lake.java('create', { table: 'db.theirs', ...definitionJson(definition) })
  await lake.java('append', { table: 'db.theirs', rows })
  for (const name of ['db.ours', 'db.theirs']) expect(await lake.agreedRows(name, { without })).toEqual(inOrder(rows))
  expect(await boundsOf(lake, 'db.ours', 2)).toEqual(await boundsOf(lake, 'db.theirs', 2))
  await lake.append('db.ours', [{ id: '9', at: '1' }])
  const filters = ['978307200123456789', '-1', '1'].flatMap((value) =>
    ['eq', 'lt', 'lt_eq', 'gt', 'gt_eq'].map((op) => ({ column: 'at', op, value })),
  )
  const found = await lake.java<{ found: number; there: number }[]>('filters', { table: 'db.ours', filters })
  expect(found.map((each) => each.found)).toEqual(found.map((each) => each.there))
  expect(found.map((each) => each.found)).toEqual([1, 4, 5, 1, 2, 1, 1, 2, 4, 5, 1, 3, 4, 2, 3])
})

test('columns of unknown type: all', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', version3({ id: 'long', nothing: 'unknown', point: struct({ x: 'int', y: 'unknown' }) }))
  const row = (id: number, x: string | null): Row => ({
    id: String(id),
    nothing: null,
    point: x === null ? null : { x, y: null },
  })
  await lake.append('db.t', [row(1, '5'), row(2, null)])
  expect(await lake.agreedRows('db.t')).toEqual([row(1, '5'), row(2, null)])
  await lake.java('append', { table: 'db.t', rows: [row(3, '6')] })
  await lake.spark('INSERT INTO db.t (id) VALUES (4)')
  await lake.append('db.t', [row(5, '7')])
  expect(await lake.agreedRows('db.t')).toEqual([row(1, '5'), row(2, null), row(3, '6'), row(4, null), row(5, '7')])
})

test('variants: Iceberg’s Java library, and Spark but for its vectorized reader, which takes no shredded ones', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', version3({ id: 'long', v: 'variant' }, { 'read.parquet.vectorization.enabled': 'false' }))
  await lake.appendQuery(
    'db.t',
    `SELECT unnest([1, 2, 3, 4, 5, 6])::BIGINT AS id,
       unnest([{'a': 1, 'b': 'x', 'c': [1, 2]}::VARIANT, 42::VARIANT, 'text ☃'::VARIANT, 1.25::DECIMAL(9, 2)::VARIANT,
         TIMESTAMP '2001-01-01 01:02:03.456'::VARIANT, NULL]) AS v`,
  )
  await lake.spark(`
    INSERT INTO db.t SELECT 7, parse_json('{"k": [1, 2.5, null, "s", true], "m": {"n": -1}}')
    UNION ALL SELECT 8, parse_json('null') UNION ALL SELECT 9, CAST(NULL AS VARIANT)`)
  const json = [
    '{"a":1,"b":"x","c":[1,2]}',
    '42',
    '"text ☃"',
    '1.25',
    '"2001-01-01 01:02:03.456"',
    'null',
    '{"k":[1,2.5,null,"s",true],"m":{"n":-1}}',
    'null',
    null,
  ].map((text, index) => ({ id: String(index + 1), text }))
  // To DuckDB a variant that is null and one that is missing are one, and written as the former.
  const ours = await lake.select(
    'db.t',
    `id::VARCHAR AS id, CASE WHEN v IS NULL THEN 'null' ELSE v::JSON::VARCHAR END AS text`,
  )
  expect(inOrder(ours)).toEqual(json.map((row) => ({ ...row, text: row.text ?? 'null' })))
  expect(await lake.spark('SELECT id, to_json(v) AS text FROM db.t ORDER BY id')).toEqual(json)
  expect(await lake.spark(`SELECT id FROM db.t WHERE try_variant_get(v, '$.c[1]', 'int') = 2`)).toEqual([{ id: '1' }])
  const java = new Map((await lake.read('java', 'db.t')).map(({ id, v }) => [id, String(v)]))
  expect(java.get('2')).toMatch(/type=INT32, value=42/)
  expect(java.get('4')).toMatch(/type=DECIMAL4, value=1.25/)
  expect(java.get('5')).toMatch(/type=TIMESTAMPNTZ, value=2001-01-01T01:02:03.456/)
  expect(java.size).toBe(9)
})

test('geometries: Iceberg’s Java library and Spark', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', version3({ id: 'long', shape: 'geometry' }))
  const shapes = ['POINT (1 2)', 'LINESTRING (0 0, 1.5 -2)', 'POLYGON ((0 0, 0 1, 1 1, 0 0))', null]
  await lake.appendQuery(
    'db.t',
    shapes
      .map((text, id) => `SELECT ${id}::BIGINT AS id, ${text === null ? 'NULL' : `'${text}'`}::GEOMETRY AS shape`)
      .join(' UNION ALL '),
  )
  const [bytes] = await lake.db.rows<Row>(`SELECT hex(ST_AsWKB('${shapes[0]}'::GEOMETRY)) AS wkb`)
  const [theirs, sparks] = [await lake.read('java', 'db.t'), await lake.read('spark', 'db.t')]
  expect(inOrder(theirs)).toEqual(inOrder(sparks))
  expect(inOrder(theirs)[0]).toEqual({ id: '0', shape: bytes?.['wkb'] })
  await lake.java('append', { table: 'db.t', rows: [{ id: '9', shape: bytes?.['wkb'] }] })
  const texts = await lake.select('db.t', 'id::VARCHAR AS id, ST_AsText(shape) AS text')
  expect(inOrder(texts)).toEqual([
    ...shapes.map((text, id) => ({ id: String(id), text })),
    { id: '9', text: shapes[0] },
  ])
})

/** Type, default as JSON, and the value. */
const defaults: readonly (readonly [PrimitiveType, string, unknown])[] = [
  ['boolean', 'true', true],
  ['int', '-7', '-7'],
  ['long', '9223372036854775807', '9223372036854775807'],
  ['float', '1.5', 1.5],
  ['double', '-0.25', -0.25],
  ['decimal(9, 2)', '"12.50"', '12.50'],
  ['decimal(38, 10)', '"-9999999999999999999999999999.9999999999"', '-9999999999999999999999999999.9999999999'],
  ['date', '"1969-12-31"', '-1'],
  ['timestamp', '"2001-01-02T03:04:05.000006"', '978404645000006'],
  ['timestamptz', '"2001-01-02T03:04:05.000006+00:00"', '978404645000006'],
  ['string', String.raw`"it's ☃ \"quoted\""`, `it's ☃ "quoted"`],
  ['uuid', '"00010203-0405-0607-0809-0a0b0c0d0e0f"', '00010203-0405-0607-0809-0a0b0c0d0e0f'],
  ['binary', '"00ff"', '00FF'],
]

for (const whose of ['ours', 'theirs'] as const) {
  test(`defaults of added columns, ${whose}: all`, async () => {
    await using lake = await lakehouse()
    await lake.create('db.t', version3({ id: 'long' }))
    await lake.append('db.t', [{ id: '1' }])
    if (whose === 'ours') {
      const changes = defaults.map(([type, json], index): SchemaChange => {
        const initialDefault = (parseJsonText(`[${json}]`) as unknown[])[0]
        return { kind: 'add', column: `c${index}`, type, initialDefault, required: index % 2 === 0 }
      })
      const table = await lake.load('db.t')
      await lake.commit(table, updateSchema({ table, changes }).change)
    } else {
      for (const [index, [type, json]] of defaults.entries())
        await lake.java('addColumn', { table: 'db.t', column: `c${index}`, type, default: json })
    }
    const row = (id: string): Row => ({ id, ...Object.fromEntries(defaults.map(([, , value], i) => [`c${i}`, value])) })
    expect(await lake.agreedRows('db.t')).toEqual([row('1')])
    // Values of their own, beside rows that have the defaults.
    const other = { ...row('2'), c1: '8', c10: 'x' }
    await lake.append('db.t', [other])
    await lake.java('append', { table: 'db.t', rows: [{ ...other, id: '3' }] })
    expect(await lake.agreedRows('db.t')).toEqual([row('1'), other, { ...other, id: '3' }])
  })
}
