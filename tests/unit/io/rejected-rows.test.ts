// Rows that cannot be placed are left out; left out silently, a broken export looks like a quiet week.
import { expect, test } from 'vitest'
import { computeSlice } from '../../../src/io/backfill/index.ts'
import { salesProject } from '../../support/runtime.ts'

test('null keys are counted by the slice whose range holds them, once; null event times by the plan', async () => {
  await using project = await salesProject()
  await project.sell('north,,1', ',2024-01-05 10:00:00,1', ',2024-01-05 11:00:00,2', ',2024-03-05 11:00:00,2')
  const { plan } = await project.staged('run', {})
  expect(plan.summary.nullEventTimes).toBe(1)
  const slices = await Promise.all(
    [...plan.slices.keys()].map((index) => computeSlice(project.runtime, { plan: plan.summary.plan, index })),
  )
  expect(slices.reduce((sum, slice) => sum + slice.rejectedRows, 0)).toBe(2)
})
