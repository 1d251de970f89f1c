import fc from 'fast-check'
import { expect } from 'vitest'
import { HindcastError } from '../../../src/contract/index.ts'
import type { Case } from './cases.ts'
import { openEngine } from './engine.ts'
import { differences, expectedRows, outputTypes } from './outcome.ts'

/** Views tried by each of the tests; HINDCAST_JUDGED_VIEWS asks for more. */
const runs = Number(process.env['HINDCAST_JUDGED_VIEWS'] ?? 1000)

/** Whether the compiled SQL gives the rows and values that the rules give. */
export async function assertAgreement(cases: fc.Arbitrary<Case>): Promise<void> {
  await using engine = await openEngine()
  await fc.assert(
    fc.asyncProperty(cases, async ({ view, table, range }) => {
      const expected = expectedRows(view, table, range)
      const computing = engine.compute(view, table, outputTypes(view, table), range)
      if (expected === 'overflow') await expect(computing).rejects.toBeInstanceOf(HindcastError)
      else expect(differences(view, expected, await computing)).toEqual([])
    }),
    { numRuns: runs },
  )
}
