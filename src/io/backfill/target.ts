import { buildRecordSchema, HindcastError, summaryKeys, type BuildRecord } from '../../contract/index.ts'
import {
  ancestorsOf,
  planScan,
  qualifiedName,
  type DataFile,
  type PartitionSpec,
  type Schema,
  type Table,
  type TableIdentifier,
  type TableMetadata,
} from '../../iceberg/index.ts'
import type { ViewDefinition } from '../../definition/index.ts'
import { readJsonOrNull } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'

export const targetIdentifier = (runtime: Runtime, view: string): TableIdentifier => ({
  namespace: [runtime.settings.config.namespace],
  name: view,
})

export async function loadIfExists(runtime: Runtime, identifier: TableIdentifier): Promise<Table | null> {
  return (await runtime.catalog.tableExists(identifier)) ? runtime.catalog.loadTable(identifier) : null
}

/** Where a table lies, or will lie once it is created. */
export const tableLocation = (runtime: Runtime, identifier: TableIdentifier, table: Table | null): string =>
  table?.metadata.location ?? [runtime.warehouse, ...identifier.namespace, identifier.name].join('/')

/** Head of `main`; null for a table without snapshots. */
export const mainHead = (metadata: TableMetadata): bigint | null => metadata.refs['main']?.snapshotId ?? null

/** A feature table's partition spec: its feature time by the view's unit. */
export function targetSpec(view: ViewDefinition, schema: Schema): PartitionSpec {
  const transform = view.partitionBy
  const featureTime = schema.fields.find(({ name }) => name === 'feature_time')
  if (featureTime === undefined) throw new HindcastError('INVARIANT_VIOLATED', 'a feature table has no feature_time')
  return {
    specId: 0,
    fields: [{ sourceId: featureTime.id, fieldId: 1000, name: `feature_time_${transform}`, transform }],
  }
}

/** @throws FEATURE_UNSUPPORTED when the table is partitioned in another way than the view says now */
export function requireSpec(table: Table, wanted: PartitionSpec): void {
  const spec = table.metadata.partitionSpecs.find(({ specId }) => specId === table.metadata.defaultSpecId)
  const shape = (of: PartitionSpec | undefined): string =>
    JSON.stringify(of?.fields.map(({ sourceId, transform }) => [sourceId, transform]))
  if (shape(spec) === shape(wanted)) return
  const name = qualifiedName(table.identifier)
  throw new HindcastError('FEATURE_UNSUPPORTED', `${name} is partitioned otherwise than its view says`, {
    hint: 'A table’s partitioning is not changed in place: set partitionBy back, or give the view a new name.',
    context: { table: name },
  })
}

/**
 * The data files that a snapshot shows, by the ordinal of their partition, each list in the order of the paths.
 * @param columns ids of fields whose null counts and bounds they keep
 */
export async function filesByPartition(
  runtime: Runtime,
  table: Table,
  snapshotId: bigint | null,
  columns: readonly number[] = [],
): Promise<ReadonlyMap<number, readonly DataFile[]>> {
  const byOrdinal = new Map<number, DataFile[]>()
  if (snapshotId === null) return byOrdinal
  const { tasks } = await planScan({ table, io: runtime.tableFiles(table), snapshotId, columns, boundsOnly: true })
  if (tasks.some(({ deletes }) => deletes.length > 0)) {
    throw new HindcastError(
      'FEATURE_UNSUPPORTED',
      `${qualifiedName(table.identifier)} has row-level deletes, which feature tables do not take yet`,
      {
        hint: 'Rewrite its data files (Spark: CALL system.rewrite_data_files with delete-file-threshold 1), or roll back.',
      },
    )
  }
  for (const { dataFile } of tasks) {
    const [ordinal] = dataFile.partition
    if (typeof ordinal !== 'number') continue
    const members = byOrdinal.get(ordinal)
    if (members === undefined) byOrdinal.set(ordinal, [dataFile])
    else members.push(dataFile)
  }
  for (const members of byOrdinal.values()) members.sort((a, b) => (a.filePath < b.filePath ? -1 : 1))
  return byOrdinal
}

/**
 * The build record of the newest ancestor of a snapshot that has one, the snapshot itself first: somebody else's commits on top
 * leave it true of the partitions that they did not touch, which the caller sees from the files. Null also for a record that is gone or
 * damaged: what is fresh must then be told without it.
 */
export async function latestRecord(
  runtime: Runtime,
  metadata: TableMetadata,
  head: bigint | null,
): Promise<BuildRecord | null> {
  const [newest] = ancestorsOf(metadata, head).flatMap(({ summary }) => summary[summaryKeys.record] ?? [])
  return newest === undefined ? null : readJsonOrNull(runtime.io, newest, buildRecordSchema)
}
