/** Finding snapshots: by id, by ref, by time, by descent. */
import { HindcastError, nearest } from '../../contract/index.ts'
import type { Snapshot, TableMetadata } from './table-metadata.ts'

export type SnapshotSelector =
  | { readonly snapshotId: bigint }
  | { readonly ref: string }
  /** Epoch ms: the snapshot that `main` showed then. */
  | { readonly asOfMs: number }

/** @throws SNAPSHOT_NOT_FOUND; REF_NOT_FOUND naming the nearest refs */
export function snapshotFor(metadata: TableMetadata, selector: SnapshotSelector): Snapshot {
  if ('snapshotId' in selector) return byId(metadata, selector.snapshotId)
  if ('ref' in selector) {
    // A ref may be asked for by any name, also one that every object has, such as `constructor`.
    const ref = Object.hasOwn(metadata.refs, selector.ref) ? metadata.refs[selector.ref] : undefined
    if (ref !== undefined) return byId(metadata, ref.snapshotId)
    const near = nearest(selector.ref, Object.keys(metadata.refs))
    throw new HindcastError('REF_NOT_FOUND', `the table has no branch or tag ${selector.ref}`, {
      hint:
        near.length > 0
          ? `Did you mean ${near.join(' or ')}?`
          : `It has: ${Object.keys(metadata.refs).join(', ') || 'none'}.`,
      context: { ref: selector.ref, refs: Object.keys(metadata.refs) },
    })
  }
  const shown = metadata.snapshotLog.findLast(({ timestampMs }) => timestampMs <= selector.asOfMs)
  if (shown !== undefined) return byId(metadata, shown.snapshotId)
  const [first] = metadata.snapshotLog
  const at = new Date(selector.asOfMs).toISOString()
  throw new HindcastError('SNAPSHOT_NOT_FOUND', `the table showed no snapshot yet at ${at}`, {
    hint:
      first === undefined
        ? 'The table is empty.'
        : `Its history begins at ${new Date(first.timestampMs).toISOString()}.`,
    context: { asOfMs: selector.asOfMs },
  })
}

function byId(metadata: TableMetadata, snapshotId: bigint): Snapshot {
  const found = metadata.snapshots.find((snapshot) => snapshot.snapshotId === snapshotId)
  if (found !== undefined) return found
  throw new HindcastError('SNAPSHOT_NOT_FOUND', `the table has no snapshot ${snapshotId}`, {
    hint: 'It was expired, or belongs to another table.',
    context: { snapshotId: snapshotId.toString() },
  })
}

/** A snapshot and those it stands on, newest first, as far as they are still in the table. Empty for an unknown id. */
export function ancestorsOf(metadata: TableMetadata, snapshotId: bigint | null): Snapshot[] {
  const known = new Map(metadata.snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]))
  const chain: Snapshot[] = []
  for (let next = snapshotId; next !== null;) {
    const snapshot = known.get(next)
    if (snapshot === undefined) break
    // Taken out as it is met: damaged metadata with a circle of parents must not keep us here.
    known.delete(next)
    chain.push(snapshot)
    next = snapshot.parentSnapshotId ?? null
  }
  return chain
}
