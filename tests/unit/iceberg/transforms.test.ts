import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  applyTransform,
  bucketHash,
  humanPartitionValue,
  partitionPath,
  transformResultType,
  type Literal,
  type PrimitiveType,
} from '../../../src/iceberg/index.ts'
import { unitStart } from '../../../src/iceberg/types/transforms.ts'

const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const micros = (iso: string): bigint => BigInt(Date.parse(iso)) * 1000n

describe('bucket: a row hashed otherwise than elsewhere lies in a partition where nobody looks', () => {
  // Iceberg spec, appendix B.
  const vectors: readonly (readonly [PrimitiveType, Literal, number])[] = [
    ['int', 34, 2017239379],
    ['long', 34n, 2017239379],
    ['decimal(4, 2)', 1420n, -500754589],
    ['date', Date.parse('2017-11-16') / 86_400_000, -653330422],
    ['time', 81_068_000_000n, -662762989],
    ['timestamp', micros('2017-11-16T22:31:08Z'), -2047944441],
    ['timestamptz', micros('2017-11-16T14:31:08-08:00'), -2047944441],
    ['timestamp', micros('2017-11-16T22:31:08Z') + 1n, -1207196810],
    ['timestamptz', micros('2017-11-16T14:31:08-08:00') + 1n, -1207196810],
    ['timestamp_ns', micros('2017-11-16T22:31:08Z') * 1000n, -2047944441],
    ['timestamp_ns', micros('2017-11-16T22:31:08Z') * 1000n + 1001n, -1207196810],
    ['timestamptz_ns', micros('2017-11-16T14:31:08-08:00') * 1000n, -2047944441],
    ['timestamptz_ns', micros('2017-11-16T14:31:08-08:00') * 1000n + 1001n, -1207196810],
    ['string', 'iceberg', 1210000089],
    ['uuid', bytes('f79c3e09677c4bbda4793f349cb785e7'), 1488055340],
    ['fixed[4]', bytes('00010203'), -188683207],
    ['binary', bytes('00010203'), -188683207],
  ]
  test.each(vectors)('%s', (type, value, hash) => {
    expect(bucketHash(type, value)).toBe(hash)
    expect(applyTransform('bucket[16]', type, value)).toBe((hash & 0x7fff_ffff) % 16)
  })

  test.each([
    ['boolean', true],
    ['float', 1],
    ['double', 1],
    ['variant', bytes('00')],
    ['geometry', bytes('00')],
    ['geography(srid:4326, karney)', bytes('00')],
    ['unknown', bytes('00')],
  ] as const)('%s, which has no bucket, is refused', (type, value) => {
    expect(() => bucketHash(type, value)).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }))
  })

  test('null is in no bucket, and neither the sign bit nor the narrower type changes the bucket', () => {
    expect(applyTransform('bucket[16]', 'string', null)).toBeNull()
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 1000 }), (value, buckets) => {
        const bucket = applyTransform(`bucket[${buckets}]`, 'int', value) as number
        expect(bucket).toBeGreaterThanOrEqual(0)
        expect(bucket).toBeLessThan(buckets)
        expect(applyTransform(`bucket[${buckets}]`, 'long', BigInt(value))).toBe(bucket)
      }),
    )
  })
})

test.each([
  ['truncate[10]', 'int', 1, 0],
  ['truncate[10]', 'int', -1, -10],
  ['truncate[10]', 'long', -1n, -10n],
  ['truncate[50]', 'decimal(9, 2)', 1065n, 1050n],
  ['truncate[3]', 'string', 'iceberg', 'ice'],
  ['truncate[1]', 'string', '\u{1f600}x', '\u{1f600}'],
  ['truncate[2]', 'binary', bytes('010203'), bytes('0102')],
  ['truncate[3]', 'binary', bytes('0102030405'), bytes('010203')],
  ['truncate[10]', 'long', 1n, 0n],
  ['truncate[10]', 'decimal(9, 2)', -1n, -10n],
  ['truncate[5]', 'string', 'iceberg', 'icebe'],
  ['truncate[9]', 'string', 'iceberg', 'iceberg'],
  ['void', 'string', 'x', null],
  ['identity', 'long', 0n, 0n],
  ['year', 'date', -1, -1],
  ['month', 'date', -1, -1],
  ['day', 'timestamptz', -1n, -1],
  ['hour', 'timestamptz', -1n, -1],
  ['year', 'timestamp', micros('1969-01-01T00:00:00Z'), -1],
  ['month', 'timestamp', micros('2017-12-01T10:22:26Z'), 575],
  ['hour', 'timestamp', micros('2017-12-01T10:22:26Z'), 420034],
  ['year', 'timestamp_ns', -1n, -1],
  ['month', 'timestamptz_ns', micros('2017-12-01T10:22:26Z') * 1000n, 575],
  ['day', 'timestamp_ns', -1n, -1],
  ['hour', 'timestamp_ns', -1n, -1],
  ['hour', 'timestamp_ns', micros('2017-12-01T10:22:26Z') * 1000n + 999n, 420034],
  ['day', 'date', 17_501, 17_501],
  ['void', 'variant', bytes('00'), null],
] as const)('%s of %s %s is %s', (transform, type, value, expected) => {
  expect(applyTransform(transform, type, value)).toEqual(expected)
  expect(applyTransform(transform, type, null)).toBeNull()
})

test('an instant lies in the unit whose start is at or before it, also before 1970', () => {
  const years = fc.bigInt({ min: -(10n ** 16n), max: 10n ** 16n })
  fc.assert(
    fc.property(years, fc.constantFrom('year', 'month', 'day', 'hour'), (instant, unit) => {
      const ordinal = applyTransform(unit, 'timestamptz', instant) as number
      expect(unitStart(unit, ordinal) <= instant && instant < unitStart(unit, ordinal + 1)).toBe(true)
    }),
  )
})

test('transforms that do not apply, or are unknown, are refused', () => {
  expect(() => applyTransform('hour', 'date', 1)).toThrow('does not apply to type date')
  expect(() => applyTransform('day', 'string', 'x')).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }))
  expect(() => transformResultType('bucket[0]', 'int')).toThrow('bucket[0]')
  expect(transformResultType('day', 'timestamptz')).toBe('date')
  expect(transformResultType('month', 'timestamptz')).toBe('int')
})

test.each([
  ['year', 'timestamptz', 31, '2001'],
  ['month', 'timestamptz', 372, '2001-01'],
  ['month', 'timestamptz', -1, '1969-12'],
  ['day', 'timestamptz', 11_324, '2001-01-02'],
  ['hour', 'timestamptz', 11_324 * 24 + 5, '2001-01-02-05'],
  ['hour', 'timestamptz', -1, '1969-12-31-23'],
  ['identity', 'timestamptz', micros('2001-01-02T03:04:00Z'), '2001-01-02T03:04Z'],
  ['identity', 'timestamp', micros('2001-01-02T03:04:05Z') + 6n, '2001-01-02T03:04:05.000006'],
  ['identity', 'decimal(9, 2)', -5n, '-0.05'],
  ['identity', 'double', 1, '1.0'],
  ['identity', 'uuid', bytes('f79c3e09677c4bbda4793f349cb785e7'), 'f79c3e09-677c-4bbd-a479-3f349cb785e7'],
  ['identity', 'boolean', false, 'false'],
  ['day', 'timestamptz', null, 'null'],
] as const)('%s of %s: people read %s as %s', (transform, type, value, expected) => {
  expect(humanPartitionValue(transform, type, value)).toBe(expected)
})

test('folders are encoded as Java does it', () => {
  const schema = {
    schemaId: 0,
    fields: [
      { id: 1, name: 'a', required: false, type: 'string' as const },
      { id: 2, name: 't', required: false, type: 'timestamptz' as const },
    ],
  }
  const spec = {
    specId: 0,
    fields: [
      { sourceId: 2, fieldId: 1000, name: 't_day', transform: 'day' },
      { sourceId: 1, fieldId: 1001, name: 'a b', transform: 'identity' },
    ],
  }
  expect(partitionPath(spec, schema, [0, "x/y z~!'()*-_."])).toBe('t_day=1970-01-01/a+b=x%2Fy+z%7E%21%27%28%29*-_.')
  expect(partitionPath({ specId: 0, fields: [] }, schema, [])).toBe('')
})
