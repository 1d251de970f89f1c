import type { Catalog } from '../iceberg/index.ts'
import { openSqlCatalog, type SqlCatalogOptions } from './catalog-sql/index.ts'
import { connectSqlite } from './sqlite-connection.ts'

export interface SqliteCatalogOptions extends SqlCatalogOptions {
  /** Local path of the database; made, with its folder, when missing. */
  readonly file: string
}

/**
 * Opens, or makes, a catalog in a SQLite file that any number of processes may share.
 * @throws CATALOG_INVALID when the file is something else; CATALOG_UNAVAILABLE when it stays locked or cannot be written
 */
export async function openSqliteCatalog(options: SqliteCatalogOptions): Promise<Catalog> {
  return openSqlCatalog(await connectSqlite(options.file), options)
}
