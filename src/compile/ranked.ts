/**
 * Aggregates that are the k foremost of what a window holds: its most frequent or least values, its first or last events.
 *
 * A window holds an event over a stretch of the entity's points, and a value as many times over one. The stretches are kept in a segment tree over
 * the points, each node with its k foremost, see segments.ts: n events and points cost k n log n, in whatever order events become known.
 */
import { featureColumn, type FeatureDefinition } from '../definition/index.ts'
import type { Input } from './inputs.ts'
import type { PlanContext } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import { segmentTree } from './segments.ts'
import { codedValues, mostValues, stays, type StaysRequest } from './stays.ts'
import { namesOf } from './window-request.ts'

export interface Ranking {
  /** By the events, the different values, or how often these are there. */
  readonly of: 'events' | 'values' | 'counts'
  /** BIGINT, the foremost's the greatest, of what has a `code` and is there `n` times. */
  readonly score: string
  readonly codeOf: (score: string) => string
  /** Whether the foremost is the last in the feature's value. */
  readonly isReversed?: boolean
}

const byCount: Ranking = {
  of: 'counts',
  score: `n * ${mostValues} - code`,
  codeOf: (score) => `${mostValues} - ${score} % ${mostValues}`,
}
const byLeast = { score: '-code', codeOf: (score: string) => `-${score}` }

const rankings: ReadonlyMap<string, Ranking> = new Map<string, Ranking>([
  ['mode', byCount],
  ['top_k', byCount],
  ['collect_distinct', { of: 'values', ...byLeast }],
  ['first_k', { of: 'events', ...byLeast }],
  ['last_k', { of: 'events', score: 'code', codeOf: (score) => score, isReversed: true }],
])

/** How a feature's values are ranked; null where they are not, or window frames are as quick. Those ranked alike can be made together. */
export function rankingOf({ aggregate }: FeatureDefinition, { order }: PlanContext): Ranking | null {
  const ranking = rankings.get(aggregate) ?? null
  return ranking?.of === 'events' && !order.hasLateEvents ? null : ranking
}

export interface RankedRequest extends Pick<StaysRequest, 'grid' | 'scope'> {
  readonly table: string
  readonly input: Input
  readonly features: readonly FeatureDefinition[]
  readonly ranking: Ranking
}

/** Statement that makes a table (entity, point, one column a feature and window) from `events`, `entities` and `windowed`. */
export function rankedTable({ table, features, ranking, ...request }: RankedRequest, context: PlanContext): string {
  const windows = [...new Set(features.flatMap((feature) => feature.windows))]
  const most = Math.max(...features.map(({ k = 1 }) => k))
  const foremost = most === 1 ? 'max(score)' : `max(score, ${most})`
  const tops = namesOf('top')
  const values = features.flatMap((feature) =>
    feature.windows.map((text) => {
      const top = tops.of(`${foremost} FILTER (WHERE window_index = ${windows.indexOf(text)})`)
      const scores = most === 1 ? `(CASE WHEN ${top} IS NOT NULL THEN [${top}] END)` : top
      return `  ${valueOf(feature, scores, ranking)} AS ${quoteIdentifier(featureColumn(feature, text))}`
    }),
  )
  const columns = ['entity', 'tile AS point', ...tops.all().map(([sql, name]) => `${sql} AS ${name}`)]
  return `CREATE TEMP TABLE ${table} AS
WITH ${stays({ ...request, windows, of: ranking.of }, context)},
stretches AS (SELECT entity, window_index, "from", until, ${ranking.score} AS score FROM stays),
${segmentTree([`${foremost} AS score`])},
foremost AS (
  SELECT
${columns.map((column) => `    ${column}`).join(',\n')}
  FROM above
  JOIN ${most === 1 ? 'kept' : '(SELECT * REPLACE (unnest(score) AS score) FROM kept) AS kept'} USING (entity, node)
  GROUP BY entity, tile
)
SELECT
${['  entity', '  point', ...values].join(',\n')}
FROM foremost, ${codedValues}`
}

/** @param scores SQL of a list, the greatest first */
function valueOf(
  { aggregate, k = 1 }: FeatureDefinition,
  scores: string,
  { codeOf, isReversed = false }: Ranking,
): string {
  if (aggregate === 'mode') return `coded_values[${codeOf(`${scores}[1]`)}]`
  const foremost = isReversed ? `list_reverse(${scores}[1:${k}])` : `${scores}[1:${k}]`
  return `list_select(coded_values, list_transform(${foremost}, lambda score: ${codeOf('score')}))`
}
