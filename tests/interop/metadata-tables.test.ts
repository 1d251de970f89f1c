/** Rule: Spark's metadata tables tell of our tables what we tell of them. Damage otherwise: people steer by numbers that are not so. */
import { expect, test } from 'vitest'
import { decodeManifest } from '../../src/iceberg/manifest/manifest.ts'
import { decodeManifestList } from '../../src/iceberg/manifest/manifest-list.ts'
import { planScan } from '../../src/iceberg/scan/plan-scan.ts'
import { ancestorsOf, snapshotFor } from '../../src/iceberg/metadata/snapshots.ts'
import type { Table } from '../../src/iceberg/table.ts'
import { createRef } from '../../src/iceberg/actions/refs.ts'
import { define } from '../support/counterparts/definition.ts'
import { lakehouse, type Lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

const rowsFrom = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, i) => ({
    id: String(from + i),
    day: String((from + i) % 3),
    name: i % 4 === 0 ? null : `name ${from + i}`,
    ratio: i % 5 === 0 ? 'NaN' : i / 4,
  }))

/** A table that both wrote: appends of ours and theirs, a delete, a tag. */
async function history(lake: Lakehouse): Promise<Table> {
  await lake.create(
    'db.t',
    define({
      columns: { id: 'long', day: 'date', name: 'string', ratio: 'double' },
      partitionBy: ['identity(day)'],
      sortBy: ['id'],
    }),
  )
  await lake.append('db.t', rowsFrom(0, 20))
  await lake.append('db.t', rowsFrom(20, 30))
  const table = await lake.load('db.t')
  await lake.commit(table, createRef({ table, ref: 'v2', type: 'tag' }).change)
  await lake.spark(`DELETE FROM db.t WHERE day = DATE '1970-01-02'`)
  await lake.append('db.t', rowsFrom(30, 40))
  return lake.load('db.t')
}

test('snapshots, history, refs, log entries', async () => {
  await using lake = await lakehouse()
  const { metadata } = await history(lake)
  const snapshots = metadata.snapshots.map(({ snapshotId, parentSnapshotId, timestampMs, manifestList, summary }) => {
    const { operation, ...rest } = summary
    return {
      committed_at: String(timestampMs * 1000),
      snapshot_id: String(snapshotId),
      parent_id: parentSnapshotId === undefined ? null : String(parentSnapshotId),
      operation,
      manifest_list: manifestList,
      summary: inOrder(Object.entries(rest).map(([key, value]) => ({ key, value }))),
    }
  })
  const theirs = await lake.spark('SELECT * FROM db.t.snapshots ORDER BY committed_at')
  expect(
    theirs.map((row) => ({
      ...row,
      summary: inOrder((row['summary'] as [string, string][]).map(([key, value]) => ({ key, value }))),
    })),
  ).toEqual(snapshots)

  const ancestors = new Set(ancestorsOf(metadata, metadata.currentSnapshotId ?? 0n).map(({ snapshotId }) => snapshotId))
  expect(await lake.spark('SELECT * FROM db.t.history ORDER BY made_current_at')).toEqual(
    metadata.snapshotLog.map(({ snapshotId, timestampMs }) => ({
      made_current_at: String(timestampMs * 1000),
      snapshot_id: String(snapshotId),
      parent_id: snapshots.find((each) => each.snapshot_id === String(snapshotId))?.parent_id,
      is_current_ancestor: ancestors.has(snapshotId),
    })),
  )
  const log = await lake.spark('SELECT file, latest_snapshot_id FROM db.t.metadata_log_entries ORDER BY timestamp')
  expect(log.slice(0, -1).map(({ file }) => file)).toEqual(metadata.metadataLog.map(({ metadataFile }) => metadataFile))
  expect(log.at(-1)).toMatchObject({ latest_snapshot_id: String(metadata.currentSnapshotId) })
})

test('manifests and entries', async () => {
  await using lake = await lakehouse()
  const table = await history(lake)
  const { manifestList } = snapshotFor(table.metadata, { snapshotId: table.metadata.currentSnapshotId ?? 0n })
  const manifests = decodeManifestList(await lake.io.read(manifestList), manifestList)
  const day = (value: Uint8Array | undefined): string | null =>
    value === undefined ? null : new Date(Buffer.from(value).readInt32LE() * 86_400_000).toISOString().slice(0, 10)
  const ours = manifests.map((manifest) => ({
    content: manifest.content === 'data' ? '0' : '1',
    path: manifest.manifestPath,
    length: String(manifest.manifestLength),
    partition_spec_id: String(manifest.partitionSpecId),
    added_snapshot_id: String(manifest.addedSnapshotId),
    added_data_files_count: String(manifest.addedFilesCount),
    existing_data_files_count: String(manifest.existingFilesCount),
    deleted_data_files_count: String(manifest.deletedFilesCount),
    added_delete_files_count: '0',
    existing_delete_files_count: '0',
    deleted_delete_files_count: '0',
    partition_summaries: (manifest.partitions ?? []).map((summary) => ({
      contains_null: summary.containsNull,
      contains_nan: summary.containsNaN ?? null,
      lower_bound: day(summary.lowerBound),
      upper_bound: day(summary.upperBound),
    })),
  }))
  const columns = Object.keys(ours[0] ?? {}).join(', ')
  expect(inOrder(await lake.spark(`SELECT ${columns} FROM db.t.manifests`))).toEqual(inOrder(ours))
  const entries = await Promise.all(
    manifests.map(async (manifest) =>
      decodeManifest(await lake.io.read(manifest.manifestPath), manifest, table.metadata),
    ),
  )
  expect(
    inOrder(
      await lake.spark(`SELECT status, snapshot_id, sequence_number, file_sequence_number, data_file.file_path AS path
                        FROM db.t.entries`),
    ),
  ).toEqual(
    inOrder(
      entries.flat().map((entry) => ({
        status: String(entry.status),
        snapshot_id: String(entry.snapshotId),
        sequence_number: String(entry.sequenceNumber),
        file_sequence_number: String(entry.fileSequenceNumber),
        path: entry.dataFile.filePath,
      })),
    ),
  )
})

test('files and partitions', async () => {
  await using lake = await lakehouse()
  const table = await history(lake)
  const files = (await planScan({ table, io: lake.io, columns: 'all' })).tasks
  const counts = (map: ReadonlyMap<number, bigint> | undefined): unknown =>
    map === undefined ? null : pairs(map, String)
  const bounds = (map: ReadonlyMap<number, Uint8Array> | undefined): unknown =>
    map === undefined ? null : pairs(map, (bytes) => Buffer.from(bytes).toString('hex').toUpperCase())
  const ours = files.map(({ dataFile, specId }) => ({
    content: String(dataFile.content),
    file_path: dataFile.filePath,
    file_format: dataFile.fileFormat,
    spec_id: String(specId),
    record_count: String(dataFile.recordCount),
    file_size_in_bytes: String(dataFile.fileSizeInBytes),
    column_sizes: counts(dataFile.columnSizes),
    value_counts: counts(dataFile.valueCounts),
    null_value_counts: counts(dataFile.nullValueCounts),
    nan_value_counts: counts(dataFile.nanValueCounts),
    lower_bounds: bounds(dataFile.lowerBounds),
    upper_bounds: bounds(dataFile.upperBounds),
    split_offsets: dataFile.splitOffsets?.map(String) ?? null,
    sort_order_id: dataFile.sortOrderId === undefined ? null : String(dataFile.sortOrderId),
    partition: { day: String(dataFile.partition[0]) },
  }))
  const columns = Object.keys(ours[0] ?? {}).join(', ')
  expect(inOrder(await lake.spark(`SELECT ${columns} FROM db.t.files`))).toEqual(inOrder(ours))
  expect(inOrder(await lake.spark('SELECT file_path FROM db.t.all_data_files')).length).toBeGreaterThan(files.length)

  const partitions = await lake.spark('SELECT partition, record_count, file_count FROM db.t.partitions')
  const days = [...new Set(ours.map(({ partition }) => partition.day))]
  expect(inOrder(partitions)).toEqual(
    inOrder(
      days.map((day) => {
        const own = ours.filter(({ partition }) => partition.day === day)
        const rows = own.reduce((sum, { record_count: count }) => sum + Number(count), 0)
        return { partition: { day }, record_count: String(rows), file_count: String(own.length) }
      }),
    ),
  )
  // PyIceberg's own reading of the same manifests.
  const inspected = await lake.python<Row[]>('inspect', { table: 'db.t', what: 'files' })
  const common = (rows: readonly Row[]): Row[] =>
    inOrder(
      rows.map(({ file_path, record_count, file_size_in_bytes }) => ({ file_path, record_count, file_size_in_bytes })),
    )
  expect(common(inspected)).toEqual(common(ours))
})

const pairs = <T>(map: ReadonlyMap<number, T>, form: (value: T) => string): unknown =>
  [...map]
    .map(([id, value]): [string, string] => [String(id), form(value)])
    .sort(([a], [b]) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
