// A plan is read once for all of its slices, and never mistaken for one that replaced it.
import { expect, test } from 'vitest'
import { referenceTo } from '../../../../src/contract/index.ts'
import { readPlan } from '../../../../src/io/backfill/read-plan.ts'
import { salesProject } from '../../../support/runtime.ts'

test('a plan is asked for by its hash: what replaced it is refused, by its own hash it is read', async () => {
  await using project = await salesProject()
  const { runtime } = project
  const first = await project.staged('run', {})
  const other = await project.staged('other', { to: '2024-01-08' })
  const reference = referenceTo(first.plan.summary)
  expect((await readPlan(runtime, reference)).summary.planHash).toBe(reference.planHash)

  // As a late attempt at planning would leave it.
  await runtime.io.replace(reference.plan, await runtime.io.read(other.plan.summary.plan))
  const newcomer = { ...runtime }
  await expect(readPlan(newcomer, reference)).rejects.toMatchObject({
    code: 'CONFLICT',
    context: { planHash: first.plan.summary.planHash, planHashNow: other.plan.summary.planHash },
  })
  const replaced = await readPlan(newcomer, { plan: reference.plan, planHash: other.plan.summary.planHash })
  expect(replaced.slices).toEqual(other.plan.slices)
})

test('thousands of slices read one plan once; a plan that could not be read is asked for again', async () => {
  await using project = await salesProject()
  const { plan } = await project.staged('run', {})
  let reads = 0
  let fails = true
  const runtime = {
    ...project.runtime,
    io: {
      ...project.runtime.io,
      read: async (path: string) => {
        reads += 1
        if (fails) throw new Error('the store is away')
        return project.runtime.io.read(path)
      },
    },
  }
  const reference = referenceTo(plan.summary)
  await expect(readPlan(runtime, reference)).rejects.toThrow('the store is away')
  fails = false
  const plans = await Promise.all(Array.from({ length: 1_000 }, () => readPlan(runtime, reference)))
  expect(new Set(plans).size).toBe(1)
  expect(reads).toBe(2)
})
