import type { Client } from '@temporalio/client'
import { WorkflowNotFoundError } from '@temporalio/common'
import type { AskRun, RunState } from '../src/io/gc/index.ts'

const unknown: RunState = { state: 'unknown' }

/** Asks Temporal whether a run is over. What goes wrong leaves it unknown, which keeps what it has written. */
export const askTemporal =
  (client: Client): AskRun =>
  async ({ workflowId, executionId }) => {
    try {
      const { status, closeTime, raw } = await client.workflow.getHandle(workflowId).describe()
      const first = raw.workflowExecutionInfo?.firstRunId ?? ''
      // The id was used again by another execution, so that this one cannot be running any more.
      if (first !== '' && first !== executionId) return { state: 'over', closedMs: null }
      switch (status.name) {
        case 'RUNNING':
        case 'PAUSED':
        case 'CONTINUED_AS_NEW':
          return { state: 'open' }
        case 'UNSPECIFIED':
        case 'UNKNOWN':
          return unknown
        default:
          return { state: 'over', closedMs: closeTime?.getTime() ?? null }
      }
    } catch (error) {
      return error instanceof WorkflowNotFoundError ? { state: 'over', closedMs: null } : unknown
    }
  }

/** Where there is no Temporal to ask. */
export const askNobody: AskRun = () => Promise.resolve(unknown)
