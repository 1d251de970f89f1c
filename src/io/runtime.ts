import { randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import { isHindcastError } from '../contract/index.ts'
import { type Catalog, type Table, type TableIdentifier } from '../iceberg/index.ts'
import { openCatalog } from './catalog.ts'
import { openDuckDb, type DuckDb } from './duckdb.ts'
import { normalizeUri, openStorage, type WarehouseFiles } from './files/index.ts'
import { noteKnownCatalog, requireKnownCatalog } from './known-catalog.ts'
import type { ProjectSettings } from './project-config.ts'
import { Scratch } from './scratch.ts'

/** What the steps of a backfill work with: a project's storage, catalog, engine and clock. */
export interface Runtime {
  readonly settings: ProjectSettings
  /** The project's files: those of its runs, and of every table whose catalog vends nothing else. Written only below its roots. */
  readonly io: WarehouseFiles
  /** The files of a table, by the storage credentials that its catalog vends with it. */
  readonly tableFiles: (table: Table) => WarehouseFiles
  /** The same of a table by its name, for a step that has not loaded it; of one that is not there yet, the project's. */
  filesOf(identifier: TableIdentifier): Promise<WarehouseFiles>
  readonly catalog: Catalog
  /** URI of the warehouse, without a slash at its end. */
  readonly warehouse: string
  /** Epoch ms. */
  readonly now: () => number
  /** Bytes that an engine may account for. */
  readonly engineMemory: number
  /** Runs `work` with an engine, of one thread unless more are asked for, and a scratch folder of its own; both are gone afterwards. */
  withEngine<T>(
    work: (db: DuckDb, scratchDir: string) => Promise<T>,
    options?: { readonly threads?: number },
  ): Promise<T>
  /** The same for work that has something to do while the engine opens: the first one of a process takes as long as a plan's other steps. */
  besideEngine<T>(work: (opening: Promise<DuckDb>) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/**
 * How much of what a slice may take its engine may account for: DuckDB was found to take up to 1.4 times as much when it fills that (bench/README.md, ten
 * million keys).
 */
const accountedShare = 0.7

/** @throws what opening the catalog throws */
export async function openRuntime(settings: ProjectSettings): Promise<Runtime> {
  const { config, warehouse } = settings
  // A server answers for what it says of its tables; the other catalogs are files and rows that anybody may have written.
  const answers = config.catalog.type === 'rest'
  const {
    files: io,
    tableFiles,
    requireRoots,
  } = openStorage({
    s3: config.storage.s3,
    roots: settings.writableRoots,
    trustLocations: answers,
    hasTables: (root) => hasTablesBelow(catalog, root),
  })
  const now = Date.now
  const known = knownCatalogOf(settings)
  if (known !== null) await requireKnownCatalog(known)
  const catalog: Catalog = await openCatalog(config.catalog, {
    dir: settings.dir,
    warehouse,
    io,
    tableFiles,
    now,
    uuid: randomUUID,
  })
  if (known !== null) await noteKnownCatalog(known)
  const httpfs = httpfsOf(settings)
  const engineMemory = Math.floor(accountedShare * config.engine.memoryLimit)
  const scratch = new Scratch(settings.scratchDir)
  const whileOpening = <T>(
    work: (opening: Promise<DuckDb>, scratchDir: string) => Promise<T>,
    threads = 1,
  ): Promise<T> =>
    scratch.within(async (scratchDir) => {
      const opening = openDuckDb({
        threads,
        memoryLimit: engineMemory,
        tempDirectory: join(scratchDir, 'spill'),
        ...(httpfs === undefined ? {} : { httpfs }),
      })
      const opened = opening.catch(() => null)
      try {
        return await work(opening, scratchDir)
      } catch (error) {
        // To the engine, files on storage that went away are files that do not exist.
        if (isHindcastError(error) && error.code === 'DATA_FILE_INVALID') await requireRoots()
        throw error
      } finally {
        await (await opened)?.close()
      }
    })
  return {
    settings,
    io,
    tableFiles,
    filesOf: async (identifier) =>
      answers && (await catalog.tableExists(identifier)) ? tableFiles(await catalog.loadTable(identifier)) : io,
    catalog,
    warehouse,
    now,
    engineMemory,
    withEngine: (work, { threads } = {}) =>
      whileOpening(async (opening, scratchDir) => work(await opening, scratchDir), threads),
    besideEngine: (work) => whileOpening(work),
    close: () => catalog.close(),
  }
}

/** Of a catalog that is a file, where it lies and what tells whether it was used; null of another. */
function knownCatalogOf({ dir, stateDir, config, warehouse, writableRoots }: ProjectSettings) {
  if (config.catalog.type !== 'sqlite') return null
  const { files: io } = openStorage({ s3: config.storage.s3, roots: writableRoots })
  return { file: resolve(dir, config.catalog.file), stateDir, warehouse, io }
}

/** Whether the catalog has a table in a folder, which cannot be read when the folder is away. */
async function hasTablesBelow(catalog: Catalog, root: string): Promise<boolean> {
  for (const identifier of await catalog.listTables()) {
    try {
      const { metadata } = await catalog.loadTable(identifier)
      if (normalizeUri(metadata.location).startsWith(`${root}/`)) return true
    } catch (error) {
      if (isHindcastError(error) && error.context['root'] === root) return true
    }
  }
  return false
}

/** The extension's absolute path, `off`, or undefined for what DuckDB has installed. */
function httpfsOf({ dir, config }: ProjectSettings): string | undefined {
  const { httpfs } = config.engine
  return httpfs === undefined || httpfs === 'off' ? httpfs : resolve(dir, httpfs)
}
