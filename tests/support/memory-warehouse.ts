import { HindcastError } from '../../src/contract/errors.ts'
import {
  applyUpdates,
  conflictIn,
  newTableMetadata,
  parseTableMetadata,
  serializeTableMetadata,
  withMetadataLog,
  type Catalog,
  type CommitOutcome,
  type ListedFile,
  type NewTable,
  type Table,
  type TableChange,
  type TableIdentifier,
} from '../../src/iceberg/index.ts'
import { normalizeUri, type WarehouseFiles } from '../../src/io/files/index.ts'
import { overrideCatalog } from './override-catalog.ts'

/** A warehouse's files in memory, with the times at which they were written: thousands of histories in seconds. */
export class MemoryFiles implements WarehouseFiles {
  readonly files = new Map<string, { readonly bytes: Uint8Array; readonly modifiedMs: number }>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  put(uri: string, bytes: Uint8Array = new Uint8Array(1)): void {
    this.files.set(normalizeUri(uri), { bytes, modifiedMs: this.#now() })
  }

  get paths(): string[] {
    return [...this.files.keys()].sort()
  }

  async read(uri: string): Promise<Uint8Array> {
    const file = this.files.get(normalizeUri(uri))
    if (file === undefined) throw new HindcastError('DATA_FILE_INVALID', `no such file: ${uri}`)
    return file.bytes
  }

  async readRange(uri: string, offset: bigint, length: bigint): Promise<Uint8Array> {
    return (await this.read(uri)).subarray(Number(offset), Number(offset + length))
  }

  async create(uri: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    if (this.files.has(normalizeUri(uri))) return 'exists'
    this.put(uri, bytes)
    return 'created'
  }

  async replace(uri: string, bytes: Uint8Array): Promise<void> {
    this.put(uri, bytes)
  }

  async size(uri: string): Promise<bigint | null> {
    const file = this.files.get(normalizeUri(uri))
    return file === undefined ? null : BigInt(file.bytes.length)
  }

  async delete(uri: string): Promise<void> {
    this.files.delete(normalizeUri(uri))
  }

  async deleteAll(uris: readonly string[]): Promise<void> {
    for (const uri of uris) await this.delete(uri)
  }

  async *list(prefix: string): AsyncGenerator<ListedFile> {
    const folder = `${normalizeUri(prefix).replace(/\/+$/, '')}/`
    for (const path of this.paths) {
      const file = this.files.get(path)
      if (file === undefined || !path.startsWith(folder)) continue
      yield { path, size: BigInt(file.bytes.length), modifiedMs: file.modifiedMs }
    }
  }

  async accessTo(): Promise<null> {
    return null
  }

  adopt(): never {
    throw new Error('nothing is moved into memory')
  }

  download(): never {
    throw new Error('nothing is copied out of memory')
  }
}

/** A catalog in memory that checks and folds as the SQL catalogs do, by way of bytes. */
export function memoryCatalog(io: WarehouseFiles, now: () => number): Catalog {
  const tables = new Map<string, Table>()
  let version = 0
  const key = ({ namespace, name }: TableIdentifier): string => [...namespace, name].join('.')
  const store = async (identifier: TableIdentifier, { metadata }: Pick<Table, 'metadata'>): Promise<Table> => {
    const metadataLocation = `${metadata.location}/metadata/${String(version++).padStart(5, '0')}.metadata.json`
    const bytes = serializeTableMetadata(metadata)
    await io.create(metadataLocation, bytes)
    const table = { identifier, metadata: parseTableMetadata(bytes, metadataLocation), metadataLocation }
    tables.set(key(identifier), table)
    return table
  }
  const loadTable = async (identifier: TableIdentifier): Promise<Table> => {
    const table = tables.get(key(identifier))
    if (table === undefined) throw new HindcastError('TABLE_NOT_FOUND', key(identifier))
    return table
  }
  return overrideCatalog({} as Catalog, {
    name: 'memory',
    loadTable,
    listTables: async () => [...tables.values()].map(({ identifier }) => identifier),
    createTable: async (identifier: TableIdentifier, table: NewTable) => {
      const location = table.location ?? `file:///warehouse/${key(identifier)}`
      const uuid = '9c12d441-03fe-4693-9a96-a0705ddf69c1'
      return store(identifier, { metadata: newTableMetadata(table, { uuid, location, nowMs: now() }) })
    },
    commit: async ({ identifier }: Table, change: TableChange): Promise<CommitOutcome> => {
      const base = await loadTable(identifier)
      const reason = conflictIn(base.metadata, change)
      if (reason !== null) return { status: 'conflicted', reason }
      const metadata = withMetadataLog(applyUpdates(base.metadata, change.updates, { nowMs: now() }), base)
      return { status: 'committed', table: await store(identifier, { metadata }) }
    },
  })
}
