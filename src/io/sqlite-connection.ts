import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError } from '../contract/index.ts'
import type { SqlConnection, SqlRow, TransactionOutcome } from './catalog-sql/index.ts'

/** How long a statement may block this thread on another's lock, and for how long it is tried again in between. */
const blockingMs = 100
const patienceMs = 15_000

/** Opens or makes the file, in WAL mode so that readers and one writer don't wait for each other. */
export async function connectSqlite(file: string): Promise<SqlConnection> {
  const attempt = <T>(action: () => T): Promise<T> => patiently(file, action)
  await mkdir(dirname(file), { recursive: true }).catch((cause: unknown) => {
    throw unavailable(file, 'its folder cannot be made', cause)
  })
  const database = await attempt(() => {
    const opened = new DatabaseSync(file, { timeout: blockingMs })
    try {
      // Full: a commit that was answered must outlive a power cut.
      opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    } catch (error) {
      opened.close()
      throw error
    }
    return opened
  })
  const all = (sql: string, ...parameters: readonly (string | number | null)[]): Promise<readonly SqlRow[]> =>
    attempt(() => database.prepare(sql).all(...parameters))
  return {
    all,
    transaction: (statements) =>
      attempt((): TransactionOutcome => {
        database.exec('BEGIN IMMEDIATE')
        let committing = false
        try {
          const changes = statements.map(([sql, ...parameters]) =>
            Number(database.prepare(sql).run(...parameters).changes),
          )
          committing = true
          database.exec('COMMIT')
          return { status: 'committed', changes }
        } catch (cause) {
          if (database.isTransaction) database.exec('ROLLBACK')
          if (isConstraintViolation(cause)) return { status: 'duplicate', cause }
          // A disk that failed in the middle of it may still hold a whole commit, which the next to open the file then finds.
          if (committing && !isBusy(cause)) return { status: 'unknown', cause }
          throw cause
        }
      }),
    columnsOf: async (table) =>
      (await all('SELECT name FROM pragma_table_info(?)', table)).map((row) => String(row['name'])),
    // There is one writer at a time, and its transaction has ended before it lets go of the file.
    waitClause: '',
    invalid: (what, cause) => invalidCatalog(file, what, cause),
    close: async () => {
      if (database.isOpen) database.close()
    },
  }
}

/** Primary result codes: https://www.sqlite.org/rescode.html */
const busy = new Set([5, 6])
const broken = new Set([11, 26])

const isBusy = (error: unknown): boolean => busy.has(resultCode(error) ?? 0)

const isConstraintViolation = (error: unknown): boolean => resultCode(error) === 19

function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null
  return error.errcode & 0xff
}

async function patiently<T>(file: string, action: () => T): Promise<T> {
  const begin = performance.now()
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    try {
      return action()
    } catch (error) {
      const code = resultCode(error)
      if (code === null) throw error
      if (!busy.has(code)) throw sqliteError(file, code, error)
      if (performance.now() - begin > patienceMs) {
        throw unavailable(file, `another process has kept it locked for ${patienceMs / 1000} s`, error)
      }
    }
    await delay(pauseMs * (0.5 + Math.random()))
  }
}

function sqliteError(file: string, code: number, cause: unknown): HindcastError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (broken.has(code)) return invalidCatalog(file, `is not a sound SQLite database (${reason})`, cause)
  // Plain SQL errors: our statements are fixed, so the file's tables are not ours.
  if (code === 1) return invalidCatalog(file, `is not an Iceberg catalog (${reason})`, cause)
  return unavailable(file, reason, cause)
}

const invalidCatalog = (file: string, what: string, cause?: unknown): HindcastError =>
  new HindcastError('CATALOG_INVALID', `the catalog file ${file} ${what}`, {
    hint:
      'Restore it from a backup, or make an empty file in its place for an empty catalog. Tables are not lost with it, ' +
      'each can be registered again from the newest file of its metadata folder.',
    context: { file },
    cause,
  })

const unavailable = (file: string, why: string, cause: unknown): HindcastError =>
  new HindcastError('CATALOG_UNAVAILABLE', `the catalog file ${file} cannot be used: ${why}`, {
    hint: 'Make sure the file and its folder are writable and no program holds the file open in a transaction.',
    context: { file },
    cause,
  })
