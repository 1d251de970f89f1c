import { featureColumn, type ViewDefinition } from '../definition/index.ts'
import { parenthesized } from './inputs.ts'
import { quoteIdentifier, quoteString } from './quote.ts'

/**
 * The rows of a view of which some feature columns are there already.
 * @param request `computed`: SQL of keys, feature time and the other feature columns, null when there is none; `carried`: of the same
 *   rows, with the feature columns in `columns` under the names that are its values
 * @returns SQL of the view's columns in their order; a row that is on one side only is an error
 */
export function carriedSelect(
  definition: ViewDefinition,
  request: {
    readonly computed: string | null
    readonly carried: string
    readonly columns: Readonly<Record<string, string>>
  },
): string {
  const { computed, carried, columns } = request
  const identifiers = [...definition.entity.keys.map(({ name }) => name), 'feature_time'].map(quoteIdentifier)
  const values = definition.features.flatMap((feature) =>
    feature.windows.map((window) => {
      const name = featureColumn(feature, window)
      const former = Object.hasOwn(columns, name) ? columns[name] : undefined
      const from = former === undefined ? `computed.${quoteIdentifier(name)}` : `carried.${quoteIdentifier(former)}`
      return `${from} AS ${quoteIdentifier(name)}`
    }),
  )
  const derived = definition.derived.map(({ name, sql }) => `${parenthesized(sql)} AS ${quoteIdentifier(name)}`)
  const on = identifiers.map((name) => `carried.${name} = computed.${name}`).join(' AND ')
  const message = quoteString('the rows that are carried over are not those that are computed')
  const [first = ''] = identifiers
  // Keys are never null but where a side has no such row.
  const checked = `CASE WHEN carried.${first} IS NULL OR computed.${first} IS NULL THEN error(${message}) ELSE carried.${first} END`
  const own =
    computed === null
      ? identifiers.map((name) => `carried.${name}`)
      : [`${checked} AS ${first}`, ...identifiers.slice(1).map((name) => `carried.${name}`)]
  const joined = computed === null ? '' : `\n  FULL JOIN (${computed}) AS computed ON ${on}`
  return `WITH feature_columns AS (
  SELECT
    ${[...own, ...values].join(',\n    ')}
  FROM (${carried}) AS carried${joined}
)
SELECT ${['*', ...derived].join(', ')}
FROM feature_columns`
}
