/**
 * Finds out whether a server keeps refs, without ever putting anything on a table's `main`: a branch is set to the snapshot that
 * `main` shows already, so that a server which takes it for `main` changes nothing. A table without snapshots is spared; beside it
 * one is made for the purpose, and dropped.
 */
import type { Table, TableChange, TableIdentifier, TableUpdate } from '../../iceberg/index.ts'

/** What the probe asks of the catalog; nothing here asks for branches in turn. */
export interface ProbedCatalog {
  load(identifier: TableIdentifier): Promise<Table | null>
  create(identifier: TableIdentifier): Promise<Table>
  drop(identifier: TableIdentifier): Promise<void>
  /** False when the server will not have it. @throws when the outcome is unknown, or others came between */
  commit(table: Table, change: TableChange): Promise<boolean>
}

export interface ProbeIds {
  /** Eight digits that no other probe has. */
  readonly suffix: string
  readonly nowMs: number
}

/** Lets a probe that died half-way expire with the rest. */
const maxRefAgeMs = 3_600_000

export async function keepsBranches(
  catalog: ProbedCatalog,
  identifier: TableIdentifier,
  { suffix, nowMs }: ProbeIds,
): Promise<boolean> {
  const table = await catalog.load(identifier)
  const branch = `hindcast_probe_${suffix}`
  if (table !== null && table.metadata.currentSnapshotId !== null) return probe(catalog, table, branch)
  const scratch = await catalog.create({ ...identifier, name: `hindcast_probe_${suffix}` })
  try {
    if (scratch.metadata.currentSnapshotId === null) await catalog.commit(scratch, firstSnapshot(scratch, nowMs))
    const loaded = await catalog.load(scratch.identifier)
    return loaded !== null && (await probe(catalog, loaded, branch))
  } finally {
    await catalog.drop(scratch.identifier)
  }
}

async function probe(catalog: ProbedCatalog, table: Table, branch: string): Promise<boolean> {
  const { identifier, metadata } = table
  const snapshotId = metadata.currentSnapshotId
  if (snapshotId === null) return false
  const set = await catalog.commit(table, {
    requirements: [
      { type: 'assert-table-uuid', uuid: metadata.tableUuid },
      { type: 'assert-ref-snapshot-id', ref: branch, snapshotId: null },
    ],
    updates: [{ action: 'set-snapshot-ref', refName: branch, ref: { type: 'branch', snapshotId, maxRefAgeMs } }],
  })
  const after = await catalog.load(identifier)
  const ref = after?.metadata.refs[branch]
  if (!set || after === null || ref === undefined) return false
  const removed = await catalog.commit(after, {
    requirements: [{ type: 'assert-ref-snapshot-id', ref: branch, snapshotId: ref.snapshotId }],
    updates: [{ action: 'remove-snapshot-ref', refName: branch }],
  })
  const last = await catalog.load(identifier)
  return removed && ref.snapshotId === snapshotId && last?.metadata.refs[branch] === undefined
}

/** A snapshot of nothing. Its manifest list is never written: the table is dropped before anybody could read it. */
function firstSnapshot({ metadata }: Table, nowMs: number): TableChange {
  const snapshotId = 1n
  const add: TableUpdate = {
    action: 'add-snapshot',
    snapshot: {
      snapshotId,
      sequenceNumber: 1n,
      timestampMs: Math.max(nowMs, metadata.lastUpdatedMs),
      manifestList: `${metadata.location}/metadata/snap-1-probe.avro`,
      summary: { operation: 'append' },
      schemaId: metadata.currentSchemaId,
    },
  }
  return {
    requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: null }],
    updates: [add, { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId } }],
  }
}
