import fc from 'fast-check'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  newTableMetadata,
  parseTableMetadata,
  serializeTableMetadata,
  tableMetadataFromJson,
  tableMetadataToJson,
  type SnapshotRef,
  type TableMetadata,
} from '../../../src/iceberg/index.ts'
import { daySpec, location, schema } from './support.ts'

const empty = newTableMetadata({ schema, spec: daySpec }, { uuid: 'u', location, nowMs: 5 })
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (metadata: TableMetadata): string => new TextDecoder().decode(serializeTableMetadata(metadata))
const withField = (key: string, json: string): Uint8Array => {
  const { [key]: _, ...rest } = JSON.parse(textOf(empty)) as Record<string, unknown>
  return bytes(`${JSON.stringify(rest).slice(0, -1)}${json === '' ? '' : `,"${key}":${json}`}}`)
}

const id = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n })
const names = fc.string({ minLength: 1 }).filter((name) => name !== '__proto__')
const texts = fc.dictionary(names, fc.string(), { noNullPrototype: true })
const unknownKey = names.map((name) => `x-${name}`)
const unknownValue = fc.oneof(
  fc.string(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n }),
  fc.maxSafeInteger().filter((value) => !Object.is(value, -0)),
  fc.constant(null),
  fc.array(fc.record({ 'snapshot-id': id.filter((value) => value > 2n ** 53n) }, { noNullPrototype: true }), {
    maxLength: 2,
  }),
)

/** As a lossless parser gives them: numbers that a double holds are no bigints. */
const longs = (json: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key,
      typeof value === 'bigint' && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value,
    ]),
  )

const metadata: fc.Arbitrary<TableMetadata> = fc
  .uniqueArray(id, { minLength: 1, maxLength: 5 })
  .chain((ids) =>
    fc.record(
      {
        summary: texts,
        properties: texts,
        unknown: fc.dictionary(unknownKey, unknownValue, { noNullPrototype: true, maxKeys: 4 }),
        main: fc.option(fc.constantFrom(...ids)),
        tag: fc.constantFrom(...ids),
        age: fc.option(fc.integer({ min: 1 }), { nil: undefined }),
        ids: fc.constant(ids),
        formatVersion: fc.constantFrom(2 as const, 3 as const),
        rows: fc.array(fc.bigInt({ min: 0n, max: 2n ** 40n }), { minLength: ids.length, maxLength: ids.length }),
        level: fc.dictionary(unknownKey, unknownValue, { noNullPrototype: true, minKeys: 1, maxKeys: 2 }),
        several: fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { minLength: 2, maxLength: 3 })),
      },
      { noNullPrototype: true },
    ),
  )
  .map(({ summary, properties, unknown, main, tag, age, ids, formatVersion, rows, level, several }): TableMetadata => {
    const isThird = formatVersion === 3
    const before = (index: number): bigint => rows.slice(0, index).reduce((sum, count) => sum + count, 2n ** 61n)
    const sources =
      isThird && several !== null ? { sourceId: several[0] as number, sourceIds: several } : { sourceId: 2 }
    const statistics = { snapshotId: tag, statisticsPath: 's', fileSizeInBytes: 2n ** 60n }
    const json = { 'snapshot-id': tag, 'statistics-path': 's', 'file-size-in-bytes': 2n ** 60n, ...level }
    const refs: Record<string, SnapshotRef> = {
      ...(main === null
        ? {}
        : { main: { snapshotId: main, type: 'branch', ...(age === undefined ? {} : { maxRefAgeMs: age }) } }),
      'v 1': { snapshotId: tag, type: 'tag', unknownFields: level },
    }
    return {
      ...empty,
      formatVersion,
      schemas: [
        {
          ...schema,
          fields: schema.fields.map((field, index) => ({
            ...field,
            ...(isThird && index === 0 ? { initialDefault: 'a', writeDefault: 'b' } : {}),
            ...(index === 1 ? { unknownFields: level } : {}),
          })),
          unknownFields: level,
        },
      ],
      partitionSpecs: [
        {
          specId: 0,
          fields: [{ ...sources, fieldId: 1000, name: 'p', transform: 'day', unknownFields: level }],
          unknownFields: level,
        },
      ],
      sortOrders: [
        {
          orderId: 0,
          fields: [
            { ...sources, transform: 'identity', direction: 'desc', nullOrder: 'nulls-last', unknownFields: level },
          ],
          unknownFields: level,
        },
      ],
      statistics: [{ ...statistics, json: longs(json) }],
      partitionStatistics: [{ ...statistics, json: longs(json) }],
      nextRowId: isThird ? before(ids.length) : 0n,
      lastSequenceNumber: 2n ** 62n,
      properties,
      currentSnapshotId: main,
      refs,
      snapshots: ids.map((snapshotId, index) => ({
        snapshotId,
        ...(index === 0 ? {} : { parentSnapshotId: ids[index - 1] as bigint }),
        sequenceNumber: BigInt(index) + 2n ** 61n,
        timestampMs: index,
        manifestList: `${location}/metadata/${index}.avro`,
        summary: { ...summary, operation: 'append' },
        schemaId: 0,
        ...(isThird ? { firstRowId: before(index), addedRows: rows[index] as bigint } : {}),
        unknownFields: level,
      })),
      snapshotLog: ids.map((snapshotId, timestampMs) => ({ snapshotId, timestampMs })),
      metadataLog: [{ metadataFile: 'a', timestampMs: 1 }],
      unknownFields: unknown,
    }
  })

test('metadata of versions 2 and 3 survives its file: ids beyond 2^53 to the digit, unknown fields as they came', () => {
  fc.assert(
    fc.property(metadata, (given) => {
      expect(parseTableMetadata(serializeTableMetadata(given), 'f')).toEqual(given)
    }),
  )
})

test('what version 1 does not say, of the same table, is filled in, and raised to version 2 it survives its file', () => {
  fc.assert(
    fc.property(
      metadata.filter(({ formatVersion }) => formatVersion === 2),
      (given) => {
        const {
          'last-sequence-number': _sequence,
          'table-uuid': _uuid,
          'last-partition-id': _partition,
          schemas,
          'current-schema-id': _schema,
          'partition-specs': specs,
          'default-spec-id': _spec,
          snapshots,
          refs: _refs,
          ...rest
        } = tableMetadataToJson(given)
        const numbered = snapshots as readonly Record<string, unknown>[]
        const json = {
          ...rest,
          'format-version': 1,
          schema: (schemas as unknown[])[0],
          'partition-spec': (specs as { fields: unknown }[])[0]?.fields,
          snapshots: numbered.map((snapshot) => ({ ...snapshot, 'sequence-number': undefined })),
        }
        const read = tableMetadataFromJson(json, 'f')
        const main = given.refs['main']
        const expected: TableMetadata = {
          ...given,
          formatVersion: 1,
          tableUuid: read.tableUuid,
          lastSequenceNumber: 0n,
          // The list of fields alone has no attributes.
          partitionSpecs: given.partitionSpecs.map(({ specId, fields }) => ({ specId, fields })),
          snapshots: given.snapshots.map((snapshot) => ({ ...snapshot, sequenceNumber: 0n })),
          refs: main === undefined ? {} : { main: { snapshotId: main.snapshotId, type: 'branch' } },
        }
        expect(read).toEqual(expected)
        const raised: TableMetadata = { ...read, formatVersion: 2 }
        expect(parseTableMetadata(serializeTableMetadata(raised), 'f')).toEqual(raised)
      },
    ),
  )
})

test('unknown numbers that no double holds are written back digit for digit', () => {
  const exact = '{"a":7926889530948516885,"b":0.30000000000000004441,"c":[1e400]}'
  const read = parseTableMetadata(withField('x-stats', exact), 'f')
  expect(textOf(read)).toContain(`"x-stats":${exact}`)
})

test('a new table has all that Spark hangs without', () => {
  expect(JSON.parse(textOf(empty))).toEqual({
    'format-version': 2,
    'table-uuid': 'u',
    location,
    'last-sequence-number': 0,
    'last-updated-ms': 5,
    'last-column-id': 3,
    'current-schema-id': 0,
    schemas: [expect.objectContaining({ 'schema-id': 0 })],
    'default-spec-id': 0,
    'partition-specs': [
      { 'spec-id': 0, fields: [{ name: 'feature_time_day', transform: 'day', 'source-id': 2, 'field-id': 1000 }] },
    ],
    'last-partition-id': 1000,
    'default-sort-order-id': 0,
    'sort-orders': [{ 'order-id': 0, fields: [] }],
    properties: {},
    'current-snapshot-id': -1,
    refs: {},
    snapshots: [],
    statistics: [],
    'partition-statistics': [],
    'snapshot-log': [],
    'metadata-log': [],
  })
  const unpartitioned = newTableMetadata({ schema, spec: { specId: 0, fields: [] } }, { uuid: 'u', location, nowMs: 5 })
  expect(unpartitioned.lastPartitionId).toBe(999)
})

test('gzipped metadata is read', () => {
  expect(parseTableMetadata(gzipSync(serializeTableMetadata(empty)), 'f')).toEqual(empty)
})

test('what other writers leave out is filled in; what version 1 left behind is dropped', () => {
  expect(parseTableMetadata(withField('refs', ''), 'f').refs).toEqual({})
  expect(parseTableMetadata(withField('schema', '{"type":"struct"}'), 'f').unknownFields).toEqual({})
  const snapshot = '{"snapshot-id":9007199254740993,"timestamp-ms":1,"manifest-list":"l"}'
  const withoutRefs = JSON.stringify(JSON.parse(textOf(empty))).replace('"snapshots":[]', `"snapshots":[${snapshot}]`)
  const read = parseTableMetadata(
    bytes(
      withoutRefs
        .replace('"current-snapshot-id":-1', '"current-snapshot-id":9007199254740993')
        .replace('"refs":{},', ''),
    ),
    'f',
  )
  expect(read.refs).toEqual({ main: { snapshotId: 9007199254740993n, type: 'branch' } })
  expect(read.snapshots[0]?.sequenceNumber).toBe(0n)
})

describe('broken metadata is refused with the file and the place', () => {
  test.each([
    ['location', '7', '"location" must be text'],
    ['last-sequence-number', '9223372036854775808', '"last-sequence-number" must be a whole number of 64 bits'],
    ['last-updated-ms', '1.5', '"last-updated-ms" must be a whole number'],
    ['current-schema-id', '4', '"current-schema-id" is 4, which is not among the schemas'],
    ['default-spec-id', '1', '"default-spec-id" is 1'],
    ['partition-specs', '[{"spec-id":0,"fields":[{"name":"a"}]}]', 'partition-specs[0].fields[0]."source-id"'],
    [
      'schemas',
      '[{"type":"struct","fields":[{"id":1,"name":"a","required":true,"type":"varchar"}]}]',
      'schemas[0]: field a',
    ],
    ['current-snapshot-id', '5', '"current-snapshot-id" is 5, which is not among the snapshots'],
    ['refs', '{"b":{"snapshot-id":5,"type":"branch"}}', 'ref "b" names snapshot 5'],
    [
      'snapshots',
      '[{"snapshot-id":5,"timestamp-ms":1,"manifest-list":"l","sequence-number":4}]',
      'sequence number 4, beyond the last',
    ],
    ['properties', '{"a":1}', '"properties"."a" must be text'],
    ['table-uuid', '', '"table-uuid" must be text'],
    ['format-version', '"2"', '"format-version" must be 1, 2 or 3'],
  ])('%s: %s', (key, json, reason) => {
    expect(() => parseTableMetadata(withField(key, json), 'v3.metadata.json')).toThrow(
      expect.objectContaining({
        code: 'METADATA_INVALID',
        message: expect.stringMatching(/^table metadata v3\.metadata\.json cannot be read: /) as string,
      }),
    )
    expect(() => parseTableMetadata(withField(key, json), 'f')).toThrow(reason)
  })

  test.each(['', '{', 'null', '[]', '\ufffe'])('%j', (text) => {
    expect(() => parseTableMetadata(bytes(text), 'f')).toThrow(expect.objectContaining({ code: 'METADATA_INVALID' }))
  })

  test.each([4, 99])('format version %i is refused by name', (version) => {
    expect(() => parseTableMetadata(withField('format-version', String(version)), 'f')).toThrow(
      expect.objectContaining({
        code: 'FEATURE_UNSUPPORTED',
        message: expect.stringContaining(`format version ${version}`) as string,
      }),
    )
  })
})
