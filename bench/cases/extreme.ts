/**
 * One view over events that are unlike others, from plan to published snapshot; the import is not counted. Usage: NAME of one of `extremes`.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HindcastError } from '../../src/contract/index.ts'
import { openDuckDb } from '../../src/io/duckdb.ts'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime } from '../../src/io/runtime.ts'
import { backfill, importEvents } from '../backfill.ts'
import { report, runCase } from '../measure.ts'

interface Extreme {
  /** SELECT of the events: key, at, amount, seller, channel, known. */
  readonly events: string
  /** Whether events count from when they are known on: at once or up to an hour and a half late. */
  readonly isLate?: boolean
  readonly view: string
  readonly from: string
  readonly to: string
}

/** Events of a table of rows with a number `n`, spread evenly over a time. */
const spread = (rows: string, key: string, from: string, seconds: number, of: number): string =>
  `SELECT CAST(${key} AS BIGINT) AS key, TIMESTAMPTZ '${from} 00:00:00+00' + to_microseconds(n * ${Math.floor((seconds * 1_000_000) / of)}) AS at,
    CAST(hash(n) % 100000 AS DECIMAL(9, 2)) / 100 AS amount, CAST(hash(n + 1) % 1000 AS BIGINT) AS seller,
    CAST(hash(n + 2) % 4 AS VARCHAR) AS channel, "at" + to_microseconds(CAST(hash(n + 3) % 4 * 1800000000 AS BIGINT)) AS known FROM ${rows}`

const day = 86_400
const features = `items: count({ over }), amount_sum: sum('amount', { over }), amount_avg: avg('amount', { over }), amount_max: max('amount', { over }),
    sellers: countDistinct('seller', { over }), last_amount: last('amount', { over })`

/** A key with a million events in thirty days, beside a thousand others with a hundred each. */
const hotKey = `${spread('(SELECT unnest(range(1000000)) AS n)', '0', '2024-01-01', 30 * day, 1_000_000)}
  UNION ALL ${spread('(SELECT unnest(range(100000)) AS n)', '1 + n % 1000', '2024-01-01', 30 * day, 100_000)}`

const extremes: Readonly<Record<string, Extreme>> = {
  'hot-key': {
    events: hotKey,
    view: `every: '1h', features: { ${features}, amount_p90: quantile('amount', 0.9, { over: ['1d'] }) }`,
    from: '2024-01-01',
    to: '2024-01-31',
  },
  'hot-key-on-change': {
    events: hotKey,
    view: `every: '1d', rows: 'on_change', features: { ${features}, amount_p90: quantile('amount', 0.9, { over: ['1d'] }) }`,
    from: '2024-01-01',
    to: '2024-01-31',
  },
  'hot-key-by-values': {
    events: hotKey,
    view: `every: '1d', rows: 'on_change', features: { by_channel: avg('amount', { over, by: 'channel' }), top_sellers: topK('seller', 3, { over }),
      some_sellers: collectDistinct('seller', { over, limit: 10 }) }`,
    from: '2024-01-15',
    to: '2024-01-31',
  },
  'hot-key-known-late': {
    events: hotKey,
    isLate: true,
    view: `every: '1d', rows: 'on_change', features: { ${features}, last_sellers: lastK('seller', 5, { over }), top_seller: mode('seller', { over }),
      about_sellers: approxCountDistinct('seller', { over }), amount_p90: quantile('amount', 0.9, { over: ['1d'] }) }`,
    from: '2024-01-15',
    to: '2024-01-31',
  },
  /** Two years of a thousand keys, between them one without any event. */
  'silent-year': {
    events: `${spread('(SELECT unnest(range(1000000)) AS n)', 'n % 1000', '2021-01-01', 365 * day, 1_000_000)}
      UNION ALL ${spread('(SELECT unnest(range(1000000)) AS n)', 'n % 1000', '2023-01-01', 365 * day, 1_000_000)}`,
    view: `every: '1d', features: { ${features}, ever: sum('amount', { over: ['lifetime'] }) }`,
    from: '2021-01-02',
    to: '2024-01-01',
  },
  'ten-million-keys': {
    events: spread('(SELECT unnest(range(20000000)) AS n)', 'n % 10000000', '2024-01-01', 30 * day, 20_000_000),
    view: `every: '1d', features: { ${features} }`,
    from: '2024-01-31',
    to: '2024-02-01',
  },
}

const definition = ({ view, isLate = false }: Extreme): string => `
import { approxCountDistinct, avg, collectDistinct, count, countDistinct, entity, featureView, last, lastK, max, mode, quantile, source, sum, topK } from 'hindcast'
const over = ['1d', '7d', '30d'] as const
export const unlike = featureView({
  name: 'unlike',
  entity: entity({ name: 'thing', keys: { key: 'long' } }),
  source: source({ name: 'events', table: 'raw.events', eventTime: 'at'${isLate ? ", knownTime: 'known'" : ''} }),
  ${view},
})
`

const [name = '', importInto] = process.argv.slice(2)
const extreme = extremes[name]
if (extreme === undefined)
  throw new HindcastError('REQUEST_INVALID', `no case ${name}`, {
    hint: `Name one of ${Object.keys(extremes).join(', ')}.`,
  })

/** In a process of its own, for its memory is not the backfill's. */
async function importThem(dir: string, { events }: Extreme): Promise<void> {
  const file = join(dir, 'events.parquet')
  await using db = await openDuckDb({ threads: 2, memoryLimit: '6GB', tempDirectory: join(dir, 'spill') })
  await db.run(`COPY (${events}) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`)
  const runtime = await openRuntime(await loadSettings(dir))
  await importEvents(runtime, { file, table: 'raw.events', eventTime: 'at' }, { threads: 2 })
  await runtime.close()
  await rm(file)
}

if (importInto !== undefined) {
  const started = performance.now()
  await importThem(importInto, extreme)
  report(started, 0)
} else {
  const dir = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))
  try {
    await writeFile(join(dir, 'hindcast.config.ts'), 'export default {}\n')
    await mkdir(join(dir, 'features'))
    await writeFile(join(dir, 'features', 'unlike.ts'), definition(extreme))
    await runCase('extreme', name, dir)
    const runtime = await openRuntime(await loadSettings(dir))
    const started = performance.now()
    const { rows, laps, slices } = await backfill(runtime, { view: 'unlike', from: extreme.from, to: extreme.to })
    report(started, rows, laps, { slices })
    await runtime.close()
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
