import { trace, type Attributes } from '@opentelemetry/api'
import { Context } from '@temporalio/activity'
import type { BackfillActivities, MaintenanceActivities } from '../../src/contract/index.ts'

type AllActivities = BackfillActivities & MaintenanceActivities

/** What a span says of what an activity was asked, and of what it did. */
type Descriptions<Activities> = {
  readonly [Name in keyof Activities]?: Activities[Name] extends (request: infer Request) => Promise<infer Result>
    ? { readonly asked?: (request: Request) => Attributes; readonly done?: (result: Result) => Attributes }
    : never
}

const descriptions: Descriptions<AllActivities> = {
  planBackfill: {
    asked: ({ input }) => ({ 'hindcast.view': input.view, 'hindcast.from': input.from, 'hindcast.to': input.to }),
    done: ({ planHash, todoPartitions, slices }) => ({
      'hindcast.plan': planHash,
      'hindcast.partitions': todoPartitions,
      'hindcast.slices': slices,
    }),
  },
  computeSlice: {
    asked: ({ index }) => ({ 'hindcast.slice': index }),
    done: (slice) => ({
      'hindcast.reused': slice.reused,
      'hindcast.partitions': slice.partitions,
      'hindcast.rows': slice.rows,
      'hindcast.bytes': slice.bytes,
      'hindcast.input_rows': slice.inputRows,
      'hindcast.input_bytes': slice.inputBytes,
    }),
  },
  stageSnapshot: { done: ({ snapshotId }) => ({ 'hindcast.snapshot': snapshotId }) },
  runAudit: { done: ({ name, status }) => ({ 'hindcast.audit': name, 'hindcast.verdict': status }) },
  publishSnapshot: {
    done: ({ snapshotId, restaged }) => ({ 'hindcast.snapshot': snapshotId, 'hindcast.restaged': restaged }),
  },
  claimRange: {
    asked: ({ input }) => ({ 'hindcast.view': input.view, 'hindcast.from': input.from, 'hindcast.to': input.to }),
  },
  maintainTable: { asked: ({ table }) => ({ 'hindcast.table': table }) },
}

type AnyActivity = (request: never) => Promise<unknown>

/** The same activities, which tell the span of each attempt what they were asked and did. */
export function describedActivities<Activities extends AllActivities>(activities: Activities): Activities {
  const named = Object.entries(activities as unknown as Readonly<Record<string, AnyActivity>>)
  return Object.fromEntries(
    named.map(([name, activity]) => {
      const { asked, done } = (descriptions as Readonly<Record<string, Description>>)[name] ?? {}
      const run: AnyActivity = async (request) => {
        const span = trace.getActiveSpan()
        const { workflowExecution, attempt } = Context.current().info
        span?.setAttributes({
          'hindcast.run': workflowExecution?.workflowId ?? '',
          'hindcast.attempt': attempt,
          ...asked?.(request),
        })
        const result = await activity(request)
        span?.setAttributes(done?.(result as never) ?? {})
        return result
      }
      return [name, run]
    }),
  ) as unknown as Activities
}

interface Description {
  readonly asked?: (request: never) => Attributes
  readonly done?: (result: never) => Attributes
}
