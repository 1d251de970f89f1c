-- Time is counted in tiles of 86400 s from 2000-12-21; a row's point is the tile that begins at its feature time.
CREATE TEMP TABLE events AS
SELECT
  "origin" AS key_1,
  "destination" AS key_2,
  epoch_us("date") AS instant,
  (epoch_us("date") - 977356800000000) // 86400000000 AS tile,
  "delay" AS "value of delay"
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-01-04 00:00:00' AND "date" < TIMESTAMP '2001-02-02 00:00:00'
  AND "origin" IS NOT NULL
  AND "destination" IS NOT NULL;

CREATE TEMP TABLE entities AS
SELECT row_number() OVER (ORDER BY key_1, key_2) AS entity, key_1, key_2
FROM (SELECT DISTINCT key_1, key_2 FROM events);

CREATE TEMP TABLE blocks AS
WITH tiles AS (
  SELECT
    key_1, key_2,
    tile AS start,
    count(*) AS "count of rows",
    sum("value of delay" ORDER BY instant, "value of delay") AS "sum of delay",
    count("value of delay") AS "count of delay"
  FROM events
  GROUP BY key_1, key_2, tile
),
blocks_1 AS (SELECT entity, tiles.* EXCLUDE (key_1, key_2) FROM tiles JOIN entities USING (key_1, key_2)),
blocks_4 AS (
  SELECT
    entity,
    start // 4 * 4 AS start,
    sum("count of rows") AS "count of rows",
    sum("sum of delay" ORDER BY start) AS "sum of delay",
    sum("count of delay") AS "count of delay"
  FROM blocks_1
  GROUP BY ALL
),
blocks_16 AS (
  SELECT
    entity,
    start // 16 * 16 AS start,
    sum("count of rows") AS "count of rows",
    sum("sum of delay" ORDER BY start) AS "sum of delay",
    sum("count of delay") AS "count of delay"
  FROM blocks_4
  GROUP BY ALL
)
SELECT 1 AS size, * FROM blocks_1
UNION ALL
SELECT 4 AS size, * FROM blocks_4
UNION ALL
SELECT 16 AS size, * FROM blocks_16;

CREATE TEMP TABLE windowed AS
WITH windows AS (FROM (VALUES (7), (28)) AS windows (width)),
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
  sum("count of rows") FILTER (WHERE width = 7) AS "count of rows over 7d",
  sum("sum of delay" ORDER BY start) FILTER (WHERE width = 7) AS "sum of delay over 7d",
  sum("count of delay") FILTER (WHERE width = 7) AS "count of delay over 7d",
  sum("count of rows") FILTER (WHERE width = 28) AS "count of rows over 28d",
  sum("sum of delay" ORDER BY start) FILTER (WHERE width = 28) AS "sum of delay over 28d",
  sum("count of delay") FILTER (WHERE width = 28) AS "count of delay over 28d"
FROM seen
GROUP BY entity, point;

CREATE TEMP TABLE "quantile delay_p90" AS
WITH tile_values AS MATERIALIZED (
  SELECT entity, tile, tile_values
  FROM (
    SELECT key_1, key_2, tile, list(CAST("value of delay" AS DOUBLE)) AS tile_values
    FROM events
    WHERE "value of delay" IS NOT NULL AND tile >= 14
    GROUP BY key_1, key_2, tile
  )
  JOIN entities USING (key_1, key_2)
),
tile_lists AS (
  -- Sorted below by position: an ORDER BY of lists inside the aggregate takes four times as long.
  SELECT entity, list({tile: tile, tile_values: tile_values}) AS tiles
  FROM tile_values
  GROUP BY entity
),
entity_values AS (
  SELECT
    entity,
    flatten(
      list_select(
        list_transform(tiles, lambda t: t.tile_values),
        list_grade_up(list_transform(tiles, lambda t: t.tile))
      )
    ) AS all_values
  FROM tile_lists
),
counts AS (
  SELECT
    entity,
    tile,
    CAST(sum(len(tile_values)) OVER (PARTITION BY entity ORDER BY tile ROWS UNBOUNDED PRECEDING) AS BIGINT) AS so_far
  FROM tile_values
)
SELECT
  windowed.entity,
  point,
  list_aggregate(all_values[1 + so_far - CAST(coalesce("count of delay over 7d", 0) AS BIGINT):so_far], 'quantile_cont', 0.9) + 0.0::DOUBLE AS "delay_p90_7d",
  list_aggregate(all_values[1 + so_far - CAST(coalesce("count of delay over 28d", 0) AS BIGINT):so_far], 'quantile_cont', 0.9) + 0.0::DOUBLE AS "delay_p90_28d"
FROM windowed
ASOF JOIN counts ON windowed.entity = counts.entity AND windowed.point > counts.tile
JOIN entity_values ON windowed.entity = entity_values.entity;

WITH feature_columns AS (
  SELECT
    key_1 AS "origin",
    key_2 AS "destination",
    make_timestamptz(977356800000000 + point * 86400000000) AS feature_time,
    CAST(coalesce("count of rows over 7d", 0) AS BIGINT) AS "departures_7d",
    CAST(coalesce("count of rows over 28d", 0) AS BIGINT) AS "departures_28d",
    CAST("sum of delay over 7d" AS DOUBLE) / CAST("count of delay over 7d" AS DOUBLE) AS "delay_avg_7d",
    CAST("sum of delay over 28d" AS DOUBLE) / CAST("count of delay over 28d" AS DOUBLE) AS "delay_avg_28d",
    "delay_p90_7d" AS "delay_p90_7d",
    "delay_p90_28d" AS "delay_p90_28d"
  FROM windowed
  JOIN entities USING (entity)
  LEFT JOIN "quantile delay_p90" USING (entity, point)
)
SELECT *
FROM feature_columns
ORDER BY "origin", "destination", "feature_time";

SELECT count(*) AS rejected
FROM source_rows
WHERE "date" >= TIMESTAMP '2001-02-01 00:00:00' AND "date" < TIMESTAMP '2001-02-03 00:00:00'
  AND ("origin" IS NULL OR "destination" IS NULL);
