/** Finding out, once a slice has failed for its data, which row it was, or which feature over which rows. */
import { compileDimensions, rowChecks } from '../../compile/index.ts'
import { quoteIdentifier, quoteString } from '../../compile/quote.ts'
import { formatInstant, HindcastError, isHindcastError, type PlannedSlice } from '../../contract/index.ts'
import type { ViewDefinition } from '../../definition/index.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import { duckDbType } from '../duckdb-types.ts'
import type { Runtime } from '../runtime.ts'
import type { BackfillPlan } from './plan.ts'
import { sliceRange } from './slice-range.ts'
import { sliceRows, sourceSession } from './slice-rows.ts'

/** A failed slice is not worth more. */
const patienceMs = 60_000

/** Words of the engine's may quote a value of any length. */
const shownCharacters = 300

/** How the engine begins what it says of values that cannot be computed with. */
const ofData = /^(conversion|out of range|invalid input|invalid) error: /i

/**
 * The error of a slice with what it was about, as far as that is found out in a minute: file and row, or else feature, partition and entity.
 * Errors that are not of data are given back as they are.
 */
export async function diagnoseBadData(
  runtime: Runtime,
  plan: BackfillPlan,
  slice: PlannedSlice,
  error: unknown,
  { signal }: Pick<QueryOptions, 'signal'> = {},
): Promise<unknown> {
  if (!isHindcastError(error) || error.code !== 'DEFINITION_INVALID' || !ofData.test(error.message)) return error
  const patience = AbortSignal.timeout(patienceMs)
  const options: QueryOptions = {
    signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
    otherwise: 'DEFINITION_INVALID',
  }
  try {
    const context = { runtime, plan, slice: ofSource(slice), options }
    return (await badRow(context)) ?? (await badFeature(context)) ?? (await badResult(context)) ?? error
  } catch {
    // What was meant to explain the error must not take its place.
    return error
  }
}

interface Context {
  readonly runtime: Runtime
  readonly plan: BackfillPlan
  readonly slice: PlannedSlice
  readonly options: QueryOptions
}

/** The source's rows, whatever of them the slice takes from elsewhere. */
function ofSource(slice: PlannedSlice): PlannedSlice {
  const { tiles: _, isCarried: __, ...rest } = slice
  return rest
}

const shortened = (text: string): string =>
  text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text

/** What the engine says, without its class. */
const wordsOf = (error: HindcastError): string => shortened(error.message.replace(ofData, ''))

/** What a query fails with for its data; null when it does not. */
async function failureOf(work: () => Promise<unknown>): Promise<HindcastError | null> {
  try {
    await work()
    return null
  } catch (error) {
    if (isHindcastError(error) && ofData.test(error.message)) return error
    throw error
  }
}

async function badRow({ runtime, plan, slice, options }: Context): Promise<HindcastError | null> {
  const { definition, source } = plan
  // Names of the table's own would hide those of file and row.
  if (source.schema.fields.some(({ name }) => name === '_file' || name === '_pos')) return null
  const range = sliceRange(definition.partitionBy, slice)
  return runtime.withEngine(async (db) => {
    await using session = await sourceSession(runtime, db, plan, { files: slice.files, range, definition, options }, [
      '_file',
      '_pos',
    ])
    const shapes = { ...range, ...session.shapes }
    for (const { statement } of compileDimensions(definition, shapes)) await db.run(statement, options)
    for (const check of rowChecks(definition, shapes)) {
      const [row] = await found<{ _file: string; _pos: bigint }>(db, check.failing, options)
      if (row === undefined) continue
      const failure = await failureOf(() => db.rows(check.at(row._file, row._pos), options))
      if (failure === null) continue
      return new HindcastError(
        'INPUT_INVALID',
        `${check.what}: ${shortened(check.sql)} fails for row ${row._pos} of ${row._file}: ${wordsOf(failure)}`,
        {
          hint: 'Mend the row, leave it out by the source’s where, or write the expression so that it takes it (TRY_CAST gives null). Rows count from 0, as file_row_number does in DuckDB’s read_parquet.',
          context: { computing: check.what, expression: check.sql, path: row._file, row: row._pos.toString() },
          cause: failure,
        },
      )
    }
    return null
  })
}

/** A check that cannot be asked, for what it computes cannot be tried, finds nothing. */
const found = <T>(db: DuckDb, sql: string, options: QueryOptions): Promise<T[]> =>
  db.rows<T>(sql, options).catch((error: unknown) => {
    if (isHindcastError(error) && error.code === 'CANCELLED') throw error
    return []
  })

/** The definition with one feature, or all, and nothing derived from them. */
const featuresAlone = (definition: ViewDefinition, name?: string): ViewDefinition => ({
  ...definition,
  derived: [],
  features: definition.features.filter((feature) => name === undefined || feature.name === name),
})

/** Over many rows: the feature that fails alone, and the first partition that it does so in. */
async function badFeature(context: Context): Promise<HindcastError | null> {
  const { plan, slice } = context
  for (const { name } of plan.definition.features) {
    const fails = (partitions: PlannedSlice['partitions']): Promise<HindcastError | null> =>
      failureOf(() => computed(context, featuresAlone(plan.definition, name), { ...slice, partitions }))
    let partitions = slice.partitions
    let failure = await fails(partitions)
    if (failure === null) continue
    while (partitions.length > 1) {
      const middle = Math.ceil(partitions.length / 2)
      const first = await fails(partitions.slice(0, middle)).catch(() => undefined)
      // Out of time: as near as it came.
      if (first === undefined) break
      failure = first ?? failure
      partitions = first === null ? partitions.slice(middle) : partitions.slice(0, middle)
    }
    const [first, last] = [partitions[0]?.key ?? '', partitions.at(-1)?.key ?? '']
    const partition = first === last ? first : `${first} to ${last}`
    return new HindcastError(
      'INPUT_INVALID',
      `feature ${name}, partition ${partition}: its value over several rows cannot be computed: ${wordsOf(failure)}`,
      {
        hint: 'Aggregate a wider type, for example sql`CAST(… AS DOUBLE)`, or leave out the rows that are too large by the source’s where.',
        context: { feature: name, partition },
        cause: failure,
      },
    )
  }
  return null
}

/** Computes what a definition says of a slice, casts to the output's types included. */
async function computed(
  { runtime, plan, options }: Context,
  definition: ViewDefinition,
  slice: PlannedSlice,
): Promise<void> {
  await runtime.withEngine(async (db) => {
    await using rows = await sliceRows(runtime, db, { ...plan, definition }, slice, options)
    const columns = await db.describe(rows.select, options)
    const casts = columns.flatMap(({ name }) => castOf(plan, name) ?? [])
    await db.run(`CREATE TEMP TABLE computed AS SELECT ${casts.join(', ')} FROM (${rows.select})`, options)
  })
}

function castOf({ target: { schema } }: BackfillPlan, column: string): string | null {
  const field = schema.fields.find(({ name }) => name === column)
  return field === undefined || field.type === 'unknown'
    ? null
    : `CAST(${quoteIdentifier(column)} AS ${duckDbType(field.type)}) AS ${quoteIdentifier(column)}`
}

/** A derived column that cannot be computed of some row of the result: of which. */
async function badResult({ runtime, plan, slice, options }: Context): Promise<HindcastError | null> {
  const { definition } = plan
  const keys = definition.entity.keys.map(({ name }) => quoteIdentifier(name))
  const texts = keys.map((key, index) => `CAST(${key} AS VARCHAR) AS key_${index}`)
  return runtime.withEngine(async (db) => {
    await using rows = await sliceRows(runtime, db, { ...plan, definition: featuresAlone(definition) }, slice, options)
    for (const { name, sql } of definition.derived) {
      const value = `(${sql}\n)`
      const [row] = await found<Readonly<Record<string, unknown>> & { readonly micros: bigint }>(
        db,
        `SELECT ${[...texts, 'epoch_us(feature_time) AS micros'].join(', ')} FROM (${rows.select}) WHERE TRY(hash(${value})) IS NULL LIMIT 1`,
        options,
      )
      if (row === undefined) continue
      const values = keys.map((_, index) => String(row[`key_${index}`]))
      const itsRow = [
        `feature_time = make_timestamptz(${row.micros})`,
        ...keys.map((key, index) => `CAST(${key} AS VARCHAR) = ${quoteString(values[index] ?? '')}`),
      ]
      const failure = await failureOf(() =>
        db.rows(`SELECT ${value} AS value FROM (${rows.select}) WHERE ${itsRow.join(' AND ')}`, options),
      )
      if (failure === null) continue
      const entity = definition.entity.keys.map((key, index) => `${key.name} ${shortened(values[index] ?? '')}`)
      const featureTime = formatInstant(row.micros)
      return new HindcastError(
        'INPUT_INVALID',
        `derived column ${name}: ${shortened(sql)} fails for ${entity.join(', ')} at ${featureTime}: ${wordsOf(failure)}`,
        {
          hint: 'Write the expression so that it takes such values: TRY_CAST and TRY give null, nullif guards a divisor.',
          context: { column: name, expression: sql, entity: entity.join(', '), featureTime },
          cause: failure,
        },
      )
    }
    return null
  })
}
