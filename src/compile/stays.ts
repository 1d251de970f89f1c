/** When what happened is in a window: over which of its entity's points. */
import { valueColumn, type Input } from './inputs.ts'
import { withoutMinusZero, type PlanContext } from './partials.ts'
import { pointsWith } from './segments.ts'
import type { Grid, Window } from './time-grid.ts'
import { eventsWith, namesOf, placesBefore, type Scope } from './window-request.ts'

/** A slice has fewer events. */
export const mostValues = 2 ** 32

export interface StaysRequest {
  readonly scope: Scope
  readonly grid: Grid
  readonly input: Input
  /**
   * A stay is an event's; a value's, from the first to the last of its events in a window; or a value's as long as it is there as often, `n` times.
   * Instead of stays, there can be the `changes` of the values' numbers.
   */
  readonly of: 'events' | 'values' | 'counts' | 'changes'
  /** SQL over `events` of what counts as an event's value; the input's unless given. */
  readonly value?: string
  readonly windows: readonly string[]
}

/**
 * Common table expressions, from `events`, `entities` and `windowed`: `ends` (entity, tile, place), the entities' points; `codes` (code, value),
 * from 1, in the order of the values or events; `stays` (entity, window_index, code, from, until; for counts n), or `changes` (entity, window_index,
 * code, place, change), by the points' places from 0.
 */
export function stays(request: StaysRequest, { facts, order }: PlanContext): string {
  const { scope, grid, input, of, windows } = request
  const { hasLateEvents } = order
  const ends = namesOf('end')
  const bounds = windows.map((text, index) => ({
    index,
    ...pointsWith(grid.windows.get(text) as Window, { ends, relation: 'coded', grid, hasLateEvents }),
  }))
  const places = placesBefore(ends, 'coded')
  const value = `${request.value ?? withoutMinusZero(valueColumn(input), input, facts)} AS value`
  const event = ['entity', 'tile', ...(hasLateEvents ? ['seen'] : []), value].join(', ')
  const found = eventsWith(valueColumn(input), scope)
  const byTime = [...order.fields.map(({ sql }) => sql), valueColumn(input)].join(', ')
  const coded =
    of === 'events'
      ? `codes AS MATERIALIZED (
  SELECT ${event}, row_number() OVER (ORDER BY ${byTime}) AS code
  ${found}
),
coded AS (SELECT * EXCLUDE (value) FROM codes)`
      : `sightings AS MATERIALIZED (
  SELECT ${event}, count(*) AS n
  ${found}
  GROUP BY ALL
),
codes AS MATERIALIZED (
  SELECT value, row_number() OVER (ORDER BY value) AS code
  FROM (SELECT DISTINCT value FROM sightings)
),
coded AS (SELECT sightings.* EXCLUDE (value), code FROM sightings JOIN codes USING (value))`
  const perWindow = (select: (bound: (typeof bounds)[0]) => string): string =>
    bounds
      .map((bound) => `  ${select(bound)} FROM bounded WHERE ${bound.from} < ${bound.until}`)
      .join('\n  UNION ALL\n')
  return `${coded},
ends AS (
  SELECT entity, point AS tile, row_number() OVER (PARTITION BY entity ORDER BY point) AS place
  FROM ${scope.table('windowed')}
),
bounded AS (
  SELECT ${['coded.*', ...places.columns].join(', ')}
  FROM coded
${places.joins}
),
${
  of === 'events'
    ? `stays AS (
${perWindow(({ index, from, until }) => `SELECT entity, ${index} AS window_index, code, ${from} AS "from", ${until} AS until`)}
)`
    : staysOfValues(
        of,
        perWindow(
          ({ index, from, until }) =>
            `SELECT entity, ${index} AS window_index, code, unnest([${from}, ${until}]) AS place, unnest([n, -n]) AS change`,
        ),
      )
}`
}

/** SQL of one row, of `coded_values`, the values of `codes` in the order of their codes. */
export const codedValues = '(SELECT list_select(list(value), list_grade_up(list(code))) AS coded_values FROM codes)'

/** A value's events come and go: their number is the running sum of the changes. */
function staysOfValues(of: 'values' | 'counts' | 'changes', changes: string): string {
  const made = `changes AS MATERIALIZED (
  SELECT entity, window_index, code, place, CAST(sum(change) AS BIGINT) AS change
  FROM (
${changes}
  )
  GROUP BY entity, window_index, code, place
  HAVING sum(change) <> 0
)`
  if (of === 'changes') return made
  return `${made},
counted AS (
  SELECT entity, window_index, code, place, change, CAST(sum(change) OVER (PARTITION BY entity, window_index, code ORDER BY place) AS BIGINT) AS n
  FROM changes
),
stays AS (
  SELECT * EXCLUDE (place, change), place AS "from", lead(place) OVER (PARTITION BY entity, window_index, code ORDER BY place) AS until
  FROM counted${of === 'values' ? '\n  WHERE n = 0 OR n = change' : ''}
  QUALIFY n > 0
)`
}
