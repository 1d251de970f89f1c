/** What the engine says went wrong, in our words. */
import { type ErrorCode, HindcastError, isHindcastError } from '../contract/index.ts'
import { firstBroken, isBrokenFile, parquetPathsIn } from './broken-file.ts'
import { makeRoom, withRoom } from './files/index.ts'

export interface FailedQuery {
  readonly sql: string
  readonly tempDirectory: string
  /** The code of a failure that is neither memory, storage, a broken file nor an interrupt. */
  readonly otherwise: ErrorCode
}

export const cancelled = (cause: unknown) => new HindcastError('CANCELLED', 'the query was interrupted', { cause })

/** DuckDB tells its failures apart by the first words of their messages. */
export function engineError(error: unknown, { sql, tempDirectory, otherwise }: FailedQuery): HindcastError {
  if (error instanceof HindcastError) return error
  const text = firstParagraph(error)
  if (/^interrupt error/i.test(text)) return cancelled(error)
  if (/no space left on device|disk quota exceeded/i.test(text)) {
    return new HindcastError('STORAGE_UNAVAILABLE', `the engine ran out of disk space: ${text}`, {
      hint: makeRoom,
      context: { path: /file "([^"]+)"/.exec(text)?.[1] ?? tempDirectory, code: 'ENOSPC' },
      cause: error,
    })
  }
  if (/failed to offload/i.test(text)) {
    // What needs less at once may still fit.
    const [first = ''] = text.split('\n', 1)
    return new HindcastError(
      'ENGINE_OUT_OF_MEMORY',
      `the engine's memory is used up and ${tempDirectory}, where it puts the rest, is full: ${first}`,
      {
        hint: 'Make room where the scratch folder lies, raise engine.memoryLimit, or lower limits.sliceInputBytes so that a slice is smaller.',
        context: { path: tempDirectory, code: 'ENOSPC' },
        cause: error,
      },
    )
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

/** The error with what can be found out about it: the broken file, or the room that is left on a full disk. */
export async function explained(error: HindcastError, sql: string, signal?: AbortSignal): Promise<HindcastError> {
  const { path } = error.context
  if (typeof path === 'string' && error.context['code'] === 'ENOSPC') {
    const told = await withRoom(error, path)
    return isHindcastError(told) ? told : error
  }
  return namingFile(error, sql, signal)
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
