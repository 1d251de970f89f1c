import { resolve } from 'node:path'
import type { CatalogConfig } from '../contract/index.ts'
import type { Catalog, FileIO, Table } from '../iceberg/index.ts'
import type { SqlCatalogOptions } from './catalog-sql/index.ts'

export interface CatalogDependencies extends Omit<SqlCatalogOptions, 'name'> {
  /** Folder that relative paths of the configuration start from. */
  readonly dir: string
  /** The files of a table, by what its catalog vends with it; `io` unless given. */
  readonly tableFiles?: (table: Table) => FileIO
}

/**
 * Opens the catalog of a configuration. Each kind's code is loaded only where it is used: drivers take time to load.
 * @throws CATALOG_INVALID, CATALOG_UNAVAILABLE, ACCESS_DENIED, CONFIG_INVALID: never with a secret in their text
 */
export async function openCatalog(
  config: CatalogConfig,
  { dir, tableFiles, ...shared }: CatalogDependencies,
): Promise<Catalog> {
  switch (config.type) {
    case 'sqlite': {
      const { openSqliteCatalog } = await import('./catalog-sqlite.ts')
      return openSqliteCatalog({ ...shared, name: config.name, file: resolve(dir, config.file) })
    }
    case 'postgres': {
      const { openPostgresCatalog } = await import('./catalog-postgres.ts')
      const { type: _, name, ...server } = config
      return openPostgresCatalog({ ...shared, name, server })
    }
    case 'rest': {
      const { openRestCatalog } = await import('./catalog-rest/index.ts')
      return openRestCatalog(config, { ...shared, tableFiles: tableFiles ?? (() => shared.io) })
    }
  }
}
