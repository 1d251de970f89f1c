import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { openSqliteCatalog } from '../../src/io/catalog-sqlite.ts'
import { localFiles, toUri, type WarehouseFiles } from '../../src/io/files/index.ts'
import { planScan, type Table } from '../../src/iceberg/index.ts'

/** A feature table of a test's project as it is now. */
export async function loadFeatureTable(
  projectDir: string,
  view: string,
  io: WarehouseFiles = localFiles(),
): Promise<Table | null> {
  const catalog = await openSqliteCatalog({
    file: join(projectDir, '.hindcast', 'catalog.db'),
    name: 'hindcast',
    warehouse: toUri(join(projectDir, '.hindcast', 'warehouse')),
    io,
    now: Date.now,
    uuid: () => crypto.randomUUID(),
  })
  try {
    const identifier = { namespace: ['features'], name: view }
    return (await catalog.tableExists(identifier)) ? await catalog.loadTable(identifier) : null
  } finally {
    await catalog.close()
  }
}

/** sha256 of the bytes that `main` shows, by partition value; empty for a table that shows nothing. */
export async function mainBytes(
  projectDir: string,
  view: string,
  io: WarehouseFiles = localFiles(),
): Promise<ReadonlyMap<string, readonly string[]>> {
  const table = await loadFeatureTable(projectDir, view, io)
  const head = table?.metadata.refs['main']?.snapshotId ?? null
  return table === null || head === null ? new Map() : snapshotBytes(table, head, io)
}

/** As `mainBytes`, of one snapshot. */
export async function snapshotBytes(
  table: Table,
  snapshotId: bigint,
  io: WarehouseFiles = localFiles(),
): Promise<ReadonlyMap<string, readonly string[]>> {
  const hashes = new Map<string, string[]>()
  const { tasks: files } = await planScan({ table, io, snapshotId })
  for (const { dataFile } of files) {
    const key = dataFile.partition.map(String).join()
    const hash = createHash('sha256')
      .update(await io.read(dataFile.filePath))
      .digest('hex')
    hashes.set(key, [...(hashes.get(key) ?? []), hash].sort())
  }
  return new Map([...hashes].sort(([a], [b]) => (a < b ? -1 : 1)))
}
