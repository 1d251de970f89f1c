/** Rule: a run uses all cores also when it has few slices, and never runs more threads than cores at a time for long. */
import { expect, test } from 'vitest'
import { sliceThreads } from '../../../../src/io/backfill/slice-threads.ts'

test.each([
  { slices: 1, atOnce: 4, cores: 4, threads: [4] },
  { slices: 2, atOnce: 4, cores: 4, threads: [2, 2] },
  { slices: 3, atOnce: 4, cores: 4, threads: [1, 1, 1] },
  { slices: 5, atOnce: 4, cores: 4, threads: [1, 1, 1, 1, 4] },
  { slices: 2, atOnce: 1, cores: 2, threads: [2, 2] },
  { slices: 3, atOnce: 256, cores: 2, threads: [1, 1, 2] },
])('$slices slices, $atOnce at once on $cores cores', ({ slices, atOnce, cores, threads }) => {
  expect(threads.map((_, index) => sliceThreads({ index, slices, atOnce, cores }))).toEqual(threads)
})
