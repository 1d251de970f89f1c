import type { HindcastError } from '../../contract/index.ts'

export type SqlValue = string | number | null

export type SqlRow = Readonly<Record<string, unknown>>

/** Parameters stand as `?` in the text. */
export type SqlStatement = readonly [sql: string, ...parameters: SqlValue[]]

export type TransactionOutcome =
  /** How many rows each statement changed. */
  | { readonly status: 'committed'; readonly changes: readonly number[] }
  /** A row with that key is there: nothing was changed. */
  | { readonly status: 'duplicate'; readonly cause: unknown }
  /** The answer to COMMIT was lost: all of it may be done, or nothing. */
  | { readonly status: 'unknown'; readonly cause: unknown }

/**
 * What a catalog in a SQL database asks of that database. Methods throw CATALOG_INVALID, ACCESS_DENIED or CATALOG_UNAVAILABLE, and
 * try again by themselves while another transaction is in the way.
 */
export interface SqlConnection {
  all(...statement: SqlStatement): Promise<readonly SqlRow[]>
  /** Runs all statements in one transaction. What is thrown was thrown before anything was committed. */
  transaction(statements: readonly SqlStatement[]): Promise<TransactionOutcome>
  /** Names of a table's columns; none when there is no such table. */
  columnsOf(table: string): Promise<readonly string[]>
  /** Put after a SELECT, makes it wait until a transaction that changes those rows has ended; empty where a SELECT always does. */
  readonly waitClause: string
  /** CATALOG_INVALID of this database, named without its password. */
  invalid(what: string, cause?: unknown): HindcastError
  close(): Promise<void>
}
