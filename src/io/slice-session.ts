import {
  compileDimensions,
  compileEvents,
  compileSlice,
  eventFacts,
  joinKey,
  keptRangesQuery,
  rangesQuery,
  summedDoubles,
  validSince,
  type CompiledJoin,
  type CompiledRows,
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
export interface ComputedSlice
  extends Pick<CompiledSlice, 'orderBy' | 'rejected' | 'kept' | 'ofEvents'>, Pick<CompiledRows, 'select' | 'spans'> {
  /** Null where all are there. */
  readonly inParts: ComputedParts | null
}

export interface ComputedParts {
  /** In how many parts of about the same length the slice is to be taken, at least. */
  readonly count: number
  /** Whether reading a part of it makes all of it: parts should then be no longer than what is read at once. */
  readonly isView: boolean
  /** Makes what `spans` gives between these feature times, in place of what was made before. */
  make(part: Stretch): Promise<void>
}

/** What may be held at once, in bytes. */
export interface SessionMemory {
  /** About what the rows of all windows may take before they are made in parts. */
  readonly partBytes?: number
  /** What tiles may take of at most so many source rows: more are not begun with, for they would be given up late. */
  readonly tileBudget?: { readonly bytes: number; readonly rows: number }
}

/**
 * Computes a slice up to its rows, which are then `select` ordered by `orderBy`. The session has the source's columns in `source_rows`, and
 * those of each join's table in its `dimensionRelation`.
 * @throws what the engine says of the definition's expressions and the data; INPUT_INVALID for two rows of a dimension with one key;
 *   ENGINE_OUT_OF_MEMORY for more tiles than `tileBudget` has room for
 */
export async function computeInSession(
  db: DuckDb,
  definition: ViewDefinition,
  range: SliceRange,
  options: QueryOptions = {},
  { partBytes = Infinity, tileBudget }: SessionMemory = {},
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
  if (tileBudget !== undefined && tileBudget.rows * compiled.tileBytes > tileBudget.bytes) {
    const [estimate] = await db.rows<{ tiles: bigint | number }>(compiled.tileEstimate, options)
    const bytes = Number(estimate?.tiles ?? 0) * compiled.tileBytes
    if (bytes > tileBudget.bytes) throw tooManyTiles(bytes, tileBudget.bytes)
  }
  for (const statement of compiled.tiles) await db.run(statement, options)
  const [counts = null] = await db.rows<TileCounts>(compiled.tileCounts, options)
  const { orderBy, rejected, kept, ofEvents } = compiled
  const { windows, parts, select, spans } = compiled.rows(counts)
  const computed = { orderBy, rejected, kept, ofEvents, select, spans }
  if (parts !== null && partBytes < Infinity) {
    const count = parts.count(partBytes)
    if (count > 1 || parts.isView) return { ...computed, inParts: partsOf(db, parts, count, options) }
  }
  for (const statement of windows) await db.run(statement, options)
  return { ...computed, inParts: null }
}

const tooManyTiles = (bytes: number, most: number): HindcastError =>
  new HindcastError(
    'ENGINE_OUT_OF_MEMORY',
    `the entities' tiles would take some ${Math.ceil(bytes / 1e6)} MB at once, of ${Math.floor(most / 1e6)} MB that they may`,
    { hint: 'Raise engine.memoryLimit, or lower limits.sliceInputBytes so that a slice is smaller.' },
  )

function partsOf(
  db: DuckDb,
  { isView, windows, drop }: SliceParts,
  count: number,
  options: QueryOptions,
): ComputedParts {
  let isMade = false
  return {
    count,
    isView,
    make: async (part) => {
      for (const statement of isMade ? drop : []) await db.run(statement, options)
      isMade = true
      for (const statement of windows(part)) await db.run(statement, options)
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
  const query = keptRangesQuery(definition, sourceSchema, summedDoubles(definition, types))
  const [found = null] = query === null ? [] : await db.rows<Readonly<Record<string, unknown>>>(query, options)
  return found
}
