import { expect, test } from 'vitest'
import { exactSumMacros, nearestDouble } from '../../../src/compile/exact-sums.ts'
import { openDuckDb } from '../../../src/io/duckdb.ts'
import { tempDir } from '../../support/temp-dir.ts'

test('the double nearest to a 128-bit integer is the one that JavaScript rounds it to', async () => {
  await using dir = await tempDir()
  await using db = await openDuckDb({ threads: 1, memoryLimit: '256MB', tempDirectory: dir.path })
  for (const macro of exactSumMacros) await db.run(macro)
  // Around each power of two, where rounding, the engine's cast of 64 bits and the digits that are dropped begin and end.
  const integers = Array.from({ length: 126 }, (_, bits) => 2n ** BigInt(bits)).flatMap((power) => {
    const halfway = power / 2n ** 53n
    const around = [power, power + halfway, power + 3n * halfway, (power * 4n) / 3n].flatMap((n) => [n - 1n, n, n + 1n])
    return [...around, ...around.map((n) => -n)]
  })
  const rows = await db.rows<{ rounded: number }>(
    `SELECT ${nearestDouble('CAST(total AS HUGEINT)')} AS rounded FROM (VALUES ${integers.map((n, i) => `(${i}, '${n}')`).join(', ')}) AS v(i, total) ORDER BY i`,
  )
  expect(rows.map(({ rounded }) => rounded)).toEqual(integers.map((n) => Number(n) + 0))
})
