/** Rule: what a manifest says of a file's columns is so, to the letter. Damage otherwise: files are passed over that hold what is asked for. */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { quoteString } from '../../src/compile/quote.ts'
import type { DataFile } from '../../src/iceberg/manifest/model.ts'
import { planScan } from '../../src/iceberg/scan/plan-scan.ts'
import type { IcebergType, NestedField } from '../../src/iceberg/types/schema.ts'
import { childFields } from '../../src/iceberg/types/types.ts'
import { define, definitionJson, list, map, struct } from '../support/counterparts/definition.ts'
import { lakehouse, type Lakehouse } from '../support/counterparts/lakehouse.ts'
import type { Row } from '../support/counterparts/plain-values.ts'

/** All that we write, but for `time`, which Spark refuses, and the types of version 3. */
const columns = {
  part: 'string',
  ok: 'boolean',
  small: 'int',
  large: 'long',
  single: 'float',
  double: 'double',
  cents: 'decimal(9, 2)',
  price: 'decimal(18, 3)',
  huge: 'decimal(38, 10)',
  day: 'date',
  local: 'timestamp',
  at: 'timestamptz',
  text: 'string',
  key: 'uuid',
  raw: 'binary',
  point: struct({ x: 'double', label: struct({ text: 'string', count: 'int' }) }),
  tags: list('string'),
  points: list(struct({ x: 'double' })),
  counts: map('string', 'double'),
} satisfies Record<string, IcebergType>

const uuid = (first: string): string => `${first}0000000-0000-0000-0000-000000000000`
const point = (x: unknown, text: string | null = null, count: string | null = null): Row => ({
  x,
  label: { text, count },
})
const bytesOf = (text: string): string => Buffer.from(text).toString('hex').toUpperCase()
const year1 = '-62135596800000000'

const least: Row = {
  ok: false,
  small: '-2147483648',
  large: '-9223372036854775808',
  single: -3.4028234663852886e38,
  double: -1.7976931348623157e308,
  cents: '-9999999.99',
  price: '-999999999999999.999',
  huge: '-9999999999999999999999999999.9999999999',
  day: '-719162',
  time: '0',
  local: year1,
  at: year1,
  text: '',
  key: uuid('0'),
  raw: '',
  point: point(-1.5, 'a', '-5'),
  tags: [],
  points: [],
  counts: [],
}
const greatest: Row = {
  ok: true,
  small: '2147483647',
  large: '9223372036854775807',
  single: 3.4028234663852886e38,
  double: 1.7976931348623157e308,
  cents: '9999999.99',
  price: '999999999999999.999',
  huge: '9999999999999999999999999999.9999999999',
  day: '2932896',
  time: '86399999999',
  local: '253402300799999999',
  at: '253402300799999999',
  text: '\u{10FFFF}',
  key: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  raw: 'FFFFFFFF',
  point: point(7.25, 'zz', '5'),
  tags: ['x', null, 'y'],
  points: [{ x: 2 }, null, { x: 'NaN' }],
  counts: [
    ['a', 1.5],
    ['b', 'NaN'],
  ],
}

/** Each is the rows of one file; columns that are not named are null. Texts lie around the sixteen letters that bounds are cut to. */
const files: Readonly<Record<string, readonly Row[]>> = {
  limits: [least, greatest, {}],
  nulls: [{}, {}],
  'empty values': [{ text: '', raw: '', tags: [], points: [], counts: [], point: { x: null, label: null } }],
  'NaN only': [{ single: 'NaN', double: 'NaN', point: point('NaN') }, {}],
  'NaN and more': [
    { single: 'NaN', double: 'NaN', point: point('NaN') },
    { single: 1.5, double: '-Infinity', point: point('Infinity') },
    { single: 'Infinity', double: 2.25, point: null },
  ],
  'both zeros': [
    { single: 0, double: 0, point: point(0) },
    { single: -0, double: -0, point: point(-0) },
  ],
  'plus zero': [{ single: 0, double: 0, point: point(0) }],
  'minus zero': [{ single: -0, double: -0, point: point(-0) }],
  '16 letters': [{ text: 'a'.repeat(16), raw: bytesOf('a'.repeat(16)), point: point(null, 'b'.repeat(16)) }],
  '17 letters': [{ text: 'a'.repeat(17), raw: bytesOf('a'.repeat(17)), point: point(null, 'b'.repeat(17)) }],
  '300 letters': [{ text: 'é'.repeat(300), raw: '00FF'.repeat(300) }],
  'letters of two units': [{ text: `${'x'.repeat(15)}🦆y` }, { text: '🦆'.repeat(20) }],
  // The next letter is no surrogate, which would be no text.
  'the last letter before the surrogates': [{ text: `${'x'.repeat(15)}\u{D7FF}y` }],
  'no greater last letter': [{ text: `${'x'.repeat(15)}\u{10FFFF}y`, raw: `${'61'.repeat(15)}FF61` }],
  'no upper bound': [{ text: '\u{10FFFF}'.repeat(17), raw: 'FF'.repeat(17) }],
  'keys of one sign': [{ key: uuid('1') }, { key: uuid('7') }],
  'keys of the other': [{ key: uuid('9') }, { key: uuid('f') }],
}

const rowsOf = (all: Readonly<Record<string, IcebergType>>): Row[] =>
  Object.entries(files).flatMap(([part, rows]) =>
    rows.map((row) => ({ ...Object.fromEntries(Object.keys(all).map((name) => [name, row[name] ?? null])), part })),
  )

const maps = ['valueCounts', 'nullValueCounts', 'nanValueCounts', 'lowerBounds', 'upperBounds'] as const
type Fact = `${string}: ${(typeof maps)[number]} of ${string}`

/**
 * Where ours differ, by design, and from which values of Iceberg's Java library.
 *
 * The zeros: as the spec has it, a zero is -0.0 as a lower and +0.0 as an upper bound. Theirs are the zeros that are there, and Spark, to
 * whom both are equal, then overlooks one of them.
 *
 * The keys: Iceberg's releases order uuids in two ways. Ours are bounds in both, where there are any.
 */
const differences: Readonly<Record<Fact, readonly [ours: string | null, theirs: string | null]>> = {
  'plus zero: lowerBounds of single': ['00000080', '00000000'],
  'plus zero: lowerBounds of double': ['0000000000000080', '0000000000000000'],
  'plus zero: lowerBounds of point.x': ['0000000000000080', '0000000000000000'],
  'minus zero: upperBounds of single': ['00000000', '00000080'],
  'minus zero: upperBounds of double': ['0000000000000000', '0000000000000080'],
  'minus zero: upperBounds of point.x': ['0000000000000000', '0000000000000080'],
  'limits: lowerBounds of key': [null, '0'.repeat(32)],
  'limits: upperBounds of key': [null, 'f'.repeat(32)],
  'keys of one sign: lowerBounds of key': ['0fffffffffffffff0000000000000000', `1${'0'.repeat(31)}`],
  'keys of one sign: upperBounds of key': ['70000000000000010000000000000000', `7${'0'.repeat(31)}`],
  'keys of the other: lowerBounds of key': ['8fffffffffffffff0000000000000000', `9${'0'.repeat(31)}`],
  'keys of the other: upperBounds of key': ['f0000000000000010000000000000000', `f${'0'.repeat(31)}`],
}

/** Dotted names of all fields, by id. */
function fieldNames(fields: readonly NestedField[], parent = ''): ReadonlyMap<number, string> {
  return new Map(
    fields.flatMap(({ id, name, type }) => [
      [id, `${parent}${name}`] as const,
      ...fieldNames(childFields(type), `${parent}${name}.`),
    ]),
  )
}

const noSizes: ReadonlyMap<number, bigint> = new Map()

async function dataFiles(lake: Lakehouse, name: string): Promise<ReadonlyMap<string, DataFile>> {
  const { tasks } = await planScan({ table: await lake.load(name), io: lake.io, columns: 'all' })
  return new Map(tasks.map(({ dataFile }) => [String(dataFile.partition[0]), dataFile]))
}

test('counts and bounds are those of Iceberg’s Java library, sizes are there', async () => {
  await using lake = await lakehouse()
  const all = { ...columns, time: 'time' } as const
  const definition = define({ columns: all, partitionBy: ['identity(part)'] })
  await lake.create('db.ours', definition)
  await lake.append('db.ours', rowsOf(all))
  await lake.java('create', { table: 'db.theirs', ...definitionJson(definition) })
  await lake.java('append', { table: 'db.theirs', rows: rowsOf(all) })
  const names = fieldNames(definition.schema.fields)
  const [ours, theirs] = [await dataFiles(lake, 'db.ours'), await dataFiles(lake, 'db.theirs')]
  expect([...ours.keys()].sort()).toEqual(Object.keys(files).sort())

  const facts = (found: ReadonlyMap<string, DataFile>): Record<string, string> =>
    Object.fromEntries(
      [...found].flatMap(([part, file]) =>
        maps.flatMap((kind) =>
          [...(file[kind] ?? [])].map(([id, value]) => [
            `${part}: ${kind} of ${names.get(id)}`,
            typeof value === 'bigint' ? String(value) : Buffer.from(value).toString('hex'),
          ]),
        ),
      ),
    )
  const [own, their] = [facts(ours), facts(theirs)]
  const expected = { ...their }
  for (const [fact, [value, other]] of Object.entries(differences)) {
    expect(their[fact] ?? null, `theirs of ${fact}`).toBe(other)
    if (value === null) delete expected[fact]
    else expected[fact] = value
  }
  expect(own).toEqual(expected)

  for (const [part, file] of ours) {
    const [sizes, theirSizes] = [file.columnSizes ?? noSizes, theirs.get(part)?.columnSizes ?? noSizes]
    expect(new Set(sizes.keys()), `columns of ${part} that have a size`).toEqual(new Set(theirSizes.keys()))
    let sum = 0n
    for (const [id, size] of sizes) {
      expect(size, `bytes of ${names.get(id)}`).toBeGreaterThan(0n)
      sum += size
    }
    expect(sum).toBeLessThan(file.fileSizeInBytes)
    expect(file.splitOffsets).toEqual(theirs.get(part)?.splitOffsets)
  }
})

/** The values of a column in all rows and, of texts and bytes, its bounds: all that a comparison may go wrong at. */
function valuesAt(column: string, bounds: readonly Uint8Array[]): readonly unknown[] {
  const path = column.split('.')
  const own = Object.values(files)
    .flat()
    .map((row) => path.reduce<unknown>((value, name) => (value as Row | null | undefined)?.[name], row))
    .filter((value) => value !== null && value !== undefined && value !== 'NaN')
  const cut = column.endsWith('text')
    ? bounds.map((bytes) => Buffer.from(bytes).toString())
    : column === 'raw'
      ? bounds.map((bytes) => Buffer.from(bytes).toString('hex').toUpperCase())
      : []
  return [...new Map([...own, ...cut].map((value) => [signed(value), value])).values()]
}

const signed = (value: unknown): string => (Object.is(value, -0) ? '-0.0' : String(value))
const textSql = (text: string): string => `decode(unhex('${bytesOf(text)}'), 'UTF-8')`

/** Columns that have bounds, with the SQL of their values in Spark. */
const compared: Readonly<Record<string, (value: unknown) => string>> = {
  ok: (value) => String(value),
  small: (value) => `CAST('${value}' AS INT)`,
  large: (value) => `CAST('${value}' AS BIGINT)`,
  single: (value) => `CAST('${signed(value)}' AS FLOAT)`,
  double: (value) => `CAST('${signed(value)}' AS DOUBLE)`,
  cents: (value) => `CAST('${value}' AS DECIMAL(9, 2))`,
  price: (value) => `CAST('${value}' AS DECIMAL(18, 3))`,
  huge: (value) => `CAST('${value}' AS DECIMAL(38, 10))`,
  day: (value) => `date_from_unix_date(${value})`,
  local: (value) => `CAST(timestamp_micros(${value}) AS TIMESTAMP_NTZ)`,
  at: (value) => `timestamp_micros(${value})`,
  text: (value) => textSql(String(value)),
  key: (value) => `'${value}'`,
  raw: (value) => `unhex('${value}')`,
  'point.x': (value) => `CAST('${signed(value)}' AS DOUBLE)`,
  'point.label.text': (value) => textSql(String(value)),
  'point.label.count': (value) => `CAST('${value}' AS INT)`,
}

const isFloating = (column: string): boolean => ['single', 'double', 'point.x'].includes(column)

/** Our table, and what its manifests say of its columns. */
async function filteredTable(lake: Lakehouse): Promise<(column: string) => readonly unknown[]> {
  const definition = define({ columns, partitionBy: ['identity(part)'] })
  await lake.create('db.t', definition)
  await lake.append('db.t', rowsOf(columns))
  const found = await dataFiles(lake, 'db.t')
  const names = fieldNames(definition.schema.fields)
  return (column) => {
    const id = [...names].find(([, name]) => name === column)?.[0] ?? -1
    const bounds = [...found.values()].flatMap(({ lowerBounds, upperBounds }) =>
      [lowerBounds?.get(id), upperBounds?.get(id)].filter((bytes) => bytes !== undefined),
    )
    return valuesAt(column, bounds)
  }
}

interface Answer {
  /** Rows that the scan gives. */
  readonly found: number
  /** Rows that fit. */
  readonly there: number
  readonly files: number
}

test('Iceberg’s Java library finds by a filter what there is, at every bound', async () => {
  await using lake = await lakehouse()
  const valuesOf = await filteredTable(lake)
  const filters = Object.keys(compared).flatMap((column) => [
    ...valuesOf(column).flatMap((value) =>
      ['eq', 'not_eq', 'lt', 'lt_eq', 'gt', 'gt_eq'].map((op) => ({ column, op, value })),
    ),
    ...['is_null', 'not_null', ...(isFloating(column) ? ['is_nan', 'not_nan'] : [])].map((op) => ({ column, op })),
    ...(column.endsWith('text')
      ? ['a', 'x', `${'x'.repeat(15)}🦆`, 'é', '\u{10FFFF}'].flatMap((value) =>
          ['starts_with', 'not_starts_with'].map((op) => ({ column, op, value })),
        )
      : []),
  ])
  const ask = (table: string): Promise<Answer[]> => lake.java('filters', { table, filters })
  const wrong = (answers: readonly Answer[]): unknown[] =>
    answers.flatMap(({ found, there }, index) => (found === there ? [] : [{ ...filters[index], found, there }]))
  const answers = await ask('db.t')
  expect(wrong(answers).filter((each) => (each as { column: string }).column !== 'key')).toEqual([])
  // Its order of uuids is not that of Parquet's statistics, by which it passes over row groups: of its own files too.
  await lake.java('create', {
    table: 'db.theirs',
    ...definitionJson(define({ columns, partitionBy: ['identity(part)'] })),
  })
  await lake.java('append', { table: 'db.theirs', rows: rowsOf(columns) })
  expect(wrong(answers)).toEqual(wrong(await ask('db.theirs')))
  // Of every column files are passed over by their bounds.
  for (const column of Object.keys(compared)) {
    const fewest = Math.min(
      ...answers.flatMap(({ files: read }, index) => (filters[index]?.column === column ? [read] : [])),
    )
    expect(fewest, `files read for a filter on ${column}`).toBeLessThan(Object.keys(files).length / 2)
  }
})

test('so does Spark, which pushes its filters down', async () => {
  await using lake = await lakehouse()
  const valuesOf = await filteredTable(lake)
  const filters = Object.entries(compared).flatMap(([column, literal]) => {
    const values = valuesOf(column)
    // To Spark NaN is the greatest number, to Iceberg's filters it fits nothing: in anyone's tables.
    const rest = isFloating(column) ? ` AND NOT isnan(${column})` : ''
    return [
      `${column} <= ${literal(values[0])}${rest}`,
      `${column} >= ${literal(values[1])}${rest}`,
      ...(isFloating(column) ? [`${column} = 0.0`, `${column} = -0.0`, `isnan(${column})`] : []),
    ]
  })
  // A condition in an aggregate is not pushed down.
  const [expected = {}] = await lake.spark(
    `SELECT ${filters.map((filter, index) => `count_if(${filter}) AS n${index}`).join(', ')} FROM db.t`,
  )
  const counting = (some: readonly string[]): string =>
    some.map((filter, i) => `SELECT ${i} AS i, count(*) AS n FROM db.t WHERE ${filter}`).join(' UNION ALL ')
  const wrong = (await lake.spark(counting(filters))).flatMap(({ i, n }) =>
    n === expected[`n${i}`] ? [] : [{ filter: filters[Number(i)], found: n, there: expected[`n${i}`] }],
  )
  expect(wrong).toEqual([])
  const [{ plan } = { plan: null }] = await lake.spark(
    `EXPLAIN ${counting(filters.filter((filter) => filter.includes(' <= ')))}`,
  )
  const pushed = String(plan).matchAll(/ filters=.*?([\w.]+) <= /g)
  expect(new Set([...pushed].map(([, column]) => column))).toEqual(new Set(Object.keys(compared)))
})

test('files are split where their row groups begin, and sorted as the table says', async () => {
  await using lake = await lakehouse()
  const properties = { 'write.parquet.row-group-size-bytes': '32768', 'read.split.target-size': '1' }
  await lake.create('db.t', define({ columns: { id: 'long', name: 'string' }, sortBy: ['id'], properties }))
  const rows = Array.from({ length: 10_000 }, (_, id) => ({ id: String(id), name: `name ${id}` }))
  await lake.append('db.t', rows.toReversed())
  const [file] = (await dataFiles(lake, 'db.t')).values()
  const path = quoteString(fileURLToPath(file?.filePath ?? ''))
  const groups = await lake.db.rows<{ start: bigint }>(
    `SELECT min(coalesce(dictionary_page_offset, data_page_offset)) AS start FROM parquet_metadata(${path})
     GROUP BY row_group_id ORDER BY row_group_id`,
  )
  expect(groups.length).toBeGreaterThan(2)
  expect(file?.splitOffsets).toEqual(groups.map(({ start }) => start))
  // Without the size asked for it takes the offsets for damaged.
  const [seen] = await lake.spark('SELECT sort_order_id, split_offsets, file_size_in_bytes FROM db.t.files')
  expect(seen).toMatchObject({ sort_order_id: '1', split_offsets: groups.map(({ start }) => String(start)) })
  // Each of Spark's tasks reads the row groups that begin in its split: every one is read once, and in its order.
  const read = await lake.spark(`
    SELECT count(*) AS rows, count(DISTINCT id) AS ids, count(DISTINCT task) AS tasks
    FROM (SELECT id, spark_partition_id() AS task FROM db.t)`)
  expect(read).toEqual([{ rows: '10000', ids: '10000', tasks: String(groups.length) }])
  const [first] = await lake.db.rows(`SELECT min(id) = 0 AND bool_and(id = file_row_number) AS sorted
    FROM read_parquet(${path}, file_row_number = true)`)
  expect(first).toEqual({ sorted: true })
})
