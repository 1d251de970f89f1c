import type { SqlConnection } from './sql-connection.ts'

/**
 * The tables of Iceberg's JdbcCatalog (schema V1) and PyIceberg's SqlCatalog, which may leave `iceberg_type` out. Either of them can
 * have made the database, and can work on it beside us.
 */
const createTables = [
  `CREATE TABLE IF NOT EXISTS iceberg_tables (
     catalog_name VARCHAR(255) NOT NULL,
     table_namespace VARCHAR(255) NOT NULL,
     table_name VARCHAR(255) NOT NULL,
     metadata_location VARCHAR(1000),
     previous_metadata_location VARCHAR(1000),
     iceberg_type VARCHAR(5),
     PRIMARY KEY (catalog_name, table_namespace, table_name)
   )`,
  `CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
     catalog_name VARCHAR(255) NOT NULL,
     namespace VARCHAR(255) NOT NULL,
     property_key VARCHAR(255),
     property_value VARCHAR(1000),
     PRIMARY KEY (catalog_name, namespace, property_key)
   )`,
] as const

const requiredColumns: Readonly<Record<string, readonly string[]>> = {
  iceberg_tables: ['catalog_name', 'table_namespace', 'table_name', 'metadata_location', 'previous_metadata_location'],
  iceberg_namespace_properties: ['catalog_name', 'namespace', 'property_key', 'property_value'],
}

/**
 * Makes missing tables, checks the columns of the others, and says whether `iceberg_type` is among them.
 * @throws CATALOG_INVALID when the database has other tables of these names
 */
export async function prepareTables(connection: SqlConnection): Promise<{ readonly typed: boolean }> {
  const tables = Object.keys(requiredColumns)
  const found = await Promise.all(tables.map((table) => connection.columnsOf(table)))
  // Of two processes that make them at once, one may find them `duplicate` in spite of IF NOT EXISTS: the columns decide.
  if (found.some((columns) => columns.length === 0)) await connection.transaction(createTables.map((sql) => [sql]))
  for (const table of tables) {
    const columns = await connection.columnsOf(table)
    const missing = (requiredColumns[table] ?? []).filter((column) => !columns.includes(column))
    if (missing.length > 0) {
      throw connection.invalid(`is not an Iceberg catalog: its table ${table} has no column ${missing.join(', ')}`)
    }
  }
  return { typed: (await connection.columnsOf('iceberg_tables')).includes('iceberg_type') }
}
