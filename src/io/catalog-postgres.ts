import type { Catalog } from '../iceberg/index.ts'
import { openSqlCatalog, type SqlCatalogOptions } from './catalog-sql/index.ts'
import { connectPostgres, type PostgresOptions } from './postgres-connection.ts'

/**
 * Opens a catalog in a Postgres database, and makes its tables when they are missing. Iceberg's JdbcCatalog and PyIceberg's
 * SqlCatalog can share it.
 * @throws CATALOG_INVALID when the database is not there or has other tables of these names; ACCESS_DENIED; CATALOG_UNAVAILABLE
 */
export async function openPostgresCatalog(
  options: SqlCatalogOptions & { readonly server: PostgresOptions },
): Promise<Catalog> {
  return openSqlCatalog(connectPostgres(options.server), options)
}
