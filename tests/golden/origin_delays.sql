-- Time is counted in tiles of 86400 s; a row's point is the tile that begins at its feature time.
CREATE TEMP VIEW events AS
SELECT
  "origin" AS key_1,
  epoch_us("date") AS instant,
  (epoch_us("date") + 62135769600000000) // 86400000000 - 719164 AS tile,
  "delay" AS "value of delay",
  CASE WHEN (delay > 15) THEN true END AS "value of late",
  "destination" AS "value of destination"
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-01-04 00:00:00' AND "date" < TIMESTAMP '2001-02-02 00:00:00'
  AND "origin" IS NOT NULL;

CREATE OR REPLACE TEMP MACRO nearest_below_106_bits(magnitude) AS CAST(CAST(magnitude >> 53 AS BIGINT) AS DOUBLE) * 9007199254740992 + CAST(CAST(magnitude & 9007199254740991 AS BIGINT) AS DOUBLE);

CREATE OR REPLACE TEMP MACRO without_21_bits(magnitude) AS (magnitude >> 21) | CASE WHEN magnitude & 2097151 = 0 THEN 0 ELSE 1 END;

CREATE OR REPLACE TEMP MACRO nearest_double(total) AS CASE WHEN abs(total) < 9223372036854775808 THEN CAST(CAST(total AS BIGINT) AS DOUBLE) WHEN abs(total) < 81129638414606681695789005144064 THEN sign(total) * nearest_below_106_bits(abs(total)) ELSE sign(total) * nearest_below_106_bits(without_21_bits(abs(total))) * 2097152 END;

CREATE TEMP TABLE entities AS
SELECT row_number() OVER (ORDER BY key_1) AS entity, key_1
FROM (SELECT DISTINCT key_1 FROM events WHERE key_1 IS NOT NULL);

CREATE TEMP TABLE tiles AS
SELECT entity, tiles_by_key.* EXCLUDE (key_1)
FROM (
  SELECT
    key_1,
    tile,
    count(*) AS "count of rows",
    count("value of delay") AS "count of delay",
    sum(CAST("value of delay" AS HUGEINT)) AS "sum of delay",
    max("value of delay") AS "max of delay",
    count("value of late") AS "count of late",
    (max({instant: instant, value: "value of delay"}) FILTER (WHERE "value of delay" IS NOT NULL)).value AS "last of delay",
    sum(CAST("value of delay" AS HUGEINT) * CAST("value of delay" AS HUGEINT)) AS "squares of delay",
    list(DISTINCT "value of destination") FILTER (WHERE "value of destination" IS NOT NULL) AS "values of destination"
  FROM events
  GROUP BY key_1, tile
) AS tiles_by_key
JOIN entities USING (key_1);

DROP VIEW events;

CREATE TEMP TABLE blocks AS
WITH blocks_1 AS (SELECT entity, tile AS piece, "count of rows", "count of delay", "sum of delay", "max of delay", "count of late", "last of delay", "squares of delay" FROM tiles),
blocks_4 AS (
  SELECT
    entity,
    piece // 4 * 4 AS piece,
    sum("count of rows") AS "count of rows",
    sum("count of delay") AS "count of delay",
    sum("sum of delay") AS "sum of delay",
    max("max of delay") AS "max of delay",
    sum("count of late") AS "count of late",
    arg_max("last of delay", piece) AS "last of delay",
    sum("squares of delay") AS "squares of delay"
  FROM blocks_1
  GROUP BY ALL
),
blocks_16 AS (
  SELECT
    entity,
    piece // 16 * 16 AS piece,
    sum("count of rows") AS "count of rows",
    sum("count of delay") AS "count of delay",
    sum("sum of delay") AS "sum of delay",
    max("max of delay") AS "max of delay",
    sum("count of late") AS "count of late",
    arg_max("last of delay", piece) AS "last of delay",
    sum("squares of delay") AS "squares of delay"
  FROM blocks_4
  GROUP BY ALL
)
SELECT 1 AS size, * FROM blocks_1
UNION ALL
SELECT 4 AS size, * FROM blocks_4
UNION ALL
SELECT 16 AS size, * FROM blocks_16;

CREATE TEMP TABLE windowed AS
WITH held AS (
  SELECT blocks.*, 0 AS window_index, unnest(CASE WHEN 4 * size <= 1 THEN range(greatest(piece + size, 11354), least(piece // (4 * size) * (4 * size) + 4 * size, 11356)) || range(greatest(piece // (4 * size) * (4 * size) + 2, 11354), least(piece + 2, 11356)) ELSE range(greatest(piece + size, 11354), least(piece + 2, 11356)) END) AS point FROM blocks WHERE size <= 1
  UNION ALL
  SELECT blocks.*, 1 AS window_index, unnest(CASE WHEN 4 * size <= 7 THEN range(greatest(piece + size, 11354), least(piece // (4 * size) * (4 * size) + 4 * size, 11356)) || range(greatest(piece // (4 * size) * (4 * size) + 8, 11354), least(piece + 8, 11356)) ELSE range(greatest(piece + size, 11354), least(piece + 8, 11356)) END) AS point FROM blocks WHERE size <= 7
  UNION ALL
  SELECT blocks.*, 2 AS window_index, unnest(CASE WHEN 4 * size <= 28 THEN range(greatest(piece + size, 11354), least(piece // (4 * size) * (4 * size) + 4 * size, 11356)) || range(greatest(piece // (4 * size) * (4 * size) + 29, 11354), least(piece + 29, 11356)) ELSE range(greatest(piece + size, 11354), least(piece + 29, 11356)) END) AS point FROM blocks WHERE size <= 28
)
SELECT
  entity,
  point,
  point + 1 AS next_point,
  sum("count of rows") FILTER (WHERE window_index = 0) AS "count of rows over 1d",
  sum("count of delay") FILTER (WHERE window_index = 0) AS "count of delay over 1d",
  sum("sum of delay") FILTER (WHERE window_index = 0) AS "sum of delay over 1d",
  sum("count of rows") FILTER (WHERE window_index = 1) AS "count of rows over 7d",
  sum("count of delay") FILTER (WHERE window_index = 1) AS "count of delay over 7d",
  sum("sum of delay") FILTER (WHERE window_index = 1) AS "sum of delay over 7d",
  max("max of delay") FILTER (WHERE window_index = 1) AS "max of delay over 7d",
  sum("count of late") FILTER (WHERE window_index = 1) AS "count of late over 7d",
  arg_max("last of delay", piece) FILTER (WHERE window_index = 1) AS "last of delay over 7d",
  sum("count of rows") FILTER (WHERE window_index = 2) AS "count of rows over 28d",
  sum("count of delay") FILTER (WHERE window_index = 2) AS "count of delay over 28d",
  sum("sum of delay") FILTER (WHERE window_index = 2) AS "sum of delay over 28d",
  max("max of delay") FILTER (WHERE window_index = 2) AS "max of delay over 28d",
  sum("squares of delay") FILTER (WHERE window_index = 2) AS "squares of delay over 28d"
FROM held
GROUP BY entity, point;

DROP TABLE blocks;

CREATE TEMP TABLE "distinct destinations" AS
WITH sightings AS MATERIALIZED (
  SELECT *, lag(tile) OVER (PARTITION BY entity, value ORDER BY tile) AS previous FROM (SELECT entity, tile, unnest("values of destination") AS value FROM tiles)
),
stays AS (
  SELECT entity, 0 AS window_index, greatest(tile + 1, coalesce(previous + 8, 0)) AS enters, tile + 8 AS leaves FROM sightings
  UNION ALL
  SELECT entity, 1 AS window_index, greatest(tile + 1, coalesce(previous + 29, 0)) AS enters, tile + 29 AS leaves FROM sightings
),
changes AS (
  SELECT entity, window_index, greatest(enters, 11354) AS point, 1 AS change, false AS is_row
  FROM stays
  WHERE enters < leaves AND leaves > 11354 AND enters < 11356
  UNION ALL
  SELECT entity, window_index, leaves, -1, false
  FROM stays
  WHERE enters < leaves AND leaves > 11354 AND leaves < 11356
  UNION ALL
  SELECT entity, NULL, point, 0, true
  FROM windowed
),
counts AS (
  SELECT
    entity,
    point,
    bool_or(is_row) AS is_row,
    sum(sum(change) FILTER (WHERE window_index = 0)) OVER up_to_point AS "destinations_7d",
    sum(sum(change) FILTER (WHERE window_index = 1)) OVER up_to_point AS "destinations_28d"
  FROM changes
  GROUP BY entity, point
  WINDOW up_to_point AS (PARTITION BY entity ORDER BY point ROWS UNBOUNDED PRECEDING)
)
SELECT * EXCLUDE (is_row)
FROM counts
WHERE is_row;

DROP TABLE tiles;

WITH held AS (
  SELECT
    entity,
    point,
    next_point,
    key_1,
    CAST(coalesce("count of rows over 1d", 0) AS BIGINT) AS value_1,
    CAST(coalesce("count of rows over 7d", 0) AS BIGINT) AS value_2,
    CAST(coalesce("count of rows over 28d", 0) AS BIGINT) AS value_3,
    nearest_double("sum of delay over 1d") / "count of delay over 1d" AS value_4,
    nearest_double("sum of delay over 7d") / "count of delay over 7d" AS value_5,
    nearest_double("sum of delay over 28d") / "count of delay over 28d" AS value_6,
    "max of delay over 7d" AS value_7,
    "max of delay over 28d" AS value_8,
    sqrt(CASE WHEN "count of delay over 28d" > 1 THEN nearest_double((CAST("count of delay over 28d" AS HUGEINT) * "squares of delay over 28d" - "sum of delay over 28d" * "sum of delay over 28d")) / nearest_double((CAST("count of delay over 28d" AS HUGEINT) * (CAST("count of delay over 28d" AS HUGEINT) - 1))) END) AS value_9,
    CAST(coalesce("count of late over 7d", 0) AS BIGINT) AS value_10,
    CAST(coalesce("destinations_7d", 0) AS BIGINT) AS value_11,
    CAST(coalesce("destinations_28d", 0) AS BIGINT) AS value_12,
    "last of delay over 7d" AS value_13
  FROM windowed
  JOIN entities USING (entity)
  LEFT JOIN "distinct destinations" USING (entity, point)
),
points AS NOT MATERIALIZED (SELECT * EXCLUDE (point, next_point), unnest(range(point, next_point)) AS point FROM held),
feature_columns AS NOT MATERIALIZED (
  SELECT
    key_1 AS "origin",
    make_timestamptz((point) * 86400000000) AS feature_time,
    value_1 AS "departures_1d",
    value_2 AS "departures_7d",
    value_3 AS "departures_28d",
    value_4 AS "delay_avg_1d",
    value_5 AS "delay_avg_7d",
    value_6 AS "delay_avg_28d",
    value_7 AS "delay_max_7d",
    value_8 AS "delay_max_28d",
    value_9 AS "delay_stddev_28d",
    value_10 AS "late_7d",
    value_11 AS "destinations_7d",
    value_12 AS "destinations_28d",
    value_13 AS "last_delay_7d"
  FROM points
)
SELECT *, (late_7d / departures_7d) AS "late_share_7d"
FROM feature_columns
ORDER BY "origin", "feature_time";

SELECT count(*) AS rejected
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-02-01 00:00:00' AND "date" < TIMESTAMP '2001-02-03 00:00:00'
  AND ("origin" IS NULL);
