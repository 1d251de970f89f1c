import type { FileIO } from '../file-io.ts'
import { readManifests } from '../manifest/read-manifests.ts'
import { schemasNewestFirst } from '../manifest/manifest.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import type { TableUpdate } from '../table.ts'
import { findFieldById } from '../types/types.ts'

/**
 * Takes away partition specs that no manifest of these snapshots was written under, and schemas that none of them had. What new files
 * are written with stays, and so does every schema that alone still knows the type of a remaining spec's column.
 */
export async function unusedDefinitions(
  io: FileIO,
  metadata: TableMetadata,
  snapshots: readonly Snapshot[],
): Promise<readonly TableUpdate[]> {
  const usedSpecs = await specsInUse(io, metadata, snapshots)
  const specIds = metadata.partitionSpecs.map(({ specId }) => specId).filter((specId) => !usedSpecs.has(specId))
  const usedSchemas = schemasInUse(metadata, snapshots, usedSpecs)
  const schemaIds = metadata.schemas.map(({ schemaId }) => schemaId).filter((schemaId) => !usedSchemas.has(schemaId))
  return [
    ...(specIds.length === 0 ? [] : [{ action: 'remove-partition-specs' as const, specIds }]),
    ...(schemaIds.length === 0 ? [] : [{ action: 'remove-schemas' as const, schemaIds }]),
  ]
}

async function specsInUse(
  io: FileIO,
  { defaultSpecId, partitionSpecs }: TableMetadata,
  snapshots: readonly Snapshot[],
): Promise<ReadonlySet<number>> {
  const used = new Set([defaultSpecId])
  for (const snapshot of snapshots) {
    if (used.size >= partitionSpecs.length) break
    for (const { partitionSpecId } of await readManifests(io, snapshot)) used.add(partitionSpecId)
  }
  return used
}

function schemasInUse(
  metadata: TableMetadata,
  snapshots: readonly Snapshot[],
  usedSpecs: ReadonlySet<number>,
): ReadonlySet<number> {
  const used = new Set([metadata.currentSchemaId])
  for (const { schemaId } of snapshots) if (schemaId !== undefined) used.add(schemaId)
  const newestFirst = schemasNewestFirst(metadata)
  for (const { specId, fields } of metadata.partitionSpecs) {
    if (!usedSpecs.has(specId)) continue
    for (const { sourceId, sourceIds = [sourceId] } of fields) {
      for (const id of sourceIds) {
        const known = newestFirst.filter((schema) => findFieldById(schema, id) !== undefined)
        const [newest] = known
        if (newest !== undefined && !known.some(({ schemaId }) => used.has(schemaId))) used.add(newest.schemaId)
      }
    }
  }
  return used
}
