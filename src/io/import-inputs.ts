import { DuckDBTypeId } from '@duckdb/node-api'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { quoteIdentifier } from '../compile/quote.ts'
import { isHindcastError } from '../contract/index.ts'
import type { IcebergType, NestedField } from '../iceberg/index.ts'
import { duckDbType } from './duckdb-types.ts'
import { pathList, type DuckDb, type QueryOptions } from './duckdb.ts'
import { invalidInput } from './import-errors.ts'
import { badLine, csvRelation, lineOf, sniffCsv, type CsvDialect } from './csv-file.ts'
import { icebergTypeOf } from './import-types.ts'

/** A file to import, looked at but not yet read. */
export interface ImportInput {
  readonly path: string
  /** How the file is written when it is a CSV; null for Parquet. */
  readonly csv: CsvDialect | null
  readonly sha256: string
  /** In the file's order. */
  readonly columns: readonly InputColumn[]
}

export interface InputColumn {
  readonly name: string
  readonly type: IcebergType
  /** Finer than Iceberg's microseconds: read only if nothing is lost. */
  readonly nanoseconds: boolean
  /** A CSV column without a value has no type of its own. */
  readonly empty: boolean
}

const csvName = /\.(csv|tsv|txt)(\.gz|\.zst)?$/i

/**
 * Tells a file's format and columns.
 * @throws INPUT_INVALID when the file is missing, a folder, empty, neither Parquet nor CSV, or has a column of a type that Iceberg
 *   cannot hold
 */
export async function inspectInput(db: DuckDb, file: string, options: QueryOptions = {}): Promise<ImportInput> {
  const path = resolve(file)
  const format = await formatOf(path)
  const sha256 = await hashOf(path)
  const refuse = (cause: unknown): never => unreadable(path, cause)
  const sniffed = format === 'csv' ? await sniffCsv(db, path, options) : null
  const csv = sniffed === null ? null : sniffed.dialect
  const relation = sniffed === null ? parquetRelation(path) : csvRelation(path, sniffed.dialect, sniffed.columns)
  const described = await db.describe(`SELECT * FROM ${relation}`, options).catch(refuse)
  const first = await db.rows(`SELECT 1 FROM ${relation} LIMIT 1`, options).catch(refuse)
  if (first.length === 0) {
    throw invalidInput(path, 'has no rows', 'Leave the file out, or check how it was exported.')
  }
  const columns: InputColumn[] = []
  for (const { name, type } of described) {
    const mapped = icebergTypeOf(type)
    if (mapped === null) {
      throw invalidInput(
        path,
        `column "${name}" is of type ${type.toString()}, which no Iceberg table holds`,
        'Cast the column to a number, text or time, or drop it.',
      )
    }
    columns.push({ name, type: mapped, nanoseconds: type.typeId === DuckDBTypeId.TIMESTAMP_NS, empty: false })
  }
  if (csv === null) return { path, csv, sha256, columns }
  const texts = columns.filter((column) => column.type === 'string').map((column) => column.name)
  const empties = await emptyColumns(db, relation, texts, options)
  return { path, csv, sha256, columns: columns.map((column) => ({ ...column, empty: empties.has(column.name) })) }
}

/**
 * SELECT text of a file's rows as the given fields, with a last column that counts its rows from `firstRow` on.
 * A CSV is read as the fields' types, not as the guessed ones: "007" stays text where the table says text.
 */
export function typedRows(
  input: ImportInput,
  fields: readonly NestedField[],
  rowColumn: string,
  firstRow: bigint,
): string {
  const types = new Map(fields.map(({ name, type }) => [name, duckDbType(type)]))
  const casts = fields.map(({ name }) => {
    const column = quoteIdentifier(name)
    return `CAST(${column} AS ${types.get(name) ?? ''}) AS ${column}`
  })
  const columns = input.columns.map(({ name }) => ({ name, type: types.get(name) ?? 'VARCHAR' }))
  const relation = input.csv === null ? parquetRelation(input.path) : csvRelation(input.path, input.csv, columns)
  return `SELECT ${casts.join(', ')}, ${firstRow} + row_number() OVER () AS ${quoteIdentifier(rowColumn)} FROM ${relation}`
}

/** Where a CSV's column does not fit a field: the first line that has another value, in words; null where each line fits, or it is no CSV. */
export async function misfit(
  db: DuckDb,
  { path, csv, columns }: ImportInput,
  field: NestedField,
  options: QueryOptions,
): Promise<string | null> {
  if (csv === null) return null
  const types = columns.map(({ name }) => ({
    name,
    type: name === field.name ? duckDbType(field.type) : 'VARCHAR',
  }))
  try {
    await db.run(`SELECT count(${quoteIdentifier(field.name)}) FROM ${csvRelation(path, csv, types)}`, options)
    return null
  } catch (error) {
    return lineOf(error)
  }
}

/**
 * Refuses times that Iceberg's microseconds would cut.
 * @throws INPUT_INVALID naming the column
 */
export async function checkNanoseconds(db: DuckDb, input: ImportInput, options: QueryOptions = {}): Promise<void> {
  for (const { name, nanoseconds } of input.columns) {
    if (!nanoseconds) continue
    const lossy = await db.rows(
      `SELECT 1 FROM ${parquetRelation(input.path)} WHERE epoch_ns(${quoteIdentifier(name)}) % 1000 <> 0 LIMIT 1`,
      options,
    )
    if (lossy.length > 0) {
      throw invalidInput(
        input.path,
        `column "${name}" has times finer than a microsecond`,
        'Round the column to microseconds first.',
      )
    }
  }
}

const parquetRelation = (path: string): string => `read_parquet(${pathList([path])}, hive_partitioning = false)`

async function formatOf(path: string): Promise<'parquet' | 'csv'> {
  const found = await stat(path).catch((cause: unknown) => {
    const absent = cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
    throw invalidInput(
      path,
      absent ? 'does not exist' : `cannot be read (${String(cause)})`,
      'Check the path and its permissions.',
      cause,
    )
  })
  if (!found.isFile())
    throw invalidInput(path, 'is not a file', 'Name the files themselves, for example with folder/*.parquet.')
  if (found.size === 0) throw invalidInput(path, 'has no rows', 'The file is empty: check how it was exported.')
  if (await isParquet(path)) return 'parquet'
  if (csvName.test(path)) return 'csv'
  const named = /\.(parquet|pq)$/i.test(path) ? 'is not a Parquet file, or was cut short' : 'is neither Parquet nor CSV'
  throw invalidInput(
    path,
    named,
    'Import Parquet, or CSV with a header line in a file named .csv, .tsv or .txt (also .gz).',
  )
}

async function isParquet(path: string): Promise<boolean> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw invalidInput(path, 'cannot be read', 'Check its permissions.', cause)
  })
  try {
    const head = Buffer.alloc(4)
    const { bytesRead } = await handle.read(head, 0, 4, 0)
    return bytesRead === 4 && head.toString('latin1') === 'PAR1'
  } finally {
    await handle.close()
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** The columns without any value, which tell nothing of their type. */
async function emptyColumns(
  db: DuckDb,
  relation: string,
  names: readonly string[],
  options: QueryOptions,
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set()
  const counts = names.map((name, index) => `count(${quoteIdentifier(name)}) AS c${index}`)
  const [row] = await db.rows<Record<string, bigint>>(`SELECT ${counts.join(', ')} FROM ${relation}`, options)
  return new Set(names.filter((_, index) => row?.[`c${index}`] === 0n))
}

function unreadable(path: string, cause: unknown): never {
  if (!isHindcastError(cause) || (cause.code !== 'INPUT_INVALID' && cause.code !== 'DATA_FILE_INVALID')) throw cause
  const why = cause.message.split('\n')[0] ?? ''
  throw badLine(cause, path) ?? invalidInput(path, `cannot be read: ${why}`, 'Check that the file is whole.', cause)
}
