import { defineSearchAttributeKey, type SearchAttributeUpdatePair } from '@temporalio/common'
import { upsertSearchAttributes } from '@temporalio/workflow'
import { searchAttributes } from '../src/contract/index.ts'
import type { BackfillState } from './run-state.ts'

const keys = {
  view: defineSearchAttributeKey(searchAttributes.view, 'KEYWORD'),
  from: defineSearchAttributeKey(searchAttributes.from, 'DATETIME'),
  to: defineSearchAttributeKey(searchAttributes.to, 'DATETIME'),
  verdict: defineSearchAttributeKey(searchAttributes.verdict, 'KEYWORD'),
  snapshot: defineSearchAttributeKey(searchAttributes.snapshot, 'KEYWORD'),
  codeVersion: defineSearchAttributeKey(searchAttributes.codeVersion, 'KEYWORD'),
} as const

/** Shows in lists of workflows what the run computes and how it goes; only where the namespace knows the attributes, or it would be stuck. */
export function showInLists(run: BackfillState, verdict: string): void {
  if (!run.searchAttributes) return
  const { from, to } = run.plan ?? run.input
  const snapshot = run.published?.snapshotId ?? run.staged?.snapshotId
  const codeVersion = run.plan?.codeVersion
  const attributes: SearchAttributeUpdatePair[] = [
    { key: keys.view, value: run.input.view },
    { key: keys.from, value: new Date(from) },
    { key: keys.to, value: new Date(to) },
    { key: keys.verdict, value: verdict },
    ...(snapshot === undefined ? [] : [{ key: keys.snapshot, value: snapshot }]),
    ...(codeVersion === undefined ? [] : [{ key: keys.codeVersion, value: codeVersion }]),
  ]
  upsertSearchAttributes(attributes)
}
