// Where events become known late and keys are busy, approximate distinct counts are not the engine's own: they are made of its hashes. The same value
// has to come out, for a slice of few events is counted by the engine.
import { expect, test } from 'vitest'
import type { ViewDefinition } from '../../../src/definition/index.ts'
import { openDuckDb } from '../../../src/io/duckdb.ts'
import { computeInSession } from '../../../src/io/slice-session.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { schemaOf } from './engine.ts'

const hour = 3_600_000_000n
const start = BigInt(Date.parse('2026-01-01T00:00:00Z')) * 1000n
const types = {
  key: 'string',
  event: 'timestamptz',
  known: 'timestamptz',
  whole: 'long',
  text: 'string',
  real: 'double',
  money: 'decimal(9, 2)',
} as const
const columns = ['whole', 'text', 'real', 'money'] as const
const windows = { '1h': 1n, '1d': 24n, '10d': 240n }

const view: ViewDefinition = {
  version: 1,
  name: 'sketched',
  entity: { name: 'thing', keys: [{ name: 'key', type: 'string' }] },
  source: { name: 'events', table: 'raw.events', eventTime: 'event', knownTime: 'known' },
  every: '1h',
  partitionBy: 'day',
  features: columns.map((name) => ({
    name,
    aggregate: 'approx_count_distinct',
    argument: { kind: 'column', name },
    where: null,
    windows: Object.keys(windows),
  })),
  derived: [],
  audits: [],
}

test.each([2, 30, 700, 100_000])('of %i values, every window counts as many as the engine', async (values) => {
  await using folder = await tempDir()
  await using db = await openDuckDb({ threads: 1, memoryLimit: '1GB', tempDirectory: folder.path })
  const value = `hash(n + 7) % ${values}`
  await db.run(`CREATE TABLE source_rows AS
    SELECT CASE WHEN n % 10 = 0 THEN 'rare' ELSE 'busy' END AS key, event, event + to_microseconds(CAST(hash(n) % ${30n * hour} AS BIGINT)) AS known,
      CASE WHEN n % 11 > 0 THEN CAST(${value} AS BIGINT) END AS whole, 'text ' || ${value} AS text, sin(${value}) AS real,
      CAST(CAST(${value} AS DOUBLE) / 4 AS DECIMAL(9, 2)) AS money
    FROM (SELECT n, make_timestamptz(${start} + CAST(hash(n + 1) % ${200n * hour} AS BIGINT)) AS event FROM range(4000) AS numbers(n))`)
  const output = columns.flatMap((name) => Object.keys(windows).map((window) => `${name}_${window}`))
  const outputSchema = schemaOf({
    key: 'string',
    feature_time: 'timestamptz',
    ...Object.fromEntries(output.map((name) => [name, 'long'])),
  })
  const range = { from: start + 24n * hour, to: start + 240n * hour }
  const shapes = { sourceSchema: schemaOf(types), dimensions: new Map(), outputSchema }
  const { select } = await computeInSession(db, view, { ...range, ...shapes })
  const counted = Object.entries(windows).flatMap(([window, hours]) =>
    columns.map((name) => {
      // As it is hashed: doubles as structs.
      const hashed = name === 'real' ? `{v: real}` : name
      return `approx_count_distinct(${hashed}) FILTER (WHERE ${name} IS NOT NULL AND event >= t - to_hours(${hours})) AS "${name}_${window}"`
    }),
  )
  const wanted = `SELECT key, t AS feature_time, ${counted.join(', ')}
    FROM (SELECT make_timestamptz(CAST(${range.from} + n * ${hour} AS BIGINT)) AS t FROM range(${(range.to - range.from) / hour}) AS hours(n)) JOIN source_rows ON event < t AND known < t
    GROUP BY key, t`
  const rows = (query: string) =>
    db.rows(`SELECT key, feature_time, ${output.map((name) => `"${name}"`).join(', ')} FROM (${query}) ORDER BY ALL`)
  const found = await rows(select)
  expect(found.length).toBeGreaterThan(300)
  expect(found).toEqual(await rows(wanted))
})
