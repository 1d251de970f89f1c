import { expect, test } from 'vitest'
import { compareSorted, type Literal } from '../../../src/iceberg/index.ts'

const order = (
  values: readonly (Literal | null)[],
  direction: 'asc' | 'desc',
  nullOrder: 'nulls-first' | 'nulls-last',
) => [...values].sort((a, b) => compareSorted(a, b, { direction, nullOrder }))

// https://iceberg.apache.org/spec/#sorting
test('floating-point numbers: minus infinity, values, minus zero, zero, values, infinity, NaN', () => {
  const sorted = [-Infinity, -1.5, -0, 0, 1.5, Infinity, Number.NaN]
  expect(order(sorted.toReversed(), 'asc', 'nulls-last')).toEqual(sorted)
  expect(order(sorted, 'desc', 'nulls-last')).toEqual(sorted.toReversed())
})

test('nulls stand where the null order says, whatever the direction', () => {
  expect(order([2n, null, 1n], 'asc', 'nulls-first')).toEqual([null, 1n, 2n])
  expect(order([2n, null, 1n], 'desc', 'nulls-first')).toEqual([null, 2n, 1n])
  expect(order([2n, null, 1n], 'desc', 'nulls-last')).toEqual([2n, 1n, null])
  expect(order([null, null], 'asc', 'nulls-last')).toEqual([null, null])
})

test('text by code point, bytes unsigned', () => {
  expect(order(['\u{10000}', '\uffff', 'a'], 'asc', 'nulls-last')).toEqual(['a', '\uffff', '\u{10000}'])
  const bytes = [Uint8Array.of(0x7f), Uint8Array.of(0x80)]
  expect(order(bytes.toReversed(), 'asc', 'nulls-last')).toEqual(bytes)
})
