// What a step fails with keeps its code and its hint on the way through Temporal, and is tried again only where that can help.
import type { ApplicationFailure } from '@temporalio/common'
import { expect, test } from 'vitest'
import { fromFailure, notItsTurn, toFailure } from '../../../activities/failures.ts'
import { HindcastError } from '../../../src/contract/index.ts'

test.each([
  ['STORAGE_UNAVAILABLE', false],
  ['CATALOG_UNAVAILABLE', false],
  // Splitting the slice was the other attempt.
  ['ENGINE_OUT_OF_MEMORY', true],
  ['INPUT_INVALID', true],
  ['CONFLICT', true],
] as const)('%s: final %s', (code, nonRetryable) => {
  const failure = toFailure(new HindcastError(code, 'what', { hint: 'how', context: { partition: '2001-01-02' } }), 7)
  expect(failure).toMatchObject({ type: code, message: 'what', nonRetryable })
  expect(fromFailure(failure as ApplicationFailure)).toMatchObject({
    code,
    message: 'what',
    hint: 'how',
    context: { partition: '2001-01-02' },
  })
})

test('what nobody foresaw is tried a few times, then ends the run with its own words', () => {
  const error = new TypeError('x is not a function')
  for (const attempt of [1, 2, 3, 4]) expect(toFailure(error, attempt)).toBe(error)
  expect(toFailure(error, 5)).toMatchObject({
    type: 'INVARIANT_VIOLATED',
    message: 'x is not a function',
    nonRetryable: true,
  })
})

test('who only waits is let go however often, and looks less often in the end', () => {
  const holder = { workflowId: 'the-first', executionId: '1' }
  for (const [attempt, nextRetryDelay] of [
    [1, '1s'],
    [300, '1s'],
    [301, '5s'],
    [1_000_000, '5s'],
  ] as const) {
    const failure = notItsTurn(holder, attempt)
    expect(failure).toMatchObject({ nextRetryDelay, nonRetryable: false, category: 'BENIGN' })
    expect(failure.message).toContain('the-first')
    expect(toFailure(failure, attempt)).toBe(failure)
  }
})
