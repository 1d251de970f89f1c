import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError, isHindcastError } from '../../contract/index.ts'
import {
  applyUpdates,
  type Catalog,
  type CommitOutcome,
  conflictIn,
  type FileIO,
  type NewTable,
  newTableMetadata,
  qualifiedName,
  type Table,
  type TableChange,
  type TableIdentifier,
  withMetadataLog,
} from '../../iceberg/index.ts'
import {
  checkNamespaceName,
  checkTableName,
  namespaceNotEmptyError,
  tableExistsError,
  tableNotFoundError,
} from '../catalog-names.ts'
import { forgottenFiles, metadataVersion, readMetadata, writeMetadata } from './metadata-files.ts'
import type { SqlConnection, SqlStatement } from './sql-connection.ts'
import { prepareTables } from './sql-tables.ts'

export interface SqlCatalogOptions {
  readonly name: string
  /** URI of the folder below which tables are created. */
  readonly warehouse: string
  readonly io: FileIO
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly uuid: () => string
}

/** Enough for many writers of one table: with 4, a few busy ones starve each other. */
const maxAttempts = 30

/**
 * A catalog in a database's tables, which are made when missing; the connection is closed with it, or on failure.
 * @throws CATALOG_INVALID when the database has other tables of these names
 */
export async function openSqlCatalog(connection: SqlConnection, options: SqlCatalogOptions): Promise<Catalog> {
  try {
    const { typed } = await prepareTables(connection)
    return new SqlCatalog(connection, options, typed)
  } catch (error) {
    await connection.close()
    throw error
  }
}

class SqlCatalog implements Catalog {
  readonly name: string
  readonly #connection: SqlConnection
  readonly #options: SqlCatalogOptions
  readonly #typed: boolean
  /** Keeps the views that Iceberg's Java catalog stores beside the tables out of sight. */
  readonly #onlyTables: string

  constructor(connection: SqlConnection, options: SqlCatalogOptions, typed: boolean) {
    this.name = options.name
    this.#connection = connection
    this.#options = options
    this.#typed = typed
    this.#onlyTables = typed ? `AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)` : ''
  }

  async loadTable(identifier: TableIdentifier): Promise<Table> {
    let last: unknown
    let tried: string | null = null
    for (;;) {
      const location = await this.#metadataLocation(identifier)
      if (location === null) throw await this.#notFound(identifier)
      if (location === tried) throw last
      try {
        return await this.#loadFrom(identifier, location)
      } catch (error) {
        // The file may have gone with a commit since its location was read: a broken table still points at it.
        if (!isHindcastError(error) || error.code !== 'METADATA_INVALID') throw error
        tried = location
        last = error
      }
    }
  }

  async tableExists(identifier: TableIdentifier): Promise<boolean> {
    return (await this.#metadataLocation(identifier)) !== null
  }

  async createTable(identifier: TableIdentifier, table: NewTable): Promise<Table> {
    checkTableName(identifier)
    if (await this.tableExists(identifier)) throw tableExistsError(identifier)
    const { warehouse, uuid, now, io } = this.#options
    const location =
      table.location ?? [warehouse.replace(/\/+$/, ''), ...identifier.namespace, identifier.name].join('/')
    const metadata = newTableMetadata(table, { location, uuid: uuid(), nowMs: now() })
    const metadataLocation = await writeMetadata(io, metadata, { version: 0, uuid: uuid() })
    const inserted = await this.#insert(identifier, metadataLocation)
    if (inserted !== 'done') await io.delete(metadataLocation)
    if (inserted === 'exists') throw tableExistsError(identifier)
    return { identifier, metadata, metadataLocation }
  }

  async registerTable(identifier: TableIdentifier, metadataLocation: string): Promise<Table> {
    checkTableName(identifier)
    const table = await this.#loadFrom(identifier, metadataLocation)
    if ((await this.#insert(identifier, metadataLocation)) === 'exists') throw tableExistsError(identifier)
    return table
  }

  async dropTable(identifier: TableIdentifier): Promise<void> {
    const dropped = await this.#change([
      `DELETE FROM iceberg_tables WHERE ${itsRow} ${this.#onlyTables}`,
      ...this.#key(identifier),
    ])
    if (dropped === 0) throw await this.#notFound(identifier)
  }

  async renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void> {
    checkTableName(to)
    await this.createNamespace(to.namespace)
    const renamed = await this.#change([
      `UPDATE iceberg_tables SET table_namespace = ?, table_name = ? WHERE ${itsRow} ${this.#onlyTables}`,
      to.namespace.join('.'),
      to.name,
      ...this.#key(from),
    ])
    if (renamed === 'duplicate') throw tableExistsError(to)
    if (renamed === 0) throw await this.#notFound(from)
  }

  async commit(table: Table, change: TableChange): Promise<CommitOutcome> {
    const { identifier } = table
    let base = table
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      if (attempt > 0) await delay(Math.random() * Math.min(10 * 2 ** attempt, 500))
      const location = await this.#metadataLocation(identifier)
      if (location !== base.metadataLocation) base = await this.loadTable(identifier)
      const replaced = base.metadata.tableUuid !== table.metadata.tableUuid
      const reason = replaced ? 'the table was replaced by another of the same name' : conflictIn(base.metadata, change)
      if (reason !== null) return { status: 'conflicted', reason }
      const outcome = await this.#swap(base, change)
      if (outcome !== 'lost') return outcome
    }
    return { status: 'conflicted', reason: `other writers won ${maxAttempts} times in a row` }
  }

  /** Refs are part of the metadata that we write ourselves. */
  async requireBranches(): Promise<void> {}

  async listTables(namespace?: readonly string[]): Promise<readonly TableIdentifier[]> {
    const rows = await this.#connection.all(
      `SELECT table_namespace, table_name FROM iceberg_tables WHERE catalog_name = ? ${this.#onlyTables}
       ${namespace === undefined ? '' : 'AND table_namespace = ?'} ORDER BY table_namespace, table_name`,
      ...(namespace === undefined ? [this.name] : [this.name, namespace.join('.')]),
    )
    return rows.map((row) => ({
      namespace: String(row['table_namespace']).split('.'),
      name: String(row['table_name']),
    }))
  }

  async listNamespaces(parent: readonly string[] = []): Promise<readonly (readonly string[])[]> {
    const below = (await this.#namespaces())
      .filter((levels) => levels.length > parent.length && parent.every((level, i) => level === levels[i]))
      .map((levels) => levels.slice(0, parent.length + 1).join('.'))
    return [...new Set(below)].sort().map((name) => name.split('.'))
  }

  async createNamespace(namespace: readonly string[]): Promise<void> {
    checkNamespaceName(namespace)
    await this.#change(this.#noteNamespace(namespace))
  }

  async dropNamespace(namespace: readonly string[]): Promise<boolean> {
    const tables = await this.listTables(namespace)
    if (tables.length > 0 || (await this.listNamespaces(namespace)).length > 0) throw namespaceNotEmptyError(namespace)
    const dropped = await this.#change([
      'DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ?',
      this.name,
      namespace.join('.'),
    ])
    return dropped !== 0
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  /** Writes the next metadata file and makes it the table's, if `base` still is. */
  async #swap(base: Table, change: TableChange): Promise<CommitOutcome | 'lost'> {
    const { identifier } = base
    const { io, now, uuid } = this.#options
    const updated = applyUpdates(base.metadata, change.updates, { nowMs: now() })
    const metadata = withMetadataLog(updated, base)
    const forgotten = forgottenFiles(base.metadata, metadata)
    const version = metadataVersion(base.metadataLocation) + 1
    const metadataLocation = await writeMetadata(io, metadata, { version, uuid: uuid() })
    const outcome = await this.#connection
      .transaction([
        [
          `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?
           WHERE ${itsRow} AND metadata_location = ?`,
          metadataLocation,
          base.metadataLocation,
          ...this.#key(identifier),
          base.metadataLocation,
        ],
      ])
      .catch(async (error: unknown) => {
        await io.delete(metadataLocation)
        throw error
      })
    const committed: CommitOutcome = { status: 'committed', table: { identifier, metadata, metadataLocation } }
    if (outcome.status === 'unknown') {
      return (await this.#landed(identifier, metadataLocation))
        ? committed
        : { status: 'unknown', cause: outcome.cause }
    }
    if (outcome.status === 'committed' && outcome.changes[0] === 1) {
      // One that stays does no harm: the commit stands.
      await Promise.all(forgotten.map((path) => io.delete(path).catch(() => undefined)))
      return committed
    }
    await io.delete(metadataLocation)
    return 'lost'
  }

  /** Whether the table's newest state is, or stands on, this metadata file; false where that cannot be found out. */
  async #landed(identifier: TableIdentifier, metadataLocation: string): Promise<boolean> {
    try {
      const current = await this.#metadataLocation(identifier, this.#connection.waitClause)
      if (current === null || current === metadataLocation) return current !== null
      const { metadata } = await this.#loadFrom(identifier, current)
      return metadata.metadataLog.some(({ metadataFile }) => metadataFile === metadataLocation)
    } catch {
      return false
    }
  }

  /** Adds the table's row, and the namespace where it is missing. `'exists'`: nothing was changed. */
  async #insert(identifier: TableIdentifier, metadataLocation: string): Promise<'done' | 'exists'> {
    const outcome = await this.#connection.transaction([
      this.#noteNamespace(identifier.namespace),
      [
        `INSERT INTO iceberg_tables
           (catalog_name, table_namespace, table_name, metadata_location${this.#typed ? ', iceberg_type' : ''})
         VALUES (?, ?, ?, ?${this.#typed ? `, 'TABLE'` : ''})`,
        ...this.#key(identifier),
        metadataLocation,
      ],
    ])
    if (outcome.status === 'duplicate') return 'exists'
    if (outcome.status === 'unknown' && !(await this.#landed(identifier, metadataLocation))) {
      throw this.#unanswered(`the table ${qualifiedName(identifier)} was made`, outcome.cause)
    }
    return 'done'
  }

  /** Runs one statement and says how many rows it changed. */
  async #change(statement: SqlStatement): Promise<number | 'duplicate'> {
    const outcome = await this.#connection.transaction([statement])
    if (outcome.status === 'unknown') throw this.#unanswered('the change was made', outcome.cause)
    return outcome.status === 'duplicate' ? 'duplicate' : (outcome.changes[0] ?? 0)
  }

  #unanswered(what: string, cause: unknown): HindcastError {
    return new HindcastError(
      'CATALOG_UNAVAILABLE',
      `the connection to catalog ${this.name} broke before it said that ${what}`,
      {
        hint: 'Look whether it is there before you try again.',
        cause,
      },
    )
  }

  #noteNamespace(namespace: readonly string[]): SqlStatement {
    return [
      `INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
       VALUES (?, ?, 'exists', 'true') ON CONFLICT DO NOTHING`,
      this.name,
      namespace.join('.'),
    ]
  }

  async #namespaces(): Promise<readonly (readonly string[])[]> {
    const rows = await this.#connection.all(
      `SELECT table_namespace AS namespace FROM iceberg_tables WHERE catalog_name = ?
       UNION SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?`,
      this.name,
      this.name,
    )
    return rows.map((row) => String(row['namespace']).split('.'))
  }

  #key(identifier: TableIdentifier): [string, string, string] {
    return [this.name, identifier.namespace.join('.'), identifier.name]
  }

  async #metadataLocation(identifier: TableIdentifier, clause = ''): Promise<string | null> {
    const [row] = await this.#connection.all(
      `SELECT metadata_location FROM iceberg_tables WHERE ${itsRow} ${this.#onlyTables} ${clause}`,
      ...this.#key(identifier),
    )
    const location = row?.['metadata_location']
    return typeof location === 'string' ? location : null
  }

  async #loadFrom(identifier: TableIdentifier, metadataLocation: string): Promise<Table> {
    const metadata = await readMetadata(this.#options.io, identifier, metadataLocation)
    return { identifier, metadata, metadataLocation }
  }

  async #notFound(identifier: TableIdentifier): Promise<HindcastError> {
    return tableNotFoundError(identifier, this.name, await this.listTables())
  }
}

const itsRow = 'catalog_name = ? AND table_namespace = ? AND table_name = ?'
