import { mkdir, rm } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { type ErrorCode, HindcastError } from '../contract/index.ts'
import {
  DataContent,
  type DataFile,
  type Literal,
  partitionPath,
  type PartitionSpec,
  type PartitionTuple,
  type Schema,
} from '../iceberg/index.ts'
import { pathList, type DuckDb, type QueryOptions } from './duckdb.ts'
import { duckDbType, fieldIdsOption } from './duckdb-types.ts'
import type { WarehouseFiles } from './files/index.ts'
import { columnMetrics, type ColumnStatistics } from './parquet-metrics.ts'
import { partitionExpressions } from './partition-sql.ts'

/** DuckDB's default, stated because the bytes of a file depend on it. */
const rowGroupRows = 122_880

export interface WriteRequest {
  /** SELECT text with every column of the schema, by name; further columns may serve `sortBy` and are not written. */
  readonly query: string
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** SQL of ORDER BY. Rows that tie on it have no fixed order, so name enough columns that none do. Empty: as they come. */
  readonly sortBy: string
  readonly sortOrderId?: number
  /** Local folder for unfinished files; what this call puts there is gone afterwards. */
  readonly scratchDir: string
  /** URI of the file of one partition. First asked when the query has run to its end and the first file lies in scratch. */
  readonly place: (tuple: PartitionTuple, partitionPathText: string) => string | Promise<string>
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
 * Writes the rows of a query as one Parquet file per partition and returns the files in the order of their partitions.
 *
 * The rows are first sorted into a temporary table, then each partition is copied out by itself, on one thread. That costs as much
 * time as one partitioned COPY, but where a partitioned or parallel COPY cuts row groups depends on the rows of the other
 * partitions and on chance: here a file's bytes follow from its own rows alone. A destination that already exists is kept, as an
 * earlier attempt's same bytes.
 * @throws INVARIANT_VIOLATED when a destination holds other bytes; what `DuckDb` throws
 */
export async function writePartitions(db: DuckDb, request: WriteRequest): Promise<DataFile[]> {
  const { schema, spec, io } = request
  const options: QueryOptions = {
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    ...(request.otherwise === undefined ? {} : { otherwise: request.otherwise }),
  }
  const attempt = `hindcast_write_${randomUUID().replaceAll('-', '')}`
  const scratch = join(request.scratchDir, attempt)
  const table = quoteIdentifier(attempt)
  const large = quoteIdentifier(`${attempt}_large`)
  const [{ threads } = { threads: 1n }] = await db.rows<{ threads: bigint }>(
    `SELECT current_setting('threads') AS threads`,
  )
  const keys = spec.fields.map((_, index) => `"__partition_${index}"`)
  await mkdir(scratch, { recursive: true })
  try {
    await db.run(`CREATE TEMP TABLE ${table} AS ${sortedRows(request, keys)}`, options)
    const partitions = await db.rows<PartitionRows & Record<string, Literal | null>>(
      `SELECT ${[...keys, 'min(rowid) AS first', 'max(rowid) AS last', 'count(*) AS row_count'].join(', ')}
       FROM ${table} GROUP BY ALL HAVING count(*) > 0 ORDER BY first`,
      options,
    )
    await db.run('SET threads = 1')
    const columns = schema.fields.map((field) => quoteIdentifier(field.name)).join(', ')
    const files: DataFile[] = []
    let rowsWritten = 0n
    for (const [index, partition] of partitions.entries()) {
      if (partition.last - partition.first + 1n !== partition.row_count) {
        throw new HindcastError('INVARIANT_VIOLATED', 'the rows of a partition do not lie together in the sorted table')
      }
      const tuple: PartitionTuple = keys.map((_, field) => partition[`__partition_${field}`] ?? null)
      const local = join(scratch, `${index}.parquet`)
      let rows = `SELECT ${columns} FROM ${table} WHERE rowid BETWEEN ${partition.first} AND ${partition.last}`
      if (partition.row_count > BigInt(rowGroupRows)) {
        // Row groups are cut between the chunks of a scan, and those lie as the whole table does: give the rows chunks of their own.
        await db.run(`CREATE OR REPLACE TEMP TABLE ${large} AS ${rows}`, options)
        rows = `FROM ${large}`
      }
      const [written] = await db.rows<WrittenFile>(
        `COPY (${rows}) TO ${quoteString(local)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroupRows}, RETURN_STATS,
           FIELD_IDS ${fieldIdsOption(schema.fields)})`,
        options,
      )
      if (written === undefined || written.count !== partition.row_count) {
        throw new HindcastError('INVARIANT_VIOLATED', 'the engine wrote another number of rows than it was given')
      }
      const splitOffsets = await rowGroupOffsets(db, local, written.count, options)
      const filePath = await request.place(tuple, partitionPath(spec, schema, tuple))
      await io.adopt(local, filePath)
      files.push({
        content: DataContent.data,
        filePath,
        fileFormat: 'PARQUET',
        partition: tuple,
        recordCount: written.count,
        fileSizeInBytes: written.file_size_bytes,
        ...columnMetrics(schema, written.column_statistics),
        splitOffsets,
        ...(request.sortOrderId === undefined ? {} : { sortOrderId: request.sortOrderId }),
      })
      rowsWritten += written.count
      request.onProgress?.(rowsWritten)
    }
    return files
  } finally {
    // Neither clean-up may hide why the write failed, and a killed attempt's leftovers lie in scratch anyway.
    const restore = `DROP TABLE IF EXISTS ${table}; DROP TABLE IF EXISTS ${large}; SET threads = ${threads}`
    await db.run(restore).catch(() => undefined)
    await rm(scratch, { recursive: true, force: true }).catch(() => undefined)
  }
}

interface WrittenFile {
  readonly count: bigint
  readonly file_size_bytes: bigint
  readonly column_statistics: ColumnStatistics
}

/** Columns cast to the schema's types, since a Parquet column's type is the SQL column's, then the partition values, sorted. */
function sortedRows({ query, schema, spec, sortBy }: WriteRequest, keys: readonly string[]): string {
  const casts = schema.fields.map(({ name, type }) => {
    const column = quoteIdentifier(name)
    return `CAST(${column} AS ${duckDbType(type)}) AS ${column}`
  })
  const values = partitionExpressions(schema, spec).map((value, index) => `${value} AS ${keys[index] ?? ''}`)
  const partitioned = `SELECT ${['*', ...values].join(', ')} FROM (SELECT * REPLACE (${casts.join(', ')}) FROM (${query}))`
  const order = [...keys.map((key) => `${key} NULLS FIRST`), ...(sortBy.trim() === '' ? [] : [sortBy])]
  return order.length === 0 ? partitioned : `${partitioned} ORDER BY ${order.join(', ')}`
}

/** Where the row groups begin: the first lies behind the four magic bytes, so only large files are opened for it. */
async function rowGroupOffsets(db: DuckDb, path: string, rows: bigint, options: QueryOptions): Promise<bigint[]> {
  if (rows <= BigInt(rowGroupRows)) return [4n]
  const groups = await db.rows<{ start: bigint }>(
    `SELECT min(least(coalesce(dictionary_page_offset, data_page_offset), data_page_offset)) AS start
     FROM parquet_metadata(${pathList([path])}) GROUP BY row_group_id ORDER BY start`,
    options,
  )
  return groups.map(({ start }) => start)
}
