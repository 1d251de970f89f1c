import { tilesProblem, type KeptTiles } from '../../compile/index.ts'
import { windowTexts, type ViewDefinition } from '../../definition/index.ts'
import type { NestedField, Schema } from '../../iceberg/index.ts'
import type { DuckDb } from '../duckdb.ts'
import type { WarehouseFiles } from '../files/index.ts'
import { computeInSession } from '../slice-session.ts'
import { tableRelation } from '../table-read.ts'
import { tileColumns } from './tile-table.ts'

/** What the tiles of a view, or of some of its features, have. */
export interface TileNeeds {
  /** Columns that can be kept, with ids from 1: keys and times, then partials. */
  readonly fields: readonly NestedField[]
  readonly partials: readonly string[]
  /** Why the features cannot be made from kept tiles; null where they can. */
  readonly problem: string | null
}

export interface TileShapes {
  readonly sourceSchema: Schema
  readonly outputSchema: Schema
}

/**
 * Compiles a view over no events to see what its tiles have, in an engine that has computed nothing yet.
 * @param whole the view that `definition` has some features of
 */
export async function describeTiles(
  db: DuckDb,
  io: WarehouseFiles,
  whole: ViewDefinition,
  definition: ViewDefinition,
  shapes: TileShapes,
): Promise<TileNeeds> {
  const { sourceSchema, outputSchema } = shapes
  const problem = tilesProblem(definition, sourceSchema)
  if (problem !== null) return { fields: [], partials: [], problem }
  const metadata = { schemas: [sourceSchema], partitionSpecs: [], properties: {} }
  await using relation = await tableRelation(db, { metadata, schema: sourceSchema, tasks: [], io })
  await db.run(`CREATE OR REPLACE TEMP VIEW source_rows AS FROM ${relation.sql}`)
  const none = { from: 0n, to: 0n }
  const { kept, ofEvents } = await computeInSession(db, definition, {
    from: 0n,
    to: 1n,
    rowWindows: windowTexts(whole),
    ...shapes,
    tiles: { fromSource: [none], hasKept: false },
  })
  if (kept === null) return { fields: [], partials: [], problem: 'its sums cannot be kept' }
  const keys = outputSchema.fields.filter(({ name }) => definition.entity.keys.some((key) => key.name === name))
  const fields = await tileColumns(db, { kept, select: kept.select([none]), keys })
  return { fields, partials: partialsIn(kept, fields), problem: reasonOf(kept, fields, ofEvents) }
}

const partialsIn = ({ columns }: KeptTiles, fields: readonly NestedField[]): string[] =>
  columns.flatMap(({ name }) => (fields.some((field) => field.name === name) ? [name] : []))

function reasonOf(
  { columns }: KeptTiles,
  fields: readonly NestedField[],
  ofEvents: ViewDefinition['features'],
): string | null {
  if (ofEvents.length > 0)
    return `${ofEvents.map(({ name }) => name).join(', ')} ${ofEvents.length > 1 ? 'are' : 'is'} made from the events themselves`
  const unkept = columns.find(({ name }) => !fields.some((field) => field.name === name))
  return unkept === undefined ? null : `tiles do not keep values such as ${unkept.doc}`
}
