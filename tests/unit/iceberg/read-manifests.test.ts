import { expect, test } from 'vitest'
import { encodeManifest, EntryStatus, readManifests, writeAvroContainer } from '../../../src/iceberg/index.ts'
import { dataFile, daySpec, MemoryIO, schema } from './support.ts'

const { bytes, manifest } = encodeManifest({
  formatVersion: 2,
  schema,
  spec: { ...daySpec, specId: 4 },
  content: 'data',
  entries: [
    [EntryStatus.existing, 3n, 5n],
    [EntryStatus.added, 7n, 10n],
    [EntryStatus.added, 7n, 1n],
    [EntryStatus.deleted, 7n, 2n],
  ].map(([status, snapshotId, rows], index) => ({
    status: status as EntryStatus,
    snapshotId: snapshotId as bigint,
    sequenceNumber: 0n,
    fileSequenceNumber: 0n,
    dataFile: dataFile(`f${index}`, [1], rows as bigint),
  })),
})

const counts = {
  addedFilesCount: 2,
  existingFilesCount: 1,
  deletedFilesCount: 1,
  addedRowsCount: 11n,
  existingRowsCount: 5n,
  deletedRowsCount: 2n,
}

const required = (id: number, name: string, type: string): object => ({ name, type, 'field-id': id })
const versionOneList = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    required(500, 'manifest_path', 'string'),
    required(501, 'manifest_length', 'long'),
    required(502, 'partition_spec_id', 'int'),
    { name: 'added_snapshot_id', type: ['null', 'long'], default: null, 'field-id': 503 },
    { name: 'added_data_files_count', type: ['null', 'int'], default: null, 'field-id': 504 },
  ],
}

test('a list of version 1 that does not count its files hides none of them: the manifests are counted', async () => {
  const io = new MemoryIO()
  const length = BigInt(bytes.length)
  const list = writeAvroContainer(versionOneList, [{ f500: 'm', f501: length, f502: 4, f503: 7n, f504: null }], {})
  io.files.set('l', list)
  io.files.set('m', bytes)
  expect(await readManifests(io, { snapshotId: 9n, manifestList: 'l' })).toEqual([
    {
      manifestPath: 'm',
      manifestLength: length,
      partitionSpecId: 4,
      content: 'data',
      sequenceNumber: 0n,
      minSequenceNumber: 0n,
      addedSnapshotId: 7n,
      ...counts,
    },
  ])
})

test('manifests that stand in the metadata itself are described from what they hold', async () => {
  const io = new MemoryIO()
  io.files.set('m', bytes)
  expect(await readManifests(io, { snapshotId: 9n, manifestList: '', manifests: ['m'] })).toEqual([
    expect.objectContaining({
      manifestPath: 'm',
      manifestLength: manifest.manifestLength,
      partitionSpecId: 4,
      // Of the entries that it added, not of the snapshot that carries it on.
      addedSnapshotId: 7n,
      ...counts,
    }),
  ])
})
