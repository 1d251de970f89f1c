/** Changes to table metadata as a pure fold; the catalog checks, folds and swaps. Names are the REST catalog's. */
import { HindcastError } from '../../contract/index.ts'
import { highestPartitionFieldId } from './table-metadata-json.ts'
import type { PartitionSpec, Snapshot, SnapshotRef, SortOrder, TableMetadata } from './table-metadata.ts'
import type { NewTable, Table, TableUpdate } from '../table.ts'
import { cannotAdd } from './conflicts.ts'
import { numberProperty } from './properties.ts'
import { schemaFault } from '../types/schema-version.ts'
import { highestFieldId } from '../types/types.ts'

/** The branch that readers see unless they say otherwise. */
export const MAIN = 'main'

const highestPartitionId = (spec: PartitionSpec): number => highestPartitionFieldId([spec])

const unsorted: SortOrder = { orderId: 0, fields: [] }

/**
 * Metadata of a table without snapshots. Ids of the schema, spec and sort order are taken as they are.
 * @throws REQUEST_INVALID when the sort order takes the id 0, which means unsorted, or a column needs a later format version
 */
export function newTableMetadata(
  table: NewTable,
  options: { readonly uuid: string; readonly location: string; readonly nowMs: number },
): TableMetadata {
  const sortOrder = table.sortOrder ?? unsorted
  if ((sortOrder.orderId === 0) !== (sortOrder.fields.length === 0)) {
    throw new HindcastError('REQUEST_INVALID', 'sort order 0 is the one without fields', {
      hint: 'Number a table’s sort orders from 1.',
    })
  }
  const { 'format-version': versionProperty, ...properties } = table.properties ?? {}
  const formatVersion = table.formatVersion ?? (versionProperty === '3' ? 3 : 2)
  const fault = schemaFault(table.schema, formatVersion)
  if (fault !== null) {
    throw new HindcastError('REQUEST_INVALID', `the table cannot have format version ${formatVersion}: ${fault}`, {
      hint: 'Create it with format version 3, or change the column.',
    })
  }
  return {
    formatVersion,
    tableUuid: options.uuid,
    location: options.location.replace(/\/+$/, ''),
    lastSequenceNumber: 0n,
    lastUpdatedMs: options.nowMs,
    lastColumnId: highestFieldId(table.schema),
    currentSchemaId: table.schema.schemaId,
    schemas: [table.schema],
    defaultSpecId: table.spec.specId,
    partitionSpecs: [table.spec],
    lastPartitionId: highestPartitionId(table.spec),
    defaultSortOrderId: sortOrder.orderId,
    // Spark (Iceberg 1.12) looks for order 0 when it rewrites a table in an order that is not the table's.
    sortOrders: sortOrder.orderId === 0 ? [sortOrder] : [unsorted, sortOrder],
    properties,
    currentSnapshotId: null,
    snapshots: [],
    snapshotLog: [],
    metadataLog: [],
    refs: {},
    statistics: [],
    partitionStatistics: [],
    nextRowId: 0n,
    unknownFields: {},
  }
}

/**
 * The metadata after all updates, in their order. Call `conflictIn` first: what it would have told is an error here.
 * @throws CONFLICT when a snapshot's id or sequence number is taken; SNAPSHOT_NOT_FOUND, METADATA_INVALID for an update that names
 *   what is not there
 */
export function applyUpdates(
  metadata: TableMetadata,
  updates: readonly TableUpdate[],
  options: { readonly nowMs: number },
): TableMetadata {
  if (updates.length === 0) return metadata
  const fold: Fold = {
    // A clock that went back must not bring times that lie before the log's: readers refuse those.
    nowMs: Math.max(options.nowMs, metadata.lastUpdatedMs, metadata.snapshotLog.at(-1)?.timestampMs ?? 0),
    added: new Set(),
  }
  const updated = updates.reduce((state, update) => apply(state, update, fold), metadata)
  // What was main only within this change was never seen there, and is no history.
  const seen = updated.snapshotLog.filter(
    ({ snapshotId }) => !fold.added.has(snapshotId) || snapshotId === updated.currentSnapshotId,
  )
  const snapshotLog = seen.length === updated.snapshotLog.length ? updated.snapshotLog : seen
  return { ...updated, snapshotLog, lastUpdatedMs: Math.max(updated.lastUpdatedMs, fold.nowMs) }
}

interface Fold {
  readonly nowMs: number
  readonly added: Set<bigint>
}

const invalid = (reason: string): never => {
  throw new HindcastError('METADATA_INVALID', `the change does not fit the table: ${reason}`)
}

function apply(state: TableMetadata, update: TableUpdate, fold: Fold): TableMetadata {
  switch (update.action) {
    case 'assign-uuid':
      return { ...state, tableUuid: update.uuid }
    case 'upgrade-format-version': {
      const { formatVersion } = update
      if (formatVersion < state.formatVersion) {
        return invalid(`format version ${state.formatVersion} cannot be lowered to ${formatVersion}`)
      }
      return { ...state, formatVersion }
    }
    case 'set-location':
      return { ...state, location: update.location.replace(/\/+$/, '') }
    case 'add-schema': {
      const { schema } = update
      const fault = schemaFault(schema, state.formatVersion)
      if (fault !== null) return invalid(fault)
      const lastColumnId = Math.max(state.lastColumnId, update.lastColumnId, highestFieldId(schema))
      const known = state.schemas.find(({ schemaId }) => schemaId === schema.schemaId)
      if (known === undefined) return { ...state, schemas: [...state.schemas, schema], lastColumnId }
      return same(known, schema) ? state : invalid(`schema ${schema.schemaId} is another one already`)
    }
    case 'set-current-schema': {
      const schemaId = update.schemaId === -1 ? state.schemas.at(-1)?.schemaId : update.schemaId
      const known = state.schemas.some((schema) => schema.schemaId === schemaId)
      return known ? { ...state, currentSchemaId: schemaId as number } : invalid(`there is no schema ${schemaId}`)
    }
    case 'add-spec': {
      const { spec } = update
      const lastPartitionId = Math.max(state.lastPartitionId, highestPartitionId(spec))
      const known = state.partitionSpecs.find(({ specId }) => specId === spec.specId)
      if (known === undefined) return { ...state, partitionSpecs: [...state.partitionSpecs, spec], lastPartitionId }
      return same(known, spec) ? state : invalid(`partition spec ${spec.specId} is another one already`)
    }
    case 'set-default-spec': {
      const specId = update.specId === -1 ? state.partitionSpecs.at(-1)?.specId : update.specId
      const known = state.partitionSpecs.some((spec) => spec.specId === specId)
      return known ? { ...state, defaultSpecId: specId as number } : invalid(`there is no partition spec ${specId}`)
    }
    case 'add-sort-order': {
      const { sortOrder } = update
      const known = state.sortOrders.find(({ orderId }) => orderId === sortOrder.orderId)
      if (known === undefined) return { ...state, sortOrders: [...state.sortOrders, sortOrder] }
      return same(known, sortOrder) ? state : invalid(`sort order ${sortOrder.orderId} is another one already`)
    }
    case 'set-default-sort-order': {
      const orderId = update.sortOrderId === -1 ? state.sortOrders.at(-1)?.orderId : update.sortOrderId
      const known = state.sortOrders.some((order) => order.orderId === orderId)
      return known ? { ...state, defaultSortOrderId: orderId as number } : invalid(`there is no sort order ${orderId}`)
    }
    case 'add-snapshot':
      return addSnapshot(state, update.snapshot, fold)
    case 'set-snapshot-ref':
      return setRef(state, update.refName, update.ref, fold)
    case 'remove-snapshot-ref':
      return removeRef(state, update.refName)
    case 'remove-snapshots':
      return removeSnapshots(state, new Set(update.snapshotIds))
    case 'set-statistics': {
      const { statistics } = update
      const others = state.statistics.filter(({ snapshotId }) => snapshotId !== statistics.snapshotId)
      return { ...state, statistics: [...others, statistics] }
    }
    case 'remove-statistics': {
      const kept = state.statistics.filter(({ snapshotId }) => snapshotId !== update.snapshotId)
      return { ...state, statistics: kept }
    }
    case 'set-partition-statistics': {
      const { partitionStatistics } = update
      const others = state.partitionStatistics.filter(({ snapshotId }) => snapshotId !== partitionStatistics.snapshotId)
      return { ...state, partitionStatistics: [...others, partitionStatistics] }
    }
    case 'remove-partition-statistics': {
      const kept = state.partitionStatistics.filter(({ snapshotId }) => snapshotId !== update.snapshotId)
      return { ...state, partitionStatistics: kept }
    }
    case 'remove-partition-specs': {
      if (update.specIds.includes(state.defaultSpecId)) return invalid('the default partition spec cannot be removed')
      return { ...state, partitionSpecs: state.partitionSpecs.filter(({ specId }) => !update.specIds.includes(specId)) }
    }
    case 'remove-schemas': {
      if (update.schemaIds.includes(state.currentSchemaId)) return invalid('the current schema cannot be removed')
      return { ...state, schemas: state.schemas.filter(({ schemaId }) => !update.schemaIds.includes(schemaId)) }
    }
    case 'set-properties':
      return { ...state, properties: { ...state.properties, ...update.updates } }
    case 'remove-properties': {
      const removed = new Set(update.removals)
      const kept = Object.entries(state.properties).filter(([key]) => !removed.has(key))
      return { ...state, properties: Object.fromEntries(kept) }
    }
  }
}

/** Schemas, specs and orders are plain data, built with their keys in one order or parsed so; undefined keys don't count. */
const same = (a: object, b: object): boolean => canonical(a) === canonical(b)

const canonical = (value: object): string =>
  JSON.stringify(value, (_key, node: unknown) => {
    // Unknown attributes and defaults may hold numbers of 64 bits.
    if (typeof node === 'bigint') return `${node}n`
    return typeof node === 'object' && node !== null && !Array.isArray(node)
      ? Object.fromEntries(Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1)))
      : node
  })

function addSnapshot(state: TableMetadata, snapshot: Snapshot, fold: Fold): TableMetadata {
  const reason = cannotAdd(state, snapshot)
  if (reason !== null) {
    throw new HindcastError('CONFLICT', reason, {
      hint: 'Load the table again and make the change anew.',
      context: { snapshotId: snapshot.snapshotId.toString() },
    })
  }
  fold.added.add(snapshot.snapshotId)
  return {
    ...state,
    snapshots: [...state.snapshots, snapshot],
    lastSequenceNumber: snapshot.sequenceNumber,
    ...(state.formatVersion === 3
      ? { nextRowId: (snapshot.firstRowId ?? state.nextRowId) + (snapshot.addedRows ?? 0n) }
      : {}),
    lastUpdatedMs: Math.max(state.lastUpdatedMs, snapshot.timestampMs),
  }
}

function setRef(state: TableMetadata, name: string, ref: SnapshotRef, fold: Fold): TableMetadata {
  const snapshot = state.snapshots.find(({ snapshotId }) => snapshotId === ref.snapshotId)
  if (snapshot === undefined) {
    throw new HindcastError(
      'SNAPSHOT_NOT_FOUND',
      `ref ${name} cannot be set to ${ref.snapshotId}: the table has no such snapshot`,
      {
        hint: 'It was expired, or never committed: choose another one.',
        context: { ref: name, snapshotId: ref.snapshotId.toString() },
      },
    )
  }
  const refs = { ...state.refs, [name]: ref }
  if (name !== MAIN) return { ...state, refs }
  if (ref.type !== 'branch') return invalid('main must be a branch')
  if (state.currentSnapshotId === ref.snapshotId) return { ...state, refs }
  const shownSinceMs = fold.added.has(ref.snapshotId) ? snapshot.timestampMs : fold.nowMs
  const timestampMs = Math.max(shownSinceMs, state.snapshotLog.at(-1)?.timestampMs ?? 0)
  return {
    ...state,
    refs,
    currentSnapshotId: ref.snapshotId,
    snapshotLog: [...state.snapshotLog, { snapshotId: ref.snapshotId, timestampMs }],
    lastUpdatedMs: Math.max(state.lastUpdatedMs, timestampMs),
  }
}

function removeRef(state: TableMetadata, name: string): TableMetadata {
  const refs = Object.fromEntries(Object.entries(state.refs).filter(([key]) => key !== name))
  // As Iceberg's Java library has it: a table whose main is gone shows nothing, and keeps the history of what it showed.
  return name === MAIN ? { ...state, refs, currentSnapshotId: null } : { ...state, refs }
}

/** Takes snapshots out with what names them: refs, statistics, and the log up to their last entry, as Iceberg's Java library has it. */
function removeSnapshots(state: TableMetadata, ids: ReadonlySet<bigint>): TableMetadata {
  if (state.currentSnapshotId !== null && ids.has(state.currentSnapshotId)) {
    return invalid(`snapshot ${state.currentSnapshotId} is what main shows`)
  }
  const kept = ({ snapshotId }: { readonly snapshotId: bigint }): boolean => !ids.has(snapshotId)
  const lastGone = state.snapshotLog.findLastIndex(({ snapshotId }) => ids.has(snapshotId))
  return {
    ...state,
    snapshots: state.snapshots.filter(kept),
    refs: Object.fromEntries(Object.entries(state.refs).filter(([, ref]) => kept(ref))),
    snapshotLog: state.snapshotLog.slice(lastGone + 1),
    statistics: state.statistics.filter(kept),
    partitionStatistics: state.partitionStatistics.filter(kept),
  }
}

/**
 * Notes the metadata file that `metadata` follows on, and forgets the oldest beyond the table property
 * `write.metadata.previous-versions-max`; at least one is kept.
 * @throws METADATA_INVALID when the property is no number
 */
export function withMetadataLog(
  metadata: TableMetadata,
  previous: Pick<Table, 'metadataLocation' | 'metadata'>,
): TableMetadata {
  const entry = { metadataFile: previous.metadataLocation, timestampMs: previous.metadata.lastUpdatedMs }
  const most = Math.max(1, numberProperty(metadata.properties, 'write.metadata.previous-versions-max'))
  return { ...metadata, metadataLog: [...metadata.metadataLog, entry].slice(-most) }
}
