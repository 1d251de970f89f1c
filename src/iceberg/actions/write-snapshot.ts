import { createHash } from 'node:crypto'
import { HindcastError } from '../../contract/index.ts'
import type { FileIO } from '../file-io.ts'
import { decodeManifestList, encodeManifestList } from '../manifest/manifest-list.ts'
import type { EncodedManifest } from '../manifest/manifest.ts'
import { EntryStatus, type ManifestEntry, type ManifestFile } from '../manifest/model.ts'
import { MAIN } from '../metadata/updates.ts'
import { snapshotFor } from '../metadata/snapshots.ts'
import type { Schema } from '../types/schema.ts'
import type { PartitionSpec, Snapshot, SnapshotRef, TableMetadata } from '../metadata/table-metadata.ts'
import type { Table, TableChange } from '../table.ts'

export type RefRetention = Pick<SnapshotRef, 'minSnapshotsToKeep' | 'maxSnapshotAgeMs' | 'maxRefAgeMs'>

/** The numbers that everything written for one snapshot carries. */
export interface SnapshotIdentity {
  readonly snapshotId: bigint
  readonly sequenceNumber: bigint
}

export const nextIdentity = (metadata: TableMetadata, snapshotId: bigint): SnapshotIdentity => ({
  snapshotId,
  sequenceNumber: metadata.lastSequenceNumber + 1n,
})

/** The table's default partition spec. */
export function defaultSpec(metadata: TableMetadata): PartitionSpec {
  const spec = metadata.partitionSpecs.find(({ specId }) => specId === metadata.defaultSpecId)
  if (spec !== undefined) return spec
  throw new HindcastError('INVARIANT_VIOLATED', `the table has no partition spec ${metadata.defaultSpecId}`)
}

/** The table's current schema. */
export function currentSchema(metadata: TableMetadata): Schema {
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
  if (schema !== undefined) return schema
  throw new HindcastError('INVARIANT_VIOLATED', `the table has no schema ${metadata.currentSchemaId}`)
}

export const hasLiveFiles = (manifest: ManifestFile): boolean =>
  manifest.addedFilesCount > 0 || manifest.existingFilesCount > 0

/** Manifests of the snapshot to build on, without those that only tell of deleted files: their story is the base's own. */
export async function liveManifests(io: FileIO, base: Snapshot | null): Promise<ManifestFile[]> {
  if (base === null) return []
  return decodeManifestList(await io.read(base.manifestList), base.manifestList).filter(hasLiveFiles)
}

/**
 * Writes a file whose name follows from its content. An attempt repeated on the same head finds its file; one on another head, with
 * the same snapshot id, gets another name and never takes the earlier attempt's list for its own.
 */
async function writeByContent(io: FileIO, table: TableMetadata, prefix: string, bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  const path = `${table.location.replace(/\/+$/, '')}/metadata/${prefix}-${hash}.avro`
  await io.create(path, bytes)
  return path
}

/** Writes a manifest of this snapshot. Its entries' sequence numbers are explicit, or null for those that inherit. */
export async function writeManifest(
  io: FileIO,
  metadata: TableMetadata,
  identity: SnapshotIdentity,
  encoded: EncodedManifest,
  entries: readonly ManifestEntry[],
): Promise<ManifestFile> {
  const { snapshotId, sequenceNumber } = identity
  const live = entries.filter(({ status }) => status !== EntryStatus.deleted)
  const minSequenceNumber = live.reduce((least, entry) => {
    const own = entry.sequenceNumber ?? sequenceNumber
    return own < least ? own : least
  }, sequenceNumber)
  return {
    ...encoded.manifest,
    manifestPath: await writeByContent(io, metadata, `${snapshotId}-m`, encoded.bytes),
    sequenceNumber,
    minSequenceNumber,
    addedSnapshotId: snapshotId,
  }
}

export interface NewSnapshot {
  readonly table: Table
  readonly io: FileIO
  readonly identity: SnapshotIdentity
  readonly base: Snapshot | null
  readonly branch: string
  readonly manifests: readonly ManifestFile[]
  readonly summary: Readonly<Record<string, string>>
  readonly schemaId: number
  readonly nowMs: number
  readonly retention?: RefRetention
}

/** Writes the manifest list, and gives the change that adds the snapshot and moves the branch from where the table has it now. */
export async function writeSnapshot(
  request: NewSnapshot,
): Promise<{ readonly change: TableChange; readonly snapshot: Snapshot }> {
  const { io, identity, base, branch, table } = request
  const { metadata } = table
  const bytes = encodeManifestList(request.manifests, {
    ...identity,
    parentSnapshotId: base?.snapshotId ?? null,
  })
  const snapshot: Snapshot = {
    snapshotId: identity.snapshotId,
    ...(base === null ? {} : { parentSnapshotId: base.snapshotId }),
    sequenceNumber: identity.sequenceNumber,
    // Never before the table's last change, whatever this machine's clock says.
    timestampMs: Math.max(request.nowMs, metadata.lastUpdatedMs),
    manifestList: await writeByContent(io, metadata, `snap-${identity.snapshotId}`, bytes),
    summary: request.summary,
    schemaId: request.schemaId,
  }
  const known = metadata.refs[branch]
  return {
    snapshot,
    change: {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-ref-snapshot-id', ref: branch, snapshotId: known?.snapshotId ?? null },
      ],
      updates: [
        { action: 'add-snapshot', snapshot },
        {
          action: 'set-snapshot-ref',
          refName: branch,
          ref: { ...known, ...request.retention, type: 'branch', snapshotId: snapshot.snapshotId },
        },
      ],
    },
  }
}

/** The snapshot to build on, and a check that moving the branch to a snapshot on top of it loses no commit of `main`. */
export function baseSnapshot(metadata: TableMetadata, base: bigint | null, branch: string): Snapshot | null {
  const known = metadata.refs[branch]
  if (known?.type === 'tag') {
    throw new HindcastError('REQUEST_INVALID', `${branch} is a tag, and tags don’t move`, { context: { ref: branch } })
  }
  const head = known?.snapshotId ?? null
  if (branch === MAIN && head !== base) {
    throw new HindcastError(
      'CONFLICT',
      `main is at snapshot ${head}, not ${base}: building on ${base} would lose commits`,
      {
        hint: 'Load the table again and build on its newest snapshot.',
        context: { expected: base?.toString() ?? null, found: head?.toString() ?? null },
      },
    )
  }
  return base === null ? null : snapshotFor(metadata, { snapshotId: base })
}
