import { quoteString } from '../compile/quote.ts'
import { HindcastError, isHindcastError } from '../contract/index.ts'
import { invalidInput } from './import-errors.ts'
import { pathList, patternFree, type DuckDb, type QueryOptions } from './duckdb.ts'

/** How a CSV file is written: read_csv's options, so that the file need not be looked through again. */
export type CsvDialect = readonly string[]

export interface CsvColumn {
  readonly name: string
  /** A DuckDB type. */
  readonly type: string
}

interface Sniffed {
  readonly Delimiter: string
  readonly Quote: string
  readonly Escape: string
  readonly Comment: string
  readonly NewLineDelimiter: string
  readonly SkipRows: number
  readonly DateFormat: string | null
  readonly TimestampFormat: string | null
  readonly Columns: readonly CsvColumn[]
}

/**
 * Guesses dialect and types from the whole file: a guess from its beginning would fail on the first later value of another type.
 * @throws INPUT_INVALID, naming the line where that can be found out
 */
export async function sniffCsv(
  db: DuckDb,
  path: string,
  options: QueryOptions,
): Promise<{ readonly dialect: CsvDialect; readonly columns: readonly CsvColumn[] }> {
  const sql = `SELECT * FROM sniff_csv(${quoteString(patternFree(path))}, header = true, sample_size = -1)`
  const [sniffed] = await db.rows<Sniffed>(sql, options).catch((error: unknown) => unreadable(db, path, error, options))
  if (sniffed === undefined) throw new HindcastError('INVARIANT_VIOLATED', `nothing was found out about ${path}`)
  const text = (value: string): string => quoteString(value === '(empty)' ? '' : value)
  const dialect = [
    'auto_detect = false',
    'header = true',
    `delim = ${text(sniffed.Delimiter)}`,
    `quote = ${text(sniffed.Quote)}`,
    `escape = ${text(sniffed.Escape)}`,
    `comment = ${text(sniffed.Comment)}`,
    `skip = ${sniffed.SkipRows}`,
    // Told only when it is one of these: else lines end this way here and that way there.
    ...(/^(\\r|\\n|\\r\\n)$/.test(sniffed.NewLineDelimiter)
      ? [`new_line = ${quoteString(sniffed.NewLineDelimiter)}`]
      : []),
    ...(sniffed.DateFormat === null ? [] : [`dateformat = ${quoteString(sniffed.DateFormat)}`]),
    ...(sniffed.TimestampFormat === null ? [] : [`timestampformat = ${quoteString(sniffed.TimestampFormat)}`]),
  ]
  return { dialect, columns: sniffed.Columns }
}

/** The file's rows as something to put behind FROM; all of its columns must be given, in its order. */
export function csvRelation(path: string, dialect: CsvDialect, columns: readonly CsvColumn[]): string {
  const types = columns.map(({ name, type }) => `${quoteString(name)}: ${quoteString(type)}`)
  return `read_csv(${pathList([path])}, hive_partitioning = false, ${dialect.join(', ')}, columns = {${types.join(', ')}})`
}

/** The line of a CSV that an error is about, and what is wrong with it; null for any other error. */
export function lineOf(error: unknown): string | null {
  if (!isHindcastError(error) || error.code !== 'INPUT_INVALID') return null
  const match = /CSV Error on Line: (\d+)\n(?:Original Line: .*\n)?(.+)/.exec(error.message)
  return match === null ? null : `line ${match[1]}: ${match[2]}`
}

/** The engine's words on one line of a CSV, told of the file, or null for any other error. */
export function badLine(error: unknown, file?: string): HindcastError | null {
  const line = lineOf(error)
  if (!isHindcastError(error) || line === null) return null
  const whole = error.cause instanceof Error ? error.cause.message : ''
  const path = file ?? /^\s*file = (.+)$/m.exec(whole)?.[1] ?? 'the CSV'
  return invalidInput(path, `cannot be read: ${line}`, 'Mend that line, then import again.', error)
}

async function unreadable(db: DuckDb, path: string, cause: unknown, options: QueryOptions): Promise<never> {
  if (!isHindcastError(cause) || (cause.code !== 'INPUT_INVALID' && cause.code !== 'DATA_FILE_INVALID')) throw cause
  // The guess doesn't say which line it stumbled over; reading on from a guess made at the file's beginning does.
  const relation = `read_csv(${pathList([path])}, header = true, all_varchar = true)`
  const error = await db
    .rows(`SELECT * FROM ${relation} OFFSET 9223372036854775806`, options)
    .catch((reason: unknown) => reason)
  throw (
    badLine(error, path) ??
    invalidInput(
      path,
      'cannot be read as CSV: its lines cannot be split into the same columns',
      'Check that every line has as many values as the header, and that quotes are closed.',
      cause,
    )
  )
}
