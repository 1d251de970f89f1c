import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDataChunk,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  type DuckDBConnection,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api'
import { setTimeout as delay } from 'node:timers/promises'
import { type ErrorCode, HindcastError } from '../contract/index.ts'
import { bucketFunctions } from './bucket-functions.ts'
import { cancelled, engineError, explained } from './engine-errors.ts'
import { makeScratchFolder } from './scratch-folder.ts'

export { pathList, patternFree } from './broken-file.ts'

export interface DuckDbOptions {
  readonly threads: number
  /** `'2GB'`, or a number of bytes. */
  readonly memoryLimit: string | number
  /** Local folder where DuckDB spills what does not fit, and copies of remote files lie; made when missing, and not removed. */
  readonly tempDirectory: string
  /** Local path of DuckDB's httpfs extension; by default one that was installed for this version of DuckDB, if any; `off` for none. */
  readonly httpfs?: string
}

export interface QueryOptions {
  /** Interrupts the query; it then fails with CANCELLED. */
  readonly signal?: AbortSignal
  /** The code of a failure that is neither memory, storage, a broken file nor an interrupt: who wrote the wrong SQL. */
  readonly otherwise?: ErrorCode
}

export interface DuckDbColumn {
  readonly name: string
  readonly type: DuckDBType
}

/** A value as an appended column takes it: of a text, whole-number or boolean type. */
export type DuckDbScalar = string | number | bigint | boolean | null

/**
 * A connection to an in-memory DuckDB. Its queries run one after the other, those of siblings beside them.
 * All methods throw HindcastError: ENGINE_OUT_OF_MEMORY, STORAGE_UNAVAILABLE, DATA_FILE_INVALID, CANCELLED, or what
 * `otherwise` says (INPUT_INVALID when it says nothing).
 */
export interface DuckDb extends AsyncDisposable {
  /** Where the httpfs extension is to be found, as `DuckDbOptions` has it; it is loaded by whoever needs it. */
  readonly httpfs: string | undefined
  /** Local folder of what the engine needs for as long as it lives. */
  readonly tempDirectory: string
  run(sql: string, options?: QueryOptions): Promise<void>
  /**
   * All rows as plain values, without loss: 64-bit and larger integers, times and timestamps (micros, or nanoseconds where the type has them) are bigint, dates are days
   * since 1970, decimals are their unscaled bigint, blobs are bytes, structs objects, maps arrays of `[key, value]`.
   */
  rows<T = Readonly<Record<string, unknown>>>(sql: string, options?: QueryOptions): Promise<T[]>
  /** Names and types of a SELECT's columns; its rows are not computed. */
  describe(select: string, options?: QueryOptions): Promise<readonly DuckDbColumn[]>
  /**
   * Appends rows to a temporary table, given as batches of columns of one length: many times faster than INSERT. A failure leaves
   * the batches before it.
   */
  append(table: string, batches: Iterable<readonly (readonly DuckDbScalar[])[]>): Promise<void>
  /**
   * Another connection to the same engine, for queries that run beside this one's: each runs on a thread of its own, whatever `threads` says. It
   * sees tables that are not temporary, and ends with this one at the latest.
   */
  sibling(): Promise<DuckDb>
  /** Stops the running query, if there is one; one that was just begun may not notice: where that matters, use `signal`. */
  interrupt(): void
  /** Interrupts what is still running. */
  close(): Promise<void>
}

/** Starts an engine whose session is in UTC, keeps the order of rows and loads no extension by itself. */
export async function openDuckDb(options: DuckDbOptions): Promise<DuckDb> {
  await makeScratchFolder(options.tempDirectory)
  const memoryLimit = typeof options.memoryLimit === 'number' ? `${options.memoryLimit}B` : options.memoryLimit
  let instance: DuckDBInstance
  try {
    instance = await DuckDBInstance.create(':memory:', {
      threads: String(options.threads),
      memory_limit: memoryLimit,
      temp_directory: options.tempDirectory,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      allow_community_extensions: 'false',
      preserve_insertion_order: 'true',
    })
    // The engine's, not the connection's that they are given by.
    const connection = await instance.connect()
    for (const bucketFunction of bucketFunctions()) connection.registerScalarFunction(bucketFunction)
    connection.closeSync()
  } catch (cause) {
    throw engineError(cause, { sql: '', tempDirectory: options.tempDirectory, otherwise: 'CONFIG_INVALID' })
  }
  return connect(instance, options, () => instance.closeSync())
}

/** A session on the engine. @param afterClose what else ends with it */
async function connect(instance: DuckDBInstance, options: DuckDbOptions, afterClose: () => void): Promise<DuckDb> {
  let connection: DuckDBConnection
  try {
    connection = await instance.connect()
  } catch (cause) {
    throw engineError(cause, { sql: '', tempDirectory: options.tempDirectory, otherwise: 'CONFIG_INVALID' })
  }
  const siblings = new Set<DuckDb>()
  let closed = false
  const running = new Set<Promise<unknown>>()
  const guarded = async <T>(query: QueryOptions, sql: string, action: () => Promise<T>): Promise<T> => {
    if (closed) throw new HindcastError('INVARIANT_VIOLATED', 'the engine was used after it was closed')
    const { signal, otherwise = 'INPUT_INVALID' } = query
    if (signal?.aborted === true) throw cancelled(signal.reason)
    const interrupting = new AbortController()
    const onAbort = () => void interruptUntil(connection, interrupting.signal)
    signal?.addEventListener('abort', onAbort, { once: true })
    const result = action()
    running.add(result)
    try {
      return await result
    } catch (cause) {
      const { tempDirectory } = options
      throw await explained(engineError(cause, { sql, tempDirectory, otherwise }), sql, signal)
    } finally {
      running.delete(result)
      interrupting.abort()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  const db: DuckDb = {
    httpfs: options.httpfs,
    tempDirectory: options.tempDirectory,
    run: (sql, query = {}) =>
      guarded(query, sql, async () => {
        await connection.run(sql)
      }),
    rows: <T>(sql: string, query: QueryOptions = {}) =>
      guarded(query, sql, async () => {
        const reader = await connection.runAndReadAll(sql)
        return reader.convertRowObjects((value) => plain(value)) as T[]
      }),
    describe: (select, query = {}) =>
      guarded(query, select, async () => {
        const reader = await connection.runAndReadAll(`SELECT * FROM (${select}) LIMIT 0`)
        const types = reader.columnTypes()
        // The deduplicated names: a SELECT may name two columns alike.
        return reader.deduplicatedColumnNames().map((name, index) => ({ name, type: types[index] as DuckDBType }))
      }),
    append: (table, batches) =>
      guarded({}, '', async () => {
        const appender = await connection.createAppender(table, 'main', 'temp')
        try {
          const types = Array.from({ length: appender.columnCount }, (_, index) => appender.columnType(index))
          for (const batch of batches) {
            const rowCount = batch[0]?.length ?? 0
            for (let start = 0; start < rowCount; start += vectorRows) {
              const chunk = DuckDBDataChunk.create(types)
              chunk.setColumns(batch.map((column) => column.slice(start, start + vectorRows)))
              appender.appendDataChunk(chunk)
            }
          }
          appender.flushSync()
        } finally {
          appender.closeSync()
        }
      }),
    sibling: async () => {
      if (closed) throw new HindcastError('INVARIANT_VIOLATED', 'the engine was used after it was closed')
      const sibling = await connect(instance, options, () => siblings.delete(sibling))
      siblings.add(sibling)
      return sibling
    },
    interrupt: () => {
      if (!closed) connection.interrupt()
    },
    close: async () => {
      if (closed) return
      closed = true
      await Promise.all([...siblings].map((sibling) => sibling.close()))
      // Closing under a running query would pull its memory away.
      const interrupting = new AbortController()
      const interrupted = interruptUntil(connection, interrupting.signal)
      await Promise.allSettled(running)
      interrupting.abort()
      await interrupted
      connection.closeSync()
      afterClose()
    },
    [Symbol.asyncDispose]: () => db.close(),
  }
  await db.run(`SET TimeZone = 'UTC'`)
  // Division by zero is null, as in the SQL standard's databases that do not fail on it: a ratio over an empty window is unknown, not NaN.
  await db.run('SET ieee_floating_point_ops = false')
  return db
}

/** As many rows as one of DuckDB's vectors holds. */
const vectorRows = 2048

/** Interrupts again and again until `signal`: an interrupt that comes before its query has begun to run is lost. */
async function interruptUntil(connection: DuckDBConnection, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    connection.interrupt()
    await delay(10, undefined, { signal }).catch(() => undefined)
  }
}

function plain(value: DuckDBValue): unknown {
  if (value === null || typeof value !== 'object') return value
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue) return value.micros
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos
  if (value instanceof DuckDBTimeValue) return value.micros
  if (value instanceof DuckDBDateValue) return value.days
  if (value instanceof DuckDBDecimalValue) return value.value
  if (value instanceof DuckDBBlobValue) return value.bytes
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(plain)
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, plain(entry)]))
  }
  if (value instanceof DuckDBMapValue) return value.entries.map((entry) => [plain(entry.key), plain(entry.value)])
  return value.toString()
}
