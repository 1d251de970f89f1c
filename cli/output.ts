import { relative } from 'node:path'
import { grouped, isHindcastError, type ErrorCode } from '../src/contract/index.ts'

/** Exit codes of the contract. */
export const exitCodes = { done: 0, failed: 1, usage: 2, auditsRefused: 3, awaitingApproval: 4, conflict: 5 } as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export function exitCodeOf(code: ErrorCode): ExitCode {
  switch (code) {
    case 'USAGE':
    case 'REQUEST_INVALID':
    case 'VIEW_NOT_FOUND':
      return exitCodes.usage
    case 'AUDIT_FAILED':
      return exitCodes.auditsRefused
    case 'CONFLICT':
      return exitCodes.conflict
    default:
      return exitCodes.failed
  }
}

/** Where a command writes: results on stdout, all else on stderr, so that `--json` leaves one document alone on stdout. */
export interface Output {
  readonly json: boolean
  readonly interactive: boolean
  /** The result: as JSON, or as the lines that `text` gives. */
  result(document: unknown, text: () => string): void
  /** Progress and remarks for a person; nothing with `--json`. */
  note(text: string): void
}

export function createOutput(json: boolean): Output {
  return {
    json,
    interactive: !json && process.stderr.isTTY,
    result: (document, text) => {
      process.stdout.write(json ? `${toJson(document)}\n` : withNewline(text()))
    },
    note: (text) => {
      if (!json) process.stderr.write(withNewline(text))
    },
  }
}

const withNewline = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)

const toJson = (document: unknown): string =>
  JSON.stringify(document, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value), 2)

/** Writes an error as one JSON document on stdout, or as text on stderr, and gives the exit code. */
export function reportError(error: unknown, json: boolean): ExitCode {
  const known = isHindcastError(error) ? error : null
  const message = error instanceof Error ? error.message : String(error)
  const code: ErrorCode = known?.code ?? 'INVARIANT_VIOLATED'
  if (json) {
    const { hint = null, context = {} } = known ?? {}
    process.stdout.write(`${toJson({ error: { code, message, hint, context } })}\n`)
  } else {
    process.stderr.write(`${paint('red', 'error')}: ${message}\n`)
    if (known?.hint !== undefined) process.stderr.write(`  ${known.hint}\n`)
    if (known === null && error instanceof Error && process.env['HINDCAST_DEBUG'] !== undefined) {
      process.stderr.write(`${error.stack ?? ''}\n`)
    }
  }
  return exitCodeOf(code)
}

const colours = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const

/** Colours text where stderr is a terminal that wants it. */
export function paint(colour: keyof typeof colours, text: string): string {
  const wanted = process.stderr.isTTY && process.env['NO_COLOR'] === undefined
  return wanted ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  const numeric = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^-?[\d,.]*%?$/.test(row[column] ?? '')),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        numeric[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [line(header), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n')
}

export const plural = (n: number, noun: string): string => `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [value, unit] = [n, 0]
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit] ?? ''}`
}

/** A file of the warehouse as a person would open it from here. */
export function filePath(uri: string): string {
  const path = uri.replace(/^file:\/\//, '')
  const fromHere = relative(process.cwd(), path)
  return path === uri || fromHere.startsWith('..') ? path : fromHere
}

export function seconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const minutes = Math.floor(ms / 60_000)
  return minutes < 60
    ? `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
