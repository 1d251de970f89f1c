import { HindcastError, type PlanReference } from '../../contract/index.ts'
import { readJson } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import type { BackfillPlan } from './plan.ts'

/** Plans of so many runs are kept: one may be tens of megabytes, and is asked for by each of thousands of slices. */
const keptPlans = 2

const plansOf = new WeakMap<Runtime, Map<string, Promise<BackfillPlan>>>()

/**
 * The plan at an address.
 * @throws CONFLICT when another plan lies there than the one that is asked for
 */
export async function readPlan(runtime: Runtime, { plan: address, planHash }: PlanReference): Promise<BackfillPlan> {
  // From before plans were asked for by their hash: the file may have been replaced.
  if (planHash === undefined) return readJson(runtime.io, address)
  const plans = plansOf.get(runtime) ?? new Map<string, Promise<BackfillPlan>>()
  plansOf.set(runtime, plans)
  const key = `${address}#${planHash}`
  const reading = plans.get(key) ?? readNamed(runtime, address, planHash)
  plans.delete(key)
  plans.set(key, reading)
  for (const oldest of [...plans.keys()].slice(0, -keptPlans)) plans.delete(oldest)
  try {
    return await reading
  } catch (error) {
    plans.delete(key)
    throw error
  }
}

async function readNamed(runtime: Runtime, address: string, planHash: string): Promise<BackfillPlan> {
  const plan = await readJson<BackfillPlan>(runtime.io, address)
  const found = plan.summary.planHash
  if (found === planHash) return plan
  throw new HindcastError(
    'CONFLICT',
    `${address} holds the plan ${found.slice(0, 12)}…, not this run's ${planHash.slice(0, 12)}…`,
    {
      hint: 'An attempt at planning that was given up came to its end later. Run the backfill again: finished slices are reused.',
      context: { planHash, planHashNow: found },
    },
  )
}
