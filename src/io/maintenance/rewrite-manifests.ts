import { rewriteManifests, type ManifestFile, type RewriteManifestsRequest, type Table } from '../../iceberg/index.ts'
import { commitChange } from '../commit.ts'
import type { MaintenanceContext } from './expire.ts'

export type RewriteManifestsOptions = Pick<RewriteManifestsRequest, 'snapshotId'> &
  Partial<Pick<RewriteManifestsRequest, 'branch' | 'content' | 'rewrites' | 'summary'>>

export interface RewriteManifestsReport {
  readonly table: Table
  /** Both empty when there was nothing to gain. */
  readonly replaced: readonly ManifestFile[]
  readonly created: readonly ManifestFile[]
}

/** Rewrites a branch's manifests, sorted by partition, and commits that: again, where other commits come between. */
export async function rewriteTableManifests(
  context: MaintenanceContext,
  table: Table,
  options: RewriteManifestsOptions,
): Promise<RewriteManifestsReport> {
  const nowMs = context.now()
  let report: Pick<RewriteManifestsReport, 'replaced' | 'created'> = { replaced: [], created: [] }
  const after = await commitChange(
    context,
    table,
    async (current) => {
      const result = await rewriteManifests({ ...options, table: current, io: context.io, nowMs })
      report = result ?? { replaced: [], created: [] }
      return result ?? { change: { requirements: [], updates: [] } }
    },
    ({ metadata }) => metadata.snapshots.some(({ snapshotId }) => snapshotId === options.snapshotId),
  )
  return { table: after, ...report }
}
