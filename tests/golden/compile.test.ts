// A change of the compiled SQL changes what every later backfill publishes. It must show in review, and the files shown must be what runs.
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { quoteString } from '../../src/compile/quote.ts'
import { openDuckDb } from '../../src/io/duckdb.ts'
import { flightsParquet } from '../support/project.ts'
import { tempDir } from '../support/temp-dir.ts'
import { goldenPath, goldenSql } from './compile.ts'
import { goldenViews } from './views.ts'


/** The same features in the plainest SQL, one row at a time: what the golden files have to come to. */
const plain: Readonly<Record<string, string>> = {
  origin_delays: `
    SELECT origin, t AS feature_time,
      count(*) FILTER (date >= t - INTERVAL 1 DAY) AS departures_1d,
      count(*) FILTER (date >= t - INTERVAL 7 DAY) AS departures_7d,
      count(*) AS departures_28d,
      avg(delay) FILTER (date >= t - INTERVAL 1 DAY) AS delay_avg_1d,
      avg(delay) FILTER (date >= t - INTERVAL 7 DAY) AS delay_avg_7d,
      avg(delay) AS delay_avg_28d,
      max(delay) FILTER (date >= t - INTERVAL 7 DAY) AS delay_max_7d,
      max(delay) AS delay_max_28d,
      stddev_samp(delay) AS delay_stddev_28d,
      count(*) FILTER (date >= t - INTERVAL 7 DAY AND delay > 15) AS late_7d,
      count(DISTINCT destination) FILTER (date >= t - INTERVAL 7 DAY) AS destinations_7d,
      count(DISTINCT destination) AS destinations_28d,
      last(delay ORDER BY date, delay) FILTER (date >= t - INTERVAL 7 DAY) AS last_delay_7d,
      late_7d / departures_7d AS late_share_7d
    FROM source_rows, points WHERE date >= t - INTERVAL 28 DAY AND date < t
    GROUP BY origin, t ORDER BY origin, t`,
  route_delays: `
    SELECT origin, destination, t AS feature_time,
      count(*) FILTER (date >= t - INTERVAL 7 DAY) AS departures_7d,
      count(*) AS departures_28d,
      avg(delay) FILTER (date >= t - INTERVAL 7 DAY) AS delay_avg_7d,
      avg(delay) AS delay_avg_28d,
      quantile_cont(delay, 0.9) FILTER (date >= t - INTERVAL 7 DAY) AS delay_p90_7d,
      quantile_cont(delay, 0.9) AS delay_p90_28d
    FROM source_rows, points WHERE date >= t - INTERVAL 28 DAY AND date < t
    GROUP BY origin, destination, t ORDER BY origin, destination, t`,
}

const named = goldenViews.map((view) => ({ name: view.definition.name, view }))

test.each(named)('$name compiles to its golden file', async ({ view }) => {
  expect(goldenSql(view)).toBe(await readFile(goldenPath(view), 'utf8'))
})

test.each(named)(
  'the golden file of $name runs on real flights and gives what plain SQL gives',
  async ({ name, view }) => {
    await using scratch = await tempDir()
    await using db = await openDuckDb({ threads: 1, memoryLimit: '1GB', tempDirectory: scratch.path })
    await db.run(`CREATE TEMP VIEW source_rows AS FROM read_parquet(${quoteString(flightsParquet)})`)
    const statements = (await readFile(goldenPath(view), 'utf8')).split(/;\n+/).filter((text) => text !== '')
    const [rejected, select, ...tables] = statements.toReversed()
    for (const statement of tables.toReversed()) await db.run(statement)
    const rows = await db.rows(select ?? '')

    await db.run(
      `CREATE TEMP TABLE points AS FROM (VALUES (TIMESTAMP '2001-02-01'), (TIMESTAMP '2001-02-02')) AS points (t)`,
    )
    const expected = await db.rows(plain[name] ?? '')
    expect(rows.length).toBeGreaterThan(300)
    expect(rows).toHaveLength(expected.length)
    // DuckDB's own standard deviation adds as it goes: it differs in the last digits.
    const differences = rows.flatMap((row, i) =>
      Object.keys({ ...row, ...expected[i] }).flatMap((column) => {
        const [found, wanted] = [row[column], expected[i]?.[column]]
        const close =
          typeof found === 'number' && typeof wanted === 'number' && Math.abs(found - wanted) <= 1e-9 * Math.abs(wanted)
        return found === wanted || close || (Number.isNaN(found) && Number.isNaN(wanted))
          ? []
          : [{ row: i, column, found, wanted }]
      }),
    )
    expect(differences).toEqual([])
    const [counted] = await db.rows<{ rejected: bigint }>(rejected ?? '')
    expect(counted?.rejected).toBe(0n)
  },
)
