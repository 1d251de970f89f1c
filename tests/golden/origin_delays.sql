-- Time is counted in tiles of 86400 s from 2000-12-21; a row's point is the tile that begins at its feature time.
CREATE TEMP TABLE events AS
SELECT
  "origin" AS key_1,
  epoch_us("date") AS instant,
  (epoch_us("date") - 977356800000000) // 86400000000 AS tile,
  "delay" AS "value of delay",
  CASE WHEN (delay > 15) THEN true END AS "value of late",
  "destination" AS "value of destination"
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-01-04 00:00:00' AND "date" < TIMESTAMP '2001-02-02 00:00:00'
  AND "origin" IS NOT NULL;

CREATE TEMP TABLE entities AS
SELECT row_number() OVER (ORDER BY key_1) AS entity, key_1
FROM (SELECT DISTINCT key_1 FROM events);

CREATE TEMP TABLE blocks AS
WITH tiles AS (
  SELECT
    key_1,
    tile AS start,
    count(*) AS "count of rows",
    sum("value of delay" ORDER BY instant, "value of delay") AS "sum of delay",
    count("value of delay") AS "count of delay",
    max("value of delay") AS "max of delay",
    sum(CAST("value of delay" AS HUGEINT) * CAST("value of delay" AS HUGEINT)) AS "squares of delay",
    count("value of late") AS "count of late",
    max({instant: instant, value: "value of delay"}) FILTER (WHERE "value of delay" IS NOT NULL) AS "last of delay"
  FROM events
  GROUP BY key_1, tile
),
blocks_1 AS (SELECT entity, tiles.* EXCLUDE (key_1) FROM tiles JOIN entities USING (key_1)),
blocks_4 AS (
  SELECT
    entity,
    start // 4 * 4 AS start,
    sum("count of rows") AS "count of rows",
    sum("sum of delay" ORDER BY start) AS "sum of delay",
    sum("count of delay") AS "count of delay",
    max("max of delay") AS "max of delay",
    sum("squares of delay") AS "squares of delay",
    sum("count of late") AS "count of late",
    max("last of delay") AS "last of delay"
  FROM blocks_1
  GROUP BY ALL
),
blocks_16 AS (
  SELECT
    entity,
    start // 16 * 16 AS start,
    sum("count of rows") AS "count of rows",
    sum("sum of delay" ORDER BY start) AS "sum of delay",
    sum("count of delay") AS "count of delay",
    max("max of delay") AS "max of delay",
    sum("squares of delay") AS "squares of delay",
    sum("count of late") AS "count of late",
    max("last of delay") AS "last of delay"
  FROM blocks_4
  GROUP BY ALL
)
SELECT 1 AS size, * FROM blocks_1
UNION ALL
SELECT 4 AS size, * FROM blocks_4
UNION ALL
SELECT 16 AS size, * FROM blocks_16;

CREATE TEMP TABLE windowed AS
WITH windows AS (FROM (VALUES (1), (7), (28)) AS windows (width)),
seen AS (
  SELECT
    blocks.*,
    width,
    unnest(
      CASE
        WHEN 4 * size > width THEN range(greatest(start + size, 42), least(start + width + 1, 44), 1)
        ELSE range(greatest(start + size, 42), least(start // (4 * size) * (4 * size) + 4 * size, 44), 1)
          || range(greatest(start // (4 * size) * (4 * size) + width + 1, 42), least(start + width + 1, 44), 1)
      END
    ) AS point
  FROM blocks
  JOIN windows ON size <= width
  WHERE start + width >= 42
)
SELECT
  entity,
  point,
  sum("count of rows") FILTER (WHERE width = 1) AS "count of rows over 1d",
  sum("sum of delay" ORDER BY start) FILTER (WHERE width = 1) AS "sum of delay over 1d",
  sum("count of delay") FILTER (WHERE width = 1) AS "count of delay over 1d",
  sum("count of rows") FILTER (WHERE width = 7) AS "count of rows over 7d",
  sum("sum of delay" ORDER BY start) FILTER (WHERE width = 7) AS "sum of delay over 7d",
  sum("count of delay") FILTER (WHERE width = 7) AS "count of delay over 7d",
  max("max of delay") FILTER (WHERE width = 7) AS "max of delay over 7d",
  sum("count of late") FILTER (WHERE width = 7) AS "count of late over 7d",
  max("last of delay") FILTER (WHERE width = 7) AS "last of delay over 7d",
  sum("count of rows") FILTER (WHERE width = 28) AS "count of rows over 28d",
  sum("sum of delay" ORDER BY start) FILTER (WHERE width = 28) AS "sum of delay over 28d",
  sum("count of delay") FILTER (WHERE width = 28) AS "count of delay over 28d",
  max("max of delay") FILTER (WHERE width = 28) AS "max of delay over 28d",
  sum("squares of delay") FILTER (WHERE width = 28) AS "squares of delay over 28d"
FROM seen
GROUP BY entity, point;

CREATE TEMP TABLE "distinct destinations" AS
WITH windows AS (FROM (VALUES (7), (28)) AS windows (width)),
sightings AS (
  SELECT DISTINCT key_1, tile, "value of destination" AS value
  FROM events
  WHERE "value of destination" IS NOT NULL
),
spans AS (
  SELECT entity, tile, lead(tile) OVER (PARTITION BY entity, value ORDER BY tile) AS next_tile
  FROM sightings
  JOIN entities USING (key_1)
),
counted AS (
  SELECT entity, width, tile + 1 AS first_point, least(tile + width, coalesce(next_tile, tile + width)) AS last_point
  FROM spans, windows
),
changes AS (
  SELECT entity, width, greatest(first_point, 42) AS point, 1 AS change, false AS is_row
  FROM counted
  WHERE last_point >= 42 AND first_point < 44
  UNION ALL
  SELECT entity, width, last_point + 1, -1, false
  FROM counted
  WHERE last_point >= 42 AND last_point + 1 < 44
  UNION ALL
  SELECT entity, NULL, point, 0, true
  FROM windowed
),
counts AS (
  SELECT
    entity,
    point,
    bool_or(is_row) AS is_row,
    sum(sum(change) FILTER (WHERE width = 7)) OVER up_to_point AS "destinations_7d",
    sum(sum(change) FILTER (WHERE width = 28)) OVER up_to_point AS "destinations_28d"
  FROM changes
  GROUP BY entity, point
  WINDOW up_to_point AS (PARTITION BY entity ORDER BY point ROWS UNBOUNDED PRECEDING)
)
SELECT * EXCLUDE (is_row)
FROM counts
WHERE is_row;

WITH feature_columns AS (
  SELECT
    key_1 AS "origin",
    make_timestamptz(977356800000000 + point * 86400000000) AS feature_time,
    CAST(coalesce("count of rows over 1d", 0) AS BIGINT) AS "departures_1d",
    CAST(coalesce("count of rows over 7d", 0) AS BIGINT) AS "departures_7d",
    CAST(coalesce("count of rows over 28d", 0) AS BIGINT) AS "departures_28d",
    CAST("sum of delay over 1d" AS DOUBLE) / CAST("count of delay over 1d" AS DOUBLE) AS "delay_avg_1d",
    CAST("sum of delay over 7d" AS DOUBLE) / CAST("count of delay over 7d" AS DOUBLE) AS "delay_avg_7d",
    CAST("sum of delay over 28d" AS DOUBLE) / CAST("count of delay over 28d" AS DOUBLE) AS "delay_avg_28d",
    "max of delay over 7d" AS "delay_max_7d",
    "max of delay over 28d" AS "delay_max_28d",
    sqrt(CASE WHEN "count of delay over 28d" > 1 THEN CAST("count of delay over 28d" * "squares of delay over 28d" - "sum of delay over 28d" * "sum of delay over 28d" AS DOUBLE) / CAST("count of delay over 28d" * ("count of delay over 28d" - 1) AS DOUBLE) END) AS "delay_stddev_28d",
    CAST(coalesce("count of late over 7d", 0) AS BIGINT) AS "late_7d",
    CAST(coalesce("destinations_7d", 0) AS BIGINT) AS "destinations_7d",
    CAST(coalesce("destinations_28d", 0) AS BIGINT) AS "destinations_28d",
    "last of delay over 7d".value AS "last_delay_7d"
  FROM windowed
  JOIN entities USING (entity)
  LEFT JOIN "distinct destinations" USING (entity, point)
)
SELECT *, (late_7d / departures_7d) AS "late_share_7d"
FROM feature_columns
ORDER BY "origin", "feature_time";

SELECT count(*) AS rejected
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-02-01 00:00:00' AND "date" < TIMESTAMP '2001-02-03 00:00:00'
  AND ("origin" IS NULL);
