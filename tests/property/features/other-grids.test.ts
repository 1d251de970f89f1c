// What a backfill publishes is what this SQL says. A window edge off by one leaks the future into training; a sum that depends on the order
// of rows can never be reproduced. Every view that the language can say is held to rules that were written down beside it.
import { test } from 'vitest'
import { assertAgreement } from './agreement.ts'
import { cases, otherGrids } from './cases.ts'

test(
  'the naive judge agrees on every value of views over calendars, and of rows that follow events',
  { timeout: 900_000 },
  async () => {
    await assertAgreement(cases(otherGrids))
  },
)
