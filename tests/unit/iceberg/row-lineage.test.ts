import { describe, expect, test } from 'vitest'
import {
  assignFirstRowIds,
  decodeManifest,
  encodeManifest,
  encodeManifestList,
  EntryStatus,
  type DataFile,
  type ManifestEntry,
  type ManifestFile,
} from '../../../src/iceberg/index.ts'
import { stampManifest } from '../../../src/iceberg/manifest/stamp-manifest.ts'
import { dataFile, daySpec, schema } from './support.ts'

const context = { schemas: [schema], currentSchemaId: 0, partitionSpecs: [daySpec] }

const listed = (over: Partial<ManifestFile>): ManifestFile => ({
  manifestPath: 'm',
  manifestLength: 1n,
  partitionSpecId: 0,
  content: 'data',
  sequenceNumber: 9n,
  minSequenceNumber: 9n,
  addedSnapshotId: 7n,
  addedFilesCount: 1,
  existingFilesCount: 0,
  deletedFilesCount: 0,
  addedRowsCount: 0n,
  existingRowsCount: 0n,
  deletedRowsCount: 0n,
  ...over,
})

const entry = (status: EntryStatus, file: DataFile): ManifestEntry => ({
  status,
  snapshotId: status === EntryStatus.added ? null : 3n,
  sequenceNumber: status === EntryStatus.added ? null : 2n,
  fileSequenceNumber: status === EntryStatus.added ? null : 2n,
  dataFile: file,
})

const written = (entries: readonly ManifestEntry[], over: Partial<ManifestFile> = {}) => {
  const encoded = encodeManifest({ formatVersion: 3, schema, spec: daySpec, entries, content: 'data' })
  const manifest = listed({ ...encoded.manifest, ...over })
  return { bytes: encoded.bytes, manifest }
}

const rowIds = (entries: readonly ManifestEntry[]): (bigint | undefined)[] =>
  entries.map(({ dataFile: file }) => file.firstRowId)

// https://iceberg.apache.org/spec/#row-lineage-example
describe('row ids that differ from what other readers make of the same files are two ids of one row', () => {
  test('manifests that are new take ids in their order, old ones keep theirs, and the table counts on', () => {
    const manifests = [
      listed({ manifestPath: 'existing', addedRowsCount: 75n, firstRowId: 925n }),
      listed({ manifestPath: 'added1', addedRowsCount: 100n, existingRowsCount: 25n }),
      listed({ manifestPath: 'deletes', content: 'deletes', addedRowsCount: 1000n }),
      listed({ manifestPath: 'added2', existingRowsCount: 100n }),
      listed({ manifestPath: 'added3', addedRowsCount: 125n, existingRowsCount: 25n, deletedRowsCount: 9n }),
    ]
    const assigned = assignFirstRowIds(manifests, 1000n)
    expect(assigned.manifests.map(({ firstRowId }) => firstRowId)).toEqual([925n, 1000n, undefined, 1125n, 1225n])
    expect(assigned.nextRowId).toBe(1375n)
  })

  test('files that are new inherit ids, counted over those before them', () => {
    const { bytes, manifest } = written(
      [
        entry(EntryStatus.existing, { ...dataFile('data1', [1], 25n), firstRowId: 800n }),
        entry(EntryStatus.deleted, { ...dataFile('gone', [1], 5n), firstRowId: 700n }),
        entry(EntryStatus.added, dataFile('data2', [1], 50n)),
        entry(EntryStatus.deleted, dataFile('gone from before version 3', [1], 7n)),
        entry(EntryStatus.added, dataFile('data3', [1], 50n)),
        // Of a table raised to version 3: existing, but never numbered.
        entry(EntryStatus.existing, dataFile('data4', [1], 1n)),
      ],
      { firstRowId: 1000n },
    )
    const read = decodeManifest(bytes, manifest, context)
    expect(rowIds(read)).toEqual([800n, 700n, 1000n, undefined, 1050n, 1100n])
    expect(rowIds(decodeManifest(bytes, manifest, context, { columns: new Set() }))).toEqual(rowIds(read))
  })

  test('a manifest of a snapshot from before version 3 gives no ids', () => {
    const { bytes, manifest } = written([
      entry(EntryStatus.existing, { ...dataFile('a', [1]), firstRowId: 5n }),
      entry(EntryStatus.added, dataFile('b', [1])),
    ])
    expect(rowIds(decodeManifest(bytes, manifest, context))).toEqual([undefined, undefined])
  })

  test('a staged manifest, of version 2 or 3, gets its ids when it is listed', () => {
    for (const formatVersion of [2, 3] as const) {
      const encoded = encodeManifest({
        formatVersion,
        schema,
        spec: daySpec,
        entries: [entry(EntryStatus.added, dataFile('a', [1], 4n)), entry(EntryStatus.added, dataFile('b', [1], 4n))],
        content: 'data',
      })
      const stamped = stampManifest(encoded.bytes, listed(encoded.manifest), context)
      const [manifest] = assignFirstRowIds([listed(stamped.encoded.manifest)], 10n).manifests
      const read = decodeManifest(stamped.encoded.bytes, manifest as ManifestFile, context)
      expect(rowIds(read)).toEqual([10n, 14n])
      expect(read.map(({ snapshotId }) => snapshotId)).toEqual([7n, 7n])
    }
  })

  test('a list of version 3 is not written with a manifest that has no ids', () => {
    const header = { snapshotId: 1n, parentSnapshotId: null, sequenceNumber: 1n, formatVersion: 3 } as const
    expect(() => encodeManifestList([listed({})], header)).toThrow('no first row id')
    expect(() => encodeManifestList([listed({ content: 'deletes' })], header)).not.toThrow()
  })
})

describe('what a version does not have is not written in it', () => {
  const encode = (formatVersion: 2 | 3, status: EntryStatus, over: Partial<DataFile>): unknown =>
    encodeManifest({
      formatVersion,
      schema,
      spec: daySpec,
      entries: [entry(status, { ...dataFile('d', [1]), ...over })],
      content: over.content === undefined ? 'data' : 'deletes',
    })
  const vector = {
    content: 1,
    fileFormat: 'PUFFIN',
    referencedDataFile: 'a',
    contentOffset: 4n,
    contentSizeInBytes: 9n,
  } as const

  test('deletion vectors before version 3, position-delete files after', () => {
    expect(() => encode(2, EntryStatus.added, vector)).toThrow('begin with format version 3')
    expect(() => encode(3, EntryStatus.added, vector)).not.toThrow()
    expect(() => encode(3, EntryStatus.added, { content: 1 })).toThrow('no position-delete files')
    expect(() => encode(3, EntryStatus.existing, { content: 1 })).not.toThrow()
    expect(() => encode(2, EntryStatus.added, { content: 1 })).not.toThrow()
  })

  test('a deletion vector that nobody could find', () => {
    const { contentOffset: _, ...lost } = vector
    expect(() => encode(3, EntryStatus.added, lost)).toThrow('names its data file, its offset and its size')
  })

  test('anything of version 1', () => {
    const request = { schema, spec: daySpec, entries: [], content: 'data', formatVersion: 1 } as const
    expect(() => encodeManifest(request)).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }))
  })
})
