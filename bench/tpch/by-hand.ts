/** The view `customer_orders` in SQL as a careful person writes it by hand. Both ways write a file a day, its rows in the order of the customers. */
import { dayPlus } from './data.ts'

const windows = [1, 7, 30, 90] as const
const longest = 90

const perWindow = (column: (days: number) => string): string => windows.map(column).join(',\n  ')

/** How a file is written: what Hindcast's tables ask for too. */
export const copyTo = (select: string, path: string): string =>
  `COPY (${select}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`

/** Makes `events` from the table's files. */
export const eventsTable = (files: readonly string[], from: string, to: string): string =>
  `CREATE TABLE events AS SELECT customer, ordered, supplier, quantity, price
FROM read_parquet([${files.map((file) => `'${file}'`).join(', ')}])
WHERE ordered >= DATE '${dayPlus(from, -longest)}' AND ordered < DATE '${dayPlus(to, -1)}' AND customer IS NOT NULL`

/** One day's rows, from the events. */
export function straightDay(day: string): string {
  const within = (days: number): string => `FILTER (WHERE ordered >= DATE '${dayPlus(day, -days)}')`
  return `SELECT *, items_7d / items_90d AS items_share_7d FROM (SELECT customer, TIMESTAMPTZ '${day} 00:00:00+00' AS feature_time,
  ${perWindow((d) => `count(*) ${within(d)} AS items_${d}d`)},
  ${perWindow((d) => `sum(price) ${within(d)} AS price_sum_${d}d`)},
  ${perWindow((d) => `CAST(sum(price) ${within(d)} AS DOUBLE) / CAST(count(*) ${within(d)} AS DOUBLE) AS price_avg_${d}d`)},
  ${perWindow((d) => `min(quantity) ${within(d)} AS quantity_min_${d}d`)},
  ${perWindow((d) => `max(quantity) ${within(d)} AS quantity_max_${d}d`)},
  ${perWindow((d) => `count(DISTINCT supplier) ${within(d)} AS suppliers_${d}d`)},
  ${perWindow((d) => `arg_max(price, (ordered, price)) ${within(d)} AS last_price_${d}d`)}
FROM events WHERE ordered >= DATE '${dayPlus(day, -longest)}' AND ordered < DATE '${day}' GROUP BY customer) ORDER BY customer`
}

/** A row for each customer and day with events. */
export const tilesTable = `CREATE TABLE tiles AS SELECT customer, ordered AS day, count(*) AS n, sum(price) AS s, min(quantity) AS low,
  max(quantity) AS high, max(price) AS last, list(DISTINCT supplier) AS suppliers
FROM events GROUP BY customer, ordered`

/**
 * Makes `changes` of some weeks: the rows of each customer where they change, `[since, until)` being the days that they hold for, in the order of
 * the customers. A day's events enter each window the day after, and leave it as many days later as it is long.
 */
export function changesTable(from: string, to: string): string {
  const within = (days: number): string => `FILTER (WHERE day >= since - ${days})`
  return `CREATE OR REPLACE TABLE changes AS
WITH seen AS (SELECT * FROM tiles WHERE day >= DATE '${dayPlus(from, -longest)}' AND day < DATE '${dayPlus(to, -1)}'),
entering AS (SELECT customer, unnest([day + 1, ${windows.map((d) => `day + ${d + 1}`).join(', ')}]) AS since FROM seen),
points AS (SELECT DISTINCT customer, greatest(since, DATE '${from}') AS since FROM entering WHERE since < DATE '${to}'),
spans AS (SELECT *, lead(since, 1, DATE '${to}') OVER (PARTITION BY customer ORDER BY since) AS until FROM points)
SELECT customer, since, until,
  ${perWindow((d) => `CAST(coalesce(sum(n) ${within(d)}, 0) AS BIGINT) AS items_${d}d`)},
  ${perWindow((d) => `sum(s) ${within(d)} AS price_sum_${d}d`)},
  ${perWindow((d) => `CAST(sum(s) ${within(d)} AS DOUBLE) / CAST(sum(n) ${within(d)} AS DOUBLE) AS price_avg_${d}d`)},
  ${perWindow((d) => `min(low) ${within(d)} AS quantity_min_${d}d`)},
  ${perWindow((d) => `max(high) ${within(d)} AS quantity_max_${d}d`)},
  ${perWindow((d) => `coalesce(len(list_distinct(flatten(list(suppliers) ${within(d)}))), 0) AS suppliers_${d}d`)},
  ${perWindow((d) => `arg_max(last, day) ${within(d)} AS last_price_${d}d`)},
  items_7d / items_90d AS items_share_7d
FROM spans JOIN seen USING (customer) WHERE day < since AND day >= since - ${longest}
GROUP BY customer, since, until ORDER BY customer, since`
}

/** One day's rows, from the changes. */
export const changesDay = (day: string): string =>
  `SELECT customer, TIMESTAMPTZ '${day} 00:00:00+00' AS feature_time, * EXCLUDE (customer, since, until)
FROM changes WHERE since <= DATE '${day}' AND until > DATE '${day}'`

/** All rows with their day, for one partitioned COPY. */
export const changesPartitioned = `SELECT customer, CAST(day AS TIMESTAMPTZ) AS feature_time, * EXCLUDE (customer, since, until, day), CAST(day AS DATE) AS day
FROM (SELECT *, unnest(range(since, until, INTERVAL 1 DAY)) AS day FROM changes) ORDER BY day, customer`
