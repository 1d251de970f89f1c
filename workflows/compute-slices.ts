import { condition, workflowInfo } from '@temporalio/workflow'
import { referenceTo, type PlanSummary } from '../src/contract/index.ts'
import { compute, steps } from './activity-options.ts'
import { finalFailure } from './failures.ts'
import type { BackfillState, Carried } from './run-state.ts'
import { addSlice } from './slice-totals.ts'

/**
 * Computes the plan's slices from one on, at most `concurrency` in flight. Gives what is to be carried over when the history should be
 * cut, else null: then every slice of the run's plan is finished, which is another one once the range was narrowed.
 */
export async function computeSlices(run: BackfillState, first: PlanSummary, from: number): Promise<Carried | null> {
  let plan = first
  let next = from
  let failure: unknown
  const cut = (): boolean => workflowInfo().continueAsNewSuggested
  const mayStart = (): boolean =>
    run.pause === null && run.narrowing === null && next < plan.slices && run.running < run.concurrency

  const start = (index: number): void => {
    run.started()
    void compute.computeSlice
      .executeWithOptions({ summary: `slice ${index + 1} of ${plan.slices}` }, [{ ...referenceTo(plan), index }])
      .then((slice) => addSlice(run.totals, slice))
      .catch((error: unknown) => {
        failure ??= error
      })
      .finally(() => {
        run.ended()
        const exhausted = run.exhausted()
        if (exhausted !== null && next < plan.slices && run.pause === null)
          run.pause = { by: 'budget', reason: exhausted, sinceMs: Date.now() }
      })
  }

  for (;;) {
    while (next < plan.slices && failure === undefined && run.narrowing === null && !cut()) {
      while (mayStart()) {
        start(next)
        next += 1
      }
      const [atLimit, waiting] = [run.running, next]
      await condition(
        () =>
          failure !== undefined ||
          run.narrowing !== null ||
          run.running < atLimit ||
          (waiting < plan.slices && mayStart()),
      )
    }
    await condition(() => run.running === 0 || failure !== undefined)
    if (failure !== undefined) throw failure
    if (run.narrowing !== null) {
      const narrowed = await narrow(run, plan, next)
      plan = narrowed.plan
      next = Math.min(next, narrowed.sameSlices)
      continue
    }
    if (next >= plan.slices) return null
    return run.carry(plan, next)
  }
}

async function narrow(
  run: BackfillState,
  plan: PlanSummary,
  finished: number,
): Promise<{ readonly plan: PlanSummary; readonly sameSlices: number }> {
  const to = run.narrowing?.to ?? null
  run.enter('narrowing')
  const narrowed = await steps.narrowPlan({ ...referenceTo(plan), to, slices: finished })
  if (narrowed.plan.slices === 0)
    throw finalFailure('REQUEST_INVALID', `the narrowed range up to ${narrowed.plan.to} holds nothing to compute`)
  run.narrowing = null
  run.pause = null
  run.plan = narrowed.plan
  run.enter('computing')
  return narrowed
}
