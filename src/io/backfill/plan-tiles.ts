/**
 * Plans the use of kept tiles. A partition of the table of tiles is one file, named by a hash of the source files whose event times touch it:
 * it is used where it is named as it would be now, and has the columns that a slice needs. All else is read from the source as ever, and what
 * a slice reads there whole, it leaves as tiles. Nothing of it shows in the slices' addresses: their bytes are the same.
 */
import type { PlannedSlice, PlannedTiles, TilesSummary } from '../../contract/index.ts'
import type { Stretch } from '../../compile/index.ts'
import { withoutColumns, type ViewDefinition } from '../../definition/index.ts'
import {
  evolveSchema,
  planScan,
  qualifiedName,
  type NestedField,
  type ScanTask,
  type Schema,
  type Table,
} from '../../iceberg/index.ts'
import { partitionOrdinal } from '../../plan/index.ts'
import type { Runtime } from '../runtime.ts'
import { describeTiles, type TileNeeds } from './describe-tiles.ts'
import { slicePlanner, type Needs, type TilesRequest } from './slice-tiles.ts'
import { plainSchema } from './source-scan.ts'
import { loadIfExists, mainHead, tableLocation } from './target.ts'
import { isTileTable, tileTableIdentifier } from './tile-table.ts'

export interface TilesPlan {
  readonly slices: readonly PlannedSlice[]
  readonly tiles?: PlannedTiles<Schema>
  readonly summary?: TilesSummary
}

/** Beyond these, planning would take longer than reading. */
const mostPartitions = 100_000

/** The slices with what they take from tiles and leave there, for a view that keeps its tiles. */
export async function planTiles(runtime: Runtime, request: TilesRequest): Promise<TilesPlan> {
  const { definition, slices } = request
  if (definition.tiles === undefined || slices.length === 0) return { slices }
  const identifier = tileTableIdentifier(runtime, definition.name)
  const table = await loadIfExists(runtime, identifier)
  const name = qualifiedName(identifier)
  const needs = await needsOf(runtime, request)
  const range = hullOf(request)
  const problem =
    table !== null && !isTileTable(table, definition)
      ? `${name} is not a table of this view’s tiles`
      : range.kind === 'unknown'
        ? range.problem
        : needs.whole.problem !== null && needs.whole.fields.length === 0
          ? needs.whole.problem
          : null
  if (problem !== null || range.kind === 'unknown') {
    const nothing = { windows: 0, fromTiles: 0, rows: 0, bytes: 0, kept: 0 }
    return { slices, summary: { table: name, ...nothing, problem } }
  }
  const location = tableLocation(runtime, identifier, table)
  const schema = tileSchema(table, needs.whole.fields)
  const live = await liveTiles(runtime, table)
  const planner = slicePlanner(request, { range: range.stretch, schema, location, live, needs })
  const planned = slices.map((slice) => planner.plan(slice))
  return {
    slices: planned,
    tiles: { table: name, location, schema: plainSchema(schema), files: planner.files },
    summary: { table: name, ...planner.counts, problem: planner.problem() },
  }
}

async function needsOf(runtime: Runtime, { definition, source, outputSchema, carried }: TilesRequest): Promise<Needs> {
  const shapes = { sourceSchema: source.schema, outputSchema }
  const of = (some: ViewDefinition): Promise<TileNeeds> =>
    runtime.withEngine((db) => describeTiles(db, runtime.io, definition, some, shapes))
  const rest = carried === null ? null : withoutColumns(definition, carried)
  return { whole: await of(definition), carried: rest === null || rest.features.length === 0 ? null : await of(rest) }
}

type Hull =
  { readonly kind: 'known'; readonly stretch: Stretch } | { readonly kind: 'unknown'; readonly problem: string }

/** The event times that tiles may be of: those of the source's files. */
function hullOf({ files, definition, source }: TilesRequest): Hull {
  let [from, to]: [bigint | null, bigint | null] = [null, null]
  for (const file of files) {
    if (file.from === null || file.to === null)
      return {
        kind: 'unknown',
        problem: `the metadata of ${source.snapshot.snapshotId} does not bound the event times of ${file.path}`,
      }
    from = from === null || file.from < from ? file.from : from
    to = to === null || file.to >= to ? file.to + 1n : to
  }
  if (from === null || to === null) return { kind: 'known', stretch: { from: 0n, to: 0n } }
  const unit = definition.partitionBy
  const count = partitionOrdinal(unit, to - 1n) - partitionOrdinal(unit, from) + 1
  return count > mostPartitions
    ? { kind: 'unknown', problem: `the source spreads over ${count} partitions, more than ${mostPartitions}` }
    : { kind: 'known', stretch: { from, to } }
}

/** The table's columns, and those that the view's tiles have beside them. Ones that nothing needs now stay: a definition may come back. */
function tileSchema(table: Table | null, wanted: readonly NestedField[]): Schema {
  if (table === null) return { schemaId: 0, fields: wanted }
  const { schemas, currentSchemaId } = table.metadata
  const former = schemas.find(({ schemaId }) => schemaId === currentSchemaId)?.fields ?? []
  const byName = new Map(wanted.map((field) => [field.name, field]))
  const fields = [
    ...former.map((field) => byName.get(field.name) ?? field),
    ...wanted.filter(({ name }) => !former.some((field) => field.name === name)),
  ]
  return evolveSchema(table.metadata, plainSchema({ schemaId: 0, fields }))
}

/** The files that `main` shows, by partition. */
async function liveTiles(runtime: Runtime, table: Table | null): Promise<ReadonlyMap<number, readonly ScanTask[]>> {
  const head = table === null ? null : mainHead(table.metadata)
  if (table === null || head === null) return new Map()
  const { tasks } = await planScan({ table, io: runtime.tableFiles(table), snapshotId: head, columns: 'all' })
  const usable = tasks.filter(({ specId }) => specId === table.metadata.defaultSpecId)
  return Map.groupBy(usable, ({ dataFile }) => Number(dataFile.partition[0]))
}
