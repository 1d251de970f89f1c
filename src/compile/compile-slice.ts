import { HindcastError, type Micros } from '../contract/index.ts'
import { featureColumn, type FeatureDefinition, type ViewDefinition } from '../definition/index.ts'
import type { Schema } from '../iceberg/index.ts'
import { bucketGrid, bucketScope, bucketTable, bucketTableName } from './buckets.ts'
import { eventOrder, eventsSelect, keyColumns, rejectedQuery, type EntityShare } from './events.ts'
import { spreadMacros } from './exact-spreads.ts'
import { exactSumMacros } from './exact-sums.ts'
import { featureSet, type WindowedSet } from './feature-set.ts'
import { parenthesized, viewInputs, type Bucket, type EventFacts } from './inputs.ts'
import { compileJoins, type CompiledJoin, type JoinSchemas } from './joins.ts'
import { keptPieces, keptRejected, keptTiles, type KeptTiles } from './kept-tiles.ts'
import { isSpreadOfDoubles, type PlanContext } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import { mostValues } from './stays.ts'
import { timeGrid, type Grid, type Stretch } from './time-grid.ts'
import type { Scope } from './window-request.ts'
import type { TileCounts } from './windowed.ts'

/** Rows with feature time in `[from, to)`, and the shapes of what is read and written. */
export interface SliceRange extends JoinSchemas {
  readonly from: Micros
  readonly to: Micros
  /** Windows that make a row, beside those of the features: where only some of a view's are computed. */
  readonly rowWindows?: readonly string[]
  readonly outputSchema: Schema
  /** Where the view's tiles are kept. */
  readonly tiles?: SliceTiles
  /** The rows of a part of the entities only. */
  readonly share?: EntityShare
  /** Whether `source_rows` can be read again and again at little cost. */
  readonly rereads?: boolean
}

export interface SliceTiles {
  /** Event times that `source_rows` is read for. */
  readonly fromSource: readonly Stretch[]
  /** Whether there is a relation `kept_tiles`, rows of the table of tiles with the keys and all columns that the view's features need. */
  readonly hasKept: boolean
}

/**
 * A slice as DuckDB's SQL, for a session in UTC that has the source's columns in a view `source_rows` and the joins' dimensions where
 * `compileDimensions` looks for them.
 */
export interface CompiledSlice {
  /** Makes `events`, a view where they are read few times. To be run first, once a session. */
  readonly events: string
  /** Then make `entities` and `tiles`. */
  readonly tiles: readonly string[]
  /** About what a tile takes while it is made, in bytes; and a query of one row `tiles`, about how many there will be. */
  readonly tileBytes: number
  readonly tileEstimate: string
  /** Query of one row of `TileCounts`. */
  readonly tileCounts: string
  /** Counts of the tiles choose how the rows are made from them, which changes no value; without them windows are taken for full. */
  readonly rows: (counts: TileCounts | null) => CompiledRows
  /** ORDER BY of `select` that leaves no ties. */
  readonly orderBy: string
  /** One row `rejected`: source rows with an event time in `[from, to)` and a null key. */
  readonly rejected: string
  /** What the slice's tiles leave in their table; null where it has none, or they cannot be kept. */
  readonly kept: KeptTiles | null
  /** Features that cannot be made from kept tiles: without `tiles.hasKept` only. */
  readonly ofEvents: readonly FeatureDefinition[]
}

export interface CompiledRows {
  /** Make what the rows are selected from. */
  readonly windows: readonly string[]
  /** In place of `windows`, for `spans`; null where there are none, or they cannot be made so. */
  readonly parts: SliceParts | null
  /** The slice's rows, with the columns of the output schema in its order. */
  readonly select: string
  /** The same rows by the spans of time that they hold for, null where that cannot be: see `Spans`. */
  readonly spans: Spans | null
}

/**
 * Rows that follow each other in time and differ in it alone are one span, so that a stretch of the slice is few rows. From a table of its
 * spans the rows of any part of it come in order by a scan: nothing is sorted.
 */
export interface Spans {
  /** SELECT of the spans that hold somewhere in `[from, to)`, in the order of their keys and time. */
  between(from: Micros, to: Micros): string
  /**
   * SELECT of the rows with a feature time in these ranges, given a table of spans that hold them: one range after the other, those of each in
   * the order of their keys and time. It needs nothing temporary.
   */
  rows(table: string, ranges: readonly Stretch[]): string
  /** SELECT of one row with a list `counts`: how many rows each of these ranges has. */
  counts(table: string, ranges: readonly Stretch[]): string
}

/** What the rows are selected from, made for one part of the slice after the other: never more of it is there than one part's. */
export interface SliceParts {
  /** How many parts it takes for each to have about so many bytes. */
  readonly count: (bytes: number) => number
  /** Whether it is made anew by each reading, so that a part should be read once. */
  readonly isView: boolean
  /** Statements that make it for the rows with a feature time in the part. */
  readonly windows: (part: Stretch) => readonly string[]
  /** Statements that drop it. */
  readonly drop: readonly string[]
}

/** ORDER BY of a view's rows. */
export const rowOrder = ({ entity }: ViewDefinition): string =>
  [...entity.keys.map(({ name }) => name), 'feature_time'].map(quoteIdentifier).join(', ')

/** Blocks of time lie on multiples of this many tiles. */
export const alignment = 4n ** 9n

/** @throws DEFINITION_INVALID when the source lacks the event time */
function selectEvents(definition: ViewDefinition, range: Omit<SliceRange, 'outputSchema'>, grid: Grid): string {
  const selection = { stretches: stretchesOf(range), share: range.share ?? null }
  return eventsSelect(definition, range, grid, viewInputs(definition), selection)
}

/**
 * SELECT of the events from which a slice is compiled once the engine has told of their types and ranges.
 * @throws DEFINITION_INVALID when the source lacks the event time
 */
export const compileEvents = (definition: ViewDefinition, range: Omit<SliceRange, 'outputSchema'>): string =>
  selectEvents(definition, range, timeGrid(definition, range, alignment))

/** Whether entities have one key, and that is an integer. */
function hasNumber({ entity }: ViewDefinition, { fields }: Schema): boolean {
  const types = entity.keys.map((key) => fields.find(({ name }) => name === key.name)?.type)
  return types.length === 1 && (types[0] === 'int' || types[0] === 'long')
}

/** Events that are read more often are held in a table: up to there it costs less to decode them again, and no memory. */
const mostReads = 3

const stretchesOf = ({ tiles }: Pick<SliceRange, 'tiles'>): readonly Stretch[] | null => tiles?.fromSource ?? null

/** What makes the dimensions of a view's joins, before its events are made. */
export const compileDimensions = (
  definition: ViewDefinition,
  range: Omit<SliceRange, 'outputSchema'>,
): CompiledJoin[] => compileJoins(definition, range, timeGrid(definition, range, alignment).readTo)

/**
 * Compiles the computation of one slice. What it computes for a row depends on the row's entity and feature time and the events of its
 * windows, not on the slice, the number of threads or the order of the source's rows.
 * @param facts of the slice's events, see `eventFacts`
 * @throws DEFINITION_INVALID when the source lacks the event time
 */
export function compileSlice(definition: ViewDefinition, range: SliceRange, facts: EventFacts): CompiledSlice {
  const grid = timeGrid(definition, range, alignment)
  const inputs = viewInputs(definition)
  const keys = keyColumns(definition)
  const context: PlanContext = { inputs, facts, order: eventOrder(definition, range.sourceSchema) }
  const { sourceSchema, tiles } = range
  const hasKept = tiles?.hasKept === true
  const common = {
    grid,
    points: definition.rows === 'on_change' ? 'events' : 'any',
    typeOf: (feature: FeatureDefinition) => outputType(range.outputSchema, feature),
  } as const
  const plain = definition.features.filter(({ by }) => by === undefined || by === null)
  const scope: Scope = { keys, isNumbered: hasNumber(definition, range.outputSchema), table: (name) => name }
  const set = featureSet(
    {
      ...common,
      scope,
      features: plain,
      isCounted: false,
      isAlone: inputs.buckets.length === 0,
      tiles: tiles === undefined ? 'made' : hasKept ? 'taken' : 'kept',
    },
    context,
  )
  const ofEvents = [...set.ofEvents, ...inputs.buckets.flatMap(({ features }) => features)]
  if (hasKept && ofEvents.length > 0)
    throw new HindcastError('INVARIANT_VIOLATED', 'a feature of events is to be made from kept tiles')
  const bucketed = inputs.buckets.map((bucket) => {
    const own = bucketScope(keys, bucket)
    const values = featureSet(
      {
        ...common,
        grid: bucketGrid(grid, bucket),
        scope: own,
        features: bucket.features,
        isCounted: true,
        isAlone: false,
        tiles: 'made',
      },
      context,
    )
    const timed = values.windowed(null).columns.find(({ atTime }) => atTime !== null)
    if (timed !== undefined) throw timedBucket(definition, timed.feature)
    return { bucket, own, values }
  })
  const reads = [set, ...bucketed.map(({ values }) => values)].reduce((sum, one) => sum + one.reads, 0)
  const isView = range.rereads === true && definition.source.joins === undefined && reads <= mostReads
  const kind = isView ? 'VIEW' : 'TABLE'
  const dropEvents = `DROP ${kind} events`
  const isOfTiles = !set.needsEvents && bucketed.length === 0
  return {
    events: `-- Time is counted in tiles of ${grid.describe}; a row's point is the tile that begins at its feature time.
CREATE TEMP ${kind} events AS
${selectEvents(definition, range, grid)}`,
    tiles: [
      ...exactSumMacros,
      ...(definition.features.some((feature) => isSpreadOfDoubles(feature, context)) ? spreadMacros : []),
      ...(hasKept ? [keptPieces(definition, sourceSchema, grid, set.partials)] : []),
      ...set.tiles,
      ...(isOfTiles ? [dropEvents] : []),
    ],
    tileBytes: set.tileBytes,
    tileEstimate: `SELECT approx_count_distinct(hash(${[...keys, 'tile', ...(context.order.hasLateEvents ? ['seen'] : [])].join(', ')})) AS tiles
FROM events`,
    tileCounts: set.tileCounts,
    rows: (counts) => {
      const windowed = set.windowed(counts)
      const rows = selectRows(definition, range, grid, { ...windowed, isNumbered: scope.isNumbered }, inputs.buckets)
      return {
        ...rows,
        windows: [
          ...windowed.windows(),
          ...bucketed.flatMap(({ bucket, own, values }) => {
            // The counts are of other tiles than a bucket's.
            const ofBucket = values.windowed(
              counts === null ? null : { ...counts, areAlike: [], copied: Infinity, framed: mostValues },
            )
            return [...values.tiles, ...ofBucket.windows(), bucketTable(bucket, keys, own, ofBucket)]
          }),
          ...(isOfTiles ? [] : [dropEvents]),
        ],
        parts:
          rows.spans === null || !isOfTiles
            ? null
            : {
                count: windowed.partsFor,
                isView: windowed.isView,
                windows: ({ from, to }) =>
                  windowed.windows({ ...grid, first: grid.pointFrom(from), end: grid.pointFrom(to), isPart: true }),
                drop: windowed.dropPart,
              },
      }
    },
    orderBy: rowOrder(definition),
    rejected: rejectedOf(definition, range),
    kept: tiles === undefined ? null : keptTiles(definition, range, grid, set.partials),
    ofEvents,
  }
}

function rejectedOf(definition: ViewDefinition, range: SliceRange): string {
  const { sourceSchema, tiles } = range
  const found = rejectedQuery(definition, range, range, stretchesOf(range))
  if (tiles?.hasKept !== true) return found
  const kept = keptRejected(definition, sourceSchema, range)
  return `SELECT CAST(sum(rejected) AS BIGINT) AS rejected
FROM (${found} UNION ALL ${kept})`
}

const timedBucket = ({ name: view }: ViewDefinition, { name, aggregate }: FeatureDefinition): HindcastError =>
  new HindcastError('FEATURE_UNSUPPORTED', `view ${view}, feature ${name}: ${aggregate} is not computed by bucket`, {
    hint: 'It changes with the time of each row. Make a feature of each bucket, by its condition.',
    context: { view, feature: name },
  })

function outputType(output: Schema, feature: FeatureDefinition): unknown {
  const column = featureColumn(feature, feature.windows[0] ?? '')
  const field = output.fields.find(({ name }) => name === column)
  if (field === undefined)
    throw new HindcastError('INVARIANT_VIOLATED', `the output schema has no column "${column}"`, {
      context: { column },
    })
  const { type } = field
  // The values of a map of buckets.
  return typeof type !== 'string' && type.type === 'map' ? type.value : type
}

/** Values hold from a change point to the next; a row is made of each grid point in between. */
function selectRows(
  definition: ViewDefinition,
  range: SliceRange,
  grid: Grid,
  set: WindowedSet & Pick<Scope, 'isNumbered'>,
  buckets: readonly Bucket[],
): Pick<CompiledRows, 'select' | 'spans'> {
  const keys = definition.entity.keys.map(({ name }, i) => ({
    own: set.isNumbered ? 'entity' : `key_${i + 1}`,
    name: quoteIdentifier(name),
  }))
  const ofSet = new Map(set.columns.map((column) => [column.name, column]))
  // Named by number: what the definition's names are is its authors' business.
  const columns = definition.features
    .flatMap((feature) => feature.windows.map((text) => featureColumn(feature, text)))
    .map((name, index) => ({ name: quoteIdentifier(name), own: ofSet.get(name), held: `value_${index + 1}` }))
  const held = columns.map(({ name, own, held: as }) => `${own?.held ?? name} AS ${as}`)
  const joins = [
    ...(set.isNumbered ? [] : ['JOIN entities USING (entity)']),
    ...set.joins,
    ...buckets.map((bucket) => `LEFT JOIN ${bucketTableName(bucket)} USING (entity, point)`),
  ]
  const micros = `epoch_us(${grid.timeOf('point')})`
  const final = columns.map(({ name, own, held: as }) => `${own?.atTime?.(as, micros) ?? as} AS ${name}`)
  const derived = definition.derived.map(({ name, sql }) => `${parenthesized(sql)} AS ${quoteIdentifier(name)}`)
  const list = (items: readonly string[]): string => items.join(',\n    ')
  const heldColumns = list([...new Set(['entity', 'point', 'next_point', ...keys.map(({ own }) => own)]), ...held])
  const from = [`FROM ${set.relation}`, ...joins].join('\n  ')
  const rowsOf = (points: string): string => `points AS NOT MATERIALIZED (${points}),
feature_columns AS NOT MATERIALIZED (
  SELECT
    ${list([...keys.map(({ own, name }) => `${own} AS ${name}`), `${grid.timeOf('point')} AS feature_time`, ...final])}
  FROM points
)
SELECT ${['*', ...derived].join(', ')}
FROM feature_columns`
  const onChange = definition.rows === 'on_change'
  const everyPoint = onChange ? 'point' : 'unnest(range(point, next_point)) AS point'
  const inRange = grid.isExact
    ? ''
    : `\nWHERE feature_time >= make_timestamptz(${range.from}) AND feature_time < make_timestamptz(${range.to})`
  const inOrder = grid.isExact && set.columns.every(({ atTime }) => atTime === null)
  const spans: Spans = {
    between: (low, high) => `SELECT
    ${heldColumns}
  ${from}
WHERE point < ${grid.pointFrom(high)} AND next_point > ${grid.pointFrom(low)}
ORDER BY ${[...keys.map(({ own }) => own), 'point'].join(', ')}`,
    rows: (table, ranges) => {
      const parts = ranges.map(({ from: low, to: high }) => {
        const [first, end] = [grid.pointFrom(low), grid.pointFrom(high)]
        const point =
          end - first === 1n
            ? `CAST(${first} AS BIGINT)`
            : onChange
              ? 'point'
              : `unnest(range(greatest(point, ${first}), least(next_point, ${end})))`
        return `SELECT * EXCLUDE (point, next_point), ${point} AS point FROM ${table} WHERE point < ${end} AND next_point > ${first}`
      })
      return `WITH ${rowsOf(parts.join('\nUNION ALL\n'))}`
    },
    counts: (table, ranges) => {
      const counts = ranges.map(({ from: low, to: high }) => {
        const [first, end] = [grid.pointFrom(low), grid.pointFrom(high)]
        return `CAST(coalesce(sum(n * greatest(least(next_point, ${end}) - greatest(point, ${first}), 0)), 0) AS BIGINT)`
      })
      return `SELECT [${counts.join(', ')}] AS counts
FROM (SELECT point, next_point, count(*) AS n FROM ${table} GROUP BY ALL)`
    },
  }
  return {
    select: `WITH held AS (
  SELECT
    ${heldColumns}
  ${from}
),
${rowsOf(`SELECT * EXCLUDE (point, next_point), ${everyPoint} FROM held`)}${inRange}`,
    spans: inOrder ? spans : null,
  }
}
