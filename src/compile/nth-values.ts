/**
 * Quantiles where events become known late, so that a window is no frame of its entity's events.
 *
 * The n-th least value is found by its code, bit by bit, from the highest (Gagie, Puglisi, Turpin: Range Quantile Queries, 2009, after the
 * wavelet trees of Grossi, Gupta and Vitter): of the values whose bits are alike so far, a running sum of what comes and goes tells how many
 * have a zero next. So m events and points with d different values cost m log m log d.
 */
import { DEFAULT_ERROR, featureColumn, type FeatureDefinition } from '../definition/index.ts'
import { doubleOf } from './doubles.ts'
import { kindOf, type Input } from './inputs.ts'
import { floatLiteral, type PlanContext } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import { codedValues, mostValues, stays, type StaysRequest } from './stays.ts'
import { approxQuantile } from './window-calls.ts'
import { namesOf } from './window-request.ts'

export interface NthValuesRequest extends Pick<StaysRequest, 'grid' | 'scope'> {
  readonly table: string
  readonly input: Input
  /** Of one window. */
  readonly features: readonly FeatureDefinition[]
  /** No fewer than there are different values. */
  readonly values: number
  /** Column of `windowed`: how many values a window holds. */
  readonly countOver: (window: string) => string
}

/**
 * Statements that make a table (entity, point, one column a feature) from `events`, `entities` and `windowed`: one for each bit, for within a
 * statement the engine keeps what all its windows sorted.
 */
export function nthValuesTable(
  { table, features, values, countOver, ...request }: NthValuesRequest,
  context: PlanContext,
): string[] {
  const text = features[0]?.windows[0] ?? ''
  const asked = namesOf('nth')
  const columns = features.map(
    (feature) => `  ${valueOf(feature, asked.of)} AS ${quoteIdentifier(featureColumn(feature, text))}`,
  )
  const bits = Math.max(values, 1).toString(2).length
  const numbers = asked.all().map(([, name], ask) => {
    const value = doubleOf(`coded_values[code_${ask}]`, kindOf(request.input, context.facts))
    return `${value} + 0 AS ${name}`
  })
  const made = `WITH ${stays({ ...request, windows: [text], of: 'changes' }, context)},
points AS (
  SELECT ends.entity, point, ends.place - 1 AS place, CAST(${countOver(text)} AS BIGINT) AS n
  FROM ends
  JOIN ${request.scope.table('windowed')} AS windows ON windows.entity = ends.entity AND point = tile
  WHERE n > 0
)`
  const [changes, found] = [`${table}_changes`, `${table}_found`]
  return [
    `CREATE TEMP TABLE ${changes} AS
${made}
FROM changes`,
    `CREATE TEMP TABLE ${found} AS
${made}
${asked
  .all()
  .map(([sql], ask) => `SELECT entity, place, ${ask} AS ask, CAST(${sql} AS INTEGER) AS rest, 0 AS prefix FROM points`)
  .join('\nUNION ALL\n')}`,
    ...Array.from({ length: bits }, (_, index) => nextBit(changes, found, bits - 1 - index)),
    `CREATE TEMP TABLE ${table} AS
${made},
codes_found AS (
  SELECT ${['entity', 'place', ...numbers.map((_, ask) => `max(prefix) FILTER (WHERE ask = ${ask}) AS code_${ask}`)].join(', ')}
  FROM ${found}
  GROUP BY entity, place
),
numbers AS (
  SELECT ${['entity', 'place', ...numbers].join(', ')}
  FROM codes_found, ${codedValues}
)
SELECT
${['  entity', '  point', ...columns].join(',\n')}
FROM points
JOIN numbers USING (entity, place)`,
    `DROP TABLE ${changes}`,
    `DROP TABLE ${found}`,
  ]
}

/**
 * From the codes without their last `shift + 1` bits to those without `shift`. The sum is of doubles, exact as long as they are whole and below 2^53: over
 * a frame of integers the engine goes back and forth in its partition, ten times as slow.
 */
const nextBit = (changes: string, found: string, shift: number): string => `CREATE OR REPLACE TEMP TABLE ${found} AS
SELECT
  entity,
  place,
  ask,
  CASE WHEN zeros <= rest THEN CAST(rest - zeros AS INTEGER) ELSE rest END AS rest,
  2 * prefix + CAST(zeros <= rest AS BIGINT) AS prefix
FROM (
  SELECT * EXCLUDE (change), sum(change) OVER (PARTITION BY entity, prefix ORDER BY place) AS zeros
  FROM (
    SELECT *, 0::DOUBLE AS change FROM ${found}
    UNION ALL BY NAME
    SELECT entity, place, code >> ${shift + 1} AS prefix, CASE WHEN (code >> ${shift}) % 2 = 0 THEN change ELSE 0 END AS change
    FROM ${changes}
  )
)
WHERE ask IS NOT NULL`

/** @param nth name of the n-th least number, counted from 0, given SQL of which */
function valueOf({ aggregate, quantile = 0.5, error }: FeatureDefinition, nth: (sql: string) => string): string {
  if (aggregate === 'approx_quantile') {
    const number = nth(`${rank(quantile)} - 1`)
    return approxQuantile((bucket) => bucket(number), error ?? DEFAULT_ERROR)
  }
  const place = `(CAST(n - 1 AS DOUBLE) * ${floatLiteral(quantile)})`
  const share = `(${place} - floor(${place}))`
  const [low, high] = [nth(`floor(${place})`), nth(`ceil(${place})`)]
  return `CASE WHEN ${share} = 0 THEN ${low} ELSE ${low} * (1 - ${share}) + ${high} * ${share} END + 0.0::DOUBLE`
}

/** SQL of ⌈q·n⌉ for the decimal that q is written as. */
function rank(quantile: number): string {
  if (quantile * mostValues < 1) return '1'
  const [digits = '', exponent = '0'] = String(quantile).split('e-')
  const [whole = '', fraction = ''] = digits.split('.')
  const unit = 10n ** BigInt(fraction.length + Number(exponent))
  return `n - CAST(n AS HUGEINT) * ${unit - BigInt(whole + fraction)} // ${unit}`
}
