/**
 * A local folder whose storage was unmounted or moved away looks like an empty one: tables would have no files, plans would say that all is
 * missing, and what is written would lie on a bare mount point, out of sight once the storage is back. A root is held to be away when it is
 * missing or empty though something lies in it: this process has seen it hold something, or a file in it is named by a table.
 */
import { mkdir, opendir } from 'node:fs/promises'
import { HindcastError, isHindcastError } from '../../contract/index.ts'
import { isAbsent, storageError } from './local-errors.ts'
import { isLocal, normalizeUri, toPath } from './uri.ts'
import type { WarehouseFiles } from './warehouse-files.ts'

/** Whether tables are known to lie below a root, by its URI; asked when it is missing or empty. */
export type HasTables = (root: string) => Promise<boolean>

export interface PresentRoots {
  /** The same files. @throws STORAGE_UNAVAILABLE from every method, naming the root that is away */
  guard(files: WarehouseFiles): WarehouseFiles
  /** @throws STORAGE_UNAVAILABLE when one of the roots is away */
  readonly requireAll: () => Promise<void>
}

/** @param roots URIs of folders; those in S3 are passed over: an absent bucket says so itself */
export function presentRoots(roots: readonly string[], hasTables: HasTables): PresentRoots {
  const uris = roots.map((root) => normalizeUri(root).replace(/\/+$/, '')).filter(isLocal)
  const inUse = new Set<string>()
  const unused = new Set<string>()

  const rootOf = (uri: string): string | undefined => {
    const path = normalizeUri(uri)
    return uris.find((root) => path === root || path.startsWith(`${root}/`))
  }
  const isUsed = async (root: string): Promise<boolean> => {
    if (inUse.has(root)) return true
    if (unused.has(root)) return false
    const used = await hasTables(root)
    ;(used ? inUse : unused).add(root)
    return used
  }
  const requireRoot = async (root: string, doing: string, isNamed = false): Promise<Content> => {
    const found = await contentOf(toPath(root))
    if (found === 'something') inUse.add(root)
    else if (isNamed || (await isUsed(root))) throw away(root, doing, found)
    return found
  }
  /** Makes a root that is new. */
  const writing = async <T>(uri: string, action: () => Promise<T>): Promise<T> => {
    const root = rootOf(uri)
    if (root === undefined) return action()
    if ((await requireRoot(root, `write ${uri}`)) === 'no folder')
      await mkdir(toPath(root), { recursive: true }).catch((error: unknown) => {
        throw storageError(error, 'create', toPath(root))
      })
    try {
      const done = await action()
      if (!inUse.has(root)) await requireRoot(root, `write ${uri}`)
      return done
    } catch (error) {
      if (isHindcastError(error) && error.code === 'STORAGE_UNAVAILABLE') await requireRoot(root, `write ${uri}`)
      throw error
    }
  }
  const check = async (uri: string, doing: string, isNamed = false): Promise<void> => {
    const root = rootOf(uri)
    if (root !== undefined) await requireRoot(root, `${doing} ${uri}`, isNamed)
  }
  const named = async <T>(uri: string, action: () => Promise<T>): Promise<T> => {
    try {
      return await action()
    } catch (error) {
      if (isHindcastError(error) && error.code === 'DATA_FILE_INVALID') await check(uri, 'read', true)
      throw error
    }
  }

  return {
    guard: (files) => ({
      ...files,
      read: (path) => named(path, () => files.read(path)),
      readRange: (path, offset, length) => named(path, () => files.readRange(path, offset, length)),
      download: (uri, localPath) => named(uri, () => files.download(uri, localPath)),
      create: (path, bytes) => writing(path, () => files.create(path, bytes)),
      replace: (path, bytes) => writing(path, () => files.replace(path, bytes)),
      adopt: (localPath, uri) => writing(uri, () => files.adopt(localPath, uri)),
      delete: async (path) => {
        await check(path, 'delete')
        return files.delete(path)
      },
      deleteAll: async (paths) => {
        for (const root of new Set(paths.flatMap((path) => rootOf(path) ?? []))) await requireRoot(root, 'delete files')
        return files.deleteAll(paths)
      },
      size: async (path) => {
        const found = await files.size(path)
        if (found === null) await check(path, 'look at')
        return found
      },
      async *list(prefix) {
        yield* files.list(prefix)
        // What went away meanwhile makes a list short.
        await check(prefix, 'list')
      },
    }),
    requireAll: async () => {
      for (const root of uris) await requireRoot(root, 'go on')
    },
  }
}

/** Hidden names, of probes and unfinished files too, and what a new file system begins with. */
const isNobodys = (name: string): boolean => name.startsWith('.') || name === 'lost+found'

type Content = 'nothing' | 'no folder' | 'something'

async function contentOf(path: string): Promise<Content> {
  try {
    // Leaving the loop closes the folder.
    for await (const { name } of await opendir(path)) if (!isNobodys(name)) return 'something'
    return 'nothing'
  } catch (error) {
    if (isAbsent(error)) return 'no folder'
    throw storageError(error, 'list', path)
  }
}

const away = (root: string, doing: string, found: Content): HindcastError =>
  new HindcastError(
    'STORAGE_UNAVAILABLE',
    `cannot ${doing}: the folder ${toPath(root)} ${found === 'nothing' ? 'is empty' : 'is not there'}, though tables lie in it`,
    {
      hint: 'Mount its storage again, or move the folder back. A run that is still going tries again by itself.',
      context: { root },
    },
  )
