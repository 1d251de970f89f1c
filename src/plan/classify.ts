import type { LedgerEntry, PartitionReason } from '../contract/index.ts'

/** What a partition would be computed from now. */
export interface PartitionInputs {
  readonly definition: string
  readonly source: string
}

/**
 * Why a partition has to be computed, or `fresh` when it has not.
 * @param recorded the ledger's entry, if the table ever had this partition from us
 * @param liveFiles paths of the data files that `main` shows in it, in order
 */
export function classify(
  inputs: PartitionInputs,
  recorded: LedgerEntry | undefined,
  liveFiles: readonly string[],
  force: boolean,
): PartitionReason {
  if (force) return 'forced'
  if (recorded === undefined) return liveFiles.length === 0 ? 'missing' : 'foreign-write'
  if (!sameList(recorded.files, liveFiles)) return 'foreign-write'
  if (recorded.definition !== inputs.definition) return 'definition-changed'
  if (recorded.source !== inputs.source) return 'source-changed'
  return 'fresh'
}

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, i) => item === b[i])
