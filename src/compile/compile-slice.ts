import { formatInstant, HindcastError, MICROS_PER_SECOND, type Micros } from '../contract/index.ts'
import { featureColumn, referencedColumns, type FeatureDefinition, type ViewDefinition } from '../definition/index.ts'
import type { Schema } from '../iceberg/index.ts'
import { blocksTable, mergedColumn, windowedTable } from './blocks.ts'
import { distinctTable, distinctTableName } from './distinct.ts'
import { eventTime, type EventTime } from './event-time.ts'
import { sliceGrid, type Grid } from './grid.ts'
import { parenthesized, viewInputs, type Inputs } from './inputs.ts'
import { countOf, mergeablePlan, valueColumn, type Partial, type Plan } from './partials.ts'
import { quantileTable, quantileTableName } from './quantiles.ts'
import { quoteIdentifier } from './quote.ts'

/** Rows with feature time in `[from, to)`, and the shapes of what is read and written. */
export interface SliceRange {
  readonly from: Micros
  readonly to: Micros
  readonly sourceSchema: Schema
  readonly outputSchema: Schema
}

/** A slice as DuckDB's SQL, for a session in UTC that has the source's columns in a view `source_rows`. */
export interface CompiledSlice {
  /** Make temporary tables, to be run in this order, once a session. */
  readonly statements: readonly string[]
  /** The slice's rows, with the columns of the output schema in its order. */
  readonly select: string
  /** ORDER BY of `select` that leaves no ties. */
  readonly orderBy: string
  /** One row `rejected`: source rows with an event time in `[from, to)` and a null key. */
  readonly rejected: string
}

/** The source columns that a view reads, in the source's order. */
export const requiredColumns = (definition: ViewDefinition, sourceColumnNames: readonly string[]): string[] =>
  referencedColumns(definition, sourceColumnNames)

/**
 * Compiles the computation of one slice. What it computes for a row depends on the row's entity and feature time and the events of its
 * windows, not on the slice, the number of threads or the order of the source's rows.
 * @throws DEFINITION_INVALID when the source lacks the event time
 */
export function compileSlice(definition: ViewDefinition, range: SliceRange): CompiledSlice {
  const time = eventTime(definition, range.sourceSchema)
  const grid = sliceGrid(definition, range)
  const inputs = viewInputs(definition, range.sourceSchema)
  const keys = definition.entity.keys.map((_, i) => `key_${i + 1}`)
  const plans = definition.features.map((feature) => ({
    feature,
    plan: mergeablePlan(feature, inputs.of(feature), outputType(range.outputSchema, feature)),
  }))
  const partialsOf = ({ feature, plan }: FeaturePlan): readonly Partial[] =>
    // A quantile is taken from the values themselves, but has to know how many a window holds.
    plan?.partials ?? (feature.aggregate === 'quantile' ? [countOf(inputs.of(feature))] : [])
  const windows = [...grid.widths.keys()].map((window) => ({
    window,
    partials: uniquePartials(plans.filter(({ feature }) => feature.windows.includes(window)).flatMap(partialsOf)),
  }))
  const unmergeable = definition.features.flatMap((feature) => {
    if (feature.aggregate === 'count_distinct') return [distinctTable(grid, keys, feature, inputs.of(feature))]
    if (feature.aggregate === 'quantile') return [quantileTable(grid, keys, feature, inputs.of(feature))]
    return []
  })
  return {
    statements: [
      eventsTable(definition, time, grid, inputs),
      entitiesTable(keys),
      blocksTable(grid, keys, uniquePartials(plans.flatMap(partialsOf))),
      windowedTable(grid, windows),
      ...unmergeable,
    ],
    select: selectRows(definition, grid, plans),
    orderBy: [...definition.entity.keys.map(({ name }) => name), 'feature_time'].map(quoteIdentifier).join(', '),
    rejected: `SELECT count(*) AS rejected
FROM source_rows
WHERE ${time.between(range.from, range.to)}
  AND (${definition.entity.keys.map(({ name }) => `${quoteIdentifier(name)} IS NULL`).join(' OR ')})`,
  }
}

function outputType(output: Schema, feature: FeatureDefinition): unknown {
  const column = featureColumn(feature, feature.windows[0] ?? '')
  const field = output.fields.find(({ name }) => name === column)
  if (field !== undefined) return field.type
  throw new HindcastError('INVARIANT_VIOLATED', `the output schema has no column "${column}"`, { context: { column } })
}

const uniquePartials = (partials: readonly Partial[]): Partial[] => [
  ...new Map(partials.map((partial) => [partial.name, partial])).values(),
]

/** Statement that makes `events`: keys, time and values of the events that the slice's rows see. */
function eventsTable(definition: ViewDefinition, time: EventTime, grid: Grid, inputs: Inputs): string {
  const { entity } = definition
  const units = time.unitsPerMicro
  const columns = [
    ...entity.keys.map(({ name }, i) => `${quoteIdentifier(name)} AS key_${i + 1}`),
    `${time.instant} AS instant`,
    // Not negative, for tile 0 begins before all that is read: `//` rounds toward zero.
    `(${time.instant} - ${parenthesizeNegative(grid.base * units)}) // ${grid.tile * units} AS tile`,
    ...inputs.all.flatMap((input) => (input.sql === null ? [] : [`${input.sql} AS ${valueColumn(input)}`])),
  ]
  return `-- Time is counted in tiles of ${grid.tile / MICROS_PER_SECOND} s from ${formatInstant(grid.base)}; a row's point is the tile that begins at its feature time.
CREATE TEMP TABLE events AS
SELECT
  ${columns.join(',\n  ')}
FROM source_rows
WHERE ${time.between(grid.readFrom, grid.readTo)}
${entity.keys.map(({ name }) => `  AND ${quoteIdentifier(name)} IS NOT NULL`).join('\n')}`
}

const parenthesizeNegative = (value: bigint): string => (value < 0n ? `(${value})` : String(value))

/** Statement that makes `entities`: a number for each entity, so that what follows groups and joins by one integer. */
const entitiesTable = (keys: readonly string[]): string => `CREATE TEMP TABLE entities AS
SELECT row_number() OVER (ORDER BY ${keys.join(', ')}) AS entity, ${keys.join(', ')}
FROM (SELECT DISTINCT ${keys.join(', ')} FROM events)`

interface FeaturePlan {
  readonly feature: FeatureDefinition
  readonly plan: Plan | null
}

function selectRows(definition: ViewDefinition, grid: Grid, plans: readonly FeaturePlan[]): string {
  const columns = [
    ...definition.entity.keys.map(({ name }, i) => `key_${i + 1} AS ${quoteIdentifier(name)}`),
    `make_timestamptz(${grid.base} + point * ${grid.tile}) AS feature_time`,
    ...plans.flatMap(({ feature, plan }) =>
      feature.windows.map((window) => {
        const column = quoteIdentifier(featureColumn(feature, window))
        return `${featureValue(feature, plan, window, column)} AS ${column}`
      }),
    ),
  ]
  const joins = plans.flatMap(({ feature }) => {
    if (feature.aggregate === 'count_distinct') return [`LEFT JOIN ${distinctTableName(feature)} USING (entity, point)`]
    if (feature.aggregate === 'quantile') return [`LEFT JOIN ${quantileTableName(feature)} USING (entity, point)`]
    return []
  })
  const derived = definition.derived.map(({ name, sql }) => `${parenthesized(sql)} AS ${quoteIdentifier(name)}`)
  return `WITH feature_columns AS (
  SELECT
    ${columns.join(',\n    ')}
  FROM windowed
  ${['JOIN entities USING (entity)', ...joins].join('\n  ')}
)
SELECT ${['*', ...derived].join(', ')}
FROM feature_columns`
}

function featureValue(feature: FeatureDefinition, plan: Plan | null, window: string, column: string): string {
  if (plan !== null) return plan.value((partial) => quoteIdentifier(mergedColumn(partial, window)))
  return feature.aggregate === 'count_distinct' ? `CAST(coalesce(${column}, 0) AS BIGINT)` : column
}
