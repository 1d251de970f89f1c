import { HindcastError } from '../../contract/index.ts'
import { snapshotFor, type SnapshotSelector } from '../metadata/snapshots.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import type { Schema } from '../types/schema.ts'

export interface ChosenSnapshot {
  /** Null for a table that shows nothing. */
  readonly snapshot: Snapshot | null
  /** What names in a filter mean, and what a reader shows. */
  readonly schema: Schema
}

/**
 * The snapshot to read, and the schema to read it by: `main` and branches are read by the table's current schema, which is what the
 * next commit writes; a tag, a time or a snapshot id by the schema of the snapshot, as in Iceberg's Java library.
 * @throws SNAPSHOT_NOT_FOUND; REF_NOT_FOUND; METADATA_INVALID when the schema is not there
 */
export function chooseSnapshot(metadata: TableMetadata, asOf: SnapshotSelector | null): ChosenSnapshot {
  const { currentSchemaId, currentSnapshotId } = metadata
  if (asOf === null) {
    const snapshot = currentSnapshotId === null ? null : snapshotFor(metadata, { snapshotId: currentSnapshotId })
    return { snapshot, schema: schemaOf(metadata, currentSchemaId) }
  }
  const snapshot = snapshotFor(metadata, asOf)
  const isBranch = 'ref' in asOf && metadata.refs[asOf.ref]?.type === 'branch'
  return {
    snapshot,
    schema: schemaOf(metadata, isBranch ? currentSchemaId : (snapshot.schemaId ?? currentSchemaId)),
  }
}

function schemaOf(metadata: TableMetadata, id: number): Schema {
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === id)
  if (schema !== undefined) return schema
  throw new HindcastError('METADATA_INVALID', `the table has no schema ${id}`, {
    hint: 'Read another snapshot, or the newest by the current schema.',
    context: { schemaId: id },
  })
}
