import {
  floorDiv,
  formatInstant,
  parseDuration,
  type Micros,
  type ScheduledRange,
  type ScheduledRangeRequest,
} from '../../contract/index.ts'
import { eventRanges } from '../../compile/index.ts'
import type { ViewDefinition } from '../../definition/index.ts'
import { gridStep, partitionAt, partitionOrdinal } from '../../plan/index.ts'
import { findView, loadDefinitions } from '../project.ts'
import type { Runtime } from '../runtime.ts'

/**
 * The newest partitions of a view that are complete at a time: all events that their windows see are older than it by the lag, or more.
 * @throws VIEW_NOT_FOUND
 */
export async function scheduledRange(runtime: Runtime, request: ScheduledRangeRequest): Promise<ScheduledRange> {
  const { view, lag, partitions = 1 } = request.input
  const { definition } = findView(await loadDefinitions(runtime.settings), view)
  const known = BigInt(request.scheduledMs) * 1000n - (lag === undefined ? 0n : parseDuration(lag, 'lag'))
  return completeRange(definition, known, partitions)
}

/** @param known events before it have arrived */
export function completeRange(definition: ViewDefinition, known: Micros, partitions: number): ScheduledRange {
  const eventsOf = eventRanges(definition)
  const stepAt = stepsOf(definition)
  let last = stepAt(known)
  while (eventsOf(last).to > known) last = stepAt(last.from - 1n)
  let first = last
  for (let count = 1; count < partitions; count++) first = stepAt(first.from - 1n)
  return { from: formatInstant(first.from), to: formatInstant(last.to) }
}

interface Step {
  readonly from: Micros
  readonly to: Micros
}

/** What a run computes at least: a partition, or several where the grid is coarser, since a range begins and ends on it. */
function stepsOf(definition: ViewDefinition): (instant: Micros) => Step {
  const every = gridStep(definition)
  return (instant) => {
    const partition = partitionAt(definition.partitionBy, partitionOrdinal(definition.partitionBy, instant))
    if (every === null || every <= partition.to - partition.from) return partition
    const from = floorDiv(instant, every) * every
    return { from, to: from + every }
  }
}
