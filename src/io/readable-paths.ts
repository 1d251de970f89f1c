import { createHash, randomUUID } from 'node:crypto'
import { access as accessFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HindcastError } from '../contract/index.ts'
import { mapConcurrently } from '../iceberg/index.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'
import { isLocal, normalizeUri, toPath, type S3Access, type WarehouseFiles } from './files/index.ts'
import { engineReaches, engineTakesLiterally, grantAccess, loadHttpfs } from './httpfs.ts'
import { makeScratchFolder } from './scratch-folder.ts'

/** Files copied to local disk at once. */
const copies = 4

/** As much of a table's files as reading its rows takes. */
export type ReadableFiles = Pick<WarehouseFiles, 'readRange' | 'download' | 'accessTo'>

/**
 * What DuckDB opens for these files, in their order: the local path of a local file; for one in S3 the URI itself where the engine has
 * its httpfs extension, which is then given the access that `files` has; else the path of a copy in the engine's temporary folder, which
 * is made once. Rows are the same either way.
 * @throws what `WarehouseFiles` throws; CANCELLED; CONFIG_INVALID when the configured extension cannot be loaded
 */
export async function readablePaths(
  db: DuckDb,
  files: ReadableFiles,
  uris: readonly string[],
  { signal }: QueryOptions = {},
): Promise<readonly string[]> {
  const distinct = [...new Set(uris)]
  const granted = new Map<string, S3Access>()
  const paths = await mapConcurrently(distinct, copies, async (uri) => {
    if (signal?.aborted === true) {
      throw new HindcastError('CANCELLED', 'the reading was interrupted', { cause: signal.reason })
    }
    if (isLocal(uri)) return toPath(uri)
    const access = await accessOfEngine(db, files, uri)
    if (access === null) return copied(files, uri, join(db.tempDirectory, 'copies'))
    if (!granted.has(access.scope)) granted.set(access.scope, access)
    return normalizeUri(uri)
  })
  for (const access of granted.values()) await grantAccess(db, access)
  const byUri = new Map(distinct.map((uri, index) => [uri, paths[index] ?? '']))
  return uris.map((uri) => byUri.get(uri) ?? '')
}

/** Null where the engine cannot read the file by itself. */
async function accessOfEngine(db: DuckDb, files: ReadableFiles, uri: string): Promise<S3Access | null> {
  if (!engineTakesLiterally(uri) || !(await loadHttpfs(db))) return null
  const access = await files.accessTo(uri)
  return access !== null && engineReaches(access) ? access : null
}

async function copied(files: ReadableFiles, uri: string, folder: string): Promise<string> {
  const path = join(folder, createHash('sha256').update(uri).digest('hex').slice(0, 32))
  const there = await accessFile(path).then(
    () => true,
    () => false,
  )
  if (there) return path
  await makeScratchFolder(folder)
  const unfinished = `${path}.${randomUUID()}`
  try {
    await files.download(uri, unfinished)
    await rename(unfinished, path)
  } finally {
    await rm(unfinished, { force: true }).catch(() => undefined)
  }
  return path
}
