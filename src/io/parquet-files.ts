import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'
import type { NestedField } from '../iceberg/index.ts'
import { pathList, type DuckDb, type QueryOptions } from './duckdb.ts'
import { duckDbType, fieldIdsOption } from './duckdb-types.ts'
import type { ColumnStatistics } from './parquet-metrics.ts'
import type { WriteSettings } from './write-settings.ts'

/** DuckDB's default, stated because the bytes of a file depend on it. */
const usualGroupRows = 122_880

/** A Parquet file in scratch. */
export interface WrittenFile {
  readonly local: string
  /** A relation of its rows, good until the next file is asked for. */
  readonly rows: string
  readonly count: bigint
  readonly size: bigint
  readonly statistics: ColumnStatistics
  readonly splitOffsets: readonly bigint[]
}

/** Neighbouring rows of a table, by their row ids. */
export interface TableRows {
  /** Quoted. */
  readonly table: string
  readonly first: bigint
  readonly count: bigint
  /** Whether the table has no others. */
  readonly isWhole?: boolean
  /** What holds for these rows and lets a scan skip others: of row ids the engine keeps no ranges. */
  readonly hint?: string
}

export interface FileWriter {
  /** The rows' files, as many as their size asks for, each of as many rows as the others. */
  filesOf(rows: TableRows): AsyncGenerator<WrittenFile>
  /** The same of a query's rows, of which there are `count`, in the order that it gives them in; no rows make no file. */
  filesOfQuery(query: string, count: bigint): AsyncGenerator<WrittenFile>
  /**
   * The files of several partitions, one each, in their order, from one query: the same bytes as by `filesOfQuery`, at a fraction of the cost where
   * partitions are small.
   * @param rows SELECT of the rows of the partitions of these keys, each one's in the order that they are to lie in, by a UNION ALL of one SELECT
   *   for each. Were there rows of several in one of the engine's chunks, few rows of one would wait in a buffer, and be written behind many
   *   that came later.
   * @param key SQL over the query's columns, of integers
   */
  filesTogether<P extends CountedPartition>(
    rows: (keys: readonly number[]) => string,
    key: string,
    partitions: readonly P[],
  ): AsyncGenerator<{ readonly partition: P; readonly file: WrittenFile }>
}

export interface CountedPartition {
  /** What the key is of its rows. */
  readonly key: number
  /** How many they are, not 0. */
  readonly count: bigint
}

interface CopiedPartition extends CopiedFile {
  readonly filename: string
  readonly partition_keys: readonly (readonly [name: string, value: string])[]
}

interface CopiedFile {
  readonly count: bigint
  readonly file_size_bytes: bigint
  readonly column_statistics: ColumnStatistics
}

/** Rows that one query may give to be written as one row group each file; none where files are cut by their size. */
export const rowsTogether = ({ rowGroupBytes, targetFileBytes }: WriteSettings): bigint =>
  rowGroupBytes === null && targetFileBytes === null ? BigInt(usualGroupRows) : 0n

/**
 * Writes Parquet files on one thread, so that a file's bytes follow from its rows alone.
 * @param context.name of temporary tables and files, another's than any other writer's
 */
export function fileWriter(
  db: DuckDb,
  context: {
    readonly name: string
    readonly scratch: string
    readonly fields: readonly NestedField[]
    readonly settings: WriteSettings
    readonly options: QueryOptions
  },
): FileWriter {
  const { name, scratch, fields, settings, options } = context
  const { compression, targetFileBytes, rowGroupBytes } = settings
  const ownTable = (use: string): string => quoteIdentifier(`${name}_${use}`)
  const columns = fields.map((field) => quoteIdentifier(field.name)).join(', ')
  const geometry = fields.some(({ type }) => typeof type === 'string' && type.startsWith('geometry'))
  const copyOptions = [
    `FORMAT parquet, ${compression}, RETURN_STATS`,
    ...(geometry ? [`GEOPARQUET_VERSION 'NONE'`] : []),
    `FIELD_IDS ${fieldIdsOption(fields)}`,
  ].join(', ')
  let written = 0
  const copy = async (rows: string, count: bigint, groupRows: number): Promise<WrittenFile> => {
    const local = join(scratch, `${name}-${written++}.parquet`)
    const [copied] = await db.rows<CopiedFile>(
      `COPY (FROM ${rows}) TO ${quoteString(local)} (${copyOptions}, ROW_GROUP_SIZE ${groupRows})`,
      options,
    )
    if (copied === undefined || copied.count !== count) throw miscounted()
    return {
      local,
      rows,
      count,
      size: copied.file_size_bytes,
      statistics: copied.column_statistics,
      splitOffsets: await rowGroupOffsets(db, local, count, groupRows, options),
    }
  }
  const copyRange = async (
    { table, first, count, isWhole = false, hint }: TableRows,
    from: bigint,
    to: bigint,
    groupRows: number,
  ): Promise<WrittenFile> => {
    const isAll = isWhole && to - from === count
    const conditions = [...(hint === undefined ? [] : [hint]), `rowid BETWEEN ${first + from} AND ${first + to - 1n}`]
    const range = isAll ? '' : ` WHERE ${conditions.join(' AND ')}`
    let rows = `(SELECT ${columns} FROM ${table}${range})`
    if (!isAll && to - from > BigInt(groupRows)) {
      // Row groups are cut between the chunks of a scan, and those lie as the whole table does: give the rows chunks of their own.
      await db.run(`CREATE OR REPLACE TEMP TABLE ${ownTable('groups')} AS FROM ${rows}`, options)
      rows = ownTable('groups')
    }
    return copy(rows, to - from, groupRows)
  }

  /** Bytes of a row in a file and uncompressed, found by writing the first rows. */
  const probe = async (rows: TableRows): Promise<{ readonly stored: number; readonly raw: number }> => {
    const count = rows.count < BigInt(usualGroupRows) ? rows.count : BigInt(usualGroupRows)
    const { local, size } = await copyRange(rows, 0n, count, usualGroupRows)
    const [{ raw } = { raw: 0n }] = await db.rows<{ raw: bigint }>(
      `SELECT CAST(sum(total_uncompressed_size) AS BIGINT) AS raw FROM parquet_metadata(${pathList([local])})`,
      options,
    )
    await rm(local, { force: true })
    return { stored: Number(size) / Number(count), raw: Number(raw) / Number(count) }
  }

  async function* filesOf(rows: TableRows): AsyncGenerator<WrittenFile> {
    const { count } = rows
    const isLong = count > BigInt(usualGroupRows)
    const estimate = rowGroupBytes !== null || (targetFileBytes !== null && isLong) ? await probe(rows) : null
    const groupRows =
      rowGroupBytes === null || estimate === null ? usualGroupRows : groupRowsFor(rowGroupBytes, estimate.raw)
    let files = partsFor(estimate === null ? 0 : estimate.stored * Number(count), targetFileBytes, count)
    if (files === 1n) {
      const whole = await copyRange(rows, 0n, count, groupRows)
      files = isLong ? 1n : partsFor(Number(whole.size), targetFileBytes, count)
      if (files === 1n) {
        yield whole
        return
      }
      await rm(whole.local, { force: true })
    }
    for (let part = 0n; part < files; part++) {
      yield await copyRange(rows, (count * part) / files, (count * (part + 1n)) / files, groupRows)
    }
  }

  const casts = fields
    .map(
      (field) => `CAST(${quoteIdentifier(field.name)} AS ${duckDbType(field.type)}) AS ${quoteIdentifier(field.name)}`,
    )
    .join(', ')
  const plainRows = rowsTogether(settings)

  async function* filesOfQuery(query: string, count: bigint): AsyncGenerator<WrittenFile> {
    if (count === 0n) return
    const select = `SELECT ${casts} FROM (${query})`
    if (count <= plainRows) {
      yield await copy(`(${select})`, count, usualGroupRows)
      return
    }
    if (plainRows > 0n) {
      // Row groups are cut between the engine's chunks: gathered, they are full, whatever the query's scan lets through.
      yield await copy(`(WITH gathered AS MATERIALIZED (${select}) FROM gathered)`, count, usualGroupRows)
      return
    }
    await db.run(`CREATE OR REPLACE TEMP TABLE ${ownTable('rows')} AS ${select}`, options)
    const [made] = await db.rows<{ rows: bigint }>(`SELECT count(*) AS rows FROM ${ownTable('rows')}`, options)
    if (made?.rows !== count) throw miscounted()
    yield* filesOf({ table: ownTable('rows'), first: 0n, count, isWhole: true })
  }

  async function* filesTogether<P extends CountedPartition>(
    rows: (keys: readonly number[]) => string,
    key: string,
    partitions: readonly P[],
  ): AsyncGenerator<{ readonly partition: P; readonly file: WrittenFile }> {
    const folder = join(scratch, `${name}-${written++}`)
    const column = quoteIdentifier(`${name}_key`)
    // One thread gathers each partition's rows, and writes them as a row group when it has seen all: few stay in memory.
    const copied = await db.rows<CopiedPartition>(
      `COPY (SELECT ${casts}, ${key} AS ${column} FROM (${rows(partitions.map((each) => each.key))})) TO ${quoteString(folder)}
       (${copyOptions}, ROW_GROUP_SIZE ${usualGroupRows}, PARTITION_BY (${column}), WRITE_PARTITION_COLUMNS false)`,
      options,
    )
    const byKey = new Map(copied.map((file) => [file.partition_keys[0]?.[1] ?? '', file]))
    if (byKey.size !== partitions.length || copied.length !== partitions.length) throw miscounted()
    for (const partition of partitions) {
      const file = byKey.get(String(partition.key))
      if (file?.count !== partition.count) throw miscounted()
      yield {
        partition,
        file: {
          local: file.filename,
          rows: `(SELECT ${casts} FROM (${rows([partition.key])}))`,
          count: file.count,
          size: file.file_size_bytes,
          statistics: file.column_statistics,
          splitOffsets: [firstGroupOffset],
        },
      }
    }
  }

  return { filesOf, filesOfQuery, filesTogether }
}

const miscounted = (): HindcastError =>
  new HindcastError('INVARIANT_VIOLATED', 'the engine wrote another number of rows than there were said to be')

function partsFor(bytes: number, targetFileBytes: number | null, rows: bigint): bigint {
  if (targetFileBytes === null) return 1n
  const parts = BigInt(Math.max(1, Math.ceil(bytes / Math.max(1, targetFileBytes))))
  return parts < rows ? parts : rows
}

/** DuckDB writes whole vectors of 2,048 rows. */
const groupRowsFor = (groupBytes: number, rowBytes: number): number =>
  Math.max(1, Math.min(512, Math.floor(groupBytes / Math.max(1, rowBytes) / 2048))) * 2048

/** The first row group lies behind the four magic bytes. */
const firstGroupOffset = 4n

/** Where the row groups begin: only large files are opened for it. */
async function rowGroupOffsets(
  db: DuckDb,
  path: string,
  rows: bigint,
  groupRows: number,
  options: QueryOptions,
): Promise<bigint[]> {
  if (rows <= BigInt(groupRows)) return [firstGroupOffset]
  const groups = await db.rows<{ start: bigint }>(
    `SELECT min(least(coalesce(dictionary_page_offset, data_page_offset), data_page_offset)) AS start
     FROM parquet_metadata(${pathList([path])}) GROUP BY row_group_id ORDER BY start`,
    options,
  )
  return groups.map(({ start }) => start)
}
