import { HindcastError } from '../../contract/index.ts'
import type { FileIO } from '../file-io.ts'
import { booleanProperty } from '../metadata/properties.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import { qualifiedName, type Table, type TableChange, type TableRequirement, type TableUpdate } from '../table.ts'
import { retainedSnapshots, type RetentionLimits } from './snapshot-retention.ts'
import { unusedDefinitions } from './unused-definitions.ts'

export interface ExpireSnapshotsRequest extends RetentionLimits {
  readonly table: Table
  readonly io: FileIO
  /** These go too, however young; an id that is not in the table is passed over. */
  readonly snapshotIds?: readonly bigint[]
  /** Takes away partition specs and schemas that nothing uses any more, too. Reads the manifest lists of what stays. */
  readonly cleanMetadata?: boolean
}

export interface ExpireSnapshotsResult {
  /** Without updates when there is nothing to expire. */
  readonly change: TableChange
  readonly expired: readonly Snapshot[]
  readonly droppedRefs: readonly string[]
}

/**
 * Drops refs and snapshots that are past their retention, and the statistics of the latter. No file is deleted: that is for after the
 * commit. Every ref must be where it was at the instant of the commit, so that none that was moved back finds its snapshot gone.
 * @throws FEATURE_UNSUPPORTED when the table's property `gc.enabled` is false; REQUEST_INVALID for a snapshot that a remaining ref names
 */
export async function expireSnapshots(request: ExpireSnapshotsRequest): Promise<ExpireSnapshotsResult> {
  const { table, io, snapshotIds = [], cleanMetadata = false } = request
  const { metadata } = table
  requireGarbageCollection(table, 'its snapshots are not expired')
  const retained = retainedSnapshots(metadata, request)
  const wanted = new Set(snapshotIds)
  for (const id of wanted) if (retained.named.has(id)) throw stillNamed(metadata, id, retained.refs)
  const goes = ({ snapshotId }: { readonly snapshotId: bigint }): boolean =>
    wanted.has(snapshotId) || !retained.snapshots.has(snapshotId)
  const expired = metadata.snapshots.filter(goes)
  const droppedRefs = Object.keys(metadata.refs).filter((name) => !retained.refs.has(name))
  const unused = cleanMetadata
    ? await unusedDefinitions(
        io,
        metadata,
        metadata.snapshots.filter((snapshot) => !goes(snapshot)),
      )
    : []
  const updates: TableUpdate[] = [
    ...droppedRefs.map((refName): TableUpdate => ({ action: 'remove-snapshot-ref', refName })),
    // Before their snapshots: not every catalog takes them away by itself.
    ...metadata.statistics
      .filter(goes)
      .map(({ snapshotId }): TableUpdate => ({ action: 'remove-statistics', snapshotId })),
    ...metadata.partitionStatistics
      .filter(goes)
      .map(({ snapshotId }): TableUpdate => ({ action: 'remove-partition-statistics', snapshotId })),
    ...(expired.length === 0
      ? []
      : [{ action: 'remove-snapshots' as const, snapshotIds: expired.map(({ snapshotId }) => snapshotId) }]),
    ...unused,
  ]
  return { change: { requirements: requirements(metadata, unused), updates }, expired, droppedRefs }
}

/** @throws FEATURE_UNSUPPORTED when the table's files may be another table's too */
export function requireGarbageCollection(table: Table, consequence: string): void {
  if (booleanProperty(table.metadata.properties, 'gc.enabled')) return
  const name = qualifiedName(table.identifier)
  throw new HindcastError('FEATURE_UNSUPPORTED', `${name} has gc.enabled set to false: ${consequence}`, {
    hint: 'Its files may belong to another table too. Set the table property gc.enabled to true only if they do not.',
    context: { table: name },
  })
}

function stillNamed({ refs }: TableMetadata, snapshotId: bigint, remaining: ReadonlySet<string>): HindcastError {
  const names = Object.keys(refs).filter((name) => remaining.has(name) && refs[name]?.snapshotId === snapshotId)
  return new HindcastError('REQUEST_INVALID', `snapshot ${snapshotId} is what ${names.join(' and ')} shows`, {
    hint: 'Drop or move the branch or tag first.',
    context: { snapshotId: snapshotId.toString(), refs: names },
  })
}

function requirements(metadata: TableMetadata, unused: readonly TableUpdate[]): TableRequirement[] {
  const { tableUuid, refs, defaultSpecId, currentSchemaId } = metadata
  return [
    { type: 'assert-table-uuid', uuid: tableUuid },
    ...Object.entries(refs).map(([ref, { snapshotId }]): TableRequirement => ({
      type: 'assert-ref-snapshot-id',
      ref,
      snapshotId,
    })),
    ...(unused.some(({ action }) => action === 'remove-partition-specs')
      ? [{ type: 'assert-default-spec-id' as const, defaultSpecId }]
      : []),
    ...(unused.some(({ action }) => action === 'remove-schemas')
      ? [{ type: 'assert-current-schema-id' as const, currentSchemaId }]
      : []),
  ]
}
