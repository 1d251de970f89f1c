import { executeChild, ParentClosePolicy, workflowInfo } from '@temporalio/workflow'
import { parseScheduledBackfillInput, type BackfillInput, type BackfillResult } from '../src/contract/index.ts'
import { steps } from './activity-options.ts'
import { backfill } from './backfill.ts'
import { orFail, rootOf } from './failures.ts'

/** Before the runs that people start, which are long: Temporal's default is 3, 1 comes first. */
const scheduledPriority = 2

/**
 * Backfills the newest partitions of a view that are complete at the time for which a schedule started it, whenever it does run: so what an
 * outage held up, and `temporal schedule backfill`, fill the days that they are for. Started by anyone else, that time is now.
 */
export async function scheduledBackfill(request: unknown): Promise<BackfillResult> {
  const input = orFail(() => parseScheduledBackfillInput(request))
  const { workflowId, searchAttributes, startTime, priority } = workflowInfo()
  const [scheduled] = searchAttributes['TemporalScheduledStartTime'] ?? []
  const scheduledMs = (scheduled instanceof Date ? scheduled : startTime).getTime()
  const given = priority?.priorityKey
  // The server's 0 is "none given".
  const isGiven = given !== undefined && given !== 0
  const { view, requireApproval, withUpstream } = input
  const before = { fairnessKey: view, priorityKey: isGiven ? given : scheduledPriority }
  try {
    const range = await steps.scheduledRange.executeWithOptions(
      { summary: `what is complete at ${new Date(scheduledMs).toISOString()}`, priority: before },
      [{ input, scheduledMs }],
    )
    const run: BackfillInput = {
      view,
      ...range,
      ...(requireApproval === undefined ? {} : { requireApproval }),
      ...(withUpstream === undefined ? {} : { withUpstream }),
      // Two times of one schedule may see the same partitions: the later one finds them fresh.
      onOverlap: 'wait',
    }
    return await executeChild(backfill, {
      args: [run],
      workflowId: `${workflowId}/${view}`,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `${view} from ${range.from} to ${range.to}`,
      memo: { view, ...range },
      priority: before,
    })
  } catch (error) {
    throw rootOf(error)
  }
}
