/** What the operating system says of local files, in our words. */
import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HindcastError, isHindcastError } from '../../contract/index.ts'
import { noSuchFile } from './warehouse-files.ts'

export const systemCode = (error: unknown): string | undefined => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** Whether the operating system says that there is no such file or folder. */
export const isAbsent = (error: unknown): boolean => {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** What to do about a full disk. */
export const makeRoom =
  'Make room there, or move it to a larger disk. A run that is still going tries again by itself; one that failed goes on by hindcast retry RUN.'

const reasons: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  EACCES: ['permission denied', 'Give the user that runs Hindcast access to it.'],
  EPERM: ['not permitted', 'Give the user access to it; the file system must support hard links.'],
  ENOTSUP: ['not supported', 'Put the warehouse on a file system with hard links.'],
  EROFS: ['the file system is read-only', 'Put the warehouse on a writable file system.'],
  ENOSPC: ['no space left on the device', makeRoom],
  EDQUOT: ['the disk quota is used up', makeRoom],
  EFBIG: ['the file would be larger than the file system or a limit (ulimit -f) allows', makeRoom],
  EIO: ['input/output error', 'Look into the disk or mount, then run again.'],
  EMFILE: ['too many open files', 'Raise the limit of open files (ulimit -n).'],
}

/** A failure of the operating system as ours; others stay as they are. */
export function storageError(error: unknown, doing: string, path: string): unknown {
  const code = systemCode(error)
  if (code === undefined || isHindcastError(error)) return error
  if (code === 'ENOENT' && doing === 'read') {
    return noSuchFile(path, error)
  }
  const [reason, hint] = reasons[code] ?? [code, 'Look into the disk or mount, then run again.']
  return new HindcastError('STORAGE_UNAVAILABLE', `cannot ${doing} ${path}: ${reason}`, {
    hint,
    context: { path, code },
    cause: error,
  })
}

/**
 * The same failure; of a full disk it also says how much room is left there, and how much was wanted where that is known.
 * @param path where something was to be written, of whatever of its folders exists
 */
export async function withRoom(error: unknown, path: string, wantedBytes?: number | bigint): Promise<unknown> {
  if (!isHindcastError(error) || error.context['code'] !== 'ENOSPC' || 'freeBytes' in error.context) return error
  const free = await freeBytes(path)
  if (free === null) return error
  const wanted = wantedBytes === undefined ? '' : `, ${wantedBytes} wanted`
  return new HindcastError(error.code, `${error.message} (${free.bytes} bytes free in ${free.folder}${wanted})`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    context: {
      ...error.context,
      folder: free.folder,
      freeBytes: free.bytes.toString(),
      ...(wantedBytes === undefined ? {} : { wantedBytes: wantedBytes.toString() }),
    },
    cause: error.cause,
  })
}

/** What the file system of a path has left for this user, and the deepest of the path's folders that exists. */
async function freeBytes(path: string): Promise<{ readonly folder: string; readonly bytes: bigint } | null> {
  let folder = path
  while (folder !== dirname(folder) && !(await isFolder(folder))) folder = dirname(folder)
  try {
    const { bavail, bsize } = await statfs(folder, { bigint: true })
    return { folder, bytes: bavail * bsize }
  } catch {
    return null
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
