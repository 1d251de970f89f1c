import type { BackfillActivities, PlanSummary, SliceSummary } from '../../src/contract/index.ts'

/**
 * Activities that answer at once without doing anything: for what the workflow itself decides (order, bounds, verdicts), which real work
 * would only hide behind its own time. What the activities do is tested on real tables.
 */
export function scriptedActivities(script: {
  readonly slices: number
  readonly plan?: Partial<PlanSummary>
  readonly audits?: readonly ('pass' | 'warn' | 'fail')[]
  readonly onSlice?: (index: number) => Promise<void>
  readonly onPublish?: () => Promise<void>
}): BackfillActivities & { readonly calls: string[] } {
  const calls: string[] = []
  const audits = script.audits ?? ['pass']
  const noted = <T>(name: string, answer: T): Promise<T> => {
    calls.push(name)
    return Promise.resolve(answer)
  }
  return {
    calls,
    scheduledRange: () => Promise.resolve({ from: '2001-01-01', to: '2001-01-02' }),
    planBackfill: ({ input, run }) =>
      noted('plan', {
        runId: run.workflowId,
        view: input.view,
        table: `features.${input.view}`,
        plan: 'file:///warehouse/_hindcast/plan.json',
        planHash: 'hash',
        from: input.from,
        to: input.to,
        partitions: {
          fresh: 0,
          missing: script.slices,
          'definition-changed': 0,
          'source-changed': 0,
          'foreign-write': 0,
          forced: 0,
        },
        todoPartitions: script.slices,
        slices: script.slices,
        inputRows: 10,
        inputBytes: 100,
        estimate: { rows: null, bytes: null, seconds: 1, memoryBytes: 0, basis: 'usual-rate' },
        sourceTable: 'raw.events',
        sourceSnapshotId: '1',
        nullEventTimes: 0,
        baseSnapshotId: null,
        audits: audits.map((_, index) => `audit_${index}`),
        approval: 'never',
        concurrency: 4,
        onPublished: null,
        ...script.plan,
      } satisfies PlanSummary),
    computeSlice: async ({ index }): Promise<SliceSummary> => {
      await script.onSlice?.(index)
      return noted(`slice ${index}`, {
        index,
        reused: false,
        partitions: 1,
        files: 1,
        rows: 10,
        bytes: 100,
        rejectedRows: 0,
        elapsedMs: 1,
      })
    },
    stageSnapshot: () =>
      noted('stage', {
        snapshotId: '42',
        branch: 'hindcast_run',
        baseSnapshotId: null,
        files: 1,
        rows: 10,
        bytes: 100,
        replacedFiles: 0,
      }),
    runAudit: ({ index }) => {
      const status = audits[index] ?? 'pass'
      const name = `audit_${index}`
      return noted(`audit ${index}`, {
        name,
        status,
        value: 0.5,
        limit: 0.1,
        message: `${name}: 0.5, limit 0.1`,
        blocking: status !== 'warn',
      })
    },
    publishSnapshot: async ({ snapshotId }) => {
      await script.onPublish?.()
      return noted('publish', { snapshotId, published: true, restaged: false })
    },
    writeReport: ({ verdict }) => noted(`report ${verdict}`, 'file:///warehouse/_hindcast/report.html'),
    dropBranch: () => noted('drop branch', undefined),
    claimRange: () => Promise.resolve({ holder: null, onOverlap: 'wait', searchAttributes: false }),
    releaseRange: () => Promise.resolve(),
    narrowPlan: () => Promise.reject(new Error('not scripted')),
    listUpstream: () => noted('upstream', []),
  }
}
