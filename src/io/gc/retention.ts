/** Which snapshots and branches of a table stay, beside what Iceberg's own rules keep. */
import { summaryKeys, type ProjectConfig } from '../../contract/index.ts'
import {
  ancestorsOf,
  retainedSnapshots,
  type RetentionLimits,
  type Snapshot,
  type TableMetadata,
} from '../../iceberg/index.ts'
import { stagedBranch } from '../backfill/index.ts'

const msPerDay = 86_400_000

export interface RetentionRequest {
  readonly metadata: TableMetadata
  readonly nowMs: number
  readonly config: ProjectConfig['maintenance']
  /** Ms; before what the table's properties and the configuration say. */
  readonly expireOlderThanMs: number | null
  /** Epoch ms: what `main` showed since then, somebody may still read. */
  readonly sinceMs: number
  /** Runs that are not over. */
  readonly openRuns: ReadonlySet<string>
  /** Runs that are over, and not just now. */
  readonly pastRuns: ReadonlySet<string>
  /** Snapshots that something other than this table's refs leads to. */
  readonly keptSnapshots: Iterable<bigint>
}

export interface Retention extends RetentionLimits {
  /** Snapshots of runs that are over, which were staged and never published, and which no ref leads to. */
  readonly snapshotIds: readonly bigint[]
}

/** The limits for an expiry. */
export function retentionOf(request: RetentionRequest): Retention {
  const { metadata, nowMs, config, expireOlderThanMs, openRuns, pastRuns } = request
  const { properties } = metadata
  const published = ancestorsOf(metadata, metadata.refs['main']?.snapshotId ?? null)
  const isPublished = new Set(published.map(({ snapshotId }) => snapshotId))
  const keepSnapshotIds = new Set([
    ...request.keptSnapshots,
    ...shownSince(metadata, request.sinceMs),
    ...leadingToRecord(published),
  ])
  const ageMs =
    expireOlderThanMs ??
    (properties['history.expire.max-snapshot-age-ms'] === undefined ? config.snapshotDays * msPerDay : null)
  const hasLeast = properties['history.expire.min-snapshots-to-keep'] !== undefined
  const limits: RetentionLimits = {
    nowMs,
    ...(ageMs === null ? {} : { olderThanMs: nowMs - ageMs }),
    ...(hasLeast || expireOlderThanMs !== null ? {} : { minSnapshotsToKeep: config.minSnapshots }),
    keepRefs: new Set([...openRuns].map(stagedBranch)),
    // Its run could not drop it any more.
    dropRefs: new Set(
      [...pastRuns].map(stagedBranch).filter((name) => isPublished.has(metadata.refs[name]?.snapshotId ?? -1n)),
    ),
    keepSnapshotIds,
  }
  const { refs } = retainedSnapshots(metadata, limits)
  const reached = new Set(
    [...refs].flatMap((name) =>
      ancestorsOf(metadata, metadata.refs[name]?.snapshotId ?? null).map(({ snapshotId }) => snapshotId),
    ),
  )
  const onceShown = new Set(metadata.snapshotLog.map(({ snapshotId }) => snapshotId))
  const snapshotIds = metadata.snapshots
    .filter(
      ({ snapshotId, summary }) =>
        pastRuns.has(summary[summaryKeys.runId] ?? '') &&
        ![reached, onceShown, keepSnapshotIds].some((kept) => kept.has(snapshotId)),
    )
    .map(({ snapshotId }) => snapshotId)
  return { ...limits, snapshotIds }
}

/** What `main` showed at some time since: a reader, or a run's plan, may stand on it. */
function shownSince({ snapshotLog }: TableMetadata, sinceMs: number): bigint[] {
  return snapshotLog
    .filter((_, index) => (snapshotLog[index + 1]?.timestampMs ?? Infinity) >= sinceMs)
    .map(({ snapshotId }) => snapshotId)
}

/**
 * From the head to the newest snapshot with a build record: without one of them in between, the ledger is not found, and every partition
 * counts as written by somebody else.
 */
function leadingToRecord(newestFirst: readonly Snapshot[]): bigint[] {
  const recorded = newestFirst.findIndex(({ summary }) => summary[summaryKeys.record] !== undefined)
  return newestFirst.slice(0, recorded + 1).map(({ snapshotId }) => snapshotId)
}

/** The snapshots of other tables that a table's snapshots were made from, as `[table, snapshot id]`. */
export function madeFrom({ snapshots }: TableMetadata): (readonly [table: string, snapshotId: string])[] {
  return snapshots.flatMap(({ summary }) => {
    const text = summary[summaryKeys.sourceSnapshots]
    if (text === undefined) return []
    try {
      return Object.entries(JSON.parse(text) as Record<string, unknown>).flatMap(([table, id]) =>
        typeof id === 'string' && /^\d+$/.test(id) ? [[table, id] as const] : [],
      )
    } catch {
      return []
    }
  })
}
