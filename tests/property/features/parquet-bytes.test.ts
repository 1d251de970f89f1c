// A slice that is computed again, by another worker, in other company, has to give the file that lies there already: a published snapshot is
// reproduced by its bytes.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cases, clockGrids } from './cases.ts'
import { openEngine } from './engine.ts'
import { expectedRows, mayBeRefused, outputTypes } from './outcome.ts'

const runs = Math.ceil(Number(process.env['HINDCAST_JUDGED_VIEWS'] ?? 1000) / 25)
const day = 86_400_000_000n

test(
  'a day has the same file, whatever the slice it is in, the threads and the order of events',
  { timeout: 300_000 },
  async () => {
    await using one = await openEngine()
    await using two = await openEngine({
      threads: 2,
      holdsEvents: true,
      sortsRows: true,
      sortsToJoin: true,
      takesKeysForBusy: true,
    })
    let files = 0
    await fc.assert(
      fc.asyncProperty(cases(clockGrids), async ({ view, table, range }) => {
        const output = outputTypes(view, table)
        const from = range.from - (((range.from % day) + day) % day)
        const whole = { from, to: from + 4n * day }
        const slices = [
          { from, to: from + 3n * day },
          { from: from + 3n * day, to: whole.to },
        ]
        fc.pre(Array.isArray(expectedRows(view, table, whole)) && !mayBeRefused(view, table, whole))

        const together = await two.hashes(view, { ...table, rows: table.rows.toReversed() }, output, whole)
        const apart = new Map<string, string>()
        for (const slice of slices)
          for (const [key, hash] of await one.hashes(view, table, output, slice)) apart.set(key, hash)
        expect(together).toEqual(apart)
        files += together.size
      }),
      { numRuns: runs },
    )
    expect(files).toBeGreaterThan(runs)
  },
)
