/** Files as our own writers make them, with what reads each and what may come of it. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { HindcastError, type ErrorCode } from '../../../src/contract/errors.ts'
import {
  and,
  decodeManifest,
  encodeDeletionVector,
  encodeManifest,
  encodeManifestList,
  encodePuffin,
  decodeDeletionVector,
  decodePuffinFooter,
  encodeSingleValue,
  greaterThan,
  isNull,
  lessThan,
  mappedFieldId,
  nameMappingFor,
  nameMappingText,
  newTableMetadata,
  or,
  parseNameMapping,
  parseTableMetadata,
  planScan,
  positionSet,
  puffinBlobContent,
  serializeTableMetadata,
  type AvroCompression,
  type DataFile,
  type FormatVersion,
  type ManifestEntry,
  type ManifestFile,
  type PartitionSpec,
  type Schema,
  type Snapshot,
  type TableMetadata,
} from '../../../src/iceberg/index.ts'
import { decodeAnyManifestList } from '../../../src/iceberg/manifest/manifest-list.ts'
import { stampManifest } from '../../../src/iceberg/manifest/stamp-manifest.ts'
import { damagedAvro } from './mutate-avro.ts'
import { damaged } from './mutate-bytes.ts'
import { damagedJson } from './mutate-json.ts'
import { damagedPuffin, damagedVector } from './mutate-puffin.ts'
import type { Random } from './random.ts'

export interface Specimen {
  readonly name: string
  readonly bytes: Uint8Array
  /** Reads the bytes, whose file has the name `hostile-file`. */
  readonly read: (bytes: Uint8Array) => unknown
  /** The ways to damage it. */
  readonly mutations: readonly ((bytes: Uint8Array, random: Random) => Uint8Array)[]
  readonly codes: readonly ErrorCode[]
  /** What an error must name. */
  readonly named: string
}

const file = 'hostile-file'
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const asJson = (bytes: Uint8Array, random: Random): Uint8Array =>
  utf8(damagedJson(new TextDecoder().decode(bytes), random))
const asZippedJson = (bytes: Uint8Array, random: Random): Uint8Array => gzipSync(asJson(gunzipSync(bytes), random))

const columns: Schema['fields'] = [
  { id: 1, name: 'id', required: true, type: 'long' },
  { id: 2, name: 'at', required: false, type: 'timestamptz' },
  { id: 3, name: 'price', required: false, type: 'decimal(9, 2)' },
  { id: 4, name: 'who', required: false, type: 'uuid' },
  {
    id: 5,
    name: 'tags',
    required: false,
    type: {
      type: 'map',
      keyId: 6,
      key: 'string',
      valueId: 7,
      valueRequired: false,
      value: {
        type: 'list',
        elementId: 8,
        elementRequired: false,
        element: { type: 'struct', fields: [{ id: 9, name: 'x', required: false, type: 'fixed[3]' }] },
      },
    },
  },
]
const schema: Schema = { schemaId: 1, fields: columns, identifierFieldIds: [1] }
const schema3: Schema = {
  schemaId: 1,
  fields: [
    ...columns,
    { id: 10, name: 'ns', required: false, type: 'timestamp_ns', initialDefault: '2017-11-16T22:31:08.123456789' },
    { id: 11, name: 'v', required: false, type: 'variant' },
    { id: 12, name: 'g', required: false, type: 'geography(srid:4326, karney)' },
  ],
}
const spec: PartitionSpec = {
  specId: 2,
  fields: [
    { sourceId: 2, fieldId: 1000, name: 'at_day', transform: 'day' },
    { sourceId: 3, fieldId: 1001, name: 'price', transform: 'truncate[50]' },
    { sourceId: 1, fieldId: 1002, name: 'id_bucket', transform: 'bucket[16]' },
    { sourceId: 4, fieldId: 1003, name: 'who', transform: 'identity' },
  ],
}
const context = { schemas: [schema], currentSchemaId: 1, partitionSpecs: [spec] }

function metadata(formatVersion: 2 | 3): TableMetadata {
  const made = newTableMetadata(
    {
      schema: formatVersion === 3 ? schema3 : schema,
      spec,
      sortOrder: {
        orderId: 1,
        fields: [{ sourceId: 1, transform: 'identity', direction: 'asc', nullOrder: 'nulls-first' }],
      },
      formatVersion,
      properties: { 'write.target-file-size-bytes': '1000', 'schema.name-mapping.default': '[]' },
    },
    { uuid: '9c12d441-03fe-4693-9a96-a0705ddf69c1', location: 'file:///warehouse/t', nowMs: 1_700_000_000_000 },
  )
  const ids = [7n, 8n, 9_007_199_254_740_993n]
  return {
    ...made,
    lastSequenceNumber: 3n,
    nextRowId: formatVersion === 3 ? 30n : 0n,
    currentSnapshotId: 8n,
    snapshots: ids.map((snapshotId, index) => ({
      snapshotId,
      ...(index === 0 ? {} : { parentSnapshotId: ids[index - 1] as bigint }),
      sequenceNumber: BigInt(index + 1),
      timestampMs: 1_700_000_000_000 + index,
      manifestList: `file:///warehouse/t/metadata/snap-${index}.avro`,
      summary: { operation: 'append', 'added-records': '10' },
      schemaId: 1,
      ...(formatVersion === 3 ? { firstRowId: BigInt(index) * 10n, addedRows: 10n } : {}),
    })),
    refs: {
      main: { snapshotId: 8n, type: 'branch', minSnapshotsToKeep: 2 },
      audit: { snapshotId: 9_007_199_254_740_993n, type: 'branch', maxSnapshotAgeMs: 5 },
      'v 1': { snapshotId: 7n, type: 'tag', maxRefAgeMs: 9 },
    },
    snapshotLog: [
      { snapshotId: 7n, timestampMs: 1_700_000_000_000 },
      { snapshotId: 8n, timestampMs: 1_700_000_000_001 },
    ],
    metadataLog: [{ metadataFile: 'file:///warehouse/t/metadata/v1.metadata.json', timestampMs: 1_700_000_000_000 }],
    unknownFields: { 'x-new': { deep: [1, { a: 2n ** 60n }] } },
  }
}

/** What was read as good must be good: written again, it reads as the same. */
function readMetadata(bytes: Uint8Array): unknown {
  const read = parseTableMetadata(bytes, file)
  if (read.formatVersion === 1) return read
  const again = parseTableMetadata(serializeTableMetadata(read), file)
  if (serializeTableMetadata(again).length !== serializeTableMetadata(read).length) {
    throw new Error('metadata that was read is another one once it is written')
  }
  return read
}

const version1 = utf8(
  JSON.stringify({
    'format-version': 1,
    location: 'file:///warehouse/t',
    'last-updated-ms': 9,
    'last-column-id': 2,
    schema: { type: 'struct', fields: [{ id: 1, name: 'a', required: true, type: 'long' }] },
    'partition-spec': [{ name: 'a', transform: 'identity', 'source-id': 1 }],
    'current-snapshot-id': 5,
    snapshots: [
      { 'snapshot-id': 4, 'timestamp-ms': 1, manifests: ['file:///m1'] },
      { 'snapshot-id': 5, 'timestamp-ms': 2, 'manifest-list': 'file:///l' },
    ],
  }),
)

const metadataSpecimen = (name: string, bytes: Uint8Array, zipped = false): Specimen => ({
  name: `metadata ${name}`,
  bytes,
  read: readMetadata,
  mutations: zipped ? [damaged, asZippedJson, asZippedJson] : [damaged, asJson, asJson],
  codes: ['METADATA_INVALID', 'FEATURE_UNSUPPORTED'],
  named: file,
})

const metrics: Pick<DataFile, 'columnSizes' | 'valueCounts' | 'nullValueCounts' | 'lowerBounds' | 'upperBounds'> = {
  columnSizes: new Map([[1, 80n]]),
  valueCounts: new Map([
    [1, 10n],
    [2, 10n],
  ]),
  nullValueCounts: new Map([[1, 0n]]),
  lowerBounds: new Map([[1, encodeSingleValue('long', 5n)]]),
  upperBounds: new Map([[1, encodeSingleValue('long', 50n)]]),
}

function dataFile(index: number, content: 'data' | 'deletes', version: FormatVersion): DataFile {
  const base: DataFile = {
    content: 0,
    filePath: `file:///warehouse/t/data/${index}.parquet`,
    fileFormat: 'PARQUET',
    partition: [index % 3 === 0 ? null : 19_000 + index, BigInt(index) * 50n, index, new Uint8Array(16).fill(index)],
    recordCount: 10n,
    fileSizeInBytes: 1000n,
    splitOffsets: [4n, 500n],
    ...metrics,
  }
  if (content === 'data') return { ...base, sortOrderId: 1, keyMetadata: Uint8Array.of(1) }
  if (index % 2 === 0) return { ...base, content: 2, equalityIds: [1, 2] }
  const vector = { fileFormat: 'PUFFIN', contentOffset: 4n, contentSizeInBytes: 40n } as const
  return {
    ...base,
    content: 1,
    referencedDataFile: `file:///warehouse/t/data/${index}.parquet`,
    ...(version === 3 ? vector : {}),
  }
}

function manifestSpecimen(formatVersion: 2 | 3, content: 'data' | 'deletes', compression: AvroCompression): Specimen {
  const entries = Array.from({ length: 5 }, (_, index): ManifestEntry => ({
    status: index % 3 === 0 ? 1 : index % 3 === 1 ? 0 : 2,
    snapshotId: index % 3 === 0 ? null : 7n,
    sequenceNumber: index % 3 === 0 ? null : 1n,
    fileSequenceNumber: index % 3 === 0 ? null : 1n,
    dataFile: dataFile(index, content, formatVersion),
  }))
  const encoded = encodeManifest({ formatVersion, schema, spec, entries, content, compression })
  const listed = (bytes: Uint8Array): ManifestFile => ({
    ...encoded.manifest,
    manifestPath: file,
    manifestLength: BigInt(bytes.length),
    sequenceNumber: 9n,
    minSequenceNumber: 1n,
    addedSnapshotId: 8n,
    ...(formatVersion === 3 ? { firstRowId: 100n } : {}),
  })
  return {
    name: `manifest ${formatVersion} ${content} ${compression.codec}`,
    bytes: encoded.bytes,
    read: (bytes) => [
      decodeManifest(bytes, listed(bytes), context, { columns: new Set() }),
      decodeManifest(bytes, listed(bytes), context),
    ],
    mutations: [damaged, damagedAvro, damagedAvro, damagedAvro],
    codes: ['MANIFEST_INVALID', 'FEATURE_UNSUPPORTED'],
    named: file,
  }
}

/** As a slice stages it: every entry added, every number inherited. */
function stagedSpecimen(): Specimen {
  const entries = Array.from({ length: 3 }, (_, index): ManifestEntry => ({
    status: 1,
    snapshotId: null,
    sequenceNumber: null,
    fileSequenceNumber: null,
    dataFile: dataFile(index, 'data', 3),
  }))
  const encoded = encodeManifest({ formatVersion: 3, schema, spec, entries, content: 'data' })
  return {
    name: 'staged manifest',
    bytes: encoded.bytes,
    read: (bytes) =>
      stampManifest(
        bytes,
        {
          ...encoded.manifest,
          manifestPath: file,
          manifestLength: BigInt(bytes.length),
          sequenceNumber: 9n,
          minSequenceNumber: 9n,
          addedSnapshotId: 8n,
        },
        context,
      ),
    mutations: [damaged, damagedAvro, damagedAvro],
    // It is ours, and not what we staged: that is an invariant, not somebody's damage.
    codes: ['MANIFEST_INVALID', 'FEATURE_UNSUPPORTED', 'INVARIANT_VIOLATED'],
    named: file,
  }
}

function listSpecimen(formatVersion: 2 | 3, compression: AvroCompression): Specimen {
  const manifests = Array.from({ length: 4 }, (_, index): ManifestFile => ({
    manifestPath: `file:///warehouse/t/metadata/m${index}.avro`,
    manifestLength: 1000n,
    partitionSpecId: 2,
    content: index === 3 ? 'deletes' : 'data',
    sequenceNumber: 3n,
    minSequenceNumber: 1n,
    addedSnapshotId: 8n,
    addedFilesCount: 3,
    existingFilesCount: 2,
    deletedFilesCount: 1,
    addedRowsCount: 30n,
    existingRowsCount: 20n,
    deletedRowsCount: 10n,
    partitions: [
      { containsNull: true, lowerBound: encodeSingleValue('date', 1), upperBound: encodeSingleValue('date', 9) },
      { containsNull: false, containsNaN: false, lowerBound: Uint8Array.of(5), upperBound: Uint8Array.of(50) },
      { containsNull: false },
      { containsNull: false },
    ],
    ...(formatVersion === 3 && index !== 3 ? { firstRowId: BigInt(index) * 50n } : {}),
  }))
  return {
    name: `manifest list ${formatVersion} ${compression.codec}`,
    bytes: encodeManifestList(manifests, {
      snapshotId: 8n,
      parentSnapshotId: 7n,
      sequenceNumber: 3n,
      formatVersion,
      compression,
    }),
    read: (bytes) => decodeAnyManifestList(bytes, file),
    mutations: [damaged, damagedAvro, damagedAvro],
    codes: ['MANIFEST_INVALID', 'FEATURE_UNSUPPORTED'],
    named: file,
  }
}

/**
 * A table of two manifests, one of them of deletes, under a filter: of what is damaged but can be read, the planner makes a plan.
 * @param damagedFile the file that stands in for the one of this name
 */
function planSpecimen(damagedFile: 'data' | 'deletes' | 'list'): Specimen {
  const encode = (content: 'data' | 'deletes') =>
    encodeManifest({
      formatVersion: 3,
      schema,
      spec,
      content,
      compression: { codec: 'null' },
      entries: Array.from({ length: 4 }, (_, index) => ({
        status: 1 as const,
        snapshotId: 8n,
        sequenceNumber: content === 'data' ? 1n : 2n,
        fileSequenceNumber: 2n,
        dataFile: dataFile(index, content, 3),
      })),
    })
  const encoded = { data: encode('data'), deletes: encode('deletes') }
  const listOf = (lengths: Partial<Record<'data' | 'deletes', number>>): Uint8Array =>
    encodeManifestList(
      (['data', 'deletes'] as const).map((content) => ({
        ...encoded[content].manifest,
        ...(lengths[content] === undefined ? {} : { manifestLength: BigInt(lengths[content]) }),
        manifestPath: damagedFile === content ? file : content,
        sequenceNumber: 2n,
        minSequenceNumber: 1n,
        addedSnapshotId: 8n,
        ...(content === 'data' ? { firstRowId: 0n } : {}),
      })),
      { snapshotId: 8n, parentSnapshotId: null, sequenceNumber: 2n, formatVersion: 3, compression: { codec: 'null' } },
    )
  const table = { metadata: { ...metadata(3), schemas: [schema] } }
  const [snapshot] = table.metadata.snapshots.filter(({ snapshotId }) => snapshotId === 8n)
  const manifestList = damagedFile === 'list' ? file : 'list'
  const planned = {
    metadata: { ...table.metadata, snapshots: [{ ...(snapshot as Snapshot), manifestList }] },
  }
  const filter = and(greaterThan('id', 7n), or(isNull('at'), lessThan('price', 100n)))
  return {
    name: `plan over damaged ${damagedFile}`,
    bytes: damagedFile === 'list' ? listOf({}) : encoded[damagedFile].bytes,
    read: async (bytes) => {
      const files: Readonly<Record<string, Uint8Array>> = {
        data: encoded.data.bytes,
        deletes: encoded.deletes.bytes,
        list: listOf(damagedFile === 'list' ? {} : { [damagedFile]: bytes.length }),
        [file]: bytes,
      }
      const io = {
        read: (path: string): Promise<Uint8Array> => {
          const found = Object.hasOwn(files, path) ? files[path] : undefined
          if (found !== undefined) return Promise.resolve(found)
          return Promise.reject(new HindcastError('DATA_FILE_INVALID', `${path} is not there`))
        },
      }
      return planScan({ table: planned, io, filter, columns: 'all' })
    },
    mutations: [damagedAvro],
    // A damaged list may name a manifest that is not there.
    codes: ['MANIFEST_INVALID', 'FEATURE_UNSUPPORTED', 'DATA_FILE_INVALID'],
    named: '',
  }
}

const positions = positionSet([...Array.from({ length: 6000 }, (_, at) => BigInt(at * 3)), 2n ** 32n + 5n, 2n ** 40n])
const vector = encodeDeletionVector(positions)
const puffin = encodePuffin(
  [
    {
      type: 'deletion-vector-v1',
      fields: [],
      snapshotId: -1n,
      sequenceNumber: -1n,
      properties: { 'referenced-data-file': 'file:///warehouse/t/data/0.parquet', cardinality: '6002' },
      content: vector,
    },
    {
      type: 'apache-datasketches-theta-v1',
      fields: [1],
      snapshotId: 7n,
      sequenceNumber: 1n,
      compressionCodec: 'zstd',
      content: new Uint8Array(500),
    },
  ],
  { 'created-by': 'hindcast' },
)

export const specimens: readonly Specimen[] = [
  metadataSpecimen('1', version1),
  metadataSpecimen('2', serializeTableMetadata(metadata(2))),
  metadataSpecimen('3', serializeTableMetadata(metadata(3))),
  metadataSpecimen('3 zipped', gzipSync(serializeTableMetadata(metadata(3))), true),
  manifestSpecimen(2, 'data', { codec: 'deflate' }),
  manifestSpecimen(2, 'deletes', { codec: 'null' }),
  manifestSpecimen(3, 'data', { codec: 'null' }),
  manifestSpecimen(3, 'data', { codec: 'zstandard' }),
  manifestSpecimen(3, 'deletes', { codec: 'deflate' }),
  stagedSpecimen(),
  listSpecimen(2, { codec: 'null' }),
  listSpecimen(3, { codec: 'deflate' }),
  listSpecimen(3, { codec: 'snappy' }),
  planSpecimen('data'),
  planSpecimen('deletes'),
  planSpecimen('list'),
  {
    name: 'Puffin file',
    bytes: puffin.bytes,
    read: (bytes) => decodePuffinFooter(bytes, file).blobs.map((blob) => puffinBlobContent(bytes, blob, file)),
    mutations: [damaged, damagedPuffin, damagedPuffin],
    codes: ['DATA_FILE_INVALID', 'FEATURE_UNSUPPORTED'],
    named: file,
  },
  {
    name: 'deletion vector',
    bytes: vector,
    read: (bytes) => decodeDeletionVector(bytes, { location: file, recordCount: 6002n }),
    mutations: [damaged, damagedVector, damagedVector],
    codes: ['DATA_FILE_INVALID', 'FEATURE_UNSUPPORTED'],
    named: file,
  },
  {
    name: 'name mapping',
    bytes: utf8(nameMappingText(nameMappingFor(schema))),
    read: (bytes) => mappedFieldId(parseNameMapping(new TextDecoder().decode(bytes)), ['tags', 'value', 'element']),
    mutations: [damaged, asJson],
    codes: ['METADATA_INVALID'],
    named: 'schema.name-mapping.default',
  },
]
