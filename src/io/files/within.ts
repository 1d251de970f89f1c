import { readlink, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { HindcastError } from '../../contract/index.ts'
import { isAbsent, storageError } from './local-errors.ts'
import { isLocal, normalizeUri, toPath } from './uri.ts'
import type { WarehouseFiles } from './warehouse-files.ts'

/**
 * The same files, of which only those below one of `roots` (URIs of folders) may be written or deleted; reads stay as they are. Paths in
 * metadata come from whoever wrote it: none of them makes us change a file elsewhere.
 *
 * A path is refused when any reading of its text could leave: by dot segments, also percent-encoded ones, which we take literally and
 * others may not. An object in S3 must then begin with a root; a local file's folder must lie below one with every link followed.
 * (Somebody who swaps a folder for a link at that very moment can write to the warehouse already.)
 * @throws REQUEST_INVALID from every method that would change a file elsewhere
 */
export function within(files: WarehouseFiles, roots: readonly string[]): WarehouseFiles {
  const folders = roots.map((root) => `${normalizeUri(root).replace(/\/+$/, '')}/`)
  const localRoots = folders.filter(isLocal).map(toPath)

  const isBelow = async (path: string, known: RealFolders): Promise<boolean> => {
    if (!isLocal(path)) return folders.some((folder) => path.startsWith(folder) && path.length > folder.length)
    const folder = await realFolder(dirname(toPath(path)), known)
    for (const root of localRoots) if (isInside(folder, await realFolder(root, known))) return true
    return false
  }
  const check = async (uri: string, doing: string, known: RealFolders = new Map()): Promise<void> => {
    if (!hasDotSegment(uri) && (await isBelow(normalizeUri(uri), known))) return
    throw new HindcastError('REQUEST_INVALID', `${uri} lies outside the warehouse: it is not ${doing}`, {
      hint: `Files are written and deleted only below ${roots.join(', ')}. If a table is meant to lie elsewhere, name its folder in storage.alsoWritable.`,
      context: { path: uri },
    })
  }

  return {
    ...files,
    create: async (path, bytes) => {
      await check(path, 'written')
      return files.create(path, bytes)
    },
    replace: async (path, bytes) => {
      await check(path, 'written')
      return files.replace(path, bytes)
    },
    adopt: async (localPath, uri) => {
      await check(uri, 'written')
      return files.adopt(localPath, uri)
    },
    delete: async (path) => {
      await check(path, 'deleted')
      return files.delete(path)
    },
    deleteAll: async (uris) => {
      // All before the first is gone.
      const known: RealFolders = new Map()
      for (const uri of uris) await check(uri, 'deleted', known)
      return files.deleteAll(uris)
    },
  }
}

/** More layers of percent-encoding than this no honest path has. */
const maxLayers = 8

/**
 * Whether some reading of the path has a segment `.` or `..`: as it stands, or percent-decoded however often. The value of a partition
 * folder (`origin=..%2Fx`) is data, which its writer encoded so that it stays one segment.
 */
function hasDotSegment(uri: string): boolean {
  return uri.split('/').some((segment) => {
    const plain = fullyDecoded(segment)
    if (plain === null || plain.includes('\0')) return true
    const [name = ''] = plain.split('=', 1)
    const isPartition = name.length < plain.length && !/[/\\]/.test(name) && !segment.includes('\\')
    return !isPartition && plain.split(/[/\\]/).some((piece) => piece === '.' || piece === '..')
  })
}

/** Null for what is still encoded after `maxLayers`. */
function fullyDecoded(segment: string): string | null {
  let text = segment
  for (let layer = 0; layer <= maxLayers; layer++) {
    const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    if (decoded === text) return text
    text = decoded
  }
  return null
}

/** Real paths by the paths they were asked for: many files share a folder. */
type RealFolders = Map<string, Promise<string>>

function realFolder(folder: string, known: RealFolders): Promise<string> {
  const found = known.get(folder) ?? resolved(folder)
  known.set(folder, found)
  return found
}

const isInside = (folder: string, root: string): boolean =>
  folder === root || folder.startsWith(root === '/' ? root : `${root}/`)

/** The real path of a folder, which need not be there yet: then of its nearest parent that is, and the rest as it stands. */
async function resolved(folder: string): Promise<string> {
  try {
    return await realpath(folder)
  } catch (error) {
    const parent = dirname(folder)
    if (!isAbsent(error) || parent === folder) throw storageError(error, 'look at', folder)
    const target = await readlink(folder).catch(() => null)
    // A link to what is not there yet leads there nonetheless.
    if (target !== null) return resolved(resolve(await resolved(parent), target))
    return join(await resolved(parent), basename(folder))
  }
}
