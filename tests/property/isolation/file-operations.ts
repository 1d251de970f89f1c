/** Operations that leave every row as it is. */
import { DataContent, rewriteFiles, type LiveFile } from '../../../src/iceberg/index.ts'
import type { Planned, Planning } from './planning.ts'
import type { SeenFile } from './read-snapshot.ts'
import { stored } from './row-operations.ts'
import { tupleOf, type State } from './rows.ts'

const unchanged = (plan: Planning, attempt: Planned['attempt']): Planned => ({
  operation: {
    name: plan.name,
    snapshotId: plan.snapshotId,
    branch: plan.step.branch,
    onHead: (head: State) => head,
  },
  attempt,
})

/** Compaction of the files that may hold rows of a part, into the default spec. */
export function compact(plan: Planning): Planned | null {
  const { seen, table, step } = plan
  const mayHold = ({ file }: SeenFile): boolean => {
    const spec = table.metadata.partitionSpecs.find(({ specId }) => specId === file.specId)
    return spec !== undefined && String(tupleOf(spec, step.part)) === String(file.dataFile.partition)
  }
  const chosen = seen.files.filter(mayHold)
  if (chosen.length === 0) return null
  const rows = chosen.flatMap((file) => file.rows.map(stored))
  const added = plan.writeRows(rows, plan.is(0) ? seen.snapshot?.sequenceNumber : undefined)
  const removed = chosen.flatMap((file) => [file.file, ...(plan.is(1) ? file.ownDeletes : [])])
  return unchanged(plan, (of) =>
    rewriteFiles({ ...plan.request(of), removed, added, startingSnapshotId: plan.validation.startingSnapshotId }),
  )
}

/** The position deletes of one partition anew: one file, or one vector, a data file. */
export function rewriteDeletes(plan: Planning): Planned | null {
  const { seen, table } = plan
  const place = ({ specId, dataFile }: LiveFile): string => `${specId} ${JSON.stringify(dataFile.partition)}`
  const positional = seen.deletes.filter(({ dataFile }) => dataFile.content === DataContent.positionDeletes)
  const byPlace = [...Map.groupBy(positional, place)]
  const chosen = byPlace[plan.step.part % Math.max(byPlace.length, 1)]
  if (chosen === undefined) return null
  const [at, removed] = chosen
  const deletedFrom = seen.files
    .filter(({ file, positions }) => place(file) === at && positions.size > 0)
    .map(({ file, positions }) => ({ file, positions }))
  const added =
    table.metadata.formatVersion === 3
      ? plan.writeVectors(deletedFrom)
      : deletedFrom.map((file) => plan.writePositions([file]))
  return unchanged(plan, (of) =>
    rewriteFiles({ ...plan.request(of), removed, added, startingSnapshotId: plan.validation.startingSnapshotId }),
  )
}
