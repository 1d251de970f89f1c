import { HindcastError } from '../../contract/index.ts'
import { ancestorsOf, snapshotFor } from '../metadata/snapshots.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'

/**
 * The snapshots after one up to another, oldest first.
 * @param fromExclusive an ancestor of `to`, or the parent of the oldest one that is left, itself expired; null for the beginning
 * @throws SNAPSHOT_NOT_FOUND; REQUEST_INVALID when the first is no ancestor of the second
 */
export function snapshotsBetween(
  metadata: TableMetadata,
  fromExclusive: bigint | null,
  to: bigint,
): readonly Snapshot[] {
  const chain = ancestorsOf(metadata, snapshotFor(metadata, { snapshotId: to }).snapshotId)
  const start = chain.findIndex(({ snapshotId }) => snapshotId === fromExclusive)
  const oldest = chain.at(-1)
  const isParentOfOldest = (oldest?.parentSnapshotId ?? null) === fromExclusive
  if (start < 0 && !isParentOfOldest) {
    throw new HindcastError(
      'REQUEST_INVALID',
      fromExclusive === null
        ? `the history of snapshot ${to} no longer reaches back to its beginning`
        : `snapshot ${fromExclusive} is no ancestor of snapshot ${to}`,
      {
        hint: `Its history begins with snapshot ${oldest?.snapshotId}. What lies between must not have been expired or rolled back.`,
        context: { from: fromExclusive?.toString() ?? null, to: to.toString() },
      },
    )
  }
  return chain.slice(0, start < 0 ? undefined : start).reverse()
}

/** What a snapshot did to the rows: `append`, `overwrite`, `delete`, or `replace`, which changed only the files. */
export const operationOf = ({ summary }: Snapshot): string => summary['operation'] ?? 'overwrite'
