/**
 * A catalog file on storage that was unmounted or moved away looks like one that was never made: made anew it is empty, everything looks
 * missing, and what runs commit to it is out of sight once the storage is back. A file is held to be away when it is missing though it was
 * used: this project has noted so, or tables lie in the warehouse.
 */
import { createHash } from 'node:crypto'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { HindcastError } from '../contract/index.ts'
import { isAbsent, type WarehouseFiles } from './files/index.ts'

export interface KnownCatalogOptions {
  /** Local path of the catalog's SQLite file. */
  readonly file: string
  /** Folder in which the project keeps its state. */
  readonly stateDir: string
  /** URI of the warehouse. */
  readonly warehouse: string
  /** Its files, by a handle that does not ask the catalog. */
  readonly io: WarehouseFiles
}

/** @throws CATALOG_UNAVAILABLE when the file is missing though it was used; what storage throws when it cannot be asked */
export async function requireKnownCatalog(options: KnownCatalogOptions): Promise<void> {
  const { file } = options
  if (await isThere(file)) return
  const why = await traceOf(options)
  // Another process may have made it meanwhile, and the table too.
  if (why === null || (await isThere(file))) return
  throw new HindcastError('CATALOG_UNAVAILABLE', `the catalog file ${file} is not there, though ${why}`, {
    hint:
      'Mount its storage, or restore it from a backup. To begin with an empty catalog, make an empty file in its place: ' +
      'tables can be registered again, each from the newest file of its metadata folder.',
    context: { file },
  })
}

/** What tells that a catalog file was used; null when nothing does. */
async function traceOf({ file, stateDir, warehouse, io }: KnownCatalogOptions): Promise<string | null> {
  if (await isThere(notePath(stateDir, file))) return 'this project has used it before'
  for await (const { path } of io.list(warehouse))
    if (path.endsWith('.metadata.json')) return `tables lie in the warehouse, such as that of ${path}`
  return null
}

/** Notes that the file is in use, unless it lies beside the note and would go away with it. Where nothing can be written, nothing is noted. */
export async function noteKnownCatalog({ file, stateDir }: KnownCatalogOptions): Promise<void> {
  if (resolve(file).startsWith(`${resolve(stateDir)}/`)) return
  const note = notePath(stateDir, file)
  if (await isThere(note)) return
  await mkdir(dirname(note), { recursive: true })
    .then(() => writeFile(note, `${file}\n`))
    .catch(() => undefined)
}

const notePath = (stateDir: string, file: string): string =>
  join(stateDir, 'catalogs', createHash('sha256').update(resolve(file)).digest('hex').slice(0, 16))

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    // What is there but cannot be looked at is for the one who opens it to complain of.
    return !isAbsent(error)
  }
}
