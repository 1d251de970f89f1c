-- One row a key and time from which it is valid.
CREATE TEMP TABLE "joined_from" AS
SELECT
  "code" AS key1,
  epoch_us("since") AS since,
  "name" AS "from_name",
  "region" AS "from_region"
FROM "dimension_from"
WHERE "code" IS NOT NULL
  AND "since" < DATE '2001-02-02';

-- One row a key.
CREATE TEMP TABLE "joined_to" AS
SELECT
  "code" AS key1,
  "region" AS "to_region"
FROM "dimension_to"
WHERE "code" IS NOT NULL;

-- Time is counted in tiles of 86400 s; a row's point is the tile that begins at its feature time.
CREATE TEMP TABLE events AS
SELECT
  "to_region" AS key_1,
  "from_name" AS key_2,
  epoch_us("date") AS instant,
  (epoch_us("date") + 62135769600000000) // 86400000000 - 719164 AS tile,
  "delay" AS "value of delay",
  CASE WHEN (from_region <> to_region) THEN "delay" END AS "value of delay_max"
FROM (
  SELECT source_rows.*, "joined_from"."from_name", "joined_from"."from_region", "joined_to"."to_region"
  FROM (SELECT * FROM source_rows WHERE "date" >= TIMESTAMP '2001-01-25 00:00:00' AND "date" < TIMESTAMP '2001-02-02 00:00:00') AS source_rows
  ASOF LEFT JOIN "joined_from" ON source_rows."origin" = "joined_from".key1 AND epoch_us(source_rows."date") >= "joined_from".since
  LEFT JOIN "joined_to" ON source_rows."destination" = "joined_to".key1
) AS source_rows
WHERE "to_region" IS NOT NULL
  AND "from_name" IS NOT NULL;

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
    sum(CAST("value of delay" AS HUGEINT)) AS "sum of delay",
    max("value of delay_max") AS "max of delay_max"
  FROM events
  GROUP BY key_1, key_2, tile
) AS tiles_by_key
JOIN entities USING (key_1, key_2);

DROP TABLE events;

CREATE OR REPLACE TEMP VIEW windowed AS
WITH own_tiles AS NOT MATERIALIZED (FROM tiles),
changes AS (
  SELECT entity, point, lead(point, 1, 11356) OVER (PARTITION BY entity ORDER BY point) AS next_point
  FROM (
    SELECT DISTINCT entity, greatest(point, 11354) AS point
    FROM (SELECT entity, unnest([tile + 1, tile + 8]) AS point FROM own_tiles)
    WHERE point < 11356
  )
),
pieces AS (SELECT *, tile AS piece FROM own_tiles)
SELECT
  changes.entity,
  point,
  next_point,
  sum("count of rows") AS "count of rows over 7d",
  sum("count of delay") AS "count of delay over 7d",
  sum("sum of delay") AS "sum of delay over 7d",
  max("max of delay_max") AS "max of delay_max over 7d"
FROM changes
JOIN pieces ON changes.entity = pieces.entity AND piece >= point - 7 AND piece < point
GROUP BY changes.entity, point, next_point;

WITH held AS (
  SELECT
    entity,
    point,
    next_point,
    key_1,
    key_2,
    CAST(coalesce("count of rows over 7d", 0) AS BIGINT) AS value_1,
    nearest_double("sum of delay over 7d") / "count of delay over 7d" AS value_2,
    "max of delay_max over 7d" AS value_3
  FROM windowed
  JOIN entities USING (entity)
),
points AS NOT MATERIALIZED (SELECT * EXCLUDE (point, next_point), unnest(range(point, next_point)) AS point FROM held),
feature_columns AS NOT MATERIALIZED (
  SELECT
    key_1 AS "to_region",
    key_2 AS "from_name",
    make_timestamptz((point) * 86400000000) AS feature_time,
    value_1 AS "departures_7d",
    value_2 AS "delay_avg_7d",
    value_3 AS "delay_max_7d"
  FROM points
)
SELECT *
FROM feature_columns
ORDER BY "to_region", "from_name", "feature_time";

SELECT count(*) AS rejected
FROM (
  SELECT source_rows.*, "joined_from"."from_name", "joined_to"."to_region"
  FROM (SELECT * FROM source_rows WHERE "date" >= TIMESTAMP '2001-02-01 00:00:00' AND "date" < TIMESTAMP '2001-02-03 00:00:00') AS source_rows
  ASOF LEFT JOIN "joined_from" ON source_rows."origin" = "joined_from".key1 AND epoch_us(source_rows."date") >= "joined_from".since
  LEFT JOIN "joined_to" ON source_rows."destination" = "joined_to".key1
) AS source_rows
WHERE ("to_region" IS NULL OR "from_name" IS NULL);
