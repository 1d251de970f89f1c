import { decodeManifest } from '../../src/iceberg/manifest/manifest.ts'
import { EntryStatus } from '../../src/iceberg/manifest/model.ts'
import { qualifiedName, readManifests } from '../../src/iceberg/index.ts'
import { normalizeUri } from '../../src/io/files/index.ts'
import type { Runtime } from '../../src/io/runtime.ts'

/** Every file of the warehouse. */
export async function warehouseFiles(runtime: Runtime): Promise<string[]> {
  const found: string[] = []
  for await (const { path } of runtime.io.list(runtime.warehouse)) found.push(path)
  return found
}

/** Every file that a table of the catalog refers to, found by reading all of each. */
export async function reachableFiles(runtime: Runtime): Promise<Set<string>> {
  const found = new Set<string>()
  for (const identifier of await runtime.catalog.listTables()) {
    const table = await runtime.catalog.loadTable(identifier)
    const { metadata } = table
    found.add(normalizeUri(table.metadataLocation))
    for (const { metadataFile } of metadata.metadataLog) found.add(normalizeUri(metadataFile))
    for (const snapshot of metadata.snapshots) {
      found.add(normalizeUri(snapshot.manifestList))
      const record = snapshot.summary['hindcast.record']
      // A run's folder belongs to its snapshots.
      if (record !== undefined)
        for await (const { path } of runtime.io.list(record.replace(/\/[^/]*$/, ''))) found.add(path)
      for (const manifest of await readManifests(runtime.io, snapshot)) {
        found.add(normalizeUri(manifest.manifestPath))
        const bytes = await runtime.io.read(manifest.manifestPath)
        for (const { status, dataFile } of decodeManifest(bytes, manifest, metadata))
          if (status !== EntryStatus.deleted) found.add(normalizeUri(dataFile.filePath))
      }
    }
    if (metadata.snapshots.length === 0 && found.size === 0) throw new Error(`${qualifiedName(identifier)} is empty`)
  }
  return found
}
