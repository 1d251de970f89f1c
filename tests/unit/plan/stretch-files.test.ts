import fc from 'fast-check'
import { expect, test } from 'vitest'
import { filesIn, partitionsOf, reachesOf, StretchFiles, type SourceFile } from '../../../src/plan/index.ts'
import { MICROS_PER_HOUR, parseInstant } from '../../../src/contract/index.ts'
import '../../support/seed.ts'

const partitions = partitionsOf(
  { from: '2001-01-10', to: '2001-02-10' },
  { unit: 'day', everyMicros: null, every: '1d' },
)
const start = parseInstant('2001-01-01', '')
const eventsOf = ({ from, to }: { from: bigint; to: bigint }) => ({
  from: from - 72n * MICROS_PER_HOUR,
  to: to - 30n * MICROS_PER_HOUR,
})

const sourceFile = fc
  .record({
    from: fc.option(fc.nat(24 * 50)),
    length: fc.oneof(fc.nat(30), fc.nat(24 * 50)),
    isOpen: fc.boolean(),
    rows: fc.nat(100),
  })
  .map(({ from, length, isOpen, rows }): SourceFile => ({
    path: 'f',
    rows,
    bytes: rows * 7 + 1,
    from: from === null ? null : start + BigInt(from) * MICROS_PER_HOUR,
    to: isOpen ? null : start + BigInt((from ?? 0) + length) * MICROS_PER_HOUR,
  }))

const byFirstTime = (a: SourceFile, b: SourceFile): number =>
  a.from === b.from ? 0 : a.from === null ? -1 : b.from === null ? 1 : a.from < b.from ? -1 : 1

/** As most tables have them: each about a day, so that they end in the order in which they begin. */
const dailyFile = fc.nat(24 * 50).map((hour): SourceFile => {
  const from = start + BigInt(hour) * MICROS_PER_HOUR
  return { path: 'f', rows: 1, bytes: 1, from, to: from + 23n * MICROS_PER_HOUR }
})

const sourceFiles = fc.oneof(fc.array(sourceFile, { maxLength: 40 }), fc.array(dailyFile, { maxLength: 40 }))

test('the files and rows of a stretch are those of looking at each file and each partition', () => {
  fc.assert(
    fc.property(sourceFiles, fc.nat(30), fc.nat(30), (unordered, one, other) => {
      const files = unordered.toSorted(byFirstTime)
      const [first, end] = [Math.min(one, other), Math.max(one, other) + 1]
      const stretches = new StretchFiles(files, reachesOf(partitions, files, eventsOf), partitions.length)
      const naive = files.flatMap((file, index) =>
        partitions.slice(first, end).some((partition) => {
          const seen = eventsOf(partition)
          return (file.to === null || file.to >= seen.from) && (file.from === null || file.from < seen.to)
        })
          ? [index]
          : [],
      )
      expect(filesIn(stretches.files(first, end))).toEqual(naive)
      const bytes = naive.reduce((sum, index) => sum + (files[index]?.bytes ?? 0), 0)
      expect(stretches.bytes(stretches.files(first, end))).toBe(bytes)
      expect(stretches.rows(first, end)).toBe(naive.reduce((sum, index) => sum + (files[index]?.rows ?? 0), 0))
    }),
    { numRuns: 500 },
  )
})
