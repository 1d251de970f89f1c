import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareLiterals,
  decodeSingleValue,
  encodeSingleValue,
  truncateLowerBound,
  truncateUpperBound,
  type Literal,
  type PrimitiveType,
} from '../../../src/iceberg/index.ts'

const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

describe('a bound that readers decode otherwise than it was meant hides rows', () => {
  const vectors: readonly (readonly [PrimitiveType, Literal, string])[] = [
    ['boolean', true, '01'],
    ['boolean', false, '00'],
    ['int', -2, 'feffffff'],
    ['date', 11_000, 'f82a0000'],
    ['long', 9_007_199_254_740_993n, '0100000000002000'],
    ['timestamptz', -1n, 'ffffffffffffffff'],
    ['float', -4.5, '000090c0'],
    ['double', 6, '0000000000001840'],
    ['string', 'é☃', 'c3a9e29883'],
    ['decimal(9, 2)', 128n, '0080'],
    ['decimal(9, 2)', -128n, '80'],
    ['decimal(9, 2)', 0n, '00'],
    ['decimal(38, 0)', -(2n ** 100n), 'f0000000000000000000000000'],
    ['uuid', bytes('f79c3e09677c4bbda4793f349cb785e7'), 'f79c3e09677c4bbda4793f349cb785e7'],
    ['fixed[2]', bytes('00ff'), '00ff'],
    ['binary', bytes('000102'), '000102'],
  ]
  test.each(vectors)('%s %s', (type, value, hex) => {
    expect(encodeSingleValue(type, value)).toEqual(bytes(hex))
    expect(decodeSingleValue(type, bytes(hex))).toEqual(value)
  })

  const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  const values: Readonly<Record<string, fc.Arbitrary<Literal>>> = {
    int: fc.integer(),
    date: fc.integer(),
    long,
    time: long,
    timestamp: long,
    timestamptz: long,
    float: fc.float(),
    double: fc.double(),
    string: fc.string({ unit: 'binary' }),
    'decimal(38, 4)': fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }),
    binary: fc.uint8Array(),
  }
  test.each(Object.entries(values))('%s round trips', (type, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (value) => {
        expect(decodeSingleValue(type as PrimitiveType, encodeSingleValue(type as PrimitiveType, value))).toEqual(value)
      }),
    )
  })

  test('bounds from before a column was widened are read as the wider type', () => {
    expect(decodeSingleValue('long', encodeSingleValue('int', -7))).toBe(-7n)
    expect(decodeSingleValue('double', encodeSingleValue('float', 0.5))).toBe(0.5)
  })

  test('bytes of the wrong length and values of the wrong type are refused', () => {
    expect(() => decodeSingleValue('long', new Uint8Array(7))).toThrow(
      expect.objectContaining({ code: 'MANIFEST_INVALID' }),
    )
    expect(() => decodeSingleValue('decimal(9, 2)', new Uint8Array(0))).toThrow('no single value')
    expect(() => encodeSingleValue('int', 2 ** 31)).toThrow(expect.objectContaining({ code: 'INVARIANT_VIOLATED' }))
    expect(() => encodeSingleValue('long', 2n ** 63n)).toThrow('no value of Iceberg type long')
    expect(() => encodeSingleValue('fixed[2]', new Uint8Array(3))).toThrow('fixed[2]')
  })
})

describe('truncated bounds hold what they bound', () => {
  test.each([fc.string({ unit: 'binary', maxLength: 30 }), fc.uint8Array({ maxLength: 30 })])(
    'for any value',
    (values) => {
      fc.assert(
        fc.property(values as fc.Arbitrary<string | Uint8Array>, fc.integer({ min: 1, max: 20 }), (value, length) => {
          expect(compareLiterals(truncateLowerBound(value, length), value)).toBeLessThanOrEqual(0)
          const upper = truncateUpperBound(value, length)
          if (upper !== null) {
            expect(compareLiterals(upper, value)).toBeGreaterThanOrEqual(0)
            expect(Array.from<unknown>(upper).length).toBeLessThanOrEqual(length)
          }
        }),
      )
    },
  )

  test('the last code point that can be raised is raised, over the surrogates, or there is no bound', () => {
    expect(truncateUpperBound('abc', 2)).toBe('ac')
    expect(truncateUpperBound('a\u{10ffff}c', 2)).toBe('b')
    expect(truncateUpperBound('a\ud7ffc', 2)).toBe('a\ue000')
    expect(truncateUpperBound('\u{10ffff}\u{10ffff}', 1)).toBeNull()
    expect(truncateUpperBound(Uint8Array.of(255, 255, 1), 2)).toBeNull()
    expect(truncateLowerBound('\u{1f600}\u{1f601}', 1)).toBe('\u{1f600}')
    expect(truncateUpperBound('x'.repeat(16))).toBe('x'.repeat(16))
  })

  test('text sorts by code point, not by UTF-16 unit', () => {
    expect(compareLiterals('\uffff', '\u{10000}')).toBeLessThan(0)
  })
})
