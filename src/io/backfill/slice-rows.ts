import {
  allTime,
  carriedSelect,
  requiredColumns,
  type CompiledSlice,
  type EntityShare,
  type SliceRange,
  type SliceTiles,
} from '../../compile/index.ts'
import { HindcastError, type Micros, type PlannedSlice } from '../../contract/index.ts'
import { windowTexts, withoutColumns, type ViewDefinition } from '../../definition/index.ts'
import { and, greaterThanOrEqual, lessThan, planScan } from '../../iceberg/index.ts'
import { tableIdentifier } from '../catalog-names.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import type { Runtime } from '../runtime.ts'
import { computeInSession, type ComputedSlice, type SessionMemory } from '../slice-session.ts'
import { tableRelation, type TableRelation } from '../table-read.ts'
import { joinDimensions } from './join-dimensions.ts'
import type { BackfillPlan } from './plan.ts'
import { keptRelation } from './read-tiles.ts'
import { sliceRange } from './slice-range.ts'
import { slicedScan } from './source-scan.ts'
import { targetIdentifier } from './target.ts'

/** Feature times in `[from, to)`. */
interface Range {
  readonly from: Micros
  readonly to: Micros
}

/** The rows of a slice as SQL, and what they need in the engine, which goes with it. */
export interface SliceRows extends AsyncDisposable {
  readonly select: string
  readonly spans: ComputedSlice['spans']
  readonly inParts: ComputedSlice['inParts']
  /** Source rows in the slice's range that have no key. */
  readonly rejectedRows: number
  /** What its tiles leave in their table; null where they cannot be kept. */
  readonly kept: CompiledSlice['kept']
}

/**
 * Computes a slice's rows in an engine's session. Of a slice whose definition changed only what is new is computed, from the source columns
 * that it takes; the rest comes from the files that the table shows.
 * @param how.share of the entities, where not all at once; nothing is carried over then
 * @param how.memory see `computeInSession`; what is carried over is made at once
 * @throws what the engine says of the definition and the data; SNAPSHOT_NOT_FOUND when what is carried over has expired since the plan
 */
export async function sliceRows(
  runtime: Runtime,
  db: DuckDb,
  plan: BackfillPlan,
  slice: PlannedSlice,
  options: QueryOptions,
  how: { readonly share?: EntityShare; readonly memory?: SessionMemory } = {},
): Promise<SliceRows> {
  const { share, memory = {} } = how
  await using stack = new AsyncDisposableStack()
  const range = sliceRange(plan.definition.partitionBy, slice)
  const carried = slice.isCarried === true ? (plan.carried ?? null) : null
  const definition = carried === null ? plan.definition : withoutColumns(plan.definition, carried.columns)
  // Where only derived columns changed, nothing of the source is read.
  const computed =
    definition.features.length === 0
      ? null
      : await computedRows(
          runtime,
          db,
          plan,
          slice,
          { ...range, ...(share === undefined ? {} : { share }) },
          definition,
          options,
          carried === null ? memory : {},
        )
  if (computed !== null) stack.use(computed)
  const rejectedRows = computed?.rejectedRows ?? 0
  const done = ({ select, spans, inParts }: Pick<SliceRows, 'select' | 'spans' | 'inParts'>): SliceRows => {
    const held = stack.move()
    return {
      select,
      spans,
      inParts,
      rejectedRows,
      kept: computed?.kept ?? null,
      [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
    }
  }
  if (carried === null) return done(computed ?? { select: '', spans: null, inParts: null })
  const relation = stack.use(await carriedRelation(runtime, db, plan, range, carried, options))
  const select = carriedSelect(plan.definition, {
    computed: computed?.select ?? null,
    carried: `FROM ${relation.sql}`,
    columns: carried.columns,
  })
  return done({ select, spans: null, inParts: null })
}

async function computedRows(
  runtime: Runtime,
  db: DuckDb,
  plan: BackfillPlan,
  slice: PlannedSlice,
  range: Range & { readonly share?: EntityShare },
  definition: ViewDefinition,
  options: QueryOptions,
  memory: SessionMemory,
): Promise<SliceRows> {
  await using stack = new AsyncDisposableStack()
  const ofTiles = await keptRelation(runtime, db, plan, slice.tiles?.read ?? [], options)
  if (ofTiles !== null) stack.use(ofTiles)
  const files = ofTiles === null ? slice.files : (slice.tiles?.files ?? [])
  const { shapes } = stack.use(await sourceSession(runtime, db, plan, { files, range, definition, options }))
  if (ofTiles !== null) await db.run(`CREATE TEMP VIEW kept_tiles AS FROM ${ofTiles.sql}`, options)
  const tiles = sliceTiles(slice, ofTiles !== null)
  const ofSlice = { ...range, ...shapes, ...(tiles === null ? {} : { tiles }) }
  const computed = await computeInSession(db, definition, ofSlice, options, memory)
  // Rows without a key have no share.
  const isCounted = (range.share?.share ?? 0) === 0
  const [counted] = isCounted ? await db.rows<{ rejected: bigint | number }>(computed.rejected, options) : []
  const held = stack.move()
  const { select, spans, inParts, kept } = computed
  return {
    select,
    spans,
    inParts,
    rejectedRows: Number(counted?.rejected ?? 0),
    kept,
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  }
}

/** What a slice is computed from, in an engine's session for as long as it is needed: `source_rows` and the joins' dimensions. */
export interface SourceSession extends AsyncDisposable {
  readonly shapes: Omit<SliceRange, 'from' | 'to'>
}

/** @param more columns of `source_rows`, beside those that the definition reads */
export async function sourceSession(
  runtime: Runtime,
  db: DuckDb,
  plan: BackfillPlan,
  request: {
    readonly files: PlannedSlice['files']
    readonly range: Range
    readonly definition: ViewDefinition
    readonly options: QueryOptions
  },
  more: readonly string[] = [],
): Promise<SourceSession> {
  const { source, target } = plan
  const { files, range, definition, options } = request
  await using stack = new AsyncDisposableStack()
  const names = source.schema.fields.map(({ name }) => name)
  const relation = await tableRelation(db, {
    ...slicedScan(source, files),
    columns: [...requiredColumns(definition, names), ...more],
    io: await runtime.filesOf(tableIdentifier(source.table)),
    options,
  })
  stack.use(relation)
  await db.run(`CREATE TEMP VIEW source_rows AS FROM ${relation.sql}`, options)
  const dimensions = stack.use(await joinDimensions(runtime, db, plan, range, definition, options))
  const held = stack.move()
  return {
    shapes: {
      sourceSchema: source.schema,
      dimensions: dimensions.schemas,
      outputSchema: target.schema,
      rowWindows: windowTexts(plan.definition),
      rereads: relation.rereads,
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  }
}

function sliceTiles({ tiles }: PlannedSlice, hasKept: boolean): SliceTiles | null {
  if (tiles === undefined) return null
  if (!hasKept) return { fromSource: [allTime], hasKept }
  return { fromSource: tiles.fromSource.map(({ from, to }) => ({ from: BigInt(from), to: BigInt(to) })), hasKept }
}

/** What the table shows of the slice's keys, feature times and carried columns. */
async function carriedRelation(
  runtime: Runtime,
  db: DuckDb,
  plan: BackfillPlan,
  { from, to }: Range,
  carried: NonNullable<BackfillPlan['carried']>,
  options: QueryOptions,
): Promise<TableRelation> {
  const table = await runtime.catalog.loadTable(targetIdentifier(runtime, plan.target.name))
  const io = runtime.tableFiles(table)
  const filter = and(greaterThanOrEqual('feature_time', { micros: from }), lessThan('feature_time', { micros: to }))
  const { tasks, schema } = await planScan({ table, io, snapshotId: BigInt(carried.snapshotId), filter })
  if (tasks.length === 0) throw new HindcastError('INVARIANT_VIOLATED', 'there are no rows to carry columns over from')
  const keys = plan.definition.entity.keys.map(({ name }) => name)
  const columns = [...new Set([...keys, 'feature_time', ...Object.values(carried.columns)])]
  return tableRelation(db, { metadata: table.metadata, schema, tasks, columns, io, options })
}
