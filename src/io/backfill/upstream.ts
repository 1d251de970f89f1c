import {
  formatInstant,
  HindcastError,
  parseInstant,
  type BackfillInput,
  type UpstreamRun,
} from '../../contract/index.ts'
import { eventRanges } from '../../compile/index.ts'
import type { ViewDefinition } from '../../definition/index.ts'
import { partitionAt, partitionOrdinal } from '../../plan/index.ts'
import { findView, loadDefinitions, type Definitions } from '../project.ts'
import type { Runtime } from '../runtime.ts'

/**
 * The backfills that a view's source needs first, those that others need before them: each over what the windows of the next one see, in
 * whole partitions.
 * @throws DEFINITION_INVALID for views that read each other in a circle
 */
export async function listUpstream(runtime: Runtime, input: BackfillInput): Promise<readonly UpstreamRun[]> {
  const definitions = await loadDefinitions(runtime.settings)
  const runs: UpstreamRun[] = []
  const path = [input.view]
  let reader = findView(definitions, input.view).definition
  let range = { from: input.from, to: input.to }
  for (let next = sourceView(definitions, reader); next !== null; next = sourceView(definitions, reader)) {
    if (path.includes(next.name)) {
      throw new HindcastError(
        'DEFINITION_INVALID',
        `views read each other in a circle: ${[...path, next.name].join(' → ')}`,
      )
    }
    path.push(next.name)
    range = seenRange(reader, next, range)
    runs.unshift({
      input: {
        view: next.name,
        ...range,
        ...(input.concurrency === undefined ? {} : { concurrency: input.concurrency }),
        ...(input.onOverlap === undefined ? {} : { onOverlap: input.onOverlap }),
        ...(input.requireApproval === undefined ? {} : { requireApproval: input.requireApproval }),
      },
      isSource: runs.length === 0,
    })
    reader = next
  }
  return runs
}

const sourceView = (definitions: Definitions, { source }: ViewDefinition): ViewDefinition | null =>
  source.view === undefined ? null : findView(definitions, source.view).definition

/** The partitions of a view that hold the events which a reader's windows see. A window without a beginning asks for no more than the range. */
function seenRange(
  reader: ViewDefinition,
  view: ViewDefinition,
  range: { readonly from: string; readonly to: string },
): { readonly from: string; readonly to: string } {
  const first = partitionAt(reader.partitionBy, partitionOrdinal(reader.partitionBy, parseInstant(range.from, 'from')))
  const seen = eventRanges(reader)(first)
  const hasBeginning = reader.features.every(({ windows }) => windows.every((window) => !window.startsWith('lifetime')))
  const from = hasBeginning ? seen.from : first.from
  const ordinalOf = (instant: bigint): number => partitionOrdinal(view.partitionBy, instant)
  const to = parseInstant(range.to, 'to')
  const last = ordinalOf(to)
  return {
    from: formatInstant(partitionAt(view.partitionBy, ordinalOf(from)).from),
    to: formatInstant(partitionAt(view.partitionBy, last).from === to ? to : partitionAt(view.partitionBy, last).to),
  }
}
