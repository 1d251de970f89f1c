-- Time is counted in tiles of 86400 s; a row's point is the tile that begins at its feature time.
CREATE TEMP VIEW events AS
SELECT
  "origin" AS key_1,
  epoch_us("feature_time") AS instant,
  (epoch_us("feature_time") + 62135769600000000) // 86400000000 - 719164 AS tile,
  "delay_max_7d" AS "value of delay_max_7d"
FROM source_rows
WHERE "feature_time" >= TIMESTAMPTZ '2001-01-31 00:00:00+00' AND "feature_time" < TIMESTAMPTZ '2001-02-04 00:00:00+00'
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
    max("value of delay_max_7d") AS "max of delay_max_7d"
  FROM events
  GROUP BY key_1, tile
) AS tiles_by_key
JOIN entities USING (key_1);

DROP VIEW events;

CREATE OR REPLACE TEMP VIEW windowed AS
WITH own_tiles AS NOT MATERIALIZED (FROM tiles),
changes AS (
  SELECT entity, point, lead(point, 1, 11358) OVER (PARTITION BY entity ORDER BY point) AS next_point
  FROM (
    SELECT DISTINCT entity, greatest(point, 11356) AS point
    FROM (SELECT entity, unnest([tile + 1, tile + 2, tile + 3, tile + 4]) AS point FROM own_tiles)
    WHERE point < 11358
  )
),
pieces AS (SELECT *, tile AS piece FROM own_tiles)
SELECT
  changes.entity,
  point,
  next_point,
  sum("count of rows") FILTER (WHERE piece >= point - 2 AND piece < point) AS "count of rows over 2d",
  max("max of delay_max_7d") FILTER (WHERE piece >= point - 2 AND piece < point) AS "max of delay_max_7d over 2d",
  max("max of delay_max_7d") FILTER (WHERE piece >= point - 3 AND piece < point - 1) AS "max of delay_max_7d over 2d offset 1d"
FROM changes
JOIN pieces ON changes.entity = pieces.entity AND piece >= point - 3 AND piece < point
GROUP BY changes.entity, point, next_point
HAVING bool_or((piece >= point - 2 AND piece < point) OR (piece >= point - 3 AND piece < point - 1));

WITH held AS (
  SELECT
    entity,
    point,
    next_point,
    key_1,
    CAST(coalesce("count of rows over 2d", 0) AS BIGINT) AS value_1,
    "max of delay_max_7d over 2d" AS value_2,
    "max of delay_max_7d over 2d offset 1d" AS value_3
  FROM windowed
  JOIN entities USING (entity)
),
points AS NOT MATERIALIZED (SELECT * EXCLUDE (point, next_point), unnest(range(point, next_point)) AS point FROM held),
feature_columns AS NOT MATERIALIZED (
  SELECT
    key_1 AS "origin",
    make_timestamptz((point) * 86400000000) AS feature_time,
    value_1 AS "days_2d",
    value_2 AS "delay_max_2d",
    value_3 AS "delay_max_2d_offset_1d"
  FROM points
)
SELECT *
FROM feature_columns
ORDER BY "origin", "feature_time";

SELECT count(*) AS rejected
FROM source_rows
WHERE "feature_time" >= TIMESTAMPTZ '2001-02-03 00:00:00+00' AND "feature_time" < TIMESTAMPTZ '2001-02-05 00:00:00+00'
  AND ("origin" IS NULL);
