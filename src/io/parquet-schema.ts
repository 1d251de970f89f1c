import { DuckDBListType, DuckDBMapType, DuckDBStructType, type DuckDBType } from '@duckdb/node-api'
import { HindcastError } from '../contract/index.ts'
import type { DataFile } from '../iceberg/index.ts'
import { pathList, type DuckDb, type QueryOptions } from './duckdb.ts'

/** A column of a Parquet file, or a part of one: struct fields, the element of a list, key and value of a map. */
export interface ParquetColumn {
  /** As the file has it. */
  readonly name: string
  readonly fieldId: number | null
  readonly type: DuckDBType
  readonly children: readonly ParquetColumn[]
}

/** Files that have the same columns. */
export interface FileShape {
  readonly columns: readonly ParquetColumn[]
  /** Indices into the paths that were asked about, ascending. */
  readonly files: readonly number[]
}

interface SchemaNode {
  readonly name: string
  readonly fieldId: number | null
  readonly children: readonly SchemaNode[]
}

interface SchemaRow {
  readonly name: string
  readonly num_children: bigint | null
  readonly field_id: bigint | null
}

/**
 * The columns of local Parquet files as their footers say, grouped by what they say, in the order of the first file of each group.
 * @throws what `DuckDb` throws for a file that is missing or is no Parquet
 */
export async function parquetShapes(
  db: DuckDb,
  paths: readonly string[],
  options: QueryOptions = {},
): Promise<readonly FileShape[]> {
  if (paths.length === 0) return []
  const indexOf = new Map(paths.map((path, index) => [path, index]))
  const groups = await db.rows<{ files: readonly string[] }>(
    `SELECT list(file_name) AS files FROM (
       SELECT file_name, string_agg(concat_ws(chr(1), name, num_children, coalesce(field_id, -1), type, type_length, repetition_type,
         converted_type, logical_type, duckdb_type), chr(2) ORDER BY column_id) AS signature
       FROM parquet_schema(${pathList(paths)}) GROUP BY file_name) GROUP BY signature`,
    options,
  )
  const members = groups.map(({ files }) =>
    files
      .map((path) => {
        const index = indexOf.get(path)
        if (index !== undefined) return index
        throw new HindcastError('INVARIANT_VIOLATED', `the engine spoke of ${path}, which it was not asked about`)
      })
      .sort((a, b) => a - b),
  )
  members.sort(([a = 0], [b = 0]) => a - b)
  const shapes: FileShape[] = []
  for (const files of members) shapes.push({ files, columns: await columnsOf(db, paths[files[0] ?? 0] ?? '', options) })
  return shapes
}

async function columnsOf(db: DuckDb, path: string, options: QueryOptions): Promise<readonly ParquetColumn[]> {
  const rows = await db.rows<SchemaRow>(
    `SELECT name, num_children, field_id FROM parquet_schema(${pathList([path])}) ORDER BY column_id`,
    options,
  )
  const types = await db.describe(`FROM read_parquet(${pathList([path])}, hive_partitioning = false)`, options)
  const { children } = readTree(rows, path)
  if (children.length !== types.length) return disagrees(path)
  return children.map((node, index) => typed(node, types[index]?.type, path))
}

const disagrees = (path: string): never => {
  throw new HindcastError('DATA_FILE_INVALID', `${path}: its schema cannot be understood`, { context: { path } })
}

/** The flat list of a footer, which has every node before its children, as a tree. */
function readTree(rows: readonly SchemaRow[], path: string): SchemaNode {
  let next = 0
  const read = (): SchemaNode => {
    const row = rows[next++]
    if (row === undefined) return disagrees(path)
    const children = Array.from({ length: Number(row.num_children ?? 0n) }, read)
    return { name: row.name, fieldId: row.field_id === null ? null : Number(row.field_id), children }
  }
  return read()
}

/** Joins ids from the footer with DuckDB's types; lists and maps take their repeated node in between as DuckDB does. */
function typed(node: SchemaNode | undefined, type: DuckDBType | undefined, path: string): ParquetColumn {
  if (node === undefined || type === undefined) return disagrees(path)
  const { name, fieldId } = node
  const column = (children: readonly ParquetColumn[]): ParquetColumn => ({ name, fieldId, type, children })
  if (type instanceof DuckDBStructType) {
    if (node.children.length !== type.entryTypes.length) return disagrees(path)
    return column(node.children.map((child, index) => typed(child, type.entryTypes[index], path)))
  }
  if (type instanceof DuckDBListType) {
    const repeated = node.children[0]
    // Old writers repeat the element itself, without a group around it.
    const element = repeated?.children.length === 1 ? repeated.children[0] : repeated
    return column([typed(element, type.valueType, path)])
  }
  if (type instanceof DuckDBMapType) {
    const [key, value] = node.children[0]?.children ?? []
    return column([typed(key, type.keyType, path), typed(value, type.valueType, path)])
  }
  return column([])
}

/** Whether any column, at any depth, has a field id: files have ids throughout or not at all. */
export const hasFieldIds = (columns: readonly ParquetColumn[]): boolean =>
  columns.some(({ fieldId, children }) => fieldId !== null || hasFieldIds(children))

/** @throws FEATURE_UNSUPPORTED for a file that is encrypted, or no Parquet */
export function requireParquet({ filePath, fileFormat, keyMetadata }: DataFile): void {
  if (fileFormat === 'PARQUET' && keyMetadata === undefined) return
  throw new HindcastError(
    'FEATURE_UNSUPPORTED',
    `${filePath} is ${keyMetadata === undefined ? fileFormat : 'encrypted'}; only plain Parquet is read`,
    { hint: 'Rewrite the table as Parquet.', context: { path: filePath } },
  )
}
