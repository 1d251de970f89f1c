import fc from 'fast-check'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  newTableMetadata,
  parseTableMetadata,
  serializeTableMetadata,
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
      },
      { noNullPrototype: true },
    ),
  )
  .map(({ summary, properties, unknown, main, tag, age, ids }): TableMetadata => {
    const refs: Record<string, SnapshotRef> = {
      ...(main === null
        ? {}
        : { main: { snapshotId: main, type: 'branch', ...(age === undefined ? {} : { maxRefAgeMs: age }) } }),
      'v 1': { snapshotId: tag, type: 'tag' },
    }
    return {
      ...empty,
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
      })),
      snapshotLog: ids.map((snapshotId, timestampMs) => ({ snapshotId, timestampMs })),
      metadataLog: [{ metadataFile: 'a', timestampMs: 1 }],
      unknownFields: unknown,
    }
  })

test('metadata survives its file: ids beyond 2^53 to the digit, unknown fields as they came', () => {
  fc.assert(
    fc.property(metadata, (given) => {
      expect(parseTableMetadata(serializeTableMetadata(given), 'f')).toEqual(given)
    }),
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
