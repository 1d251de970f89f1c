import { expect, test } from 'vitest'
import { digitsFor, digitsOf, haveFew, spreadSteps, squareOf, variance } from '../../../src/compile/exact-spreads.ts'
import { exactSumMacros } from '../../../src/compile/exact-sums.ts'
import { spreadMacros } from '../../../src/compile/exact-spreads.ts'
import { openDuckDb } from '../../../src/io/duckdb.ts'
import { varianceOfDoubles } from '../../property/features/oracle/exact.ts'
import { tempDir } from '../../support/temp-dir.ts'

/** Numbers in [-1, 1), the same in every run. */
function pseudoRandom(): () => number {
  let state = 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return (state / 2_147_483_647) * 2 - 1
  }
}
const random = pseudoRandom()
/** Up to so many powers of two apart. */
const spanning = (bits: number, from = -bits / 2) => random() * 2 ** Math.round(from + ((random() + 1) / 2) * bits)

const kinds: Readonly<Record<string, () => number>> = {
  prices: () => Math.round(random() * 1e7) / 100,
  'of one size': () => 1e9 + random(),
  'that are equal': () => 0.1,
  'of few bits': () => Math.round(random() * 2),
  'just below 96 bits': () => spanning(41),
  'just above 96 bits': () => spanning(46),
  'of some digits': () => spanning(200),
  'near the greatest': () => spanning(8, 505),
  'below the normal ones': () => spanning(8, -1070),
  'of all sizes': () => spanning(1500, -1000),
}

test.each(Object.keys(kinds))('the variance of values %s is that of the real numbers', async (kind) => {
  await using dir = await tempDir()
  await using db = await openDuckDb({ threads: 1, memoryLimit: '256MB', tempDirectory: dir.path })
  for (const macro of [...exactSumMacros, ...spreadMacros]) await db.run(macro)
  const groups = Array.from({ length: 200 }, (_, index) =>
    Array.from({ length: 2 + (index % 12) }, kinds[kind] as () => number),
  )
  const magnitudes = groups.flat().flatMap((value) => (value === 0 ? [] : [Math.abs(value)]))
  const digits = digitsFor({ least: Math.min(...magnitudes), greatest: Math.max(...magnitudes), hasNonFinite: false })
  const ofValue = digitsOf('x', digits)
  const names = ofValue.map((_, index) => `d${index}`)
  const totals = haveFew(digits) ? [`sum(d1 * ${2n ** 48n} + d0)`] : names.map((name) => `sum(${name})`)
  const squares = squareOf(names).map((sql) => `sum(${sql})`)
  const sums = {
    n: 'n',
    totals: totals.map((_, index) => `t${index}`),
    squares: squares.map((_, index) => `q${index}`),
  }
  const columns = (sql: readonly string[], as: readonly string[]): string =>
    sql.map((one, index) => `${one} AS ${as[index]}`).join(', ')
  const stepped = spreadSteps(sums, digits, (step) => step).reduce(
    (from, step) => `(SELECT *, ${columns(Object.values(step), Object.keys(step))} FROM ${from})`,
    `(SELECT i, count(*) AS n, ${columns(totals, sums.totals)}, ${columns(squares, sums.squares)} FROM digits GROUP BY i)`,
  )
  const rows = await db.rows<{ variance: number }>(
    `WITH digits AS (SELECT i, ${columns(ofValue, names)} FROM (VALUES ${groups.flatMap((group, i) => group.map((x) => `(${i}, '${x}'::DOUBLE)`)).join(', ')}) AS v(i, x))
     SELECT ${variance(sums, digits, (step) => step)} AS variance FROM ${stepped} ORDER BY i`,
  )
  expect(rows.map((row) => row.variance)).toEqual(groups.map(varianceOfDoubles))
})
