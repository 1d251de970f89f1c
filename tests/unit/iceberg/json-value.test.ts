import fc from 'fast-check'
import { parse, stringify } from 'lossless-json'
import { describe, expect, test } from 'vitest'
import { valueFromJson, valueToJson, type IcebergType, type SingleValue } from '../../../src/iceberg/index.ts'
import { parseJsonText } from '../../../src/iceberg/metadata/json-text.ts'

const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const noon = BigInt(Date.parse('2017-11-16T22:31:08Z'))
const struct: IcebergType = {
  type: 'struct',
  fields: [
    { id: 1, name: 'a', required: false, type: 'int' },
    { id: 2, name: 'b', required: false, type: 'string' },
  ],
}
const map: IcebergType = { type: 'map', keyId: 3, key: 'string', valueId: 4, valueRequired: true, value: 'int' }

// https://iceberg.apache.org/spec/#json-single-value-serialization
describe('the examples of the spec, both ways', () => {
  const vectors: readonly (readonly [IcebergType, string, SingleValue])[] = [
    ['boolean', 'true', true],
    ['int', '34', 34],
    ['long', '9223372036854775807', 2n ** 63n - 1n],
    ['float', '1.0', 1],
    ['double', '1.0', 1],
    ['decimal(9, 2)', '"14.20"', 1420n],
    ['decimal(9, 2)', '"-0.05"', -5n],
    ['decimal(4, 0)', '"14"', 14n],
    ['date', '"2017-11-16"', 17_486],
    ['date', '"-0001-03-01"', Math.floor(Date.UTC(-1, 2, 1) / 86_400_000)],
    ['time', '"22:31:08.123456"', 81_068_123_456n],
    ['timestamp', '"2017-11-16T22:31:08.123456"', noon * 1000n + 123_456n],
    ['timestamptz', '"2017-11-16T22:31:08.123456+00:00"', noon * 1000n + 123_456n],
    ['timestamp_ns', '"2017-11-16T22:31:08.123456789"', noon * 1_000_000n + 123_456_789n],
    ['timestamptz_ns', '"2017-11-16T22:31:08.123456789+00:00"', noon * 1_000_000n + 123_456_789n],
    ['timestamp', '"1969-12-31T23:59:59.999999"', -1n],
    ['string', '"iceberg"', 'iceberg'],
    ['uuid', '"f79c3e09-677c-4bbd-a479-3f349cb785e7"', bytes('f79c3e09677c4bbda4793f349cb785e7')],
    ['fixed[4]', '"000102ff"', bytes('000102ff')],
    ['binary', '"000102ff"', bytes('000102ff')],
    [
      struct,
      '{"1":1,"2":"bar"}',
      {
        fields: new Map<number, SingleValue>([
          [1, 1],
          [2, 'bar'],
        ]),
      },
    ],
    [{ type: 'list', elementId: 1, elementRequired: true, element: 'int' }, '[1,2,3]', [1, 2, 3]],
    [
      map,
      '{"keys":["a","b"],"values":[1,2]}',
      {
        pairs: [
          ['a', 1],
          ['b', 2],
        ],
      },
    ],
  ]
  test.each(vectors)('%j: %s', (type, json, value) => {
    expect(valueFromJson(type, parseJsonText(json))).toEqual(value)
    expect(stringify(valueToJson(type, value))).toBe(json)
  })

  test('a struct may leave out fields: they have defaults of their own', () => {
    expect(valueFromJson(struct, {})).toEqual({ fields: new Map() })
  })
})

test.each([
  ['decimal(5, 2)', '"1.4200E2"', 14_200n],
  ['timestamptz', '"2017-11-16T22:31:08Z"', noon * 1000n],
  ['timestamp', '"2017-11-16T22:31"', (noon - 8000n) * 1000n],
  ['timestamp', '"2017-11-16T22:31:08.120000000"', noon * 1000n + 120_000n],
  ['binary', '"00FF"', bytes('00ff')],
  ['double', '3', 3],
  ['double', '1e-7', 1e-7],
] as const)('other writers’ forms: %s of %s', (type, json, value) => {
  expect(valueFromJson(type, parseJsonText(json))).toEqual(value)
})

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
// The years that a Date holds.
const micros = fc.bigInt({ min: -8_640_000_000_000_000_000n, max: 8_640_000_000_000_000_000n })
const values: Readonly<Record<string, fc.Arbitrary<SingleValue>>> = {
  boolean: fc.boolean(),
  int: fc.integer(),
  long,
  float: fc.float({ noNaN: true, noDefaultInfinity: true }),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }),
  'decimal(38, 10)': fc.bigInt({ min: 1n - 10n ** 38n, max: 10n ** 38n - 1n }),
  date: fc.integer({ min: -100_000_000, max: 100_000_000 }),
  time: fc.bigInt({ min: 0n, max: 86_399_999_999n }),
  timestamp: micros,
  timestamptz: micros,
  timestamp_ns: long,
  timestamptz_ns: long,
  string: fc.string({ unit: 'binary' }),
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  'fixed[3]': fc.uint8Array({ minLength: 3, maxLength: 3 }),
  binary: fc.uint8Array(),
}
test.each(Object.entries(values))('every %s survives its text', (type, arbitrary) => {
  fc.assert(
    fc.property(arbitrary, (value) => {
      const text = stringify(valueToJson(type as IcebergType, value)) as string
      expect(valueFromJson(type as IcebergType, parseJsonText(text))).toEqual(value)
    }),
  )
})

test.each([
  ['boolean', '1'],
  ['int', '2147483648'],
  ['int', '1.0'],
  ['long', '9223372036854775808'],
  ['float', '1e39'],
  ['double', '1e400'],
  ['double', '"1"'],
  ['decimal(3, 2)', '"14.20"'],
  ['decimal(9, 2)', '"1.4"'],
  // 200 with a scale of -2.
  ['decimal(9, 0)', '"2E+2"'],
  ['decimal(9, 2)', '"1e999999999"'],
  ['date', '"2017-02-29"'],
  ['date', '"999999999-01-01"'],
  ['time', '"24:00:00"'],
  ['time', '"22:31:08.1234567"'],
  ['timestamp', '"2017-11-16T22:31:08+00:00"'],
  ['timestamptz', '"2017-11-16T22:31:08"'],
  ['timestamptz', '"2017-11-16T22:31:08+01:00"'],
  ['timestamp_ns', '"9999-01-01T00:00:00"'],
  ['uuid', '"f79c3e09677c4bbda4793f349cb785e7"'],
  ['fixed[4]', '"0001"'],
  ['binary', '"0"'],
  ['unknown', '1'],
  ['variant', '"x"'],
  ['geometry', '"POINT (30 10)"'],
] as const)('%s is not %s', (type, json) => {
  expect(() => valueFromJson(type, parse(json))).toThrow(`no value of type ${type}`)
  expect(valueFromJson(type, null)).toBeNull()
})

test('values of other types are not written', () => {
  expect(() => valueToJson('double', Number.NaN)).toThrow('no value of type double')
  expect(() => valueToJson('fixed[2]', new Uint8Array(3))).toThrow('no value of type')
  expect(() => valueToJson('int', [1])).toThrow('no value of type int')
  expect(() => valueToJson(map, [1])).toThrow('no value of type map')
})
