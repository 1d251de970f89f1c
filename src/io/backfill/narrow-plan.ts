import {
  HindcastError,
  parseInstant,
  formatInstant,
  type NarrowRequest,
  type PlanSummary,
} from '../../contract/index.ts'
import { partitionAt } from '../../plan/index.ts'
import { sha256, toJsonBytes } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import type { BackfillPlan } from './plan.ts'
import { readPlan } from './read-plan.ts'
import { sliceAddress } from './slice-address.ts'

/**
 * The same plan up to an earlier end, in a file of its own beside it: slices before the end stay what they are, one that it cuts keeps
 * the partitions before it.
 * @returns the new plan's summary, and how many slices are the same as before
 */
export async function narrowPlan(
  runtime: Runtime,
  request: NarrowRequest,
): Promise<{ readonly plan: PlanSummary; readonly sameSlices: number }> {
  const plan = await readPlan(runtime, request)
  const end = request.to === null ? endOf(plan, request.slices) : parseInstant(request.to, 'to')
  const { partitionBy } = plan.definition
  const isBefore = ({ ordinal }: { readonly ordinal: number }): boolean => partitionAt(partitionBy, ordinal).to <= end
  const sameSlices = plan.slices.filter(({ partitions }) => partitions.every(isBefore)).length
  const slices = plan.slices.flatMap((slice) => {
    const partitions = slice.partitions.filter(isBefore)
    if (partitions.length === slice.partitions.length) return [slice]
    return partitions.length === 0 ? [] : [{ ...slice, partitions, address: sliceAddress(partitions) }]
  })
  const partitions = plan.partitions.filter(isBefore)
  const reasons = { ...plan.summary.partitions }
  for (const { reason } of plan.partitions.filter((partition) => !isBefore(partition))) reasons[reason] -= 1
  const planHash = sha256(JSON.stringify([plan.summary.planHash, slices.map(({ address }) => address)]))
  const narrowed: BackfillPlan = {
    ...plan,
    partitions,
    slices,
    summary: {
      ...plan.summary,
      plan: `${plan.run.folder}/plan-${planHash.slice(0, 12)}.json`,
      planHash,
      to: formatInstant(end),
      partitions: reasons,
      todoPartitions: slices.reduce((sum, slice) => sum + slice.partitions.length, 0),
      slices: slices.length,
      inputRows: slices.reduce((sum, slice) => sum + slice.inputRows, 0),
      inputBytes: slices.reduce((sum, slice) => sum + slice.inputBytes, 0),
    },
  }
  await runtime.io.replace(narrowed.summary.plan, toJsonBytes(narrowed))
  return { plan: narrowed.summary, sameSlices }
}

/** The end of the first slices of a plan. */
function endOf({ slices, definition }: BackfillPlan, count: number): bigint {
  const last = slices[count - 1]?.partitions.at(-1)
  if (last === undefined)
    throw new HindcastError('REQUEST_INVALID', 'the range cannot be narrowed: nothing of it is finished yet')
  return partitionAt(definition.partitionBy, last.ordinal).to
}
