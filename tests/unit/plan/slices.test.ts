// Slices must hold every partition once, in order, whatever the skew: one lost is a hole in the table, one twice is wasted work.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { groupIntoSlices } from '../../../src/plan/index.ts'

const cost = (weights: ReadonlyMap<number, number>) => (slice: readonly number[]) =>
  slice.reduce((sum, ordinal) => sum + (weights.get(ordinal) ?? 0), 0)

test('every partition is in exactly one slice, neighbours only, and a slice over the target is a single partition', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: -600, max: 600 }), { maxLength: 200 }),
      fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 200, maxLength: 200 }),
      fc.integer({ min: 1, max: 5000 }),
      (unsorted, costs, target) => {
        const ordinals = [...unsorted].sort((a, b) => a - b)
        const weights = new Map(ordinals.map((ordinal, i) => [ordinal, costs[i] ?? 0]))
        const slices = groupIntoSlices(ordinals, cost(weights), target)
        expect(slices.flat()).toEqual(ordinals)
        for (const slice of slices) {
          slice.slice(1).forEach((ordinal, i) => expect(ordinal).toBe((slice[i] as number) + 1))
          if (slice.length > 1) expect(cost(weights)(slice)).toBeLessThanOrEqual(target)
        }
      },
    ),
  )
})

test('two overlapping ranges cut their common stretch in the same places', () => {
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
  const perPartition = (slice: readonly number[]): number => slice.length
  const wide = groupIntoSlices(range(11_324, 11_505), perPartition, 16)
  const narrow = groupIntoSlices(range(11_360, 11_440), perPartition, 16)
  const shared = narrow.filter((slice) => wide.some((other) => other.join() === slice.join()))
  expect(shared.length).toBeGreaterThanOrEqual(narrow.length - 2)
})

test('one giant day gets a slice of its own and leaves its neighbours large', () => {
  const giant = 40
  const slices = groupIntoSlices(
    Array.from({ length: 64 }, (_, i) => i),
    (slice) => slice.reduce((sum, ordinal) => sum + (ordinal === giant ? 1000 : 1), 0),
    64,
  )
  expect(slices).toContainEqual([giant])
  expect(Math.max(...slices.map((slice) => slice.length))).toBe(32)
})

test('what windows look back to is not read once a partition, where it is more than a slice may read', () => {
  const lookback = 90
  const slices = groupIntoSlices(
    Array.from({ length: 64 }, (_, i) => i),
    (slice) => slice.length + lookback,
    lookback / 2,
  )
  expect(slices.map((slice) => slice.length)).toEqual([32, 32])
})
