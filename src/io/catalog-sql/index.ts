export { openSqlCatalog, type SqlCatalogOptions } from './sql-catalog.ts'
export type { SqlConnection, SqlRow, SqlStatement, SqlValue, TransactionOutcome } from './sql-connection.ts'
