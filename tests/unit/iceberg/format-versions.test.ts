import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  applyUpdates,
  encodeMetadataFile,
  newTableMetadata,
  parseTableMetadata,
  serializeTableMetadata,
  tableMetadataFromJson,
  tableMetadataToJson,
  type TableMetadata,
} from '../../../src/iceberg/index.ts'
import { daySpec, location, schema } from './support.ts'

const bytes = (json: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(json))
const read = (json: unknown): TableMetadata => parseTableMetadata(bytes(json), 'f')
const textOf = (metadata: TableMetadata): string => new TextDecoder().decode(serializeTableMetadata(metadata))

const version1 = {
  'format-version': 1,
  location,
  'last-updated-ms': 9,
  'last-column-id': 2,
  schema: {
    type: 'struct',
    fields: [
      { id: 1, name: 'a', required: true, type: 'long' },
      { id: 2, name: 't', required: false, type: 'timestamptz' },
    ],
  },
  'partition-spec': [
    { name: 't_day', transform: 'day', 'source-id': 2 },
    { name: 'a', transform: 'identity', 'source-id': 1 },
  ],
  'current-snapshot-id': 5,
  snapshots: [
    { 'snapshot-id': 4, 'timestamp-ms': 1, manifests: ['file:///m1', 'file:///m2'] },
    { 'snapshot-id': 5, 'timestamp-ms': 2, 'manifest-list': 'file:///l' },
  ],
}

describe('version 1', () => {
  test('what it leaves out is filled in as the spec says', () => {
    const metadata = read(version1)
    expect(metadata).toMatchObject({
      formatVersion: 1,
      lastSequenceNumber: 0n,
      currentSchemaId: 0,
      schemas: [{ schemaId: 0, fields: [{ id: 1 }, { id: 2 }] }],
      defaultSpecId: 0,
      partitionSpecs: [{ specId: 0, fields: [{ fieldId: 1000 }, { fieldId: 1001 }] }],
      lastPartitionId: 1001,
      sortOrders: [{ orderId: 0, fields: [] }],
      refs: { main: { snapshotId: 5n, type: 'branch' } },
      snapshots: [
        { sequenceNumber: 0n, manifestList: '', manifests: ['file:///m1', 'file:///m2'] },
        { sequenceNumber: 0n, manifestList: 'file:///l' },
      ],
      unknownFields: {},
    })
    expect(metadata.tableUuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(read(version1).tableUuid).toBe(metadata.tableUuid)
  })

  test('its newer form, which says all that, is taken at its word', () => {
    const { schema: current, 'partition-spec': fields, ...rest } = version1
    const metadata = read({
      ...rest,
      'table-uuid': 'u',
      schemas: [{ ...current, 'schema-id': 3 }],
      'current-schema-id': 3,
      'partition-specs': [{ 'spec-id': 2, fields }],
      'default-spec-id': 2,
      'last-partition-id': 1007,
      'sort-orders': [{ 'order-id': 0, fields: [] }],
      'default-sort-order-id': 0,
    })
    expect(metadata).toMatchObject({ tableUuid: 'u', currentSchemaId: 3, defaultSpecId: 2, lastPartitionId: 1007 })
  })

  test('it is not written, until it is raised to version 2, where its snapshots keep their manifests', () => {
    const metadata = read(version1)
    expect(() => serializeTableMetadata(metadata)).toThrow(
      expect.objectContaining({ code: 'FEATURE_UNSUPPORTED', hint: expect.stringContaining('version 2') as string }),
    )
    const raised = applyUpdates(metadata, [{ action: 'upgrade-format-version', formatVersion: 2 }], { nowMs: 10 })
    expect(parseTableMetadata(serializeTableMetadata(raised), 'f')).toEqual(raised)
  })
})

const version3: TableMetadata = {
  ...newTableMetadata(
    {
      schema: {
        schemaId: 0,
        fields: [
          { id: 1, name: 'a', required: true, type: 'long', initialDefault: 2n ** 60n, writeDefault: 7 },
          { id: 2, name: 't', required: false, type: 'timestamptz_ns' },
          { id: 3, name: 'v', required: false, type: 'variant' },
          { id: 4, name: 'g', required: false, type: 'geography(srid:4326, karney)' },
          { id: 5, name: 'n', required: false, type: 'unknown', unknownFields: { 'x-field': 1 } },
        ],
        unknownFields: { 'x-schema': 2n ** 60n },
      },
      spec: {
        specId: 0,
        fields: [
          { sourceId: 1, sourceIds: [1, 2], fieldId: 1000, name: 'both', transform: 'bucketv2[4]' },
          { sourceId: 2, fieldId: 1001, name: 'h', transform: 'hour', unknownFields: { 'x-partition': [1] } },
        ],
        unknownFields: { 'x-spec': null },
      },
      sortOrder: {
        orderId: 1,
        fields: [
          {
            sourceId: 1,
            sourceIds: [1, 2],
            transform: 'zorder',
            direction: 'asc',
            nullOrder: 'nulls-last',
            unknownFields: { 'x-sort': { deep: true } },
          },
        ],
        unknownFields: { 'x-order': 'o' },
      },
      formatVersion: 3,
      properties: { p: 'q' },
    },
    { uuid: 'u', location, nowMs: 5 },
  ),
  lastSequenceNumber: 3n,
  currentSnapshotId: 5n,
  refs: { main: { snapshotId: 5n, type: 'branch', minSnapshotsToKeep: 2, unknownFields: { 'x-ref': 1 } } },
  snapshots: [
    {
      snapshotId: 5n,
      sequenceNumber: 3n,
      timestampMs: 1,
      manifestList: 'file:///l',
      summary: { operation: 'append' },
      schemaId: 0,
      firstRowId: 2n ** 60n,
      addedRows: 10n,
      unknownFields: { 'x-snapshot': [] },
    },
  ],
  statistics: [
    {
      snapshotId: 5n,
      statisticsPath: 'file:///s',
      fileSizeInBytes: 9n,
      json: {
        'snapshot-id': 5,
        'statistics-path': 'file:///s',
        'file-size-in-bytes': 9,
        'file-footer-size-in-bytes': 3,
        'blob-metadata': [{ type: 't', fields: [1], 'snapshot-id': 2n ** 60n }],
      },
    },
  ],
  partitionStatistics: [
    {
      snapshotId: 5n,
      statisticsPath: 'file:///ps',
      fileSizeInBytes: 9n,
      json: { 'snapshot-id': 5, 'statistics-path': 'file:///ps', 'file-size-in-bytes': 9 },
    },
  ],
  nextRowId: 2n ** 60n + 10n,
  unknownFields: { 'x-top': { __proto__: null, a: 1 } },
}

describe('version 3', () => {
  test('row lineage, statistics, defaults, transforms of several columns and unknown attributes survive at every level', () => {
    expect(parseTableMetadata(serializeTableMetadata(version3), 'f')).toEqual(version3)
    expect(tableMetadataFromJson(tableMetadataToJson(version3), 'f')).toEqual(version3)
  })

  test('null, not -1, is where nothing is shown, and the next row id is always said', () => {
    const empty = newTableMetadata({ schema, spec: daySpec, formatVersion: 3 }, { uuid: 'u', location, nowMs: 5 })
    expect(JSON.parse(textOf(empty))).toMatchObject({ 'current-snapshot-id': null, 'next-row-id': 0 })
    expect(parseTableMetadata(serializeTableMetadata(empty), 'f')).toEqual(empty)
    const { 'next-row-id': _, ...without } = JSON.parse(textOf(empty)) as Record<string, unknown>
    expect(() => read(without)).toThrow('"next-row-id"')
  })

  test('a transform of several columns is written by its columns alone, one of one column by the old key', () => {
    const [spec] = (JSON.parse(textOf(version3)) as { 'partition-specs': { fields: unknown[] }[] })['partition-specs']
    expect(spec?.fields[0]).toEqual({
      name: 'both',
      transform: 'bucketv2[4]',
      'source-ids': [1, 2],
      'field-id': 1000,
    })
    expect(spec?.fields[1]).toMatchObject({ 'source-id': 2 })
    const single = new TextEncoder().encode(textOf(version3).replace('"source-ids":[1,2]', '"source-ids":[2]'))
    expect(parseTableMetadata(single, 'f').partitionSpecs[0]?.fields[0]).toEqual({
      sourceId: 2,
      fieldId: 1000,
      name: 'both',
      transform: 'bucketv2[4]',
    })
  })

  test('row ids beyond the next one would be given out twice', () => {
    expect(() => parseTableMetadata(serializeTableMetadata({ ...version3, nextRowId: 5n }), 'f')).toThrow('next-row-id')
  })
})

test.each([
  ['keys', { 'encryption-keys': [{ 'key-id': 'k', 'encrypted-key-metadata': 'e' }] }],
  ['a property', { properties: { 'encryption.key-id': 'k' } }],
  [
    'a snapshot',
    { snapshots: [{ 'snapshot-id': 5, 'timestamp-ms': 1, 'manifest-list': 'l', 'key-id': 'k', 'sequence-number': 0 }] },
  ],
])('an encrypted table, known by %s, is refused by name', (_sign, over) => {
  const json = JSON.parse(textOf({ ...version3, currentSnapshotId: null, refs: {} })) as object
  expect(() => read({ ...json, ...over })).toThrow(
    expect.objectContaining({
      code: 'FEATURE_UNSUPPORTED',
      message: expect.stringContaining('f is of an encrypted table') as string,
    }),
  )
})

test('metadata files are packed and named as the table property says', () => {
  const withCodec = (codec: string): TableMetadata => ({
    ...version3,
    properties: { 'write.metadata.compression-codec': codec },
  })
  expect(encodeMetadataFile(version3)).toEqual({ bytes: serializeTableMetadata(version3), extension: '.metadata.json' })
  const packed = encodeMetadataFile(withCodec('GZIP'))
  expect(packed.extension).toBe('.gz.metadata.json')
  expect(gunzipSync(packed.bytes)).toEqual(Buffer.from(serializeTableMetadata(withCodec('GZIP'))))
  expect(() => encodeMetadataFile(withCodec('lz4'))).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }))
})
