import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { quoteIdentifier } from '../compile/quote.ts'
import { type ErrorCode, HindcastError } from '../contract/index.ts'
import {
  type DataFile,
  type Literal,
  metricsModes,
  type NestedField,
  type PartitionSpec,
  type PartitionTuple,
  type Schema,
} from '../iceberg/index.ts'
import { requireDistinctNames } from './distinct-names.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'
import { duckDbType } from './duckdb-types.ts'
import type { WarehouseFiles } from './files/index.ts'
import { leafColumns } from './leaf-columns.ts'
import { copyPartitions, type CopiesRequest } from './partition-copies.ts'
import { fileWriter, rowsTogether, type WrittenFile } from './parquet-files.ts'
import { partitionExpressions } from './partition-sql.ts'
import { dropScratchFolder, makeScratchFolder } from './scratch-folder.ts'
import { lastUpdatedField, rowIdField } from './table-read.ts'
import { writeSettings } from './write-settings.ts'
import { writtenFields } from './written-types.ts'

export interface WriteRequest {
  /**
   * SELECT text with every column of the schema, by name, but for those of type `unknown`; further columns may serve `sortBy` and are not written.
   */
  readonly query: string
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** SQL of ORDER BY. Rows that tie on it have no fixed order, so name enough columns that none do. Empty: as they come. */
  readonly sortBy: string
  readonly sortOrderId?: number
  /** Ids of the fields that `sortOrderId` sorts by: they have bounds whatever the metrics' default. */
  readonly sortedFieldIds?: readonly number[]
  /**
   * The table's properties: codec, size of files and row groups, and metrics are as they say. Without them a partition is one file of
   * zstd and the usual metrics.
   */
  readonly properties?: Readonly<Record<string, string>>
  /** Version 3: the query also has `_row_id` and `_last_updated_sequence_number`, null for new rows, which then keep both. */
  readonly rowLineage?: boolean
  /** Local folder for unfinished files; what this call puts there is gone afterwards. */
  readonly scratchDir: string
  /**
   * URI of one file of a partition, which has several only where `properties` ask for it: `part` counts them from 0. First asked when the
   * query has run to its end and the first file lies in scratch.
   */
  readonly place: (tuple: PartitionTuple, partitionPathText: string, part: number) => string | Promise<string>
  readonly io: Pick<WarehouseFiles, 'adopt'>
  readonly signal?: AbortSignal
  /** As in `QueryOptions`: the code when the query itself fails. */
  readonly otherwise?: ErrorCode
  /** Called after each file with the rows written so far. */
  readonly onProgress?: (rowsWritten: bigint) => void
}

/** Those whose values are integers, in SQL and here. */
const integerTransforms = /^(year|month|day|hour|bucket\[\d+\])$/

const partitionColumn = (index: number): string => `__partition_${index}`

interface SortedRows {
  readonly first: bigint
  readonly last: bigint
  readonly row_count: bigint
}

/**
 * Writes the rows of a query as Parquet files, one or more for each partition, and returns the files in the order of their partitions.
 *
 * The rows are first sorted into a table, then each file is copied out by itself, on one thread, as many at a time as the engine has threads.
 * That costs as much time as one partitioned COPY, but where a partitioned or parallel COPY cuts row groups depends on the rows of the other
 * partitions and on chance: here a file's bytes follow from its partition's rows alone. A destination that already exists is kept, as an
 * earlier attempt's same bytes.
 * @throws FEATURE_UNSUPPORTED for a type, name, transform or codec that DuckDB does not write, before anything is written; INVARIANT_VIOLATED when
 *   a destination holds other bytes; `otherwise` when a required column has nulls; what `DuckDb` throws
 */
export async function writePartitions(db: DuckDb, request: WriteRequest): Promise<DataFile[]> {
  const { schema, spec } = request
  const options = queryOptions(request)
  const keys = spec.fields.map((_, index) => quoteIdentifier(partitionColumn(index)))
  return writing(db, request, async ({ name, fields, copy }) => {
    const table = quoteIdentifier(name)
    try {
      await db.run(`CREATE TABLE ${table} AS ${sortedRows(request, fields, keys)}`, options)
      await requireValues(db, table, schema, options)
      const partitions = await db.rows<SortedRows & Record<string, Literal | null>>(
        `SELECT ${[...keys, 'min(rowid) AS first', 'max(rowid) AS last', 'count(*) AS row_count'].join(', ')}
         FROM ${table} GROUP BY ALL HAVING count(*) > 0 ORDER BY first`,
        options,
      )
      if (partitions.some(({ first, last, row_count: count }) => last - first + 1n !== count)) {
        throw new HindcastError('INVARIANT_VIOLATED', 'the rows of a partition do not lie together in the sorted table')
      }
      return await copy({
        batchesFor: () => partitions.map((partition) => [partition]),
        tupleOf: (partition) => keys.map((_, field) => partition[partitionColumn(field)] ?? null),
        filesOf: async function* (writer, batch) {
          for (const partition of batch) {
            const { first, row_count: count } = partition
            const value = integerTransforms.test(spec.fields[0]?.transform ?? '') ? partition['__partition_0'] : null
            const rows = {
              table,
              first,
              count,
              ...(typeof value === 'number' ? { hint: `"__partition_0" = ${value}` } : {}),
            }
            for await (const file of writer.filesOf(rows)) yield { partition, file }
          }
        },
      })
    } finally {
      await db.run(`DROP TABLE IF EXISTS ${table}`).catch(() => undefined)
    }
  })
}

/** The rows of partitions of a spec of one field, whose values are integers. */
export interface PartitionRows {
  readonly partitions: readonly {
    readonly key: number
    /** How many rows it has. */
    readonly count: bigint
  }[]
  /**
   * SELECT text with the schema's columns and the rows of the partitions of these keys, one partition after the other by UNION ALL, see
   * `filesTogether`; each one's come in the order that they are to lie in, on one thread. It sees tables that are not temporary.
   */
  readonly rows: (keys: readonly number[]) => string
}

/**
 * The same of rows that already come in their partitions' order: nothing is sorted or kept in between. Small partitions are written some
 * together, others each by a query of its own. A partition without rows has no file.
 * @throws as `writePartitions`; a required column with nulls may be found when other partitions have been written;
 *   INVARIANT_VIOLATED when a query gives another number of rows than it was said to
 */
export async function writePartitionRows(
  db: DuckDb,
  request: Omit<WriteRequest, 'query' | 'sortBy' | 'rowLineage'> & PartitionRows,
): Promise<DataFile[]> {
  const { schema, spec, rows } = request
  const [key = ''] = partitionExpressions(schema, spec)
  const partitions = request.partitions.filter(({ count }) => count > 0n)
  return writing(db, request, ({ copy }) =>
    copy({
      batchesFor: ({ writers, rowsTogether }) =>
        batchesOf(partitions, rowsTogether, Math.min(mostTogether, Math.ceil(partitions.length / writers))),
      tupleOf: ({ key: value }) => [value],
      filesOf: async function* (writer, batch) {
        const [partition] = batch
        if (partition === undefined) return
        if (batch.length > 1) return yield* writer.filesTogether(rows, key, batch)
        for await (const file of writer.filesOfQuery(rows([partition.key]), partition.count)) yield { partition, file }
      },
      check: (writerDb, file) => requireWrittenValues(writerDb, file, schema, queryOptions(request)),
    }),
  )
}

/** Partitions of one COPY: the engine keeps a file of each open, up to a hundred. */
const mostTogether = 64

/** Beyond such a share of what may be written together a partition's rows cost more than a statement of its own. */
const mostShare = 8n

/** Neighbours that are written together: as many as have these rows, and a large one alone. */
function batchesOf<P extends { readonly count: bigint }>(
  partitions: readonly P[],
  rows: bigint,
  most: number,
): (readonly P[])[] {
  const batches: P[][] = []
  let held = 0n
  for (const partition of partitions) {
    const batch = batches.at(-1)
    held += partition.count
    const isLarge = partition.count * mostShare > rows
    if (batch !== undefined && !isLarge && held <= rows && batch.length < most) batch.push(partition)
    else {
      batches.push([partition])
      held = isLarge ? rows : partition.count
    }
  }
  return batches
}

/** How the engine is asked on behalf of a write. */
export const queryOptions = ({ signal, otherwise }: Pick<WriteRequest, 'signal' | 'otherwise'>): QueryOptions => ({
  ...(signal === undefined ? {} : { signal }),
  ...(otherwise === undefined ? {} : { otherwise }),
})

interface Copies<P> extends Pick<CopiesRequest<P>, 'tupleOf' | 'filesOf' | 'check'> {
  /** What each writer is to write together. */
  readonly batchesFor: (by: { readonly writers: number; readonly rowsTogether: bigint }) => readonly (readonly P[])[]
}

interface Writing {
  /** Unlike any other writer's. */
  readonly name: string
  readonly fields: readonly NestedField[]
  /** Copies partitions out, as many at a time as the engine has threads. */
  readonly copy: <P>(copies: Copies<P>) => Promise<DataFile[]>
}

/** Prepares writing, and cleans up after it. */
async function writing(
  db: DuckDb,
  request: Omit<WriteRequest, 'query' | 'sortBy'>,
  work: (context: Writing) => Promise<DataFile[]>,
): Promise<DataFile[]> {
  const { schema, spec, properties, place, io, sortOrderId, onProgress } = request
  const options = queryOptions(request)
  const settings = writeSettings(properties)
  const written = writtenFields(schema.fields)
  const fields = request.rowLineage === true ? [...written, rowIdField, lastUpdatedField] : written
  requireDistinctNames([...fields.map((field) => field.name), ...spec.fields.map((_, index) => partitionColumn(index))])
  const modes = metricsModes(schema, properties ?? {}, request.sortedFieldIds)
  const name = `hindcast_write_${randomUUID().replaceAll('-', '')}`
  const scratch = join(request.scratchDir, name)
  const [{ threads } = { threads: 1n }] = await db.rows<{ threads: bigint }>(
    `SELECT current_setting('threads') AS threads`,
  )
  const siblings: DuckDb[] = []
  const copy = async <P>({ batchesFor, ...copies }: Copies<P>): Promise<DataFile[]> => {
    const batches = batchesFor({ writers: Number(threads), rowsTogether: rowsTogether(settings) })
    const count = Math.min(Number(threads), batches.length)
    while (siblings.length + 1 < count) siblings.push(await db.sibling())
    // Of the engine's own; each connection has the one that it is called on.
    await db.run('SET threads = 1')
    return copyPartitions({
      ...copies,
      batches,
      writers: [db, ...siblings].map((session, index) => ({
        db: session,
        files: fileWriter(session, { name: `${name}_${index}`, scratch, fields, settings, options }),
      })),
      schema,
      spec,
      leaves: leafColumns(written),
      modes,
      place,
      io,
      options,
      ...(sortOrderId === undefined ? {} : { sortOrderId }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
  }
  await makeScratchFolder(scratch)
  try {
    return await work({ name, fields, copy })
  } finally {
    // No clean-up may hide why the write failed, and a killed attempt's leftovers lie in scratch anyway.
    for (const sibling of siblings) await sibling.close().catch(() => undefined)
    await db.run(`SET threads = ${threads}`).catch(() => undefined)
    await dropScratchFolder(scratch)
  }
}

/** Columns cast to the schema's types, since a Parquet column's type is the SQL column's, then the partition values, sorted. */
function sortedRows(
  { query, schema, spec, sortBy }: WriteRequest,
  fields: readonly NestedField[],
  keys: readonly string[],
): string {
  const casts = fields.map(({ name, type }) => {
    const column = quoteIdentifier(name)
    return `CAST(${column} AS ${duckDbType(type)}) AS ${column}`
  })
  const values = partitionExpressions(schema, spec).map((value, index) => `${value} AS ${keys[index] ?? ''}`)
  const partitioned = `SELECT ${['*', ...values].join(', ')} FROM (SELECT * REPLACE (${casts.join(', ')}) FROM (${query}))`
  const order = [...keys.map((key) => `${key} NULLS FIRST`), ...(sortBy.trim() === '' ? [] : [sortBy])]
  return order.length === 0 ? partitioned : `${partitioned} ORDER BY ${order.join(', ')}`
}

/** Parquet files have optional columns only: that a required one has values is seen to here. */
async function requireValues(db: DuckDb, table: string, schema: Schema, options: QueryOptions): Promise<void> {
  const required = schema.fields.filter((field) => field.required)
  if (required.length === 0) return
  const counts = required.map(({ name }, index) => `count(*) - count(${quoteIdentifier(name)}) AS n${index}`)
  const [row] = await db.rows<Record<string, bigint>>(`SELECT ${counts.join(', ')} FROM ${table}`, options)
  for (const [index, { name }] of required.entries()) refuseNulls(name, row?.[`n${index}`] ?? 0n, options)
}

/** The same of a file, which says itself how many nulls a column of plain values has. */
async function requireWrittenValues(
  db: DuckDb,
  { rows, statistics }: WrittenFile,
  schema: Schema,
  options: QueryOptions,
): Promise<void> {
  const nulls = new Map(statistics.map(([path, values]) => [path, new Map(values).get('null_count')]))
  const open = schema.fields.filter(({ name, type, required }) => {
    const known = typeof type === 'string' ? nulls.get(quoteIdentifier(name)) : undefined
    if (required && known !== undefined) refuseNulls(name, BigInt(known), options)
    return known === undefined
  })
  await requireValues(db, rows, { ...schema, fields: open }, options)
}

function refuseNulls(column: string, nulls: bigint, { otherwise = 'INPUT_INVALID' }: QueryOptions): void {
  if (nulls === 0n) return
  throw new HindcastError(otherwise, `column ${column} is required, and ${nulls} rows have none`, {
    hint: 'Leave these rows out, or make the column optional.',
    context: { column, rows: nulls.toString() },
  })
}
