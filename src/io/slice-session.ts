import {
  compileDimensions,
  compileEvents,
  compileSlice,
  eventFacts,
  joinKey,
  keptRangesQuery,
  rangesQuery,
  summedFloats,
  tileCountsQuery,
  validSince,
  type CompiledJoin,
  type CompiledSlice,
  type SliceParts,
  type SliceRange,
  type Stretch,
  type TileCounts,
} from '../compile/index.ts'
import { formatInstant, HindcastError } from '../contract/index.ts'
import type { ViewDefinition } from '../definition/index.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'

/** A slice's rows: all of them in `select`, or part by part in `spans`. */
export interface ComputedSlice extends CompiledSlice {
  /** Null where all are there. */
  readonly inParts: ComputedParts | null
}

export interface ComputedParts {
  /** In how many parts of about the same length the slice is to be taken. */
  readonly count: number
  /** Makes what `spans` gives between these feature times, in place of what was made before. */
  make(part: Stretch): Promise<void>
}

/**
 * Computes a slice up to its rows, which are then `select` ordered by `orderBy`. The session has the source's columns in `source_rows`, and
 * those of each join's table in its `dimensionRelation`.
 * @param partBytes about how much the rows of all windows may take before they are made in parts
 * @throws what the engine says of the definition's expressions and the data; INPUT_INVALID for two rows of a dimension with one key
 */
export async function computeInSession(
  db: DuckDb,
  definition: ViewDefinition,
  range: SliceRange,
  options: QueryOptions = {},
  partBytes = Infinity,
): Promise<ComputedSlice> {
  for (const dimension of compileDimensions(definition, range)) {
    await db.run(dimension.statement, options)
    const [twice] = await db.rows<Readonly<Record<string, unknown>>>(dimension.duplicate, options)
    if (twice !== undefined) throw ambiguous(dimension, twice)
  }
  const columns = await db.describe(compileEvents(definition, range), options)
  const types = new Map(columns.map(({ name, type }) => [name, String(type)]))
  // The events are the same, whatever the ranges.
  await db.run(compileSlice(definition, range, eventFacts(definition, types, null)).events, options)
  const ranges = rangesQuery(definition, types)
  const [found = null] = ranges === null ? [] : await db.rows<Readonly<Record<string, unknown>>>(ranges, options)
  const facts = eventFacts(definition, types, found, await keptRanges(db, definition, range, types, options))
  const compiled = compileSlice(definition, range, facts)
  for (const statement of compiled.tiles) await db.run(statement, options)
  const [counts = null] = await db.rows<TileCounts>(tileCountsQuery, options)
  const { parts } = compiled
  const count = parts === null || counts === null ? 1 : parts.count(counts, partBytes)
  if (parts !== null && counts !== null && count > 1)
    return { ...compiled, inParts: partsOf(db, parts, counts, count, options) }
  for (const statement of compiled.windows(counts)) await db.run(statement, options)
  return { ...compiled, inParts: null }
}

function partsOf(
  db: DuckDb,
  parts: SliceParts,
  counts: TileCounts,
  count: number,
  options: QueryOptions,
): ComputedParts {
  let isMade = false
  return {
    count,
    make: async (part) => {
      for (const statement of isMade ? parts.drop : []) await db.run(statement, options)
      isMade = true
      for (const statement of parts.windows(counts, part)) await db.run(statement, options)
    },
  }
}

/** Values of a key may be long. */
const shownCharacters = 100

/** An event that finds two rows would have to be two events, or to choose. */
function ambiguous({ join }: CompiledJoin, row: Readonly<Record<string, unknown>>): HindcastError {
  const { name, table, on, asOf } = join
  const keys = on.map(({ equals }, index) => {
    const text = String(row[joinKey(index)])
    return `${equals} ${text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text}`
  })
  const since = row[validSince]
  const valid = typeof since === 'bigint' && asOf !== undefined ? [`${asOf} ${formatInstant(since)}`] : []
  return new HindcastError(
    'INPUT_INVALID',
    `join ${name}: ${table} has two rows with ${[...keys, ...valid].join(', ')}`,
    {
      hint:
        asOf === undefined
          ? 'Keep one of them, join by more columns, or name the column from which each is valid: asOf.'
          : 'Keep one of them, or join by more columns.',
      context: { join: name, table },
    },
  )
}

async function keptRanges(
  db: DuckDb,
  definition: ViewDefinition,
  { sourceSchema, tiles }: SliceRange,
  types: ReadonlyMap<string, string>,
  options: QueryOptions,
): Promise<Readonly<Record<string, unknown>> | null> {
  if (tiles?.hasKept !== true) return null
  const query = keptRangesQuery(definition, sourceSchema, summedFloats(definition, types))
  const [found = null] = query === null ? [] : await db.rows<Readonly<Record<string, unknown>>>(query, options)
  return found
}
