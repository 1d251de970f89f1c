import type { Client } from '@temporalio/client'

/** A backfill as Temporal's visibility lists it. */
export interface RunRow {
  readonly runId: string
  readonly status: string
  readonly view: string
  readonly from: string
  readonly to: string
  readonly startedAt: string
  readonly closedAt: string | null
}

/** A workflow's status as we write it: `running`, `timed-out`. */
export const statusText = ({ name }: { readonly name: string }): string => name.toLowerCase().replaceAll('_', '-')

/** The newest backfills of the namespace, newest first. */
export async function newestBackfills(client: Client, limit: number): Promise<RunRow[]> {
  const runs: RunRow[] = []
  for await (const run of client.workflow.list({ query: `WorkflowType = 'backfill'`, pageSize: limit })) {
    const memo = (run.memo ?? {}) as Readonly<Record<string, string>>
    runs.push({
      runId: run.workflowId,
      status: statusText(run.status),
      view: memo['view'] ?? '',
      from: memo['from'] ?? '',
      to: memo['to'] ?? '',
      startedAt: run.startTime.toISOString(),
      closedAt: run.closeTime?.toISOString() ?? null,
    })
    if (runs.length === limit) break
  }
  return runs
}
