// Rule: data that cannot be computed with end a run at once, naming file and row, or else feature, partition and entity. Damage otherwise:
// somebody looks for one value among a hundred million rows, while the run fails the same way for half an hour.
import { truncate } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { isRetryable, type BackfillInput, type HindcastError } from '../../../../src/contract/index.ts'
import { describeTable } from '../../../../src/iceberg/index.ts'
import { toPath } from '../../../../src/io/files/index.ts'
import { mergeInto } from '../../../../src/io/rows/index.ts'
import { salesProject, type OtherFeatures, type SalesProject } from '../../../support/runtime.ts'

const days = Array.from({ length: 8 }, (_, i) => `2024-01-0${i + 1}`)
/** So many sales a day that the engine takes them in several portions. */
const perDay = 3000
const sales = (amountOf: (day: number, n: number) => string): string[] =>
  days.flatMap((day, d) =>
    Array.from({ length: perDay }, (_, n) => {
      const time = new Date(n * 1000).toISOString().slice(11, 19)
      return `shop_${n % 7},${day} ${time},${amountOf(d, n)}`
    }),
  )
/** One value that is no number, in the fifth of eight days. */
const withOops = sales((day, n) => (day === 4 && n === 2500 ? 'oops' : n % 9 === 0 ? '' : String(n)))
const range = { from: '2024-01-02', to: '2024-01-08' }

async function failureOf(project: SalesProject, input: Partial<BackfillInput> = range): Promise<HindcastError> {
  const failure: unknown = await project.staged('run', input).then(
    () => null,
    (error: unknown) => error,
  )
  return failure as HindcastError
}

async function failing(lines: readonly string[], definition: OtherFeatures): Promise<HindcastError> {
  await using project = await salesProject(lines)
  await project.define('3d', definition)
  const failure = await failureOf(project)
  expect(failure.code).toBe('INPUT_INVALID')
  expect(isRetryable(failure.code)).toBe(false)
  expect(failure.message).toMatch(/^shop_sales, partitions? 2024-01-0/)
  const { path, row } = failure.context
  if (typeof path !== 'string') return failure
  const [found] = await project.runtime.withEngine((db) =>
    db.rows<{ amount: string }>(
      `SELECT amount FROM read_parquet('${toPath(path)}', file_row_number = true) WHERE file_row_number = ${String(row)}`,
    ),
  )
  expect(found?.amount, 'the row that it names is the bad one').toBe('oops')
  return failure
}

const oops = /fails for row \d+ of file:.*at_day=2024-01-05.*: Could not convert string 'oops' to INT32/

test.each([
  ['feature total', { features: "total: sum(sql`CAST(amount AS INTEGER)`, { over: ['3d'] })" }],
  [
    'feature big',
    { features: "n: count({ over: ['3d'] }), big: count({ where: sql`CAST(amount AS INTEGER) > 9`, over: ['3d'] })" },
  ],
  ['the buckets of n', { features: "n: count({ over: ['3d'], by: sql`CAST(amount AS INTEGER) % 3` })" }],
])('%s: names file and row', async (what, definition) => {
  const failure = await failing(withOops, definition)
  expect(failure.message).toContain(`: ${what}: `)
  expect(failure.message).toMatch(oops)
  expect(failure.hint).toContain('TRY_CAST')
})

const withSource = (source: string): OtherFeatures => ({
  features: "n: sum('tens', { over: ['3d'] })",
  view: `source: source({ name: 'sales', table: 'raw.sales', eventTime: 'at', ${source} }),`,
})

test.each([
  ['column whole', 'columns: { whole: sql`CAST(amount AS INTEGER)`, tens: sql`whole // 10` }'],
  ['the where of source sales', 'columns: { tens: sql`length(amount)` }, where: sql`CAST(amount AS INTEGER) > 3`'],
])('%s of the source: names file and row', async (what, source) => {
  const failure = await failing(withOops, withSource(source))
  expect(failure.message).toContain(`: ${what}: `)
  expect(failure.message).toMatch(oops)
})

test.each([
  ['that has one version', ''],
  ['as of the event’s time', `asOf: 'since',`],
])('a feature over a joined column %s: names file and row of the event', async (_, asOf) => {
  const shops = Array.from(
    { length: 7 },
    (__, n) => `('shop_${n}', TIMESTAMPTZ '2023-01-01', '${n === 3 ? 'tiny' : n}')`,
  )
  await using project = await salesProject(sales((__, n) => String(n)))
  await project.runtime.catalog.createTable(
    { namespace: ['raw'], name: 'shops' },
    describeTable({
      schema: {
        schemaId: 0,
        fields: [
          { id: 1, name: 'shop', required: false, type: 'string' },
          { id: 2, name: 'since', required: false, type: 'timestamptz' },
          { id: 3, name: 'size', required: false, type: 'string' },
        ],
      },
    }),
  )
  await mergeInto(project.runtime, {
    table: { namespace: ['raw'], name: 'shops' },
    snapshotId: 77n,
    source: `SELECT * FROM (VALUES ${shops.join(', ')}) AS shops(shop, since, size)`,
    keys: ['shop'],
    mode: 'copy-on-write',
  })
  await project.define('3d', {
    features: "total: sum(sql`CAST(shop_size AS INTEGER) + amount`, { over: ['3d'] })",
    view: `source: source({ name: 'sales', table: 'raw.sales', eventTime: 'at',
      joins: { shop: { table: 'raw.shops', on: { shop: 'shop' }, ${asOf} columns: ['size'] } } }),`,
  })
  const failure = await failureOf(project)
  expect(failure).toMatchObject({ code: 'INPUT_INVALID', context: { computing: 'feature total', row: '3' } })
  expect(failure.message).toMatch(/Could not convert string 'tiny' to INT32/)
})

test('a value of any length is shortened', async () => {
  const long = sales((day, n) => (day === 4 && n === 17 ? 'x'.repeat(5000) : '1'))
  await using project = await salesProject(long)
  await project.define('3d', { features: "total: sum(sql`CAST(amount AS INTEGER)`, { over: ['3d'] })" })
  const failure = await failureOf(project)
  expect(failure).toMatchObject({ code: 'INPUT_INVALID', context: { row: '17' } })
  expect(failure.message.length).toBeLessThan(1000)
})

const huge = sales((day, n) => (day >= 4 && n % 7 === 3 ? '9223372036854775807' : '1'))

test.each([
  ['an integer', "total: sum('amount', { over: ['3d'] })", /out of range for the destination type INT64/],
  ['a decimal', "total: sum(sql`CAST(amount AS DECIMAL(38,19))`, { over: ['3d'] })", /Overflow/i],
])('the sum of %s: names the feature and the first partition', async (_, total, words) => {
  const failure = await failing(huge, { features: `n: count({ over: ['3d'] }), ${total}` })
  expect(failure.message).toContain('feature total, partition 2024-01-06: ')
  expect(failure.message).toMatch(words)
  expect(failure.context).toMatchObject({ feature: 'total', partition: '2024-01-06' })
})

test('a derived column: names the entity and the time of the row', async () => {
  const failure = await failing(huge, {
    features: "most: max('amount', { over: ['3d'] })",
    derived: 'small: sql`CAST(most_3d AS SMALLINT)`',
  })
  expect(failure.message).toMatch(
    /derived column small: CAST\(most_3d AS SMALLINT\) fails for shop shop_3 at 2024-01-0[67]: .*9223372036854775807/,
  )
})

test('a source file that was cut short: names the file', async () => {
  await using project = await salesProject()
  await project.define('3d', { features: "total: sum('amount', { over: ['3d'] })" })
  const { files } = (await project.staged('before', { from: '2024-01-02', to: '2024-01-03' })).plan.source
  const path = toPath(files[0]?.path ?? '')
  await truncate(path, 100)
  const failure = await failureOf(project, { from: '2024-01-02', to: '2024-01-04' })
  expect(failure).toMatchObject({ code: 'DATA_FILE_INVALID', message: expect.stringContaining(path) as string })
  expect(isRetryable(failure.code)).toBe(false)
})
