import {
  compileEvents,
  compileSlice,
  eventFacts,
  rangesQuery,
  tileCountsQuery,
  type CompiledSlice,
  type SliceRange,
  type TileCounts,
} from '../compile/index.ts'
import type { ViewDefinition } from '../definition/index.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'

/**
 * Computes a slice up to its rows, which are then `select` ordered by `orderBy`. The session has the source's columns in `source_rows`.
 * @throws what the engine says of the definition's expressions and the data
 */
export async function computeInSession(
  db: DuckDb,
  definition: ViewDefinition,
  range: SliceRange,
  options: QueryOptions = {},
): Promise<CompiledSlice> {
  await db.run(compileEvents(definition, range), options)
  const types = new Map((await db.describe('FROM events', options)).map(({ name, type }) => [name, String(type)]))
  const ranges = rangesQuery(definition, types)
  const [found = null] = ranges === null ? [] : await db.rows<Readonly<Record<string, unknown>>>(ranges, options)
  const facts = eventFacts(definition, types, found)
  const compiled = compileSlice(definition, range, facts)
  for (const statement of compiled.tiles) await db.run(statement, options)
  const [counts = null] = await db.rows<TileCounts>(tileCountsQuery, options)
  for (const statement of compiled.windows(counts)) await db.run(statement, options)
  return compiled
}
