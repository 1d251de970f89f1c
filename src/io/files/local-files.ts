import { randomUUID } from 'node:crypto'
import { copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { mapConcurrently } from '../../iceberg/index.ts'
import { isAbsent, storageError, systemCode, withRoom } from './local-errors.ts'
import { localReader, readFully } from './read-local.ts'
import { normalizeUri, toPath, toUri } from './uri.ts'
import { badRange, checkRange, noSuchFile, otherBytes, type WarehouseFiles } from './warehouse-files.ts'

/** Deletes in flight at once. */
const deletes = 16

/**
 * Files on a local (or mounted) file system, which must have hard links: they are what makes `create` atomic.
 * @param roots URIs of folders that are not made when missing, unlike those below them: what is not there may be away
 */
export function localFiles(roots: readonly string[] = []): WarehouseFiles {
  const floors = new Set(roots.map((root) => toPath(normalizeUri(root)).replace(/\/+$/, '')))
  const guarded = async <T>(
    uri: string,
    doing: string,
    action: (path: string) => Promise<T>,
    wantedBytes?: () => Promise<number | bigint | undefined>,
  ): Promise<T> => {
    const path = toPath(uri)
    try {
      return await action(path)
    } catch (error) {
      throw await withRoom(storageError(error, doing, path), path, await wantedBytes?.())
    }
  }

  const read = localReader()
  const files: WarehouseFiles = {
    read: (uri) => guarded(uri, 'read', read),

    readRange: (uri, offset, length) =>
      guarded(uri, 'read', async (path) => {
        checkRange(path, offset, length)
        const handle = await open(path, 'r')
        try {
          const { size } = await handle.stat({ bigint: true })
          const bytes = Buffer.alloc(offset + length > size ? 0 : Number(length))
          const filled = await readFully(handle, bytes, Number(offset))
          if (offset + length > size || filled < bytes.length) {
            throw badRange(path, offset, length, `it has only ${size}`)
          }
          return bytes
        } finally {
          await handle.close()
        }
      }),

    create: (uri, bytes) =>
      guarded(
        uri,
        'create',
        async (path) => {
          // Cheaper than writing a file only to find its name taken; `link` below decides.
          if (await exists(path)) return 'exists'
          const temporary = await writeSibling(path, bytes, floors)
          return linkInto(temporary, path)
        },
        () => Promise.resolve(bytes.length),
      ),

    replace: (uri, bytes) =>
      guarded(
        uri,
        'replace',
        async (path) => {
          const temporary = await writeSibling(path, bytes, floors)
          await removeOnFailure(temporary, () => rename(temporary, path))
          await syncFolder(dirname(path))
        },
        () => Promise.resolve(bytes.length),
      ),

    adopt: (localPath, uri) =>
      guarded(
        uri,
        'create',
        async (path) => {
          await makeFolder(dirname(path), floors)
          await syncFile(localPath).catch((error: unknown) => {
            throw storageError(error, 'read', localPath)
          })
          const outcome = await linkOrCopyInto(localPath, path)
          if (outcome === 'exists' && !(await sameBytes(localPath, path))) {
            throw otherBytes(path)
          }
          await rm(localPath, { force: true })
          return outcome
        },
        async () => (await statOrNull(localPath).catch(() => null))?.size,
      ),

    download: (uri, localPath) =>
      guarded(uri, 'read', async (path) => {
        if (!(await exists(path))) throw noSuchFile(path)
        await copyFile(path, localPath).catch(async (error: unknown) => {
          throw await withRoom(storageError(error, 'write', localPath), localPath)
        })
      }),

    accessTo: async () => null,

    deleteAll: async (uris) => {
      await mapConcurrently(uris, deletes, (uri) => files.delete(uri))
    },

    size: (uri) =>
      guarded(uri, 'look at', async (path) => {
        const found = await statOrNull(path)
        return found === null || !found.isFile() ? null : found.size
      }),

    delete: (uri) =>
      guarded(uri, 'delete', async (path) => {
        await rm(path, { force: true })
      }),

    async *list(prefix) {
      const root = toPath(normalizeUri(prefix)).replace(/\/+$/, '')
      try {
        for await (const path of walk(root)) {
          const found = await statOrNull(path)
          if (found !== null) yield { path: toUri(path), size: found.size, modifiedMs: Number(found.mtimeMs) }
        }
      } catch (error) {
        throw storageError(error, 'list', root)
      }
    },
  }
  return files
}

/** Writes and flushes a file beside `path`, under a name that nothing refers to. */
async function writeSibling(path: string, bytes: Uint8Array, floors: ReadonlySet<string>): Promise<string> {
  await makeFolder(dirname(path), floors)
  const temporary = siblingName(path)
  await removeOnFailure(temporary, async () => {
    const handle = await open(temporary, 'wx')
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
  return temporary
}

const siblingName = (path: string): string => join(dirname(path), `.${randomUUID()}.tmp`)

/** Gives a flushed temporary file its name unless that is taken, and drops the temporary name either way. */
async function linkInto(temporary: string, path: string): Promise<'created' | 'exists'> {
  try {
    const outcome = await linkIfAbsent(temporary, path)
    if (outcome === 'created') await syncFolder(dirname(path))
    return outcome
  } finally {
    await rm(temporary, { force: true })
  }
}

async function linkOrCopyInto(source: string, path: string): Promise<'created' | 'exists'> {
  try {
    const outcome = await linkIfAbsent(source, path)
    if (outcome === 'created') await syncFolder(dirname(path))
    return outcome
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw error
  }
  // Scratch lies on another file system: only within one is a link possible.
  const temporary = siblingName(path)
  await removeOnFailure(temporary, async () => {
    await copyFile(source, temporary)
    await syncFile(temporary)
  })
  return linkInto(temporary, path)
}

async function linkIfAbsent(source: string, path: string): Promise<'created' | 'exists'> {
  try {
    await link(source, path)
    return 'created'
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return 'exists'
    throw error
  }
}

async function removeOnFailure(temporary: string, action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Makes a folder with its parents up to one of the floors, so that they outlive a power cut. */
async function makeFolder(path: string, floors: ReadonlySet<string>): Promise<void> {
  if (floors.has(path)) return
  try {
    await mkdir(path)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST') return
    const parent = dirname(path)
    if (code !== 'ENOENT' || floors.has(parent) || parent === path) throw error
    await makeFolder(parent, floors)
    await mkdir(path).catch((again: unknown) => {
      if (systemCode(again) !== 'EEXIST') throw again
    })
  }
  await syncFolder(dirname(path))
}

const syncFolder = syncFile

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function sameBytes(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([open(a, 'r'), open(b, 'r')])
  try {
    const size = 1 << 20
    const [left, right] = [Buffer.alloc(size), Buffer.alloc(size)]
    for (let position = 0; ; position += size) {
      const [read, other] = await Promise.all([readFully(first, left, position), readFully(second, right, position)])
      if (read !== other || left.compare(right, 0, read, 0, read) !== 0) return false
      if (read < size) return true
    }
  } finally {
    await Promise.all([first.close(), second.close()])
  }
}

async function statOrNull(path: string) {
  try {
    return await stat(path, { bigint: true })
  } catch (error) {
    if (isAbsent(error)) return null
    throw error
  }
}

const exists = async (path: string): Promise<boolean> => (await statOrNull(path)) !== null

/** Files below a folder in the order of their whole paths, so a folder sorts as its name and a slash. */
async function* walk(folder: string): AsyncGenerator<string> {
  let entries
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    // Removed since its parent was read, or never there.
    if (isAbsent(error)) return
    throw error
  }
  const children = entries.map((entry) => ({
    entry,
    // Bytes of UTF-8 compare as code points do, strings do not.
    key: Buffer.from(entry.isDirectory() ? `${entry.name}/` : entry.name),
  }))
  children.sort((a, b) => a.key.compare(b.key))
  for (const { entry } of children) {
    if (entry.isDirectory()) yield* walk(join(folder, entry.name))
    else if (entry.isFile()) yield join(folder, entry.name)
  }
}
