/** Which of a source's rows an expression fails for: asked once a slice has failed, never before. */
import { withUsedColumns, type ViewDefinition } from '../definition/index.ts'
import { alignment, type SliceRange } from './compile-slice.ts'
import { eventTime, knownTime } from './event-time.ts'
import { parenthesized, viewInputs, type Input, type Inputs } from './inputs.ts'
import { joinedRelation } from './joins.ts'
import { quoteIdentifier, quoteString } from './quote.ts'
import { timeGrid } from './time-grid.ts'

export interface RowCheck {
  /** What computes it, in the author's words: `feature total`. */
  readonly what: string
  readonly sql: string
  /** SELECT of file and place (`_file`, `_pos`) of one row that it fails for; none where it fails for no row alone. */
  readonly failing: string
  /** SELECT that fails as it does for that row. */
  at(file: string, position: bigint): string
}

/**
 * Checks of all that is computed of each event, in the order in which it is computed. The session has what `compileEvents` asks for, the
 * joins' dimensions made, and `source_rows` with the columns `_file` and `_pos` too.
 */
export function rowChecks(view: ViewDefinition, range: Omit<SliceRange, 'outputSchema'>): RowCheck[] {
  const definition = withUsedColumns(view)
  const { source } = definition
  const grid = timeGrid(definition, range, alignment)
  const time = eventTime(definition, range.sourceSchema)
  const known = knownTime(definition, range.sourceSchema)
  const check = (what: string, sql: string, from: string): RowCheck => ({
    what,
    sql,
    // A hash is never null, nor can the engine do without the value that it is of.
    failing: `SELECT _file, _pos FROM ${from} WHERE TRY(hash(${parenthesized(sql)})) IS NULL LIMIT 1`,
    at: (file, position) =>
      `SELECT ${parenthesized(sql)} FROM ${from} WHERE _file = ${quoteString(file)} AND _pos = ${position}`,
  })
  const checks = [
    check(`event time ${source.eventTime}`, `[${time.instant}, ${grid.tileOf(time.micros)}]`, 'source_rows'),
    ...(known === null ? [] : [check(`known time ${source.knownTime}`, grid.tileOf(known.micros), 'source_rows')]),
  ]
  let rows = `(SELECT * FROM source_rows WHERE ${time.between(grid.readFrom, grid.readTo)}) AS source_rows`
  for (const { name, sql } of source.columns ?? []) {
    checks.push(check(`column ${name}`, sql, rows))
    rows = `(SELECT *, TRY(${parenthesized(sql)}) AS ${quoteIdentifier(name)} FROM ${rows}) AS source_rows`
  }
  if (source.joins !== undefined) rows = `(${joinedRelation(definition, range, rows)}) AS source_rows`
  if (source.where !== undefined) {
    checks.push(check(`the where of source ${source.name}`, source.where, rows))
    rows = `(SELECT * FROM ${rows} WHERE TRY(${parenthesized(source.where)})) AS source_rows`
  }
  const inputs = viewInputs(definition)
  for (const input of inputs.all) {
    if (input.sql !== null) checks.push(check(featuresOf(definition, inputs, input), input.sql, rows))
  }
  for (const { sql, features } of inputs.buckets)
    checks.push(check(`the buckets of ${features.map(({ name }) => name).join(', ')}`, sql, rows))
  return checks
}

function featuresOf(definition: ViewDefinition, inputs: Inputs, input: Input): string {
  const names = definition.features
    .filter((feature) =>
      [inputs.of(feature), ...(feature.divisor === undefined ? [] : [inputs.divisorOf(feature)])].some(
        ({ sql }) => sql === input.sql,
      ),
    )
    .map(({ name }) => name)
  return `${names.length === 1 ? 'feature' : 'features'} ${names.join(', ')}`
}
