/** Which refs and snapshots outlive an expiry: https://iceberg.apache.org/spec/#snapshot-retention-policy */
import { numberProperty } from '../metadata/properties.ts'
import { ancestorsOf } from '../metadata/snapshots.ts'
import type { Snapshot, SnapshotRef, TableMetadata } from '../metadata/table-metadata.ts'
import { MAIN } from '../metadata/updates.ts'

export interface RetentionLimits {
  /** Epoch ms: "now" of every age. */
  readonly nowMs: number
  /** Epoch ms. Snapshots made before are old; by default as old as the table's properties say. */
  readonly olderThanMs?: number
  /** At least 1. How many snapshots a branch keeps that does not say so itself; by default what the table's properties say. */
  readonly minSnapshotsToKeep?: number
  /** Branches and tags that stay, however old. */
  readonly keepRefs?: ReadonlySet<string>
  /** Branches and tags that go, however young; never `main`. */
  readonly dropRefs?: ReadonlySet<string>
  /** Snapshots that something other than the table refers to: they stay, without their ancestors. */
  readonly keepSnapshotIds?: ReadonlySet<bigint>
}

export interface Retained {
  /** Names of the branches and tags that stay. */
  readonly refs: ReadonlySet<string>
  /** Heads of those refs: nothing may take them away. */
  readonly named: ReadonlySet<bigint>
  /** The heads, and what else is young or needed enough to stay. */
  readonly snapshots: ReadonlySet<bigint>
}

/**
 * As Iceberg's Java library decides. `main` always stays; another ref goes when its snapshot is older than its `maxRefAgeMs`. A branch keeps
 * its newest `minSnapshotsToKeep` snapshots, and those behind them up to the first that is too old. What no remaining ref leads to stays
 * for as long as it is young: it may be staged, or about to be cherry-picked.
 */
export function retainedSnapshots(metadata: TableMetadata, limits: RetentionLimits): Retained {
  const { properties, snapshots } = metadata
  const { nowMs } = limits
  const oldestMs = limits.olderThanMs ?? nowMs - numberProperty(properties, 'history.expire.max-snapshot-age-ms')
  const least = limits.minSnapshotsToKeep ?? numberProperty(properties, 'history.expire.min-snapshots-to-keep')
  const refs = stayingRefs(metadata, limits)
  const named = new Set(refs.map(([, { snapshotId }]) => snapshotId))
  const retained = new Set(named)
  const reached = new Set(named)
  for (const [, ref] of refs) {
    if (ref.type === 'tag') continue
    const chain = ancestorsOf(metadata, ref.snapshotId)
    for (const { snapshotId } of chain) reached.add(snapshotId)
    const oldestOfBranchMs = ref.maxSnapshotAgeMs === undefined ? oldestMs : nowMs - ref.maxSnapshotAgeMs
    for (const { snapshotId } of keptOf(chain, ref.minSnapshotsToKeep ?? least, oldestOfBranchMs)) {
      retained.add(snapshotId)
    }
  }
  for (const { snapshotId, timestampMs } of snapshots) {
    const isYoung = !reached.has(snapshotId) && timestampMs >= oldestMs
    if (isYoung || limits.keepSnapshotIds?.has(snapshotId) === true) retained.add(snapshotId)
  }
  return { refs: new Set(refs.map(([name]) => name)), named, snapshots: retained }
}

function stayingRefs(
  { refs, snapshots, properties }: TableMetadata,
  { nowMs, keepRefs, dropRefs }: RetentionLimits,
): [string, SnapshotRef][] {
  const madeAt = new Map(snapshots.map(({ snapshotId, timestampMs }) => [snapshotId, timestampMs]))
  return Object.entries(refs).filter(([name, { snapshotId, maxRefAgeMs }]) => {
    if (name === MAIN || keepRefs?.has(name) === true) return true
    if (dropRefs?.has(name) === true) return false
    const made = madeAt.get(snapshotId)
    const most = maxRefAgeMs ?? numberProperty(properties, 'history.expire.max-ref-age-ms')
    return made !== undefined && nowMs - made <= most
  })
}

/** @param chain newest first */
function keptOf(chain: readonly Snapshot[], least: number, oldestMs: number): readonly Snapshot[] {
  const firstOld = chain.findIndex(({ timestampMs }, index) => index >= least && timestampMs < oldestMs)
  return firstOld < 0 ? chain : chain.slice(0, firstOld)
}
