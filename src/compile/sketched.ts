/**
 * Approximate distinct counts where events become known late, so that a window is no frame of its entity's events: the same numbers as the engine's
 * `approx_count_distinct` gives of a frame or list.
 *
 * A value sets one of 64 registers to its rank, the place of the lowest bit that is set in the rest of its hash. A register has the greatest rank of
 * all that a window holds, and the estimate follows from how many registers have which rank (Flajolet, Fusy, Gandouet, Meunier: HyperLogLog, 2007;
 * Ertl: New cardinality estimation algorithms for HyperLogLog sketches, 2017). Over the entity's points a register and rank come and go as values
 * do, see stays.ts: one running sum tells which ranks a register has, another what all registers add up to. So m events and points cost m log m.
 * The sums are of doubles, for over integers the engine is ten times as slow, see nth-values.ts; they have room for every bit but those of ranks above
 * 47, of one hash in 2^47, where the engine's own sum is rounded, too.
 */
import { featureColumn, type FeatureDefinition } from '../definition/index.ts'
import { valueColumn, type Input } from './inputs.ts'
import { floatLiteral, withoutMinusZero, type PlanContext } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import { stays, type StaysRequest } from './stays.ts'
import { hashable } from './window-calls.ts'

export interface SketchRequest extends Pick<StaysRequest, 'grid' | 'scope'> {
  readonly table: string
  readonly input: Input
  readonly features: readonly FeatureDefinition[]
}

const registers = 64

/** Higher ranks count as this one, which one hash in 2^52 has: all bits of a register's ranks are below 2^53. */
const mostRank = 53

/** SQL of the register that a hash sets, and of its rank as a bit, in one integer. */
function cellOf(hash: string): string {
  const rest = `(CAST(${hash} // ${registers} AS BIGINT) | ${2n ** BigInt(mostRank - 1)})`
  return `(${rest} & -${rest}) * ${registers} + CAST(${hash} % ${registers} AS BIGINT)`
}

/** Ertl's algorithm 5. */
function sigma(share: number): number {
  let [x, y, z, before] = [share, 1, share, -1]
  while (z !== before) {
    x *= x
    before = z
    z += x * y
    y += y
  }
  return z
}

/** What the registers without a rank add, by the number of the others, from 1. */
const ofUnused = Array.from({ length: registers }, (_, used) => registers * sigma((registers - used - 1) / registers))

/** Of Ertl's algorithm 6: 1 / (2 ln 2), as the engine has it. */
const alpha = 0.7213475204444817

/** Statement that makes a table (entity, point, one column a feature and window) from `events`, `entities` and `windowed`. */
export function sketchedTable({ table, features, ...request }: SketchRequest, context: PlanContext): string {
  const { input } = request
  const windows = [...new Set(features.flatMap((feature) => feature.windows))]
  const columns = features.flatMap((feature) =>
    feature.windows.map((text) => {
      const estimate = `max(estimate) FILTER (WHERE window_index = ${windows.indexOf(text)})`
      return `  CAST(${estimate} AS BIGINT) AS ${quoteIdentifier(featureColumn(feature, text))}`
    }),
  )
  const value = withoutMinusZero(valueColumn(input), input, context.facts)
  const cell = cellOf(`hash(${hashable(value, input, context.facts)})`)
  return `CREATE TEMP TABLE ${table} AS
WITH ${stays({ ...request, windows, of: 'values', value: cell }, context)},
ranks AS (
  SELECT entity, window_index, value % ${registers} AS register, place, sum(CAST(sign * (value // ${registers}) AS DOUBLE)) AS change
  FROM (SELECT entity, window_index, code, unnest(["from", until]) AS place, unnest([1, -1]) AS sign FROM stays)
  JOIN codes USING (code)
  GROUP BY ALL
),
-- A register's ranks, bit by bit, and two to the power of minus the highest.
ranked AS (
  SELECT *, CASE WHEN ranks = 0 THEN 0 WHEN above > ranks THEN 1 / above ELSE 0.5 / above END AS share
  FROM (SELECT *, pow(2::DOUBLE, floor(log2(nullif(ranks, 0)))) AS above FROM (
    SELECT * EXCLUDE (change), sum(change) OVER (PARTITION BY entity, window_index, register ORDER BY place) AS ranks FROM ranks
  ))
),
moves AS (
  SELECT entity, window_index, place, sum(share - before) AS share, sum(CAST(sign(share) - sign(before) AS DOUBLE)) AS used
  FROM (SELECT *, lag(share, 1, 0) OVER (PARTITION BY entity, window_index, register ORDER BY place) AS before FROM ranked)
  GROUP BY entity, window_index, place
),
estimates AS (
  SELECT entity, point, window_index, round(${floatLiteral(alpha * registers * registers)} / (share + CAST('[${ofUnused.join(', ')}]' AS DOUBLE[])[CAST(used AS BIGINT)])) AS estimate
  FROM (
    SELECT entity, point, window_index, sum(share) OVER so_far AS share, sum(used) OVER so_far AS used
    FROM (
      SELECT entity, window_index, place, share, used FROM moves
      UNION ALL BY NAME
      SELECT entity, unnest(range(${windows.length})) AS window_index, place - 1 AS place, tile AS point, 0 AS share, 0 AS used FROM ends
    )
    WINDOW so_far AS (PARTITION BY entity, window_index ORDER BY place)
  )
  WHERE point IS NOT NULL AND used > 0
)
SELECT
${['  entity', '  point', ...columns].join(',\n')}
FROM estimates
GROUP BY entity, point`
}
