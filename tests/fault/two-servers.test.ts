// Two Temporal servers over one warehouse do not know each other's runs, and claims do not keep them apart: each takes the other's runs for
// over. Work is then done twice, but no file is torn, and `main` shows one run's whole partitions.
import { expect, test } from 'vitest'
import { isHindcastError, referenceTo, type RunIdentity } from '../../src/contract/index.ts'
import { claimRange, computeSlice, planRun, publishSnapshot, stageSnapshot } from '../../src/io/backfill/index.ts'
import { salesProject } from '../support/runtime.ts'
import { mainBytes } from '../support/table-bytes.ts'

const request = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-08' }
const unknownHere = () => Promise.resolve(true)

test.each([
  ['there is no table yet', null],
  ['some is published', { ...request, to: '2024-01-05' }],
])('runs of one id under both at once, where %s', async (_, before) => {
  await using undisturbed = await salesProject()
  await undisturbed.publish(await undisturbed.staged('undisturbed', request))
  const reference = await mainBytes(undisturbed.runtime.settings.dir, 'shop_sales')

  await using project = await salesProject(undefined, { limits: { sliceInputBytes: 200 } })
  const { runtime } = project
  if (before !== null) await project.publish(await project.staged('before', before))
  const runs: readonly RunIdentity[] = ['here', 'there'].map((executionId) => ({ workflowId: 'run', executionId }))
  const plans = []
  for (const run of runs) {
    expect(await claimRange(runtime, request, run, unknownHere)).toBeNull()
    plans.push(await planRun(runtime, request, run))
  }
  const outcomes = await Promise.all(
    plans.map(async ({ summary, slices }) => {
      const plan = referenceTo(summary)
      for (const index of slices.keys()) await computeSlice(runtime, { ...plan, index })
      try {
        const { snapshotId } = await stageSnapshot(runtime, plan)
        await publishSnapshot(runtime, { ...plan, snapshotId, audits: [], decision: null })
        return 'published'
      } catch (error) {
        if (isHindcastError(error)) return error.code
        throw error
      }
    }),
  )
  expect(outcomes.toSorted()).toEqual(['CONFLICT', 'published'])
  expect(await mainBytes(runtime.settings.dir, 'shop_sales')).toEqual(reference)
})
