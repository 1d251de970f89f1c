import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError, isHindcastError, nearest } from '../contract/index.ts'
import {
  applyUpdates,
  type Catalog,
  type CommitOutcome,
  conflictIn,
  type FileIO,
  type NewTable,
  newTableMetadata,
  parseTableMetadata,
  serializeTableMetadata,
  type Table,
  type TableChange,
  type TableIdentifier,
  type TableMetadata,
  withMetadataLog,
  qualifiedName,
} from '../iceberg/index.ts'
import { connectSqlite, invalidCatalog, isConstraintViolation, type SqliteConnection } from './sqlite-connection.ts'

export interface SqliteCatalogOptions {
  /** Local path of the database; made, with its folder, when missing. */
  readonly file: string
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
 * The tables of Iceberg's JdbcCatalog (schema V1) and PyIceberg's SqlCatalog, which leaves `iceberg_type` out. Either of them can
 * have made the file, and can work on it beside us.
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
 * Opens, or makes, a catalog in a SQLite file that any number of processes may share.
 * @throws CATALOG_INVALID when the file is something else; CATALOG_UNAVAILABLE when it stays locked or cannot be written
 */
export async function openSqliteCatalog(options: SqliteCatalogOptions): Promise<Catalog> {
  const connection = await connectSqlite(options.file)
  try {
    const typed = await prepareTables(connection, options.file)
    return new SqliteCatalog(connection, options, typed)
  } catch (error) {
    connection.close()
    throw error
  }
}

/** Makes missing tables, checks the columns of the others, and says whether `iceberg_type` is among them. */
async function prepareTables(connection: SqliteConnection, file: string): Promise<boolean> {
  const columnsOf = async (table: string): Promise<string[]> =>
    (await connection.all(`SELECT name FROM pragma_table_info(?)`, table)).map((row) => String(row['name']))
  const tables = Object.keys(requiredColumns)
  const found = await Promise.all(tables.map(columnsOf))
  if (found.some((columns) => columns.length === 0)) await connection.transaction(createTables.map((sql) => [sql]))
  for (const table of tables) {
    const columns = await columnsOf(table)
    const missing = (requiredColumns[table] ?? []).filter((column) => !columns.includes(column))
    if (missing.length > 0) {
      throw invalidCatalog(file, `is not an Iceberg catalog: its table ${table} has no column ${missing.join(', ')}`)
    }
  }
  return (await columnsOf('iceberg_tables')).includes('iceberg_type')
}

class SqliteCatalog implements Catalog {
  readonly name: string
  readonly #connection: SqliteConnection
  readonly #options: SqliteCatalogOptions
  readonly #typed: boolean
  /** Keeps the views that Iceberg's Java catalog stores beside the tables out of sight. */
  readonly #onlyTables: string

  constructor(connection: SqliteConnection, options: SqliteCatalogOptions, typed: boolean) {
    this.name = options.name
    this.#connection = connection
    this.#options = options
    this.#typed = typed
    this.#onlyTables = typed ? `AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)` : ''
  }

  async loadTable(identifier: TableIdentifier): Promise<Table> {
    const location = await this.#metadataLocation(identifier)
    if (location === null) throw await this.#notFound(identifier)
    return this.#loadFrom(identifier, location)
  }

  async tableExists(identifier: TableIdentifier): Promise<boolean> {
    return (await this.#metadataLocation(identifier)) !== null
  }

  async createTable(identifier: TableIdentifier, table: NewTable): Promise<Table> {
    checkNames(identifier)
    const exists = (cause?: unknown): HindcastError =>
      new HindcastError('CONFLICT', `table ${qualifiedName(identifier)} already exists`, {
        hint: 'Load it instead, or choose another name.',
        context: { table: qualifiedName(identifier) },
        cause,
      })
    if (await this.tableExists(identifier)) throw exists()
    const { warehouse, uuid, now } = this.#options
    const location =
      table.location ?? [warehouse.replace(/\/+$/, ''), ...identifier.namespace, identifier.name].join('/')
    const metadata = newTableMetadata(table, { location, uuid: uuid(), nowMs: now() })
    const metadataLocation = await this.#writeMetadata(metadata, 0)
    const namespace = identifier.namespace.join('.')
    try {
      await this.#connection.transaction([
        [
          `INSERT OR IGNORE INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
           VALUES (?, ?, 'exists', 'true')`,
          this.name,
          namespace,
        ],
        [
          `INSERT INTO iceberg_tables
             (catalog_name, table_namespace, table_name, metadata_location${this.#typed ? ', iceberg_type' : ''})
           VALUES (?, ?, ?, ?${this.#typed ? `, 'TABLE'` : ''})`,
          this.name,
          namespace,
          identifier.name,
          metadataLocation,
        ],
      ])
    } catch (error) {
      if (!isConstraintViolation(error)) throw error
      await this.#options.io.delete(metadataLocation)
      throw exists(error)
    }
    return { identifier, metadata, metadataLocation }
  }

  async commit(table: Table, change: TableChange): Promise<CommitOutcome> {
    const { identifier } = table
    let base = table
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      if (attempt > 0) await delay(Math.random() * Math.min(10 * 2 ** attempt, 500))
      const location = await this.#metadataLocation(identifier)
      if (location === null) throw await this.#notFound(identifier)
      if (location !== base.metadataLocation) base = await this.#loadFrom(identifier, location)
      const replaced = base.metadata.tableUuid !== table.metadata.tableUuid
      const reason = replaced ? 'the table was replaced by another of the same name' : conflictIn(base.metadata, change)
      if (reason !== null) return { status: 'conflicted', reason }
      const outcome = await this.#swap(base, change)
      if (outcome !== 'lost') return outcome
    }
    return { status: 'conflicted', reason: `other writers won ${maxAttempts} times in a row` }
  }

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

  async close(): Promise<void> {
    this.#connection.close()
  }

  /** Writes the next metadata file and makes it the table's, if `base` still is. */
  async #swap(base: Table, change: TableChange): Promise<CommitOutcome | 'lost'> {
    const { identifier } = base
    const updated = applyUpdates(base.metadata, change.updates, { nowMs: this.#options.now() })
    const metadata = withMetadataLog(updated, base)
    const metadataLocation = await this.#writeMetadata(metadata, versionOf(base.metadataLocation) + 1)
    const committed: CommitOutcome = { status: 'committed', table: { identifier, metadata, metadataLocation } }
    let changed: number | undefined
    try {
      ;[changed] = await this.#connection.transaction([
        [
          `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?
           WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`,
          metadataLocation,
          base.metadataLocation,
          this.name,
          identifier.namespace.join('.'),
          identifier.name,
          base.metadataLocation,
        ],
      ])
    } catch (error) {
      // The commit itself may have failed half-way: what the file says now decides, and if it says nothing, nothing is known.
      const current = await this.#metadataLocation(identifier).catch(() => undefined)
      if (current === metadataLocation) return committed
      if (current !== base.metadataLocation) return { status: 'unknown', cause: error }
      await this.#options.io.delete(metadataLocation)
      throw error
    }
    if (changed === 1) return committed
    await this.#options.io.delete(metadataLocation)
    return 'lost'
  }

  async #writeMetadata(metadata: TableMetadata, version: number): Promise<string> {
    const name = `${String(version).padStart(5, '0')}-${this.#options.uuid()}.metadata.json`
    const location = `${metadata.location.replace(/\/+$/, '')}/metadata/${name}`
    if ((await this.#options.io.create(location, serializeTableMetadata(metadata))) === 'exists') {
      throw new HindcastError('INVARIANT_VIOLATED', `the new metadata file ${location} already exists`)
    }
    return location
  }

  async #loadFrom(identifier: TableIdentifier, metadataLocation: string): Promise<Table> {
    const fail = (why: string, cause: unknown): HindcastError =>
      new HindcastError('METADATA_INVALID', `table ${qualifiedName(identifier)} cannot be loaded: ${why}`, {
        hint: 'Restore the metadata file the catalog points at, or register the table again from an older one.',
        context: { table: qualifiedName(identifier), path: metadataLocation },
        cause,
      })
    let bytes: Uint8Array
    try {
      bytes = await this.#options.io.read(metadataLocation)
    } catch (error) {
      if (isHindcastError(error) && error.code === 'DATA_FILE_INVALID') throw fail(error.message, error)
      throw error
    }
    return { identifier, metadata: parseTableMetadata(bytes, metadataLocation), metadataLocation }
  }

  async #metadataLocation(identifier: TableIdentifier): Promise<string | null> {
    const [row] = await this.#connection.all(
      `SELECT metadata_location FROM iceberg_tables
       WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? ${this.#onlyTables}`,
      this.name,
      identifier.namespace.join('.'),
      identifier.name,
    )
    const location = row?.['metadata_location']
    return typeof location === 'string' ? location : null
  }

  async #notFound(identifier: TableIdentifier): Promise<HindcastError> {
    const names = (await this.listTables()).map(qualifiedName)
    const near = nearest(qualifiedName(identifier), names)
    const known = names.length === 0 ? 'The catalog has no tables yet.' : `Tables: ${names.slice(0, 20).join(', ')}.`
    return new HindcastError(
      'TABLE_NOT_FOUND',
      `there is no table ${qualifiedName(identifier)} in catalog ${this.name}`,
      {
        hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : known,
        context: { table: qualifiedName(identifier), nearest: near },
      },
    )
  }
}

/** Names become folders and are joined by dots. */
function checkNames(identifier: TableIdentifier): void {
  const parts = [...identifier.namespace, identifier.name]
  const bad = parts.find((part) => !/^[\p{L}\p{N}_][\p{L}\p{N}_-]*$/u.test(part))
  if (identifier.namespace.length > 0 && bad === undefined) return
  throw new HindcastError('REQUEST_INVALID', `"${qualifiedName(identifier)}" is no name for a table`, {
    hint: 'Write namespace.table, of letters, digits, _ and -.',
    context: { table: qualifiedName(identifier) },
  })
}

const versionOf = (metadataLocation: string): number => Number(/\/v?(\d+)[^/]*$/.exec(metadataLocation)?.[1] ?? 0)
