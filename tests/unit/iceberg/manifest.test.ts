import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeManifest,
  decodeManifestList,
  decodeSingleValue,
  encodeManifest,
  encodeManifestList,
  EntryStatus,
  readAvroContainer,
  writeAvroContainer,
  type DataFile,
  type Literal,
  type ManifestEntry,
  type ManifestFile,
  type PartitionSpec,
  type Schema,
} from '../../../src/iceberg/index.ts'
import { dataFile, daySpec, schema } from './support.ts'

const wideSchema: Schema = {
  schemaId: 3,
  fields: [
    { id: 11, name: 's', required: false, type: 'string' },
    { id: 12, name: 't', required: false, type: 'timestamptz' },
    { id: 13, name: 'n', required: false, type: 'long' },
    { id: 14, name: 'd', required: false, type: 'decimal(20, 3)' },
    { id: 15, name: 'u', required: false, type: 'uuid' },
    { id: 16, name: 'f', required: false, type: 'double' },
    { id: 17, name: 'b', required: false, type: 'boolean' },
    { id: 18, name: 'u2', required: false, type: 'uuid' },
  ],
}
const transforms = ['identity', 'day', 'truncate[10]', 'identity', 'identity', 'identity', 'identity', 'identity']
const wideSpec: PartitionSpec = {
  specId: 7,
  fields: transforms.map((transform, index) => ({
    sourceId: index + 11,
    fieldId: 1000 + index,
    // Not all names are Avro's.
    name: index === 0 ? '1 odd-näme' : `p${index}`,
    transform,
  })),
}
const context = { schemas: [schema, wideSchema], currentSchemaId: 0, partitionSpecs: [daySpec, wideSpec] }

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const count = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 })
const bounds = fc.array(fc.tuple(fc.integer({ min: 1, max: 2000 }), fc.uint8Array({ maxLength: 20 })), { maxLength: 4 })
const counts = fc.array(fc.tuple(fc.integer({ min: 1, max: 2000 }), long), { maxLength: 4 })
const sorted = <V>(pairs: readonly (readonly [number, V])[]): ReadonlyMap<number, V> =>
  new Map([...new Map(pairs)].sort(([a], [b]) => a - b))

const file: fc.Arbitrary<DataFile> = fc.record(
  {
    content: fc.constant(0 as const),
    filePath: fc.string(),
    fileFormat: fc.constantFrom('PARQUET' as const, 'AVRO' as const, 'ORC' as const),
    partition: fc.tuple<(Literal | null)[]>(
      fc.option(fc.string({ unit: 'binary' })),
      fc.option(fc.integer()),
      fc.option(long),
      fc.option(fc.bigInt({ min: -(10n ** 20n) + 1n, max: 10n ** 20n - 1n })),
      fc.option(uuid),
      fc.option(fc.double()),
      fc.option(fc.boolean()),
      fc.option(uuid),
    ),
    recordCount: count,
    fileSizeInBytes: count,
    columnSizes: counts.map(sorted),
    valueCounts: counts.map(sorted),
    nullValueCounts: counts.map(sorted),
    nanValueCounts: counts.map(sorted),
    lowerBounds: bounds.map(sorted),
    upperBounds: bounds.map(sorted),
    keyMetadata: fc.uint8Array(),
    splitOffsets: fc.array(long, { maxLength: 3 }),
    equalityIds: fc.array(fc.integer(), { maxLength: 3 }),
    sortOrderId: fc.integer(),
    referencedDataFile: fc.string(),
  },
  { requiredKeys: ['content', 'filePath', 'fileFormat', 'partition', 'recordCount', 'fileSizeInBytes'] },
)

const allMetrics = ['columnSizes', 'valueCounts', 'nullValueCounts', 'nanValueCounts', 'lowerBounds', 'upperBounds']

const manifestFile = (manifest: ReturnType<typeof encodeManifest>['manifest']): ManifestFile => ({
  ...manifest,
  manifestPath: 'm.avro',
  sequenceNumber: 9n,
  minSequenceNumber: 9n,
  addedSnapshotId: 7_926_889_530_948_516_885n,
})

const entryOf = (dataFileOf: DataFile, over: Partial<ManifestEntry> = {}): ManifestEntry => ({
  status: EntryStatus.added,
  snapshotId: null,
  sequenceNumber: null,
  fileSequenceNumber: null,
  dataFile: dataFileOf,
  ...over,
})

/** What version 3 adds to a data file, and to the files of deletes. */
const version3 = {
  data: fc.record({ content: fc.constant(0 as const), firstRowId: count }),
  deletes: fc.oneof(
    fc.record({ content: fc.constant(2 as const) }),
    fc.record({
      content: fc.constant(1 as const),
      fileFormat: fc.constant('PUFFIN' as const),
      referencedDataFile: fc.string(),
      contentOffset: count,
      contentSizeInBytes: count,
    }),
  ),
} as const
const version2 = {
  data: fc.constant({ content: 0 as const }),
  deletes: fc.record({ content: fc.constantFrom(1 as const, 2 as const) }),
} as const

describe('manifests', () => {
  test.each([
    [2, 'data'],
    [2, 'deletes'],
    [3, 'data'],
    [3, 'deletes'],
  ] as const)('version %i, %s: every field of every entry survives, whichever are given', (formatVersion, content) => {
    const added = (formatVersion === 2 ? version2 : version3)[content]
    const entry = fc.record({
      status: fc.constantFrom(0 as const, 1 as const, 2 as const),
      dataFile: fc.tuple(file, added).map(([given, more]): DataFile => ({ ...given, ...more })),
      id: long,
    })
    const compression = fc.constantFrom({ codec: 'deflate' as const, level: 1 }, { codec: 'null' as const })
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 6 }), compression, (given, packed) => {
        const entries = given.map(({ status, dataFile: of, id }) =>
          entryOf(of, { status, snapshotId: id, sequenceNumber: 3n, fileSequenceNumber: 2n }),
        )
        const { bytes, manifest } = encodeManifest({
          formatVersion,
          schema: wideSchema,
          spec: wideSpec,
          entries,
          content,
          compression: packed,
        })
        const listed = { ...manifestFile(manifest), ...(formatVersion === 3 ? { firstRowId: 0n } : {}) }
        expect(decodeManifest(bytes, listed, context)).toEqual(entries)
        expect(manifest.manifestLength).toBe(BigInt(bytes.length))
        expect(manifest.addedFilesCount).toBe(entries.filter(({ status }) => status === 1).length)
      }),
      { numRuns: 50 },
    )
  })

  test('ADDED entries inherit snapshot id and sequence numbers; others keep their own', () => {
    const entries = [
      entryOf(dataFile('a', [1])),
      entryOf(dataFile('b', [2]), { status: 0, snapshotId: 4n, sequenceNumber: 2n, fileSequenceNumber: 1n }),
    ]
    const { bytes, manifest } = encodeManifest({ formatVersion: 2, schema, spec: daySpec, entries, content: 'data' })
    const [a, b] = decodeManifest(bytes, manifestFile(manifest), context)
    expect(a).toMatchObject({ snapshotId: 7_926_889_530_948_516_885n, sequenceNumber: 9n, fileSequenceNumber: 9n })
    expect(b).toEqual(entries[1])
  })

  test('an EXISTING entry without sequence numbers, which Spark fails on, is neither written nor read', () => {
    const bad = entryOf(dataFile('a', [1]), { status: EntryStatus.existing, snapshotId: 4n })
    expect(() => encodeManifest({ formatVersion: 2, schema, spec: daySpec, entries: [bad], content: 'data' })).toThrow(
      'inheritance',
    )
    const good = encodeManifest({
      formatVersion: 2,
      schema,
      spec: daySpec,
      entries: [entryOf(dataFile('a', [1]))],
      content: 'data',
    })
    const { header, rows } = readAvroContainer(good.bytes, 'm')
    const avroSchema = JSON.parse(header.get('avro.schema') ?? '') as object
    const bytes = writeAvroContainer(
      avroSchema,
      rows.map((row) => ({ ...row, f0: 0, f1: 4n })),
      {},
    )
    const rewritten = { ...manifestFile(good.manifest), manifestLength: BigInt(bytes.length) }
    expect(() => decodeManifest(bytes, rewritten, context)).toThrow(
      /^m\.avro cannot be read: entry 0: it is not ADDED and has no sequence number/,
    )
    // In a table raised from version 1 there are no numbers, and all are 0.
    const [raised] = decodeManifest(bytes, { ...rewritten, sequenceNumber: 0n }, context)
    expect(raised?.sequenceNumber).toBe(0n)
  })

  test('every Avro field carries its field id, and the header what readers look for', () => {
    const entries = [entryOf(dataFile('a', [1]))]
    const { bytes } = encodeManifest({ formatVersion: 2, schema, spec: daySpec, entries, content: 'data' })
    const { header } = readAvroContainer(bytes, 'm')
    expect(JSON.parse(header.get('schema') ?? '')).toMatchObject({ 'schema-id': 0, type: 'struct' })
    expect(JSON.parse(header.get('partition-spec') ?? '')).toEqual([
      { name: 'feature_time_day', transform: 'day', 'source-id': 2, 'field-id': 1000 },
    ])
    expect(Object.fromEntries(header)).toMatchObject({
      'schema-id': '0',
      'partition-spec-id': '0',
      'format-version': '2',
      content: 'data',
    })
    const ids: unknown[] = []
    JSON.parse(header.get('avro.schema') ?? '', (_key, node: unknown) => {
      const { fields } = (node ?? {}) as { fields?: readonly Record<string, unknown>[] }
      if (fields !== undefined) ids.push(...fields.map((field) => field['field-id']))
      return node
    })
    expect(ids.length).toBeGreaterThan(30)
    expect(ids.every((id) => typeof id === 'number')).toBe(true)
  })

  test('summaries bound the partitions of all entries and tell of nulls', () => {
    const entries = [-5, 3, null].map((day, index) => entryOf(dataFile(`f${index}`, [day])))
    const { manifest } = encodeManifest({ formatVersion: 2, schema, spec: daySpec, entries, content: 'data' })
    const [summary] = manifest.partitions ?? []
    expect(summary?.containsNull).toBe(true)
    expect(decodeSingleValue('date', summary?.lowerBound ?? new Uint8Array())).toBe(-5)
    expect(decodeSingleValue('date', summary?.upperBound ?? new Uint8Array())).toBe(3)
  })

  test('a manifest cut between two blocks, which is a whole Avro file, is known by its length', () => {
    // Blocks hold a mebibyte before they are packed.
    const entries = Array.from({ length: 300 }, (_, day) =>
      entryOf({ ...dataFile('a', [day]), keyMetadata: new Uint8Array(10_000) }),
    )
    const { bytes, manifest } = encodeManifest({ formatVersion: 2, schema, spec: daySpec, entries, content: 'data' })
    const { header } = readAvroContainer(bytes, 'm')
    // The sync marker closes the header and every block.
    const sync = bytes.subarray(bytes.length - 16)
    const firstBlockEnd = Buffer.from(bytes).indexOf(sync, Buffer.from(bytes).indexOf(sync) + 16) + 16
    const cut = bytes.subarray(0, firstBlockEnd)
    expect(readAvroContainer(cut, 'm').header).toEqual(header)
    expect(readAvroContainer(cut, 'm').rows.length).toBeLessThan(entries.length)
    expect(() => decodeManifest(cut, manifestFile(manifest), context)).toThrow(
      expect.objectContaining({
        code: 'MANIFEST_INVALID',
        message: expect.stringContaining('manifest list says') as string,
      }),
    )
  })

  test('of some columns, metrics are those that all have, and nothing else differs', () => {
    // Few columns, so that some are in several maps, and ids of one byte and of two.
    const id: fc.Arbitrary<number> = fc.constantFrom(1, 2, 63, 64, 2000)
    const some = <V>(value: fc.Arbitrary<V>): fc.Arbitrary<ReadonlyMap<number, V>> =>
      fc.array(fc.tuple(id, value), { maxLength: 6 }).map(sorted)
    const metrics = fc.record(
      {
        columnSizes: some(long),
        valueCounts: some(long),
        nullValueCounts: some(long),
        nanValueCounts: some(long),
        lowerBounds: some(fc.uint8Array({ maxLength: 70 })),
        upperBounds: some(fc.uint8Array({ maxLength: 70 })),
      },
      { requiredKeys: [] },
    )
    const wanted = fc.array(id, { maxLength: 3 }).map((ids) => new Set(ids))
    fc.assert(
      fc.property(fc.array(metrics, { maxLength: 4 }), wanted, fc.boolean(), (given, columns, boundsOnly) => {
        const entries = given.map((of, index) => entryOf({ ...dataFile(`file ${index}`, [index]), ...of }))
        const { bytes, manifest } = encodeManifest({
          formatVersion: 2,
          schema,
          spec: daySpec,
          entries,
          content: 'data',
        })
        const listed = manifestFile(manifest)
        const left = boundsOnly ? ['nullValueCounts', 'lowerBounds', 'upperBounds'] : allMetrics
        const narrowed = decodeManifest(bytes, listed, context).map((entry) => ({
          ...entry,
          dataFile: Object.fromEntries(
            Object.entries(entry.dataFile).flatMap(([key, value]) => {
              if (!(value instanceof Map)) return [[key, value]]
              if (columns.size === 0 || !left.includes(key)) return []
              return [[key, new Map([...value].filter(([column]) => columns.has(column as number)))]]
            }),
          ),
        }))
        expect(decodeManifest(bytes, listed, context, { columns, boundsOnly })).toEqual(narrowed)
      }),
    )
  })

  test('without metrics the rest is the same', () => {
    const entries = [entryOf(dataFile('a', [1]))]
    const { bytes, manifest } = encodeManifest({ formatVersion: 2, schema, spec: daySpec, entries, content: 'data' })
    const [entry] = decodeManifest(bytes, manifestFile(manifest), context, { columns: new Set() })
    expect(entry?.dataFile).toEqual({
      content: 0,
      filePath: 'a',
      fileFormat: 'PARQUET',
      partition: [1],
      recordCount: 10n,
      fileSizeInBytes: 80n,
    })
  })
})

test.each([2, 3] as const)('manifest lists of version %i round trip', (formatVersion) => {
  const bytes = fc.option(fc.uint8Array(), { nil: undefined })
  const summary = fc
    .record({ containsNull: fc.boolean(), containsNaN: fc.boolean(), lowerBound: bytes, upperBound: bytes })
    .map(({ lowerBound, upperBound, ...rest }) => ({
      ...rest,
      ...(lowerBound === undefined ? {} : { lowerBound }),
      ...(upperBound === undefined ? {} : { upperBound }),
    }))
  const int = fc.nat()
  const manifest = fc.record(
    {
      manifestPath: fc.string(),
      manifestLength: count,
      partitionSpecId: int,
      content: fc.constant('data' as const),
      sequenceNumber: long,
      minSequenceNumber: long,
      addedSnapshotId: long,
      addedFilesCount: int,
      existingFilesCount: int,
      deletedFilesCount: int,
      addedRowsCount: count,
      existingRowsCount: count,
      deletedRowsCount: count,
      partitions: fc.array(summary, { maxLength: 3 }),
      keyMetadata: fc.uint8Array(),
      ...(formatVersion === 2 ? {} : { firstRowId: count }),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(fc.array(manifest as fc.Arbitrary<ManifestFile>, { maxLength: 5 }), (manifests) => {
      const encoded = encodeManifestList(manifests, {
        snapshotId: 1n,
        parentSnapshotId: null,
        sequenceNumber: 1n,
        formatVersion,
      })
      expect(decodeManifestList(encoded, 'l')).toEqual(manifests)
    }),
    { numRuns: 50 },
  )
})
