import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError } from '../contract/index.ts'

/** How long a statement may block this thread on another's lock, and for how long it is tried again in between. */
const blockingMs = 100
const patienceMs = 15_000

export type Row = Readonly<Record<string, unknown>>

/** A SQLite file shared with other processes. Methods throw CATALOG_INVALID or CATALOG_UNAVAILABLE. */
export interface SqliteConnection {
  all(sql: string, ...parameters: SQLInputValue[]): Promise<readonly Row[]>
  /** Runs all statements in one transaction and returns how many rows each changed. */
  transaction(
    statements: readonly (readonly [sql: string, ...parameters: SQLInputValue[]])[],
  ): Promise<readonly number[]>
  close(): void
}

/** Opens or makes the file, in WAL mode so that readers and one writer don't wait for each other. */
export async function connectSqlite(file: string): Promise<SqliteConnection> {
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
  return {
    all: (sql, ...parameters) => attempt(() => database.prepare(sql).all(...parameters) as Row[]),
    transaction: (statements) =>
      attempt(() => {
        database.exec('BEGIN IMMEDIATE')
        try {
          const changes = statements.map(([sql, ...parameters]) =>
            Number(database.prepare(sql).run(...parameters).changes),
          )
          database.exec('COMMIT')
          return changes
        } catch (error) {
          if (database.isTransaction) database.exec('ROLLBACK')
          throw error
        }
      }),
    close: () => {
      if (database.isOpen) database.close()
    },
  }
}

/** Primary result codes: https://www.sqlite.org/rescode.html */
const busy = new Set([5, 6])
const broken = new Set([11, 26])

export const isConstraintViolation = (error: unknown): boolean => resultCode(error) === 19

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
      if (code === null || isConstraintViolation(error)) throw error
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

export const invalidCatalog = (file: string, what: string, cause?: unknown): HindcastError =>
  new HindcastError('CATALOG_INVALID', `the catalog file ${file} ${what}`, {
    hint:
      'Restore it from a backup, or move it away: an empty catalog is then made. Tables are not lost with it, ' +
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
