import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { type ErrorCode, HindcastError } from '../contract/index.ts'
import {
  DataContent,
  type DataFile,
  type Literal,
  metricsModes,
  type NestedField,
  partitionPath,
  type PartitionSpec,
  type PartitionTuple,
  type Schema,
} from '../iceberg/index.ts'
import { pathList, type DuckDb, type QueryOptions } from './duckdb.ts'
import { duckDbType, fieldIdsOption } from './duckdb-types.ts'
import type { WarehouseFiles } from './files/index.ts'
import { leafColumns } from './leaf-columns.ts'
import { type ColumnStatistics, fileMetrics } from './parquet-metrics.ts'
import { partitionExpressions } from './partition-sql.ts'
import { lastUpdatedField, rowIdField } from './table-read.ts'
import { writeSettings, type WriteSettings } from './write-settings.ts'
import { writtenFields } from './written-types.ts'

/** DuckDB's default, stated because the bytes of a file depend on it. */
const usualGroupRows = 122_880

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

interface PartitionRows {
  readonly first: bigint
  readonly last: bigint
  readonly row_count: bigint
}

/**
 * Writes the rows of a query as Parquet files, one or more for each partition, and returns the files in the order of their partitions.
 *
 * The rows are first sorted into a temporary table, then each file is copied out by itself, on one thread. That costs as much
 * time as one partitioned COPY, but where a partitioned or parallel COPY cuts row groups depends on the rows of the other
 * partitions and on chance: here a file's bytes follow from its partition's rows alone. A destination that already exists is kept, as an
 * earlier attempt's same bytes.
 * @throws FEATURE_UNSUPPORTED for a type, transform or codec that DuckDB does not write, before anything is written; INVARIANT_VIOLATED when
 *   a destination holds other bytes; `otherwise` when a required column has nulls; what `DuckDb` throws
 */
export async function writePartitions(db: DuckDb, request: WriteRequest): Promise<DataFile[]> {
  const { schema, spec, io, properties } = request
  const options: QueryOptions = {
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    ...(request.otherwise === undefined ? {} : { otherwise: request.otherwise }),
  }
  const settings = writeSettings(properties)
  const written = writtenFields(schema.fields)
  const fields = request.rowLineage === true ? [...written, rowIdField, lastUpdatedField] : written
  const leaves = leafColumns(written)
  const modes = metricsModes(schema, properties ?? {}, request.sortedFieldIds)
  const attempt = `hindcast_write_${randomUUID().replaceAll('-', '')}`
  const scratch = join(request.scratchDir, attempt)
  const table = quoteIdentifier(attempt)
  const [{ threads } = { threads: 1n }] = await db.rows<{ threads: bigint }>(
    `SELECT current_setting('threads') AS threads`,
  )
  const keys = spec.fields.map((_, index) => `"__partition_${index}"`)
  await mkdir(scratch, { recursive: true })
  try {
    await db.run(`CREATE TEMP TABLE ${table} AS ${sortedRows(request, fields, keys)}`, options)
    await requireValues(db, table, schema, options)
    const partitions = await db.rows<PartitionRows & Record<string, Literal | null>>(
      `SELECT ${[...keys, 'min(rowid) AS first', 'max(rowid) AS last', 'count(*) AS row_count'].join(', ')}
       FROM ${table} GROUP BY ALL HAVING count(*) > 0 ORDER BY first`,
      options,
    )
    await db.run('SET threads = 1')
    const writer = fileWriter(db, { attempt, scratch, fields, settings, options })
    const files: DataFile[] = []
    let rowsWritten = 0n
    for (const partition of partitions) {
      if (partition.last - partition.first + 1n !== partition.row_count) {
        throw new HindcastError('INVARIANT_VIOLATED', 'the rows of a partition do not lie together in the sorted table')
      }
      const tuple: PartitionTuple = keys.map((_, field) => partition[`__partition_${field}`] ?? null)
      let part = 0
      for await (const file of writer.filesOf(partition)) {
        const metrics = await fileMetrics(db, leaves, modes, file.statistics, file.rows, options)
        const filePath = await request.place(tuple, partitionPath(spec, schema, tuple), part++)
        await io.adopt(file.local, filePath)
        files.push({
          content: DataContent.data,
          filePath,
          fileFormat: 'PARQUET',
          partition: tuple,
          recordCount: file.count,
          fileSizeInBytes: file.size,
          ...metrics,
          splitOffsets: file.splitOffsets,
          ...(request.sortOrderId === undefined ? {} : { sortOrderId: request.sortOrderId }),
        })
        rowsWritten += file.count
        request.onProgress?.(rowsWritten)
      }
    }
    return files
  } finally {
    // Neither clean-up may hide why the write failed, and a killed attempt's leftovers lie in scratch anyway.
    const restore = `DROP TABLE IF EXISTS ${table}; DROP TABLE IF EXISTS ${groupsTable(attempt)}; SET threads = ${threads}`
    await db.run(restore).catch(() => undefined)
    await rm(scratch, { recursive: true, force: true }).catch(() => undefined)
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
  for (const [index, { name }] of required.entries()) {
    const nulls = row?.[`n${index}`] ?? 0n
    if (nulls === 0n) continue
    throw new HindcastError(
      options.otherwise ?? 'INPUT_INVALID',
      `column ${name} is required, and ${nulls} rows have none`,
      {
        hint: 'Leave these rows out, or make the column optional.',
        context: { column: name, rows: nulls.toString() },
      },
    )
  }
}

interface WrittenFile {
  readonly local: string
  /** A relation of its rows. */
  readonly rows: string
  readonly count: bigint
  readonly size: bigint
  readonly statistics: ColumnStatistics
  readonly splitOffsets: readonly bigint[]
}

interface CopiedFile {
  readonly count: bigint
  readonly file_size_bytes: bigint
  readonly column_statistics: ColumnStatistics
}

const groupsTable = (attempt: string): string => quoteIdentifier(`${attempt}_groups`)

function fileWriter(
  db: DuckDb,
  context: {
    readonly attempt: string
    readonly scratch: string
    readonly fields: readonly NestedField[]
    readonly settings: WriteSettings
    readonly options: QueryOptions
  },
) {
  const { attempt, scratch, fields, settings, options } = context
  const { compression, targetFileBytes, rowGroupBytes } = settings
  const columns = fields.map((field) => quoteIdentifier(field.name)).join(', ')
  const geometry = fields.some(({ type }) => typeof type === 'string' && type.startsWith('geometry'))
  const copyOptions = [
    `FORMAT parquet, ${compression}, RETURN_STATS`,
    ...(geometry ? [`GEOPARQUET_VERSION 'NONE'`] : []),
    `FIELD_IDS ${fieldIdsOption(fields)}`,
  ].join(', ')
  const rowsBetween = (from: bigint, to: bigint): string =>
    `(SELECT ${columns} FROM ${quoteIdentifier(attempt)} WHERE rowid BETWEEN ${from} AND ${to - 1n})`
  let written = 0
  const copy = async (from: bigint, to: bigint, groupRows: number): Promise<WrittenFile> => {
    const local = join(scratch, `${written++}.parquet`)
    let rows = rowsBetween(from, to)
    if (to - from > BigInt(groupRows)) {
      // Row groups are cut between the chunks of a scan, and those lie as the whole table does: give the rows chunks of their own.
      await db.run(`CREATE OR REPLACE TEMP TABLE ${groupsTable(attempt)} AS FROM ${rows}`, options)
      rows = groupsTable(attempt)
    }
    const [copied] = await db.rows<CopiedFile>(
      `COPY (FROM ${rows}) TO ${quoteString(local)} (${copyOptions}, ROW_GROUP_SIZE ${groupRows})`,
      options,
    )
    if (copied === undefined || copied.count !== to - from) {
      throw new HindcastError('INVARIANT_VIOLATED', 'the engine wrote another number of rows than it was given')
    }
    return {
      local,
      rows,
      count: copied.count,
      size: copied.file_size_bytes,
      statistics: copied.column_statistics,
      splitOffsets: await rowGroupOffsets(db, local, copied.count, groupRows, options),
    }
  }

  /** Bytes of a row in a file and uncompressed, found by writing the first rows. */
  const probe = async (from: bigint, rows: bigint): Promise<{ readonly stored: number; readonly raw: number }> => {
    const count = rows < BigInt(usualGroupRows) ? rows : BigInt(usualGroupRows)
    const { local, size } = await copy(from, from + count, usualGroupRows)
    const [{ raw } = { raw: 0n }] = await db.rows<{ raw: bigint }>(
      `SELECT CAST(sum(total_uncompressed_size) AS BIGINT) AS raw FROM parquet_metadata(${pathList([local])})`,
      options,
    )
    await rm(local, { force: true })
    return { stored: Number(size) / Number(count), raw: Number(raw) / Number(count) }
  }

  return {
    /** The partition's files, as many as its size asks for, each of as many rows as the others. */
    async *filesOf({ first, row_count: rows }: PartitionRows): AsyncGenerator<WrittenFile> {
      const isLong = rows > BigInt(usualGroupRows)
      const estimate = rowGroupBytes !== null || (targetFileBytes !== null && isLong) ? await probe(first, rows) : null
      const groupRows =
        rowGroupBytes === null || estimate === null ? usualGroupRows : groupRowsFor(rowGroupBytes, estimate.raw)
      let files = partsFor(estimate === null ? 0 : estimate.stored * Number(rows), targetFileBytes, rows)
      if (files === 1n) {
        const whole = await copy(first, first + rows, groupRows)
        files = isLong ? 1n : partsFor(Number(whole.size), targetFileBytes, rows)
        if (files === 1n) {
          yield whole
          return
        }
        await rm(whole.local, { force: true })
      }
      for (let part = 0n; part < files; part++) {
        yield await copy(first + (rows * part) / files, first + (rows * (part + 1n)) / files, groupRows)
      }
    },
  }
}

function partsFor(bytes: number, targetFileBytes: number | null, rows: bigint): bigint {
  if (targetFileBytes === null) return 1n
  const parts = BigInt(Math.max(1, Math.ceil(bytes / Math.max(1, targetFileBytes))))
  return parts < rows ? parts : rows
}

/** DuckDB writes whole vectors of 2,048 rows. */
const groupRowsFor = (groupBytes: number, rowBytes: number): number =>
  Math.max(1, Math.min(512, Math.floor(groupBytes / Math.max(1, rowBytes) / 2048))) * 2048

/** Where the row groups begin: the first lies behind the four magic bytes, so only large files are opened for it. */
async function rowGroupOffsets(
  db: DuckDb,
  path: string,
  rows: bigint,
  groupRows: number,
  options: QueryOptions,
): Promise<bigint[]> {
  if (rows <= BigInt(groupRows)) return [4n]
  const groups = await db.rows<{ start: bigint }>(
    `SELECT min(least(coalesce(dictionary_page_offset, data_page_offset), data_page_offset)) AS start
     FROM parquet_metadata(${pathList([path])}) GROUP BY row_group_id ORDER BY start`,
    options,
  )
  return groups.map(({ start }) => start)
}
