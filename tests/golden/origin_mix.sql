-- Time is counted in tiles of 86400 s; a row's point is the tile that begins at its feature time.
CREATE TEMP VIEW events AS
SELECT
  "origin" AS key_1,
  epoch_us("date") AS instant,
  (epoch_us("date") + 62135769600000000) // 86400000000 - 719164 AS tile,
  CAST("destination" AS VARCHAR) AS bucket_1,
  "delay" AS "value of delay",
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
    count("value of destination") AS "count of destination"
  FROM events
  GROUP BY key_1, tile
) AS tiles_by_key
JOIN entities USING (key_1);

CREATE TEMP TABLE blocks AS
WITH blocks_1 AS (SELECT entity, tile AS piece, "count of destination" FROM tiles),
blocks_4 AS (
  SELECT
    entity,
    piece // 4 * 4 AS piece,
    sum("count of destination") AS "count of destination"
  FROM blocks_1
  GROUP BY ALL
),
blocks_16 AS (
  SELECT
    entity,
    piece // 16 * 16 AS piece,
    sum("count of destination") AS "count of destination"
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
  SELECT blocks.*, 0 AS window_index, unnest(CASE WHEN 4 * size <= 7 THEN range(greatest(piece + size, 11354), least(piece // (4 * size) * (4 * size) + 4 * size, 11356)) || range(greatest(piece // (4 * size) * (4 * size) + 8, 11354), least(piece + 8, 11356)) ELSE range(greatest(piece + size, 11354), least(piece + 8, 11356)) END) AS point FROM blocks WHERE size <= 7
  UNION ALL
  SELECT blocks.*, 1 AS window_index, unnest(CASE WHEN 4 * size <= 28 THEN range(greatest(piece + size, 11354), least(piece // (4 * size) * (4 * size) + 4 * size, 11356)) || range(greatest(piece // (4 * size) * (4 * size) + 29, 11354), least(piece + 29, 11356)) ELSE range(greatest(piece + size, 11354), least(piece + 29, 11356)) END) AS point FROM blocks WHERE size <= 28
)
SELECT
  entity,
  point,
  point + 1 AS next_point,
  sum("count of destination") FILTER (WHERE window_index = 0) AS "count of destination over 7d",
  sum("count of destination") FILTER (WHERE window_index = 1) AS "count of destination over 28d"
FROM held
GROUP BY entity, point;

DROP TABLE blocks;

DROP TABLE tiles;

CREATE TEMP TABLE frames_1 AS
WITH sightings AS MATERIALIZED (
  SELECT entity, tile, "value of destination" AS value, count(*) AS n
  FROM events
  JOIN entities USING (key_1)
  WHERE "value of destination" IS NOT NULL
  GROUP BY ALL
),
codes AS MATERIALIZED (
  SELECT value, row_number() OVER (ORDER BY value) AS code
  FROM (SELECT DISTINCT value FROM sightings)
),
coded AS (SELECT sightings.* EXCLUDE (value), code FROM sightings JOIN codes USING (value)),
ends AS (
  SELECT entity, point AS tile, row_number() OVER (PARTITION BY entity ORDER BY point) AS place
  FROM windowed
),
bounded AS (
  SELECT coded.*, coalesce(end_1.place, 0) AS end_1, coalesce(end_2.place, 0) AS end_2, coalesce(end_3.place, 0) AS end_3
  FROM coded
  ASOF LEFT JOIN ends AS end_1 ON coded.entity = end_1.entity AND coded.tile + 1 > end_1.tile
  ASOF LEFT JOIN ends AS end_2 ON coded.entity = end_2.entity AND coded.tile + 8 > end_2.tile
  ASOF LEFT JOIN ends AS end_3 ON coded.entity = end_3.entity AND coded.tile + 29 > end_3.tile
),
changes AS MATERIALIZED (
  SELECT entity, window_index, code, place, CAST(sum(change) AS BIGINT) AS change
  FROM (
  SELECT entity, 0 AS window_index, code, unnest([end_1, end_2]) AS place, unnest([n, -n]) AS change FROM bounded WHERE end_1 < end_2
  UNION ALL
  SELECT entity, 1 AS window_index, code, unnest([end_1, end_3]) AS place, unnest([n, -n]) AS change FROM bounded WHERE end_1 < end_3
  )
  GROUP BY entity, window_index, code, place
  HAVING sum(change) <> 0
),
counted AS (
  SELECT entity, window_index, code, place, change, CAST(sum(change) OVER (PARTITION BY entity, window_index, code ORDER BY place) AS BIGINT) AS n
  FROM changes
),
stays AS (
  SELECT * EXCLUDE (place, change), place AS "from", lead(place) OVER (PARTITION BY entity, window_index, code ORDER BY place) AS until
  FROM counted
  QUALIFY n > 0
),
stretches AS (SELECT entity, window_index, "from", until, n * 4294967296 - code AS score FROM stays),
-- Of each size, the nodes that lie within the stretch, and no other of them around.
nodes AS (
  SELECT * EXCLUDE (low, high), unnest(CASE
    WHEN low % 2 = 1 AND high % 2 = 1 THEN [low, high - 1]
    WHEN low % 2 = 1 THEN [low]
    WHEN high % 2 = 1 THEN [high - 1]
  END) AS node
  FROM (
    SELECT * EXCLUDE ("from", until, size), ("from" + 1099511627776 + (1::BIGINT << size) - 1) >> size AS low, (until + 1099511627776) >> size AS high
    FROM (SELECT *, unnest(range(CAST(floor(log2(until - "from")) AS BIGINT) + 1)) AS size FROM stretches)
  )
  WHERE low < high
),
kept AS (
  SELECT
    entity,
    window_index,
    node,
    max(score, 3) AS score
  FROM nodes
  GROUP BY entity, window_index, node
),
above AS (
  SELECT * EXCLUDE (place, size), (place + 1099511627775) >> size AS node
  FROM (SELECT *, unnest(range(CAST(floor(log2(count(*) OVER (PARTITION BY entity))) AS BIGINT) + 1)) AS size FROM ends)
),
foremost AS (
  SELECT
    entity,
    tile AS point,
    max(score, 3) FILTER (WHERE window_index = 0) AS top_1,
    max(score, 3) FILTER (WHERE window_index = 1) AS top_2
  FROM above
  JOIN (SELECT * REPLACE (unnest(score) AS score) FROM kept) AS kept USING (entity, node)
  GROUP BY entity, tile
)
SELECT
  entity,
  point,
  list_select(coded_values, list_transform(top_1[1:3], lambda score: 4294967296 - score % 4294967296)) AS "busiest_7d",
  list_select(coded_values, list_transform(top_2[1:3], lambda score: 4294967296 - score % 4294967296)) AS "busiest_28d"
FROM foremost, (SELECT list_select(list(value), list_grade_up(list(code))) AS coded_values FROM codes);

CREATE TEMP TABLE bucket_1_entities AS
SELECT row_number() OVER (ORDER BY key_1, bucket_1) AS entity, key_1, bucket_1
FROM (SELECT DISTINCT key_1, bucket_1 FROM events WHERE key_1 IS NOT NULL AND bucket_1 IS NOT NULL);

CREATE TEMP TABLE bucket_1_tiles AS
SELECT entity, tiles_by_key.* EXCLUDE (key_1, bucket_1)
FROM (
  SELECT
    key_1, bucket_1,
    tile,
    count("value of delay") AS "count of delay",
    sum(CAST("value of delay" AS HUGEINT)) AS "sum of delay"
  FROM events
  GROUP BY key_1, bucket_1, tile
) AS tiles_by_key
JOIN bucket_1_entities USING (key_1, bucket_1);

CREATE TEMP TABLE bucket_1_windowed AS
WITH own_tiles AS NOT MATERIALIZED (FROM bucket_1_tiles),
changes AS (
  SELECT bucket_1_entities.entity, point, next_point
  FROM windowed
  JOIN entities USING (entity)
  JOIN bucket_1_entities USING (key_1)
),
pieces AS (SELECT *, tile AS piece FROM own_tiles)
SELECT
  changes.entity,
  point,
  next_point,
  sum("count of delay") AS "count of delay over 7d",
  sum("sum of delay") AS "sum of delay over 7d"
FROM changes
JOIN pieces ON changes.entity = pieces.entity AND piece >= point - 7 AND piece < point
GROUP BY changes.entity, point, next_point;

DROP TABLE bucket_1_tiles;

CREATE TEMP TABLE bucket_1_maps AS
WITH buckets AS (
  SELECT
    entities.entity,
    bucket_1 AS bucket,
    point,
    nearest_double("sum of delay over 7d") / "count of delay over 7d" AS value_1,
    coalesce("count of delay over 7d", 0) AS count_1
  FROM bucket_1_windowed
  JOIN bucket_1_entities AS bucket_entities ON bucket_entities.entity = bucket_1_windowed.entity
  JOIN entities USING (key_1)
)
SELECT
  entity,
  point,
  map_from_entries(list_sort(list({key: bucket, value: value_1}) FILTER (WHERE count_1 > 0))) AS "delay_avg_7d"
FROM buckets
GROUP BY entity, point;

DROP VIEW events;

WITH held AS (
  SELECT
    entity,
    point,
    next_point,
    key_1,
    "delay_avg_7d" AS value_1,
    "busiest_7d" AS value_2,
    "busiest_28d" AS value_3
  FROM windowed
  JOIN entities USING (entity)
  LEFT JOIN frames_1 USING (entity, point)
  LEFT JOIN bucket_1_maps USING (entity, point)
),
points AS NOT MATERIALIZED (SELECT * EXCLUDE (point, next_point), unnest(range(point, next_point)) AS point FROM held),
feature_columns AS NOT MATERIALIZED (
  SELECT
    key_1 AS "origin",
    make_timestamptz((point) * 86400000000) AS feature_time,
    value_1 AS "delay_avg_7d",
    value_2 AS "busiest_7d",
    value_3 AS "busiest_28d"
  FROM points
)
SELECT *
FROM feature_columns
ORDER BY "origin", "feature_time";

SELECT count(*) AS rejected
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-02-01 00:00:00' AND "date" < TIMESTAMP '2001-02-03 00:00:00'
  AND ("origin" IS NULL);
