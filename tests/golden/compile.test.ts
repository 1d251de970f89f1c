// A change of the compiled SQL changes what every later backfill publishes. It must show in review, and the files shown must be what runs.
import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
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
  origin_months: `
    SELECT origin, t AS feature_time,
      count(*) FILTER (date >= t - INTERVAL 1 MONTH) AS departures_1mo,
      count(*) FILTER (date >= t - INTERVAL 2 MONTH AND date < t - INTERVAL 1 MONTH) AS departures_1mo_offset_1mo,
      count(*) AS departures_lifetime,
      max(delay) FILTER (date >= t - INTERVAL 2 MONTH) AS delay_max_2mo
    FROM source_rows, points WHERE date < t
    GROUP BY origin, t ORDER BY origin, t`,
  region_delays: `
    WITH joined AS (
      SELECT date, delay,
        (FROM dimension_to AS d SELECT d.region WHERE d.code = destination) AS to_region,
        (FROM dimension_from AS d SELECT {name: d.name, region: d.region} WHERE d.code = origin AND d.since <= date ORDER BY d.since DESC LIMIT 1) AS origin
      FROM source_rows WHERE date >= TIMESTAMP '2001-01-25' AND date < TIMESTAMP '2001-02-02'
    )
    SELECT to_region, origin.name AS from_name, t AS feature_time,
      count(*) AS departures_7d,
      avg(delay) AS delay_avg_7d,
      max(delay) FILTER (origin.region <> to_region) AS delay_max_7d
    FROM joined, points WHERE date >= t - INTERVAL 7 DAY AND date < t AND to_region IS NOT NULL AND origin.name IS NOT NULL
    GROUP BY ALL ORDER BY ALL`,
  origin_mix: `
    WITH flown AS (
      SELECT origin, t, destination, count(*) AS of_28d, count(*) FILTER (date >= t - INTERVAL 7 DAY) AS of_7d,
        avg(delay) FILTER (date >= t - INTERVAL 7 DAY) AS delay
      FROM source_rows, points WHERE date >= t - INTERVAL 28 DAY AND date < t
      GROUP BY ALL
    )
    SELECT origin, t AS feature_time,
      map_from_entries(list({k: destination, v: delay} ORDER BY encode(destination)) FILTER (delay IS NOT NULL)) AS delay_avg_7d,
      (list(destination ORDER BY of_7d DESC, destination) FILTER (of_7d > 0))[1:3] AS busiest_7d,
      list(destination ORDER BY of_28d DESC, destination)[1:3] AS busiest_28d
    FROM flown GROUP BY origin, t ORDER BY origin, t`,
  route_changes: `
    SELECT origin, destination, t AS feature_time,
      count(*) AS departures_7d,
      sum(delay) AS delay_sum_7d
    FROM (
      SELECT DISTINCT origin, destination, date + INTERVAL 1 MICROSECOND AS t
      FROM source_rows WHERE date >= TIMESTAMP '2001-02-01' AND date < TIMESTAMP '2001-02-03'
    ) JOIN source_rows USING (origin, destination)
    WHERE date >= t - INTERVAL 7 DAY AND date < t
    GROUP BY ALL ORDER BY origin, destination, t`,
  delay_trends: `
    SELECT origin, t AS feature_time,
      count(*) FILTER (feature_time >= t - INTERVAL 2 DAY AND feature_time < t) AS days_2d,
      max(delay_max_7d) FILTER (feature_time >= t - INTERVAL 2 DAY AND feature_time < t) AS delay_max_2d,
      max(delay_max_7d) FILTER (feature_time < t - INTERVAL 1 DAY) AS delay_max_2d_offset_1d
    FROM source_rows AS days, (SELECT CAST(t AS TIMESTAMPTZ) AS t FROM points)
    WHERE days.feature_time >= t - INTERVAL 3 DAY AND days.feature_time < t
    GROUP BY ALL ORDER BY origin, t`,
}

/** Instants of the feature times. */
const points: Readonly<Record<string, string>> = {
  origin_months: `('2001-02-01'), ('2001-03-01'), ('2001-04-01')`,
  delay_trends: `('2001-02-03'), ('2001-02-04')`,
}

/** How many flights of the slice have no key, if any. */
const keyless: Readonly<Record<string, string>> = {
  region_delays: `(SELECT count(*) FROM flights JOIN dimension_to ON code = destination
    WHERE date >= TIMESTAMP '2001-02-01' AND date < TIMESTAMP '2001-02-03' AND region IS NULL)`,
}

/** Dimensions made of the flights themselves: names that change in January, each airport in one of three regions. */
const airports = `SELECT * EXCLUDE region, CASE WHEN region > 0 THEN 'region ' || region END AS region FROM (
  SELECT code, since, code || ' since ' || since AS name, CAST(hash(code) % 4 AS INTEGER) AS region
  FROM (SELECT DISTINCT origin AS code FROM read_parquet(${quoteString(flightsParquet)})) AS codes,
    (VALUES (DATE '2001-01-03'), (DATE '2001-01-27'), (DATE '2001-06-01'), (NULL)) AS versions(since)
)`
const relations: Readonly<Record<string, readonly string[]>> = {
  region_delays: [
    `CREATE TEMP VIEW dimension_from AS ${airports}`,
    `CREATE TEMP VIEW dimension_to AS SELECT code, region FROM (${airports}) WHERE since = DATE '2001-01-03'`,
  ],
}

/** Rows as those of another view. */
const days = `
  SELECT origin, CAST(date_trunc('day', date) AS TIMESTAMPTZ) AS feature_time, max(delay) AS delay_max_7d
  FROM flights WHERE date < TIMESTAMP '2001-02-06' GROUP BY ALL`

const named = goldenViews.map((view) => ({ name: view.definition.name, view }))

test.each(named)('$name compiles to its golden file', async ({ view }) => {
  expect(goldenSql(view)).toBe(await readFile(goldenPath(view), 'utf8'))
})

test.each(named)(
  'the golden file of $name runs on real flights and gives what plain SQL gives',
  async ({ name, view }) => {
    await using scratch = await tempDir()
    await using db = await openDuckDb({ threads: 1, memoryLimit: '1GB', tempDirectory: scratch.path })
    await db.run(`CREATE TEMP VIEW flights AS FROM read_parquet(${quoteString(flightsParquet)})`)
    await db.run(`CREATE TEMP VIEW source_rows AS ${view.definition.source.view === undefined ? 'FROM flights' : days}`)
    for (const statement of relations[name] ?? []) await db.run(statement)
    const statements = (await readFile(goldenPath(view), 'utf8')).split(/;\n+/).filter((text) => text !== '')
    const [rejected, select, ...tables] = statements.toReversed()
    for (const statement of tables.toReversed()) await db.run(statement)
    const rows = await db.rows(select ?? '')

    await db.run(
      `CREATE TEMP TABLE points AS SELECT CAST(t AS TIMESTAMP) AS t FROM (VALUES ${points[name] ?? `('2001-02-01'), ('2001-02-02')`}) AS points (t)`,
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
        return isDeepStrictEqual(found, wanted) || close
          ? []
          : [{ row: i, column, found, wanted }]
      }),
    )
    expect(differences).toEqual([])
    const [counted] = await db.rows<{ rejected: bigint }>(rejected ?? '')
    const [withoutKey] = await db.rows(`SELECT ${keyless[name] ?? '0::BIGINT'} AS rejected`)
    expect(counted).toEqual(withoutKey)
  },
)
