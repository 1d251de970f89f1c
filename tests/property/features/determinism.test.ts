// A published snapshot has to come out again, byte for byte, on another machine: where slices are cut, how many threads there are and in
// which order files are read may not show in any bit.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HindcastError } from '../../../src/contract/index.ts'
import { cases, clockGrids, otherGrids, type Case } from './cases.ts'
import { openEngine, type Engine, type Range } from './engine.ts'
import { outputTypes, show, type Table } from './outcome.ts'

const runs = Math.ceil(Number(process.env['HINDCAST_JUDGED_VIEWS'] ?? 1000) / 10)

interface Bits {
  readonly rows: readonly string[]
  readonly rejected: bigint
}

/** Null where a sum leaves its type. */
async function bitsOf(
  engine: Engine,
  { view, table }: Case,
  { rows, dimensions = {} }: Pick<Table, 'rows' | 'dimensions'>,
  slices: readonly Range[],
): Promise<Bits | null> {
  const found: string[] = []
  let rejected = 0n
  try {
    for (const slice of slices) {
      const computed = await engine.compute(view, { ...table, rows, dimensions }, outputTypes(view, table), slice)
      found.push(...computed.rows.map((row) => Object.values(row).map(show).join(' ')))
      rejected += computed.rejected
    }
  } catch (error) {
    if (error instanceof HindcastError && error.code === 'INPUT_INVALID') return null
    throw error
  }
  return { rows: found, rejected }
}

function slicesOf({ range: { from, to }, cuts }: Case): Range[] {
  const at = (cut: number): bigint => from + BigInt(Math.floor(Number(to - from) * cut))
  const edges = [...new Set([from, ...cuts.map(at), to])].sort((a, b) => (a < b ? -1 : 1))
  return edges.slice(1).map((edge, index) => ({ from: edges[index] as bigint, to: edge }))
}

const ascending = (bits: Bits | null): Bits | null => (bits === null ? null : { ...bits, rows: bits.rows.toSorted() })

test('slices, threads and the order of rows leave no trace in any bit', { timeout: 900_000 }, async () => {
  await using one = await openEngine()
  await using two = await openEngine({ threads: 2, sortsToJoin: true, takesKeysForBusy: true })
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(cases(clockGrids), cases(otherGrids)),
      fc.infiniteStream(fc.nat()),
      async (judged, ranks) => {
        const { rows, dimensions } = judged.table
        const whole = await bitsOf(one, judged, judged.table, [judged.range])
        expect(ascending(await bitsOf(one, judged, judged.table, slicesOf(judged)))).toEqual(ascending(whole))
        const shuffled = rows
          .map((row) => ({ row, rank: ranks.next().value as number }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ row }) => row)
        const reversed = Object.fromEntries(
          Object.entries(dimensions ?? {}).map(([name, dimension]) => [
            name,
            { ...dimension, rows: dimension.rows.toReversed() },
          ]),
        )
        expect(await bitsOf(two, judged, { rows: shuffled, dimensions: reversed }, [judged.range])).toEqual(whole)
      },
    ),
    { numRuns: runs },
  )
})
