-- Time is counted in tiles of 86400 s; a row's point is the tile that begins at its feature time.
CREATE TEMP VIEW events AS
SELECT
  "origin" AS key_1,
  "destination" AS key_2,
  epoch_us("date") AS instant,
  (epoch_us("date") + 62135769600000000) // 86400000000 - 719164 AS tile,
  "delay" AS "value of delay"
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-01-04 00:00:00' AND "date" < TIMESTAMP '2001-02-02 00:00:00'
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
    count("value of delay") AS "count of delay",
    sum(CAST("value of delay" AS HUGEINT)) AS "sum of delay"
  FROM events
  GROUP BY key_1, key_2, tile
) AS tiles_by_key
JOIN entities USING (key_1, key_2);

CREATE TEMP TABLE windowed AS
WITH own_tiles AS MATERIALIZED (FROM tiles),
changes AS (
  SELECT entity, point, lead(point, 1, 11356) OVER (PARTITION BY entity ORDER BY point) AS next_point
  FROM (
    SELECT DISTINCT entity, greatest(point, 11354) AS point
    FROM (SELECT entity, unnest([tile + 1, tile + 8, tile + 29]) AS point FROM own_tiles)
    WHERE point < 11356
  )
),
pieces AS (SELECT *, tile AS piece FROM own_tiles)
SELECT
  changes.entity,
  point,
  next_point,
  sum("count of rows") FILTER (WHERE piece >= point - 7 AND piece < point) AS "count of rows over 7d",
  sum("count of delay") FILTER (WHERE piece >= point - 7 AND piece < point) AS "count of delay over 7d",
  sum("sum of delay") FILTER (WHERE piece >= point - 7 AND piece < point) AS "sum of delay over 7d",
  sum("count of rows") AS "count of rows over 28d",
  sum("count of delay") AS "count of delay over 28d",
  sum("sum of delay") AS "sum of delay over 28d"
FROM changes
JOIN pieces ON changes.entity = pieces.entity AND piece >= point - 28 AND piece < point
GROUP BY changes.entity, point, next_point;

DROP TABLE tiles;

CREATE TEMP TABLE frames_1 AS
WITH placed AS MATERIALIZED (
  SELECT entity, tile, row_number() OVER (PARTITION BY entity ORDER BY tile) AS place, CAST("value of delay" AS DOUBLE) + 0 AS number
  FROM events
  JOIN entities USING (key_1, key_2)
  WHERE "value of delay" IS NOT NULL
),
ends AS (SELECT entity, tile, max(place) AS place FROM placed GROUP BY entity, tile),
points AS (
  SELECT windowed.entity, point, coalesce(end_1.place, 0) AS end_1, CAST(coalesce("count of delay over 7d", 0) AS BIGINT) AS count_1, CAST(coalesce("count of delay over 28d", 0) AS BIGINT) AS count_2
  FROM windowed
  ASOF LEFT JOIN ends AS end_1 ON windowed.entity = end_1.entity AND point > end_1.tile
),
entity_lists AS (
  -- An ORDER BY of the list takes twice the memory, and four times the time.
  SELECT entity, list_select(list(number), list_grade_up(list(place))) AS entity_events
  FROM placed
  GROUP BY entity
),
held AS (
  SELECT
    entity,
    point,
    list_slice(entity_events, end_1 - count_1 + 1, end_1) AS held_1,
    list_slice(entity_events, end_1 - count_2 + 1, end_1) AS held_2
  FROM points
  JOIN entity_lists USING (entity)
)
SELECT
  entity,
  point,
  CASE WHEN len(held_1) > 0 THEN list_aggregate(held_1, 'quantile_cont', CAST('0.9' AS DOUBLE)) END + 0.0::DOUBLE AS "delay_p90_7d",
  CASE WHEN len(held_2) > 0 THEN list_aggregate(held_2, 'quantile_cont', CAST('0.9' AS DOUBLE)) END + 0.0::DOUBLE AS "delay_p90_28d"
FROM held;

DROP VIEW events;

WITH held AS (
  SELECT
    entity,
    point,
    next_point,
    key_1,
    key_2,
    CAST(coalesce("count of rows over 7d", 0) AS BIGINT) AS value_1,
    CAST(coalesce("count of rows over 28d", 0) AS BIGINT) AS value_2,
    nearest_double("sum of delay over 7d") / "count of delay over 7d" AS value_3,
    nearest_double("sum of delay over 28d") / "count of delay over 28d" AS value_4,
    "delay_p90_7d" AS value_5,
    "delay_p90_28d" AS value_6
  FROM windowed
  JOIN entities USING (entity)
  LEFT JOIN frames_1 USING (entity, point)
),
points AS NOT MATERIALIZED (SELECT * EXCLUDE (point, next_point), unnest(range(point, next_point)) AS point FROM held),
feature_columns AS NOT MATERIALIZED (
  SELECT
    key_1 AS "origin",
    key_2 AS "destination",
    make_timestamptz((point) * 86400000000) AS feature_time,
    value_1 AS "departures_7d",
    value_2 AS "departures_28d",
    value_3 AS "delay_avg_7d",
    value_4 AS "delay_avg_28d",
    value_5 AS "delay_p90_7d",
    value_6 AS "delay_p90_28d"
  FROM points
)
SELECT *
FROM feature_columns
ORDER BY "origin", "destination", "feature_time";

SELECT count(*) AS rejected
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-02-01 00:00:00' AND "date" < TIMESTAMP '2001-02-03 00:00:00'
  AND ("origin" IS NULL OR "destination" IS NULL);
