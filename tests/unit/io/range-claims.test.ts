// Two runs that both believe a range to be theirs end in a conflict after hours of computing.
import { expect, test } from 'vitest'
import { pathToFileURL } from 'node:url'
import { localFiles } from '../../../src/io/files/index.ts'
import { RangeClaims, type Claim } from '../../../src/io/range-claims.ts'
import { tempDir } from '../../support/temp-dir.ts'

const run = (name: string) => ({ workflowId: name, executionId: `${name}-1` })
const claim = (name: string, from: number, to: number): Claim => ({ run: run(name), from, to })
const nobodyEnded = () => Promise.resolve(false)

async function claims(): Promise<AsyncDisposable & { open(): RangeClaims }> {
  const folder = await tempDir()
  return {
    open: () => new RangeClaims(localFiles(), pathToFileURL(folder.path).href),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

test('a range is one run’s, what lies beside it another’s', async () => {
  await using store = await claims()
  const ranges = store.open()
  expect(await ranges.claim(claim('one', 10, 20), nobodyEnded)).toBeNull()
  expect(await ranges.claim(claim('one', 10, 20), nobodyEnded)).toBeNull()
  expect(await ranges.claim(claim('two', 19, 30), nobodyEnded)).toEqual(claim('one', 10, 20))
  expect(await ranges.claim(claim('three', 20, 30), nobodyEnded)).toBeNull()
  expect(await ranges.claim(claim('four', 0, 10), nobodyEnded)).toBeNull()
  await ranges.release(run('one'))
  await ranges.release(run('one'))
  expect(await ranges.claim(claim('two', 19, 20), nobodyEnded)).toBeNull()
})

test('the claim of a run that is over goes', async () => {
  await using store = await claims()
  const ranges = store.open()
  await ranges.claim(claim('one', 10, 20), nobodyEnded)
  expect(await ranges.claim(claim('two', 10, 20), ({ workflowId }) => Promise.resolve(workflowId === 'one'))).toBeNull()
  expect(await ranges.claim(claim('one', 10, 20), nobodyEnded)).toEqual(claim('two', 10, 20))
})

test('of many who ask at once, one is given the range, whoever gives it back', async () => {
  await using store = await claims()
  for (let round = 0; round < 5; round++) {
    const asked = await Promise.all(
      Array.from({ length: 12 }, (_, i) => store.open().claim(claim(`run-${i}`, 0, 5), nobodyEnded)),
    )
    const given = asked.flatMap((holder, i) => (holder === null ? [`run-${i}`] : []))
    expect(given).toHaveLength(1)
    expect(asked.every((holder) => holder === null || holder.run.workflowId === given[0])).toBe(true)
    await store.open().release(run(given[0] ?? ''))
  }
})
