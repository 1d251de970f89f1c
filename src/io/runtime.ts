import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Catalog } from '../iceberg/index.ts'
import { openCatalog } from './catalog.ts'
import { openDuckDb, type DuckDb } from './duckdb.ts'
import { localFiles, toUri, type WarehouseFiles } from './files/index.ts'
import type { ProjectSettings } from './project-config.ts'

/** What the steps of a backfill work with: a project's storage, catalog, engine and clock. */
export interface Runtime {
  readonly settings: ProjectSettings
  readonly io: WarehouseFiles
  readonly catalog: Catalog
  /** URI of the warehouse, without a slash at its end. */
  readonly warehouse: string
  /** Epoch ms. */
  readonly now: () => number
  /** Runs `work` with an engine of one thread and a scratch folder of its own; both are gone afterwards. */
  withEngine<T>(work: (db: DuckDb, scratchDir: string) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** @throws what opening the catalog throws */
export async function openRuntime(settings: ProjectSettings): Promise<Runtime> {
  const io = localFiles()
  const now = Date.now
  const warehouse = toUri(settings.warehouseDir)
  const catalog = await openCatalog(settings.config.catalog, {
    dir: settings.dir,
    warehouse,
    io,
    now,
    uuid: randomUUID,
  })
  return {
    settings,
    io,
    catalog,
    warehouse,
    now,
    withEngine: async (work) => {
      const scratchDir = join(settings.scratchDir, randomUUID())
      await mkdir(scratchDir, { recursive: true })
      try {
        await using db = await openDuckDb({
          threads: 1,
          memoryLimit: settings.config.engine.memoryLimit,
          tempDirectory: join(scratchDir, 'spill'),
        })
        return await work(db, scratchDir)
      } finally {
        await rm(scratchDir, { recursive: true, force: true })
      }
    },
    close: () => catalog.close(),
  }
}
