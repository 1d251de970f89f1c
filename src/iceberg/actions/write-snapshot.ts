/** What every action on files shares: building a snapshot out of manifests, and the change that adds it and moves its branch. */
import { createHash } from 'node:crypto'
import { HindcastError } from '../../contract/index.ts'
import type { FileIO } from '../file-io.ts'
import { avroCompression } from '../avro/compression.ts'
import { encodeManifestList } from '../manifest/manifest-list.ts'
import { encodeManifest, type EncodedManifest } from '../manifest/manifest.ts'
import { EntryStatus, hasLiveFiles, type ManifestEntry, type ManifestFile } from '../manifest/model.ts'
import { readManifests } from '../manifest/read-manifests.ts'
import { assignFirstRowIds } from '../manifest/row-ids.ts'
import { MAIN } from '../metadata/updates.ts'
import { metadataFolder } from '../metadata/properties.ts'
import { snapshotFor } from '../metadata/snapshots.ts'
import type { Schema } from '../types/schema.ts'
import type { PartitionSpec, Snapshot, SnapshotRef, TableMetadata } from '../metadata/table-metadata.ts'
import type { Table, TableChange } from '../table.ts'

export type RefRetention = Pick<SnapshotRef, 'minSnapshotsToKeep' | 'maxSnapshotAgeMs' | 'maxRefAgeMs'>

/** What every action that makes a snapshot is given. */
export interface SnapshotRequest {
  readonly table: Table
  readonly io: FileIO
  /** Fixed before the first attempt, so that a retry finds its own snapshot. Below 2^53, for readers whose JSON has only doubles. */
  readonly snapshotId: bigint
  /** Epoch ms. */
  readonly nowMs: number
  /** `main` unless given. A branch that does not exist begins at the head of `main`. */
  readonly branch?: string
  /** Keys of the caller's own. */
  readonly summary?: Readonly<Record<string, string>>
  readonly refRetention?: RefRetention
}

export interface SnapshotResult {
  readonly change: TableChange
  readonly snapshot: Snapshot
  /** URIs of the files written for it. Garbage if the change is surely not committed, and no other attempt names them. */
  readonly written: readonly string[]
  /** Those among them that it does not name, such as manifests that were merged at once: garbage as soon as it is committed. */
  readonly unused: readonly string[]
}

/** One attempt at a snapshot: its numbers, and what it has written so far. */
export interface SnapshotWriter {
  readonly metadata: TableMetadata
  readonly io: FileIO
  readonly snapshotId: bigint
  readonly sequenceNumber: bigint
  readonly written: string[]
  /** Entries of the manifests that it wrote, by path: read back they would lose row ids, for no manifest list gave them any yet. */
  readonly entries: Map<string, readonly ManifestEntry[]>
}

/** @throws FEATURE_UNSUPPORTED for a table of version 1 */
export function snapshotWriter({ table, io, snapshotId }: SnapshotRequest): SnapshotWriter {
  const { metadata } = table
  if (metadata.formatVersion === 1) {
    throw new HindcastError('FEATURE_UNSUPPORTED', 'the table has format version 1, which is only read', {
      hint: 'Raise it to version 2 first, by the update upgrade-format-version (Spark: ALTER TABLE … SET TBLPROPERTIES).',
    })
  }
  return { metadata, io, snapshotId, sequenceNumber: metadata.lastSequenceNumber + 1n, written: [], entries: new Map() }
}

/** @throws INVARIANT_VIOLATED */
export function specOf(metadata: TableMetadata, specId: number): PartitionSpec {
  const spec = metadata.partitionSpecs.find((candidate) => candidate.specId === specId)
  if (spec !== undefined) return spec
  throw new HindcastError('INVARIANT_VIOLATED', `the table has no partition spec ${specId}`)
}

/** The table's default partition spec. */
export const defaultSpec = (metadata: TableMetadata): PartitionSpec => specOf(metadata, metadata.defaultSpecId)

/** The table's current schema. */
export function currentSchema(metadata: TableMetadata): Schema {
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
  if (schema !== undefined) return schema
  throw new HindcastError('INVARIANT_VIOLATED', `the table has no schema ${metadata.currentSchemaId}`)
}

/** Manifests of the snapshot to build on, without those that only tell of deleted files: their story is the base's own. */
export async function liveManifests(io: FileIO, base: Snapshot | null): Promise<ManifestFile[]> {
  if (base === null) return []
  return (await readManifests(io, base)).filter(hasLiveFiles)
}

/**
 * Writes a file whose name follows from its content. An attempt repeated on the same head finds its file; one on another head, with
 * the same snapshot id, gets another name and never takes the earlier attempt's list for its own.
 */
async function writeByContent(
  { io, metadata, written }: SnapshotWriter,
  prefix: string,
  bytes: Uint8Array,
): Promise<string> {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  const path = `${metadataFolder(metadata)}/${prefix}-${hash}.avro`
  written.push(path)
  await io.create(path, bytes)
  return path
}

/** Writes a manifest of this snapshot. Its entries' sequence numbers are explicit, or null for those that inherit. */
export async function writeEncodedManifest(
  writer: SnapshotWriter,
  encoded: EncodedManifest,
  entries: readonly ManifestEntry[],
): Promise<ManifestFile> {
  const { snapshotId, sequenceNumber } = writer
  const minSequenceNumber = entries.reduce((least, entry) => {
    const own = entry.sequenceNumber ?? sequenceNumber
    return entry.status !== EntryStatus.deleted && own < least ? own : least
  }, sequenceNumber)
  return {
    ...encoded.manifest,
    manifestPath: await writeByContent(writer, `${snapshotId}-m`, encoded.bytes),
    sequenceNumber,
    minSequenceNumber,
    addedSnapshotId: snapshotId,
  }
}

export const encodeEntries = (
  metadata: TableMetadata,
  spec: PartitionSpec,
  content: 'data' | 'deletes',
  entries: readonly ManifestEntry[],
): EncodedManifest =>
  encodeManifest({
    formatVersion: metadata.formatVersion,
    schema: currentSchema(metadata),
    spec,
    entries,
    content,
    otherSchemas: metadata.schemas,
    compression: avroCompression(metadata.properties),
  })

/** Encodes and writes entries as one manifest. */
export async function writeManifest(
  writer: SnapshotWriter,
  spec: PartitionSpec,
  content: 'data' | 'deletes',
  entries: readonly ManifestEntry[],
): Promise<ManifestFile> {
  const encoded = encodeEntries(writer.metadata, spec, content, entries)
  const manifest = await writeEncodedManifest(writer, encoded, entries)
  writer.entries.set(manifest.manifestPath, entries)
  return manifest
}

export interface NewSnapshot {
  readonly base: Snapshot | null
  readonly branch: string
  readonly manifests: readonly ManifestFile[]
  readonly summary: Readonly<Record<string, string>>
  readonly schemaId?: number
  readonly nowMs: number
  readonly retention?: RefRetention | undefined
}

/** Writes the manifest list, and gives the change that adds the snapshot and moves the branch from where the table has it now. */
export async function writeSnapshot(writer: SnapshotWriter, request: NewSnapshot): Promise<SnapshotResult> {
  const { base, branch } = request
  const { metadata, snapshotId, sequenceNumber } = writer
  const { formatVersion, nextRowId: firstRowId } = metadata
  const { manifests, nextRowId } =
    formatVersion === 3 ? assignFirstRowIds(request.manifests, firstRowId) : { ...request, nextRowId: firstRowId }
  const bytes = encodeManifestList(manifests, {
    snapshotId,
    sequenceNumber,
    parentSnapshotId: base?.snapshotId ?? null,
    formatVersion,
    ...(formatVersion === 3 ? { firstRowId } : {}),
    compression: avroCompression(metadata.properties),
  })
  const snapshot: Snapshot = {
    snapshotId,
    ...(base === null ? {} : { parentSnapshotId: base.snapshotId }),
    sequenceNumber,
    // Never before the table's last change, whatever this machine's clock says.
    timestampMs: Math.max(request.nowMs, metadata.lastUpdatedMs),
    manifestList: await writeByContent(writer, `snap-${snapshotId}`, bytes),
    summary: request.summary,
    schemaId: request.schemaId ?? metadata.currentSchemaId,
    ...(formatVersion === 3 ? { firstRowId, addedRows: nextRowId - firstRowId } : {}),
  }
  const known = metadata.refs[branch]
  const main = metadata.refs[MAIN]?.snapshotId
  const named = new Set([snapshot.manifestList, ...manifests.map(({ manifestPath }) => manifestPath)])
  return {
    snapshot,
    written: writer.written,
    unused: writer.written.filter((path) => !named.has(path)),
    change: {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-ref-snapshot-id', ref: branch, snapshotId: known?.snapshotId ?? null },
        // A branch that begins at the head of main must not begin at one that was rolled back meanwhile.
        ...(known === undefined && base !== null && branch !== MAIN && base.snapshotId === main
          ? [{ type: 'assert-ref-snapshot-id' as const, ref: MAIN, snapshotId: main }]
          : []),
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

/** @throws REQUEST_INVALID when the ref is a tag */
export function requireBranch(metadata: TableMetadata, ref: string): SnapshotRef | undefined {
  const known = metadata.refs[ref]
  if (known?.type === 'tag') {
    throw new HindcastError('REQUEST_INVALID', `${ref} is a tag, and tags don’t move`, {
      hint: 'Name a branch, or drop the tag and create it anew.',
      context: { ref },
    })
  }
  return known
}

/** The snapshot that a new one on this branch stands on: the branch's head, or that of `main` for a branch yet to be made. */
export function branchHead(metadata: TableMetadata, branch: string): Snapshot | null {
  const head = requireBranch(metadata, branch) ?? metadata.refs[MAIN]
  return head === undefined ? null : snapshotFor(metadata, { snapshotId: head.snapshotId })
}

/** The snapshot to build on, and a check that moving the branch to a snapshot on top of it loses no commit of `main`. */
export function baseSnapshot(metadata: TableMetadata, base: bigint | null, branch: string): Snapshot | null {
  const head = requireBranch(metadata, branch)?.snapshotId ?? null
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
