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
import { mkdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type ErrorCode, HindcastError } from '../contract/index.ts'
import { bucketFunctions } from './bucket-functions.ts'
import { firstBroken, isBrokenFile, parquetPathsIn } from './broken-file.ts'

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
  await mkdir(options.tempDirectory, { recursive: true }).catch((cause: unknown) => {
    throw new HindcastError('STORAGE_UNAVAILABLE', `cannot make the scratch folder ${options.tempDirectory}`, { cause })
  })
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
    throw engineError(cause, '', 'CONFIG_INVALID')
  }
  return connect(instance, options, () => instance.closeSync())
}

/** A session on the engine. @param afterClose what else ends with it */
async function connect(instance: DuckDBInstance, options: DuckDbOptions, afterClose: () => void): Promise<DuckDb> {
  let connection: DuckDBConnection
  try {
    connection = await instance.connect()
  } catch (cause) {
    throw engineError(cause, '', 'CONFIG_INVALID')
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
      throw await namingFile(engineError(cause, sql, otherwise), sql, signal)
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

const cancelled = (cause: unknown) => new HindcastError('CANCELLED', 'the query was interrupted', { cause })

/** DuckDB tells its failures apart by the first words of their messages. */
function engineError(error: unknown, sql: string, otherwise: ErrorCode): HindcastError {
  if (error instanceof HindcastError) return error
  const text = firstParagraph(error)
  if (/^interrupt error/i.test(text)) return cancelled(error)
  if (/no space left on device|disk quota exceeded/i.test(text)) {
    return new HindcastError('STORAGE_UNAVAILABLE', `the engine ran out of disk space: ${text}`, {
      hint: 'Free some space where the warehouse and the scratch folder lie, then run again.',
      cause: error,
    })
  }
  if (/^out of memory error/i.test(text) || /failed to allocate|bad_alloc/i.test(text)) {
    return new HindcastError('ENGINE_OUT_OF_MEMORY', `the engine ran out of memory: ${text}`, {
      hint: 'Raise engine.memoryLimit, or lower limits.sliceInputBytes so that a slice is smaller.',
      cause: error,
    })
  }
  if (isBrokenFile(text, sql)) {
    return new HindcastError('DATA_FILE_INVALID', text, {
      hint: brokenFileHint,
      cause: error,
    })
  }
  if (/^http error/i.test(text)) {
    if (/http 404/i.test(text)) {
      return new HindcastError('DATA_FILE_INVALID', text, {
        hint: 'A table refers to this file. Restore it, or roll the table back to a snapshot whose files are all there.',
        cause: error,
      })
    }
    return new HindcastError('STORAGE_UNAVAILABLE', text, {
      hint: 'Look into the store, its region and the credentials for it (storage.s3), then run again.',
      cause: error,
    })
  }
  if (/^io error/i.test(text)) {
    return new HindcastError('STORAGE_UNAVAILABLE', text, {
      hint: 'Look into the disk or mount that holds the file, then run again.',
      cause: error,
    })
  }
  const code = /^(internal|fatal) error/i.test(text) ? 'INVARIANT_VIOLATED' : otherwise
  return new HindcastError(code, text, { cause: error })
}

/** What follows the first blank line quotes the statement and settings; the cause keeps it. */
function firstParagraph(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.trim().split(/\n\s*\n/, 1)[0] ?? ''
}

/** The error with the name of the broken file that caused it, where one of the query's files did and the engine does not say which. */
async function namingFile(error: HindcastError, sql: string, signal?: AbortSignal): Promise<HindcastError> {
  // A footer may say what the engine takes for a fault of its own.
  const isInternal = error.code === 'INVARIANT_VIOLATED'
  if (error.code !== 'DATA_FILE_INVALID' && !isInternal) return error
  const paths = parquetPathsIn(sql)
  const [only, ...others] = paths
  if (only === undefined) return error
  const path =
    paths.find((candidate) => error.message.includes(candidate)) ??
    (others.length === 0 && !isInternal ? only : await firstBroken(paths, signal))
  return path === null ? error : brokenFile(error, path)
}

const brokenFile = (error: HindcastError, path: string): HindcastError =>
  new HindcastError('DATA_FILE_INVALID', error.message.includes(path) ? error.message : `${path}: ${error.message}`, {
    hint: brokenFileHint,
    context: { path },
    cause: error.cause,
  })

const brokenFileHint =
  'The file is missing, cut short or not Parquet: restore it, or roll back to a snapshot without it.'
