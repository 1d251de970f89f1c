import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { planScan } from '../../src/iceberg/scan/plan-scan.ts'
import type { Catalog, Table } from '../../src/iceberg/table.ts'
import { openSqliteCatalog } from '../../src/io/catalog-sqlite.ts'
import { openDuckDb, type DuckDb } from '../../src/io/duckdb.ts'
import { importFiles, type ImportRequest, type ImportResult } from '../../src/io/import-files.ts'
import { localFiles, toUri, type WarehouseFiles } from '../../src/io/files/index.ts'
import { tableRelation } from '../../src/io/table-read.ts'
import { tempDir } from './temp-dir.ts'

/** A project's storage in a temporary folder: catalog, warehouse and engine, all gone at the end of the `await using` block. */
export interface TestWarehouse extends AsyncDisposable {
  readonly dir: string
  readonly catalogFile: string
  /** URI. */
  readonly warehouse: string
  readonly scratchDir: string
  readonly io: WarehouseFiles
  readonly db: DuckDb
  readonly catalog: Catalog
  /** Opens the same catalog once more, or another file, over these files; closed with the warehouse. */
  openCatalog(file?: string, files?: WarehouseFiles): Promise<Catalog>
  import(request: Pick<ImportRequest, 'files' | 'table' | 'eventTime'> & Partial<ImportRequest>): Promise<ImportResult>
  /** What stands behind FROM to read what the table shows. */
  relation(table: Table): Promise<string>
  /** Rows of what the table shows, by SQL with the relation in place of `?`. */
  query<T>(table: Table, sql: string): Promise<T[]>
}

export async function testWarehouse(threads = 1): Promise<TestWarehouse> {
  const dir = await tempDir()
  const io = localFiles()
  const catalogFile = join(dir.path, 'catalog.db')
  const warehouse = toUri(join(dir.path, 'warehouse'))
  const scratchDir = join(dir.path, 'scratch')
  const opened: Catalog[] = []
  const openCatalog = async (file = catalogFile, files: WarehouseFiles = io): Promise<Catalog> => {
    const catalog = await openSqliteCatalog({
      file,
      name: 'hindcast',
      warehouse,
      io: files,
      now: Date.now,
      uuid: randomUUID,
    })
    opened.push(catalog)
    return catalog
  }
  const catalog = await openCatalog()
  const db = await openDuckDb({ threads, memoryLimit: '1GB', tempDirectory: join(scratchDir, 'spill') })
  const relation = async (table: Table): Promise<string> => {
    const { metadata } = table
    const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
    if (schema === undefined) throw new Error('the table has no schema')
    const { tasks } = await planScan({ io, table })
    return (await tableRelation(db, { metadata, schema, tasks, io })).sql
  }
  let lastSnapshotId = 1000n
  return {
    dir: dir.path,
    catalogFile,
    warehouse,
    scratchDir,
    io,
    db,
    catalog,
    openCatalog,
    import: (request) =>
      importFiles({ catalog, io, db, now: Date.now, newSnapshotId: () => ++lastSnapshotId, scratchDir, ...request }),
    relation,
    query: async <T>(table: Table, sql: string) => {
      const from = await relation(table)
      return db.rows<T>(sql.replace('?', () => from))
    },
    [Symbol.asyncDispose]: async () => {
      await db.close()
      for (const each of opened) await each.close()
      await dir[Symbol.asyncDispose]()
    },
  }
}
