/**
 * Values kept apart by a bucket, as a map. An entity's buckets are computed as entities of their own, at the points of the entity; the buckets
 * whose window holds something make the map.
 */
import type { WindowedSet } from './feature-set.ts'
import type { Bucket } from './inputs.ts'
import { quoteIdentifier } from './quote.ts'
import type { Grid } from './time-grid.ts'
import type { Scope } from './window-request.ts'

export const bucketScope = (keys: readonly string[], { column }: Bucket): Scope => ({
  keys: [...keys, column],
  isNumbered: false,
  table: (name) => `${column}_${name}`,
  points: `SELECT ${column}_entities.entity, point, next_point
  FROM windowed
  JOIN entities USING (entity)
  JOIN ${column}_entities USING (${keys.join(', ')})`,
})

/** The grid with the windows of the bucket's features: over others, its values would be merged for nothing. */
export const bucketGrid = (grid: Grid, { features }: Bucket): Grid => ({
  ...grid,
  windows: new Map([...grid.windows].filter(([text]) => features.some(({ windows }) => windows.includes(text)))),
})

export const bucketTableName = ({ column }: Bucket): string => `${column}_maps`

/** Statement that makes the bucket's maps (entity, point, one column a feature and window) from the tables of its own set. */
export function bucketTable(bucket: Bucket, keys: readonly string[], scope: Scope, set: WindowedSet): string {
  const values = set.columns.flatMap(({ held, count }, index) => [
    `    ${held} AS value_${index + 1}`,
    `    coalesce(${count ?? '0'}, 0) AS count_${index + 1}`,
  ])
  const maps = set.columns.map(({ name }, index) => {
    const entries = `list_sort(list({key: bucket, value: value_${index + 1}}) FILTER (WHERE count_${index + 1} > 0))`
    return `  map_from_entries(${entries}) AS ${quoteIdentifier(name)}`
  })
  return `CREATE TEMP TABLE ${bucketTableName(bucket)} AS
WITH buckets AS (
  SELECT
${['    entities.entity', `    ${bucket.column} AS bucket`, '    point', ...values].join(',\n')}
  FROM ${[set.relation, ...set.joins].join('\n  ')}
  JOIN ${scope.table('entities')} AS bucket_entities ON bucket_entities.entity = ${scope.table('windowed')}.entity
  JOIN entities USING (${keys.join(', ')})
)
SELECT
${['  entity', '  point', ...maps].join(',\n')}
FROM buckets
GROUP BY entity, point`
}
