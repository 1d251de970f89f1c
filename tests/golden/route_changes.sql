-- Time is counted in tiles of 1 µs; a row's point is the tile that begins at its feature time.
CREATE TEMP VIEW events AS
SELECT
  "origin" AS key_1,
  "destination" AS key_2,
  epoch_us("date") AS instant,
  epoch_us("date") - 980380799991808 AS tile,
  "delay" AS "value of delay"
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-01-25 00:00:00' AND "date" < TIMESTAMP '2001-02-02 23:59:59.999999'
  AND "origin" IS NOT NULL
  AND "destination" IS NOT NULL;

CREATE OR REPLACE TEMP MACRO nearest_below_106_bits(magnitude) AS CAST(CAST(magnitude >> 53 AS BIGINT) AS DOUBLE) * 9007199254740992 + CAST(CAST(magnitude & 9007199254740991 AS BIGINT) AS DOUBLE);

CREATE OR REPLACE TEMP MACRO without_21_bits(magnitude) AS (magnitude >> 21) | CASE WHEN magnitude & 2097151 = 0 THEN 0 ELSE 1 END;

CREATE OR REPLACE TEMP MACRO nearest_double(total) AS CASE WHEN abs(total) < 9223372036854775808 THEN CAST(CAST(total AS BIGINT) AS DOUBLE) WHEN abs(total) < 81129638414606681695789005144064 THEN sign(total) * nearest_below_106_bits(abs(total)) ELSE sign(total) * nearest_below_106_bits(without_21_bits(abs(total))) * 2097152 END;

CREATE TEMP TABLE entities AS
SELECT row_number() OVER (ORDER BY key_1, key_2) AS entity, key_1, key_2
FROM (SELECT DISTINCT key_1, key_2 FROM events WHERE key_1 IS NOT NULL AND key_2 IS NOT NULL);

CREATE TEMP TABLE tiles AS
SELECT entity, tiles_by_key.* EXCLUDE (key_1, key_2)
FROM (
  SELECT
    key_1, key_2,
    tile,
    count(*) AS "count of rows",
    sum(CAST("value of delay" AS HUGEINT)) AS "sum of delay"
  FROM events
  GROUP BY key_1, key_2, tile
) AS tiles_by_key
JOIN entities USING (key_1, key_2);

DROP VIEW events;

CREATE OR REPLACE TEMP VIEW windowed AS
WITH own_tiles AS NOT MATERIALIZED (FROM tiles),
changes AS (
  SELECT entity, point, point + 1 AS next_point
  FROM (
    SELECT DISTINCT entity, point
    FROM (SELECT entity, unnest([tile + 1]) AS point FROM own_tiles)
    WHERE point < 777600008192 AND point >= 604800008192
  )
),
pieces AS (SELECT *, tile AS piece FROM own_tiles)
SELECT
  changes.entity,
  point,
  next_point,
  sum("count of rows") AS "count of rows over 7d",
  sum("sum of delay") AS "sum of delay over 7d"
FROM changes
JOIN pieces ON changes.entity = pieces.entity AND piece >= point - 604800000000 AND piece < point
GROUP BY changes.entity, point, next_point;

WITH held AS (
  SELECT
    entity,
    point,
    next_point,
    key_1,
    key_2,
    CAST(coalesce("count of rows over 7d", 0) AS BIGINT) AS value_1,
    CAST("sum of delay over 7d" AS BIGINT) AS value_2
  FROM windowed
  JOIN entities USING (entity)
),
points AS NOT MATERIALIZED (SELECT * EXCLUDE (point, next_point), point FROM held),
feature_columns AS NOT MATERIALIZED (
  SELECT
    key_1 AS "origin",
    key_2 AS "destination",
    make_timestamptz(point + 980380799991808) AS feature_time,
    value_1 AS "departures_7d",
    value_2 AS "delay_sum_7d"
  FROM points
)
SELECT *
FROM feature_columns
ORDER BY "origin", "destination", "feature_time";

SELECT count(*) AS rejected
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-02-01 00:00:00' AND "date" < TIMESTAMP '2001-02-03 00:00:00'
  AND ("origin" IS NULL OR "destination" IS NULL);
