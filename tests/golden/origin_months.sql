-- Time is counted in tiles of 1mo; a row's point is the tile that begins at its feature time.
CREATE TEMP VIEW events AS
SELECT
  "origin" AS key_1,
  epoch_us("date") AS instant,
  date_diff('month', TIMESTAMP '1970-01-01', make_timestamp(epoch_us("date"))) + 262144 AS tile,
  "delay" AS "value of delay"
FROM source_rows
WHERE "date" >= TIMESTAMP '0001-01-01 00:00:00' AND "date" < TIMESTAMP '2001-04-01 00:00:00'
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
    max("value of delay") AS "max of delay"
  FROM events
  GROUP BY key_1, tile
) AS tiles_by_key
JOIN entities USING (key_1);

DROP VIEW events;

CREATE TEMP TABLE blocks AS
WITH blocks_1 AS (SELECT entity, tile AS piece, "count of rows", "max of delay" FROM tiles),
blocks_4 AS (
  SELECT
    entity,
    piece // 4 * 4 AS piece,
    sum("count of rows") AS "count of rows",
    max("max of delay") AS "max of delay"
  FROM blocks_1
  GROUP BY ALL
),
blocks_16 AS (
  SELECT
    entity,
    piece // 16 * 16 AS piece,
    sum("count of rows") AS "count of rows",
    max("max of delay") AS "max of delay"
  FROM blocks_4
  GROUP BY ALL
),
blocks_64 AS (
  SELECT
    entity,
    piece // 64 * 64 AS piece,
    sum("count of rows") AS "count of rows",
    max("max of delay") AS "max of delay"
  FROM blocks_16
  GROUP BY ALL
),
blocks_256 AS (
  SELECT
    entity,
    piece // 256 * 256 AS piece,
    sum("count of rows") AS "count of rows",
    max("max of delay") AS "max of delay"
  FROM blocks_64
  GROUP BY ALL
),
blocks_1024 AS (
  SELECT
    entity,
    piece // 1024 * 1024 AS piece,
    sum("count of rows") AS "count of rows",
    max("max of delay") AS "max of delay"
  FROM blocks_256
  GROUP BY ALL
),
blocks_4096 AS (
  SELECT
    entity,
    piece // 4096 * 4096 AS piece,
    sum("count of rows") AS "count of rows",
    max("max of delay") AS "max of delay"
  FROM blocks_1024
  GROUP BY ALL
),
blocks_16384 AS (
  SELECT
    entity,
    piece // 16384 * 16384 AS piece,
    sum("count of rows") AS "count of rows",
    max("max of delay") AS "max of delay"
  FROM blocks_4096
  GROUP BY ALL
),
blocks_65536 AS (
  SELECT
    entity,
    piece // 65536 * 65536 AS piece,
    sum("count of rows") AS "count of rows",
    max("max of delay") AS "max of delay"
  FROM blocks_16384
  GROUP BY ALL
),
blocks_262144 AS (
  SELECT
    entity,
    piece // 262144 * 262144 AS piece,
    sum("count of rows") AS "count of rows",
    max("max of delay") AS "max of delay"
  FROM blocks_65536
  GROUP BY ALL
)
SELECT 1 AS size, * FROM blocks_1
UNION ALL
SELECT 4 AS size, * FROM blocks_4
UNION ALL
SELECT 16 AS size, * FROM blocks_16
UNION ALL
SELECT 64 AS size, * FROM blocks_64
UNION ALL
SELECT 256 AS size, * FROM blocks_256
UNION ALL
SELECT 1024 AS size, * FROM blocks_1024
UNION ALL
SELECT 4096 AS size, * FROM blocks_4096
UNION ALL
SELECT 16384 AS size, * FROM blocks_16384
UNION ALL
SELECT 65536 AS size, * FROM blocks_65536
UNION ALL
SELECT 262144 AS size, * FROM blocks_262144;

CREATE TEMP TABLE windowed AS
WITH held AS (
  SELECT blocks.*, 0 AS window_index, unnest(CASE WHEN 4 * size <= 1 THEN range(greatest(piece + size, 262517), least(piece // (4 * size) * (4 * size) + 4 * size, 262520)) || range(greatest(piece // (4 * size) * (4 * size) + 2, 262517), least(piece + 2, 262520)) ELSE range(greatest(piece + size, 262517), least(piece + 2, 262520)) END) AS point FROM blocks WHERE size <= 1
  UNION ALL
  SELECT blocks.*, 1 AS window_index, unnest(CASE WHEN 4 * size <= 1 THEN range(greatest(piece + size + 1, 262517), least(piece // (4 * size) * (4 * size) + 4 * size + 1, 262520)) || range(greatest(piece // (4 * size) * (4 * size) + 3, 262517), least(piece + 3, 262520)) ELSE range(greatest(piece + size + 1, 262517), least(piece + 3, 262520)) END) AS point FROM blocks WHERE size <= 1
  UNION ALL
  SELECT blocks.*, 2 AS window_index, unnest(CASE WHEN size < 262144 THEN range(greatest(piece + size, 262517), least(piece // (4 * size) * (4 * size) + 4 * size, 262520)) ELSE range(greatest(piece + size, 262517), least(262520, 262520)) END) AS point FROM blocks
  UNION ALL
  SELECT blocks.*, 3 AS window_index, unnest(CASE WHEN 4 * size <= 2 THEN range(greatest(piece + size, 262517), least(piece // (4 * size) * (4 * size) + 4 * size, 262520)) || range(greatest(piece // (4 * size) * (4 * size) + 3, 262517), least(piece + 3, 262520)) ELSE range(greatest(piece + size, 262517), least(piece + 3, 262520)) END) AS point FROM blocks WHERE size <= 2
)
SELECT
  entity,
  point,
  point + 1 AS next_point,
  sum("count of rows") FILTER (WHERE window_index = 0) AS "count of rows over 1mo",
  sum("count of rows") FILTER (WHERE window_index = 1) AS "count of rows over 1mo offset 1mo",
  sum("count of rows") FILTER (WHERE window_index = 2) AS "count of rows over lifetime",
  max("max of delay") FILTER (WHERE window_index = 3) AS "max of delay over 2mo"
FROM held
GROUP BY entity, point;

DROP TABLE blocks;

DROP TABLE tiles;

WITH held AS (
  SELECT
    entity,
    point,
    next_point,
    key_1,
    CAST(coalesce("count of rows over 1mo", 0) AS BIGINT) AS value_1,
    CAST(coalesce("count of rows over 1mo offset 1mo", 0) AS BIGINT) AS value_2,
    CAST(coalesce("count of rows over lifetime", 0) AS BIGINT) AS value_3,
    "max of delay over 2mo" AS value_4
  FROM windowed
  JOIN entities USING (entity)
),
points AS NOT MATERIALIZED (SELECT * EXCLUDE (point, next_point), unnest(range(point, next_point)) AS point FROM held),
feature_columns AS NOT MATERIALIZED (
  SELECT
    key_1 AS "origin",
    CAST((TIMESTAMP '1970-01-01' + to_months(CAST((point - 262144) * 1 AS INTEGER))) AS TIMESTAMPTZ) AS feature_time,
    value_1 AS "departures_1mo",
    value_2 AS "departures_1mo_offset_1mo",
    value_3 AS "departures_lifetime",
    value_4 AS "delay_max_2mo"
  FROM points
)
SELECT *
FROM feature_columns
ORDER BY "origin", "feature_time";

SELECT count(*) AS rejected
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-02-01 00:00:00' AND "date" < TIMESTAMP '2001-05-01 00:00:00'
  AND ("origin" IS NULL);
