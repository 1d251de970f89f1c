/** Rule: a set holds exactly the positions it was made of, also after a round trip. Damage otherwise: deleted rows come back, or live ones go. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  cardinality,
  emptyPositionSet,
  highestPosition,
  MAX_POSITION,
  positionChunks,
  positionSet,
  unionOf,
  type PositionSet,
} from '../../../../src/iceberg/deletes/position-set.ts'
import { decodeRoaring, encodeRoaring, RoaringError } from '../../../../src/iceberg/deletes/roaring.ts'

const expanded = (set: PositionSet, chunk = 1000): bigint[] =>
  [...positionChunks(set, chunk)].flatMap((positions) => [...positions])

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const range = (from: number, to: number, step = 1): bigint[] =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => BigInt(from + index * step))

/** Lists, bitmaps and runs in neighbouring and far-off containers. */
const positions = fc
  .array(
    fc.tuple(
      fc.oneof(fc.bigInt(0n, 1n << 18n), fc.bigInt(0n, 1n << 40n), fc.bigInt(0n, MAX_POSITION - 100_000n)),
      fc.integer({ min: 1, max: 9000 }),
      fc.integer({ min: 1, max: 9 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.flatMap(([start, count, step]) => range(0, count * step, step).map((offset) => start + offset)))

test('a set is what a plain Set makes of the positions, before and after a round trip', () => {
  fc.assert(
    fc.property(positions, positions, (some, more) => {
      const naive = [...new Set(some)].sort((a, b) => (a < b ? -1 : 1))
      const set = positionSet(some)
      expect(expanded(set)).toEqual(naive)
      expect(cardinality(set)).toBe(BigInt(naive.length))
      expect(highestPosition(set)).toBe(naive.at(-1) ?? null)
      expect(decodeRoaring(encodeRoaring(set))).toEqual(set)
      const both = unionOf(set, positionSet(more))
      expect(both).toEqual(positionSet([...some, ...more]))
    }),
    { numRuns: 30 },
  )
})

test('chunks are as long as asked for, but for the last', () => {
  const chunks = [...positionChunks(positionSet(range(0, 250)), 100)]
  expect(chunks.map(({ length }) => length)).toEqual([100, 100, 50])
})

test('the bytes are those of the portable format', () => {
  expect(hex(encodeRoaring(emptyPositionSet))).toBe('0000000000000000')
  // One bitmap, key 0; no runs; one container of key 0 and two values, at offset 16.
  expect(hex(encodeRoaring(positionSet([1n, 0x0203n])))).toBe(
    ['0100000000000000', '00000000', '3a300000', '01000000', '0000', '0100', '10000000', '0100', '0302'].join(''),
  )
  // Key 2; runs (12347) in one container, so no offsets; one run of 100 from 5.
  expect(hex(encodeRoaring(positionSet(range(5, 105).map((low) => (2n << 32n) | low))))).toBe(
    ['0100000000000000', '02000000', '3b300000', '01', '0000', '6300', '0100', '0500', '6300'].join(''),
  )
  const bitmap = encodeRoaring(positionSet(range(0, 65_536, 2)))
  expect(bitmap.length).toBe(8 + 4 + 8 + 4 + 4 + 8192)
  expect(hex(bitmap.subarray(28, 32))).toBe('55555555')
})

test('each container takes the smallest form', () => {
  const kinds = (values: readonly bigint[]) => positionSet(values).containers.map(({ body }) => body.kind)
  expect(kinds([7n])).toEqual(['list'])
  expect(kinds(range(0, 4096 * 2, 2))).toEqual(['list'])
  expect(kinds(range(0, 4097 * 2, 2))).toEqual(['bitmap'])
  expect(kinds(range(0, 65_536))).toEqual(['runs'])
  expect(kinds(range(65_530, 65_538))).toEqual(['runs', 'list'])
})

test('positions outside of 63 bits are refused', () => {
  expect(() => positionSet([-1n])).toThrow(RangeError)
  expect(() => positionSet([MAX_POSITION + 1n])).toThrow(RangeError)
})

test('bytes that lie give an error, never another set nor memory beyond their size', () => {
  const refused = (text: string): void =>
    expect(() => decodeRoaring(Buffer.from(text.replaceAll(' ', ''), 'hex')), text).toThrow(RoaringError)
  refused('')
  refused('ffffffffffffffff')
  refused('0100000000000000')
  // A negative high half, keys that do not ascend, an unknown cookie.
  refused('0100000000000000 00000080 3a300000 00000000')
  refused('0200000000000000 01000000 3a300000 00000000 01000000 3a300000 00000000')
  refused('0100000000000000 00000000 39300000 00000000')
  // 65,537 containers, and 60,000 where no byte is left.
  refused('0100000000000000 00000000 3a300000 01000100')
  refused('0100000000000000 00000000 3a300000 60ea0000')
  // A list that does not ascend; runs that overlap, leave the container, or count wrong; bytes at the end.
  refused('0100000000000000 00000000 3a300000 01000000 0000 0100 10000000 0200 0200')
  refused('0100000000000000 00000000 3b300000 01 0000 0900 0200 0000 0500 0300 0300')
  refused('0100000000000000 00000000 3b300000 01 0000 0900 0100 ffff 0900')
  refused('0100000000000000 00000000 3b300000 01 0000 0800 0100 0500 0900')
  refused('0000000000000000 00')
  const valid = encodeRoaring(positionSet([...range(0, 100), ...range(70_000, 90_000, 2)]))
  fc.assert(
    fc.property(fc.nat(valid.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Uint8Array.from(valid)
      damaged[at] = (damaged[at] as number) ^ flip
      try {
        expect(cardinality(decodeRoaring(damaged))).toBeLessThanOrEqual(65_536n * 2n)
      } catch (error) {
        expect(error).toBeInstanceOf(RoaringError)
      }
      expect(() => decodeRoaring(valid.subarray(0, at))).toThrow(RoaringError)
    }),
    { numRuns: 500 },
  )
})
