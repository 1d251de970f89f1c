/**
 * What a careful person would write by hand: daily partials, one join per view, one partitioned COPY; two threads. It reads the Parquet files of
 * the imported table, as Hindcast does.
 */
import { DuckDBInstance } from '@duckdb/node-api'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { report, runCase } from '../measure.ts'

const [view = 'origin_delays'] = process.argv.slice(2)
const dir = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))

const days = `SELECT unnest(range(TIMESTAMP '2001-01-02', TIMESTAMP '2001-07-02', INTERVAL 1 DAY)) AS t`
const queries: Readonly<Record<string, string>> = {
  origin_delays: `WITH days AS (${days}), partials AS (
    SELECT origin, date_trunc('day', date) AS day, count(*) AS n, sum(delay) AS s, sum(delay * delay) AS ss, max(delay) AS m,
      count(*) FILTER (WHERE delay > 15) AS late, max({d: date, v: delay}) AS last
    FROM flights GROUP BY ALL
  ), merged AS (
    SELECT origin, t,
      coalesce(sum(n) FILTER (WHERE day >= t - INTERVAL 1 DAY), 0) AS departures_1d,
      coalesce(sum(n) FILTER (WHERE day >= t - INTERVAL 7 DAY), 0) AS departures_7d, sum(n) AS departures_28d,
      sum(s) FILTER (WHERE day >= t - INTERVAL 1 DAY) / sum(n) FILTER (WHERE day >= t - INTERVAL 1 DAY) AS delay_avg_1d,
      sum(s) FILTER (WHERE day >= t - INTERVAL 7 DAY) / sum(n) FILTER (WHERE day >= t - INTERVAL 7 DAY) AS delay_avg_7d,
      sum(s) / sum(n) AS delay_avg_28d,
      max(m) FILTER (WHERE day >= t - INTERVAL 7 DAY) AS delay_max_7d, max(m) AS delay_max_28d,
      CASE WHEN sum(n) > 1 THEN sqrt((sum(n) * sum(ss) - sum(s) * sum(s)) / (sum(n) * (sum(n) - 1))) END AS delay_stddev_28d,
      coalesce(sum(late) FILTER (WHERE day >= t - INTERVAL 7 DAY), 0) AS late_7d,
      (max(last) FILTER (WHERE day >= t - INTERVAL 7 DAY)).v AS last_delay_7d
    FROM days JOIN partials ON day < t AND day >= t - INTERVAL 28 DAY GROUP BY ALL
  ), places AS (
    SELECT origin, t, count(DISTINCT destination) FILTER (WHERE day >= t - INTERVAL 7 DAY) AS destinations_7d,
      count(DISTINCT destination) AS destinations_28d
    FROM days JOIN (SELECT DISTINCT origin, destination, date_trunc('day', date) AS day FROM flights) AS pairs
      ON day < t AND day >= t - INTERVAL 28 DAY GROUP BY ALL
  )
  SELECT *, late_7d / nullif(departures_7d, 0) AS late_share_7d FROM merged JOIN places USING (origin, t) ORDER BY t, origin`,
  route_delays: `WITH days AS (${days}), windows AS (
    SELECT origin, destination, t, count(*) AS departures_28d, avg(delay) AS delay_avg_28d, quantile_cont(delay, 0.9) AS delay_p90_28d,
      count(*) FILTER (WHERE day >= t - INTERVAL 7 DAY) AS departures_7d,
      avg(delay) FILTER (WHERE day >= t - INTERVAL 7 DAY) AS delay_avg_7d,
      quantile_cont(delay, 0.9) FILTER (WHERE day >= t - INTERVAL 7 DAY) AS delay_p90_7d
    FROM days JOIN (SELECT *, date_trunc('day', date) AS day FROM flights) AS events ON day < t AND day >= t - INTERVAL 28 DAY
    GROUP BY ALL
  )
  SELECT * FROM windows ORDER BY t, origin, destination`,
}

try {
  await writeFile(join(dir, 'hindcast.config.ts'), 'export default {}\n')
  await runCase('import-flights', dir)
  const started = performance.now()
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: '8GB',
    temp_directory: join(dir, 'spill'),
  })
  const connection = await instance.connect()
  await connection.run(
    `CREATE VIEW flights AS FROM read_parquet('${dir}/.hindcast/warehouse/raw/flights/data/**/*.parquet')`,
  )
  await connection.run(`SET partitioned_write_max_open_files = 1000`)
  const copied = await connection.runAndReadAll(
    `COPY (SELECT *, strftime(t, '%Y-%m-%d') AS day FROM (${queries[view] ?? ''})) TO '${dir}/out' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day))`,
  )
  report(started, Number(copied.getRows()[0]?.[0] ?? 0))
  connection.closeSync()
  instance.closeSync()
} finally {
  await rm(dir, { recursive: true, force: true })
}
