import { eventRanges, knownBy, tileStart, type KeptTiles } from '../../compile/index.ts'
import { quoteIdentifier, quoteString } from '../../compile/quote.ts'
import { HindcastError, isHindcastError, type KeptPartition, type PlannedSlice } from '../../contract/index.ts'
import type { DataFile, Schema } from '../../iceberg/index.ts'
import { partitionAt } from '../../plan/index.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import { writePartitions } from '../parquet-write.ts'
import type { TableRelation } from '../table-read.ts'
import { sha256 } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { placedByOrdinal, writeManifest } from './partition-files.ts'
import type { BackfillPlan } from './plan.ts'
import { keptRelation } from './read-tiles.ts'
import { sliceRange } from './slice-range.ts'
import type { SliceResult } from './slice-result.ts'
import { tileSpec, tileTableIdentifier, tileTableProperties } from './tile-table.ts'

export interface KeepRequest {
  readonly plan: BackfillPlan
  readonly slice: PlannedSlice
  readonly kept: KeptTiles | null
  readonly scratchDir: string
  readonly options: QueryOptions
}

/**
 * Writes the tiles that a slice leaves, from the session that computed it, as data files and one manifest for their table. Tiles save work
 * and are no result: what keeps them from being written is noted, and the slice is finished all the same.
 */
export async function keepTiles(
  runtime: Runtime,
  db: DuckDb,
  request: KeepRequest,
): Promise<NonNullable<SliceResult['tiles']> | null> {
  const { kept } = request
  const partitions = wholePartitions(request)
  if (partitions.length === 0) return null
  if (kept === null) return { problem: 'the values of a sum lie too far apart to be kept' }
  try {
    return await write(runtime, db, request, kept, partitions)
  } catch (error) {
    if (!isHindcastError(error) || error.code === 'CANCELLED') throw error
    return { problem: error.message }
  }
}

/** A slice that was cut short since it was planned no longer reads all the events that it was to leave tiles of. */
function wholePartitions({ plan: { definition }, slice }: KeepRequest): readonly KeptPartition[] {
  const { partitionBy: unit } = definition
  const seen = eventRanges(definition)(sliceRange(unit, slice))
  return (slice.tiles?.keep ?? []).filter(({ ordinal }) => {
    const { from, to } = partitionAt(unit, ordinal)
    return from >= seen.from && to <= seen.to
  })
}

async function write(
  runtime: Runtime,
  db: DuckDb,
  { plan, scratchDir, options }: KeepRequest,
  kept: KeptTiles,
  partitions: readonly KeptPartition[],
): Promise<NonNullable<SliceResult['tiles']>> {
  const { definition, tiles } = plan
  if (tiles === undefined) throw new HindcastError('INVARIANT_VIOLATED', 'the plan has no tiles')
  const io = await runtime.filesOf(tileTableIdentifier(runtime, definition.name))
  const spec = tileSpec(definition, tiles.schema)
  const written: DataFile[] = []
  // Partitions that take the same columns from files of their own go together.
  const groups = Map.groupBy(partitions, ({ carried }) => JSON.stringify(carried?.columns ?? []))
  for (const members of groups.values()) {
    const schema = writtenSchema(tiles.schema, plan, kept, members[0]?.carried?.columns ?? [])
    await using carried = await carriedTiles(runtime, db, plan, members, options)
    written.push(
      ...(await writePartitions(db, {
        query: queryOf(plan, kept, schema, members, carried?.sql ?? null),
        sortBy: kept.orderBy,
        schema,
        spec,
        properties: tileTableProperties(definition.name),
        scratchDir,
        place: placedByOrdinal(members),
        io,
        ...options,
      })),
    )
  }
  const address = sha256(JSON.stringify(written.map(({ filePath }) => filePath))).slice(0, 32)
  const manifestPath = `${tiles.location}/metadata/${address}-m0.avro`
  return {
    manifest: await writeManifest(io, manifestPath, { schema: tiles.schema, spec, files: written }),
    files: written.map(({ partition, filePath, fileSizeInBytes }) => ({
      ordinal: Number(partition[0]),
      path: filePath,
      bytes: Number(fileSizeInBytes),
    })),
  }
}

/** A file has the columns of its tiles and no others: what it lacks is seen from its metrics. */
function writtenSchema(whole: Schema, plan: BackfillPlan, kept: KeptTiles, carried: readonly string[]): Schema {
  const names = new Set([
    ...plan.definition.entity.keys.map(({ name }) => name),
    tileStart,
    ...(plan.definition.source.knownTime === undefined ? [] : [knownBy]),
    ...kept.columns.map(({ name }) => name),
    ...carried,
  ])
  return { ...whole, fields: whole.fields.filter(({ name }) => names.has(name)) }
}

async function carriedTiles(
  runtime: Runtime,
  db: DuckDb,
  plan: BackfillPlan,
  members: readonly KeptPartition[],
  options: QueryOptions,
): Promise<TableRelation | null> {
  const files = members.flatMap(({ carried }) => (carried === undefined ? [] : [carried.file]))
  const relation = await keptRelation(runtime, db, plan, files, options)
  if (relation === null && files.length > 0)
    throw new HindcastError('DATA_FILE_INVALID', 'tiles that were to be carried over have gone since the plan')
  return relation
}

/** The tiles, with the columns that come from files that are there: those of the same events, row by row. */
function queryOf(
  { definition }: BackfillPlan,
  kept: KeptTiles,
  { fields }: Schema,
  members: readonly KeptPartition[],
  carried: string | null,
): string {
  const stretches = members.map(({ ordinal }) => partitionAt(definition.partitionBy, ordinal))
  const tiles = kept.select(stretches)
  if (carried === null) return tiles
  const keys = definition.entity.keys.map(({ name }) => name)
  const times = [tileStart, ...(definition.source.knownTime === undefined ? [] : [knownBy])]
  const from = new Set(members[0]?.carried?.columns ?? [])
  const columns = fields.map(({ name }) => `${from.has(name) ? 'carried' : 'tiles'}.${quoteIdentifier(name)}`)
  const on = [...keys, ...times].map((name) => `carried.${quoteIdentifier(name)} = tiles.${quoteIdentifier(name)}`)
  const message = quoteString('the tiles that are there are not those of the same events')
  const [first = ''] = keys.map(quoteIdentifier)
  // Rows without keys count events, and match none.
  return `SELECT ${columns.join(', ')}
FROM (${tiles}) AS tiles
FULL JOIN (SELECT * FROM ${carried} WHERE ${first} IS NOT NULL) AS carried ON ${on.join(' AND ')}
WHERE CASE WHEN tiles.${tileStart} IS NULL OR (carried.${tileStart} IS NULL AND tiles.${first} IS NOT NULL) THEN error(${message}) ELSE true END`
}
