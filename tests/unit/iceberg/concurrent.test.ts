// Whoever catches a failure cleans up or tries again. Were some of the work still under way, it would write into what was just put in order.
import { expect, test } from 'vitest'
import { mapConcurrently } from '../../../src/iceberg/index.ts'

test('results are in the order of the items, and no more than the limit is under way', async () => {
  let underWay = 0
  let most = 0
  const results = await mapConcurrently([3, 1, 2, 0], 2, async (item) => {
    most = Math.max(most, (underWay += 1))
    for (let turn = 0; turn < item; turn++) await Promise.resolve()
    underWay -= 1
    return item * 10
  })
  expect([results, most]).toEqual([[30, 10, 20, 0], 2])
})

test('the first failure is thrown when all that had begun has ended, and nothing more is begun', async () => {
  const slow = Promise.withResolvers<void>()
  const begun: string[] = []
  let hasEnded = false
  let hasThrown = false
  const mapped = mapConcurrently(['slow', 'first', 'second', 'never', 'never'], 3, async (item) => {
    begun.push(item)
    if (item === 'first') throw new Error('first')
    await slow.promise
    if (item === 'second') throw new Error('second')
    hasEnded = true
  }).finally(() => (hasThrown = true))
  // A rejection that nobody waits for yet would end the process.
  mapped.catch(() => undefined)
  await new Promise((resolve) => setImmediate(resolve))
  expect([hasThrown, hasEnded]).toEqual([false, false])
  slow.resolve()
  await expect(mapped).rejects.toThrow('first')
  expect([hasEnded, begun]).toEqual([true, ['slow', 'first', 'second']])
})

test('a failure that is no error is a failure', async () => {
  await expect(mapConcurrently([1], 1, () => Promise.reject(undefined))).rejects.toBe(undefined)
})
