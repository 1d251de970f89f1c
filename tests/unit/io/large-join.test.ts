// Few events are joined as of their times by looking all versions up, many by sorting both sides, on all threads and, where memory is short, on
// disk. The second is what runs on real tables, and what no small test sees.
import { expect, test } from 'vitest'
import { dimensionRelation } from '../../../src/compile/index.ts'
import type { ViewDefinition } from '../../../src/definition/index.ts'
import type { PrimitiveType, Schema } from '../../../src/iceberg/index.ts'
import { openDuckDb } from '../../../src/io/duckdb.ts'
import { computeInSession } from '../../../src/io/slice-session.ts'
import { tempDir } from '../../support/temp-dir.ts'

const schemaOf = (types: Readonly<Record<string, PrimitiveType>>): Schema => ({
  schemaId: 0,
  fields: Object.entries(types).map(([name, type], index) => ({ id: index + 1, name, required: false, type })),
})

const view: ViewDefinition = {
  version: 1,
  name: 'large',
  entity: { name: 'thing', keys: [{ name: 'k', type: 'long' }] },
  source: {
    name: 'events',
    table: 'raw.events',
    eventTime: 'at',
    joins: [
      {
        name: 'era',
        table: 'raw.eras',
        on: [
          { column: 'text', equals: 'text' },
          { column: 'x', equals: 'x' },
        ],
        asOf: 'since',
        columns: ['n'],
      },
      { name: 'dim', table: 'raw.dims', on: [{ column: 'text', equals: 'text' }], columns: ['n'] },
    ],
  },
  every: '1d',
  partitionBy: 'day',
  features: [
    { name: 'era', aggregate: 'sum', argument: { kind: 'column', name: 'era_n' }, where: null, windows: ['9d'] },
    { name: 'none', aggregate: 'count', argument: null, where: 'era_n IS NULL', windows: ['9d'] },
    { name: 'dim', aggregate: 'sum', argument: { kind: 'column', name: 'dim_n' }, where: null, windows: ['9d'] },
  ],
  derived: [],
  audits: [],
}

const day = 86_400_000_000n
const events = 200_000
const versions = 60_000

/** Hashes are as good as chance, and the same on every machine. */
const below = (n: number, salt: string): string => `CAST(hash(i, '${salt}') % ${n} AS BIGINT)`
const text = (n: number, salt: string): string => `repeat('long ', 20) || ${below(n, salt)}`
/** A double that may be NaN, either zero, or null. */
const double = (salt: string): string =>
  `list_extract([0.0, -0.0, 'NaN'::DOUBLE, 1.5, NULL], 1 + CAST(hash(i, '${salt}') % 5 AS BIGINT))`

test.each([
  ['microseconds', 'timestamptz', 'make_timestamptz', 1n, 2],
  ['nanoseconds', 'timestamp_ns', 'make_timestamp_ns', 1000n, 1],
] as const)('many events and versions, in %s', async (_, type, make, perMicro, threads) => {
  await using scratch = await tempDir()
  await using db = await openDuckDb({ threads, memoryLimit: '150MB', tempDirectory: scratch.path })
  const instants = (n: number, salt: string): string => `${below(n, salt)} * ${(9n * day) / BigInt(n)}`
  await db.run(`CREATE TABLE source_rows AS
SELECT ${below(1000, 'k')} AS k, ${text(900, 'text')} AS text, ${double('x')} AS x, make_timestamptz(${instants(5000, 'at')}) AS at
FROM range(${events}) AS r(i)`)
  await db.run(`CREATE TABLE ${dimensionRelation('era')} AS
SELECT text, x, ${make}(CAST(since * ${perMicro} AS BIGINT)) AS since, max(i) AS n
FROM (SELECT i, ${text(1000, 'era')} AS text, ${double('y')} AS x, ${instants(5000, 'since')} + ${below(2, 'odd')} AS since
  FROM range(${versions}) AS r(i))
WHERE x IS NOT NULL
GROUP BY text, x + 0, x, since QUALIFY row_number() OVER (PARTITION BY text, x + 0, since ORDER BY n) = 1`)
  await db.run(
    `CREATE TABLE ${dimensionRelation('dim')} AS SELECT repeat('long ', 20) || i AS text, i AS n FROM range(800) AS r(i)`,
  )
  const compiled = await computeInSession(db, view, {
    from: 9n * day,
    to: 10n * day,
    sourceSchema: schemaOf({ k: 'long', text: 'string', x: 'double', at: 'timestamptz' }),
    dimensions: new Map([
      ['raw.eras', schemaOf({ text: 'string', x: 'double', since: type, n: 'long' })],
      ['raw.dims', schemaOf({ text: 'string', n: 'long' })],
    ]),
    outputSchema: schemaOf({ k: 'long', feature_time: 'timestamptz', era_9d: 'long', none_9d: 'long', dim_9d: 'long' }),
  })
  const rows = await db.rows(`${compiled.select} ORDER BY ${compiled.orderBy}`)
  // The same by joining every version and keeping the last one.
  const expected = await db.rows(`
WITH numbered AS (SELECT row_number() OVER () AS id, * FROM source_rows),
found AS (
  SELECT id, max_by(n, since) AS n
  FROM numbered JOIN ${dimensionRelation('era')} AS era
    ON numbered.text = era.text AND (numbered.x = era.x OR (isnan(numbered.x) AND isnan(era.x)))
    AND epoch_us(numbered.at) * ${perMicro} >= ${perMicro === 1n ? 'epoch_us(since)' : 'epoch_ns(since)'}
  GROUP BY id
)
SELECT k, make_timestamptz(${9n * day}) AS feature_time, CAST(sum(found.n) AS BIGINT) AS era_9d,
  count(*) FILTER (WHERE found.n IS NULL) AS none_9d, CAST(sum(dim.n) AS BIGINT) AS dim_9d
FROM numbered LEFT JOIN found USING (id) LEFT JOIN ${dimensionRelation('dim')} AS dim USING (text)
GROUP BY k ORDER BY k`)
  expect(rows).toHaveLength(1000)
  expect(rows).toEqual(expected)
})
