import fc from 'fast-check'
import { expect } from 'vitest'
import { HindcastError } from '../../../src/contract/index.ts'
import type { Case } from './cases.ts'
import { openEngine } from './engine.ts'
import { differences, expectedRows, mayBeRefused, outputTypes } from './outcome.ts'

/** Views tried by each of the tests; HINDCAST_JUDGED_VIEWS asks for more. */
const runs = Number(process.env['HINDCAST_JUDGED_VIEWS'] ?? 1000)

/** Whether the compiled SQL gives the rows and values that the rules give. */
export async function assertAgreement(cases: fc.Arbitrary<Case>): Promise<void> {
  await using ordinary = await openEngine()
  await using sorting = await openEngine({ sortsToJoin: true })
  await using busy = await openEngine({ takesKeysForBusy: true })
  await fc.assert(
    fc.asyncProperty(cases, fc.nat(2), async ({ view, table, range }, which) => {
      const engine = [ordinary, sorting, busy][which] ?? ordinary
      const expected = expectedRows(view, table, range)
      const computing = engine.compute(view, table, outputTypes(view, table), range)
      const isRefused = await computing.then(
        () => false,
        (error: unknown) => error instanceof HindcastError,
      )
      if (!Array.isArray(expected)) expect([expected, isRefused]).toEqual([expected, true])
      else if (!isRefused || !mayBeRefused(view, table, range))
        expect(differences(view, expected, await computing)).toEqual([])
    }),
    { numRuns: runs },
  )
}
