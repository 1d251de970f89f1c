import type { Client } from '@temporalio/client'

/** Over all workflows of a server: how many executions there were, and the most events and bytes in one. */
export async function largestHistory(
  client: Client,
): Promise<{ readonly executions: number; readonly events: number; readonly bytes: number }> {
  let [executions, events, bytes] = [0, 0, 0]
  for await (const { raw } of client.workflow.list()) {
    executions += 1
    events = Math.max(events, Number(raw.historyLength))
    bytes = Math.max(bytes, Number(raw.historySizeBytes))
  }
  return { executions, events, bytes }
}
