/** Finding out which of a query's Parquet files is broken: the engine's errors often don't say, and a table has thousands. */
import { DuckDBInstance } from '@duckdb/node-api'
import { quoteString } from '../compile/quote.ts'

/** A local path in which no letter is a pattern to DuckDB any more. */
export const patternFree = (path: string): string => path.replace(/[*?[]/g, '[$&]')

/** The SQL list literal of local paths. */
export const pathList = (paths: readonly string[]): string =>
  `[${paths.map((path) => quoteString(patternFree(path))).join(', ')}]`

/** Whether an error of the engine's is one that only the bytes of a file can cause. */
export function isBrokenFile(message: string, sql: string): boolean {
  if (/^io error: no files found/i.test(message) || anywhere.test(message)) return true
  // Thrift and the decoders throw errors without a class of their own, and words that could be of a user's data too.
  return readsParquet(sql) && (inParquet.test(message) || inSchema(message))
}

const anywhere =
  /no magic bytes|too small to be a parquet file|footer length error|invalid parquet|failed to read parquet|thrift|tprotocol|ttransport|snappy decompress|zstd decompression|decompression failure|attempted to read \d+ bytes|corrupt|parquet schema|parquet file "|failed to read file|prefetch registered for bytes outside/i

const inParquet =
  /^invalid error|incorrect stats size|error while reading file "|could not read from file .*: invalid argument|mismatch in parquet read|invalid json found in parquet|^invalid input error: invalid unicode/i

/** Storage that fails is named in the error; a schema that makes no sense is an IO error to the engine too, and names nothing. */
const inSchema = (message: string): boolean =>
  /^io error/i.test(message) &&
  !/file|director|disk|device|space|http|connect|host|socket|ssl|server|time/i.test(message)

const readsParquet = (sql: string): boolean => /\bread_parquet\(|\bparquet_[a-z_]+\(/.test(sql)

/** The files that a query reads as Parquet: paths or, better, what `pathList` made of them. */
export function parquetPathsIn(sql: string): string[] {
  const lists = sql.matchAll(/\b(?:read_parquet|parquet_[a-z_]+)\(\s*\[?((?:'(?:[^']|'')*'(?:,\s*)?)+)/g)
  const paths = [...lists].flatMap(([, list = '']) =>
    Array.from(list.matchAll(/'((?:[^']|'')*)'/g), ([, text = '']) =>
      text.replaceAll("''", "'").replace(/\[([*?[])\]/g, '$1'),
    ),
  )
  return [...new Set(paths)]
}

/**
 * The first of these local files that cannot be read, null when each of them can be. All footers are read before any rows: most
 * damage shows there, and quickly. An engine of its own does it: an internal error leaves the engine that met it unusable.
 */
export async function firstBroken(paths: readonly string[], signal?: AbortSignal): Promise<string | null> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '1GB' })
  const connection = await instance.connect()
  const probes = [
    (list: string) => `SELECT count(*) FROM parquet_metadata(${list})`,
    (list: string) => `SELECT count(*), count(hash(COLUMNS(*))) FROM read_parquet(${list}, hive_partitioning = false)`,
  ]
  try {
    for (const probe of probes) {
      for (const path of paths.filter(isLocal)) {
        if (signal?.aborted === true) return null
        try {
          await connection.run(probe(pathList([path])))
        } catch {
          return path
        }
      }
    }
    return null
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const isLocal = (path: string): boolean => !/^[a-z][a-z0-9+.-]*:/i.test(path)
