import { HindcastError } from '../../contract/index.ts'
import { EntryStatus } from '../manifest/model.ts'
import { incrementalScan, type IncrementalRequest } from './incremental.ts'
import type { ScanPlan } from './plan-scan.ts'
import type { ScanTask } from './scan-task.ts'
import { operationOf } from './snapshot-range.ts'

export interface AppendsRequest extends IncrementalRequest {
  /**
   * What to do about snapshots in between that overwrote or deleted rows: `refuse` unless given, because no append tells of what they
   * did; `skip` passes over them, as Iceberg's Java library does. Snapshots that only rewrote files are passed over in any case.
   */
  readonly others?: 'refuse' | 'skip'
}

/**
 * The data files that appends added after one snapshot up to another, oldest first, by the schema of the later one. No deletes come
 * with them: an append has none, and later ones are not looked at.
 * @throws CONFLICT for other changes in between, unless they are skipped; REQUEST_INVALID; SNAPSHOT_NOT_FOUND; MANIFEST_INVALID
 */
export async function planAppends(request: AppendsRequest): Promise<ScanPlan> {
  const scan = incrementalScan(request)
  const odd = scan.between.find((snapshot) => !['append', 'replace'].includes(operationOf(snapshot)))
  if (odd !== undefined && request.others !== 'skip') {
    throw new HindcastError(
      'CONFLICT',
      `snapshot ${odd.snapshotId} is no append but of operation ${operationOf(odd)}`,
      {
        hint: 'Plan the changes rather than the appends, or pass over what is no append.',
        context: { snapshotId: odd.snapshotId.toString(), operation: operationOf(odd) },
      },
    )
  }
  const tasks: ScanTask[] = []
  for (const snapshot of scan.between) {
    if (operationOf(snapshot) !== 'append') continue
    const { data } = await scan.manifestsOf(snapshot)
    const added = await scan.changedFiles(data, snapshot, EntryStatus.added)
    tasks.push(...added.map((file) => scan.toTask(file, [])))
  }
  return { snapshot: scan.to, schema: scan.schema, filter: scan.filter.expression, tasks }
}
