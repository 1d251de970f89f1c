import { HindcastError } from '../../contract/index.ts'
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import type { FileIO } from '../file-io.ts'
import { readManifests } from '../manifest/read-manifests.ts'
import { decodeManifest } from '../manifest/manifest.ts'
import { DataContent, EntryStatus } from '../manifest/model.ts'
import { ancestorsOf, snapshotFor } from '../metadata/snapshots.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import { REPLACE_PARTITIONS } from '../metadata/snapshot-summary.ts'
import { MAIN } from '../metadata/updates.ts'
import { changeFiles, type ChangeResult } from './change-files.ts'
import { selectFiles, selectPartitions, type FileSelection, type LiveFile } from './file-selection.ts'
import { requireRemoved } from './overwrite-files.ts'
import { setBranch } from './refs.ts'
import { ConcurrentHistory, refuseConflict } from './validate-history.ts'
import { branchHead, snapshotWriter, type SnapshotRequest } from './write-snapshot.ts'

/** Keys that Iceberg's Java library and Spark use for write-audit-publish and its outcome. */
const stagedWapId = 'wap.id'
const publishedWapId = 'published-wap-id'
const sourceSnapshotId = 'source-snapshot-id'

export interface CherryPickRequest extends SnapshotRequest {
  /** The snapshot whose changes are to be applied to the branch. */
  readonly pick: bigint
}

/**
 * Applies a staged snapshot's changes to a branch. Where the branch still stands at the snapshot's parent, it is simply moved forward
 * and no snapshot is made: whoever looks for a lost answer asks `pickedAs`. Else an append is replayed, and an overwrite of partitions
 * too when nothing was committed to them since.
 * @throws REQUEST_INVALID for a snapshot that the branch has already, or whose `wap.id` was published already: picked again its rows
 *   would double; for one that is no append or overwrite of partitions; CONFLICT when its partitions were changed meanwhile
 */
export async function cherryPick(request: CherryPickRequest): Promise<Omit<ChangeResult, 'removed'>> {
  const { table, io, branch = MAIN } = request
  const { metadata } = table
  const picked = snapshotFor(metadata, { snapshotId: request.pick })
  const head = branchHead(metadata, branch)
  refuseSecond(metadata, picked, head)
  if ((picked.parentSnapshotId ?? null) === (head?.snapshotId ?? null)) {
    const expected = metadata.refs[branch]?.snapshotId ?? null
    return { ...setBranch({ table, ref: branch, snapshotId: picked.snapshotId, expected }), written: [], unused: [] }
  }
  const { added, removed } = await filesOf(io, metadata, picked)
  const operation = picked.summary['operation']
  const data = added.every(isData)
  // Other overwrites follow from rows that they read, maybe elsewhere in the table: they must be made anew.
  const isReplayable =
    operation === 'append' || (operation === 'overwrite' && picked.summary[REPLACE_PARTITIONS] === 'true')
  if (!data || !isReplayable) {
    throw new HindcastError(
      'REQUEST_INVALID',
      `snapshot ${picked.snapshotId} cannot be cherry-picked: it is no append or overwrite of partitions`,
      {
        hint: 'Only where the branch still stands at its parent can any snapshot be taken over. Make the change anew.',
        context: { snapshotId: picked.snapshotId.toString(), operation: operation ?? null },
      },
    )
  }
  if (operation === 'overwrite') {
    const history = new ConcurrentHistory(io, metadata, picked.parentSnapshotId ?? null, head)
    const partitions = partitionsOfAll(metadata, [...added, ...removed])
    refuseConflict(await history.addedData(partitions), 'added rows to partitions that are being replaced')
    refuseConflict(await history.addedDeletes(partitions), 'deleted rows of partitions that are being replaced')
  }
  const wapId = picked.summary[stagedWapId]
  const result = await changeFiles(
    snapshotWriter(request),
    { base: head, branch },
    {
      operation,
      added: added.map(({ dataFile, specId }) => ({ dataFile, specId })),
      ...(removed.length === 0 ? {} : { removal: selectFiles(metadata, removed) }),
    },
    {
      ...request,
      summary: {
        ...request.summary,
        [sourceSnapshotId]: picked.snapshotId.toString(),
        ...(wapId === undefined ? {} : { [publishedWapId]: wapId }),
      },
    },
  )
  // Delete files that went with them may have been rewritten: what stays of those concerns no file any more.
  requireRemoved(removed.filter(isData), result)
  return result
}

const isData = ({ dataFile }: LiveFile): boolean => dataFile.content === DataContent.data

/** The snapshot by which a branch shows what was picked: itself, or the one that replayed it. */
export const pickedAs = (metadata: TableMetadata, pick: bigint, branch: string = MAIN): Snapshot | undefined =>
  ancestorsOf(metadata, metadata.refs[branch]?.snapshotId ?? null).find((snapshot) => isReplay(snapshot, pick))

const isReplay = ({ snapshotId, summary }: Snapshot, pick: bigint): boolean =>
  snapshotId === pick || summary[sourceSnapshotId] === pick.toString()

/** The files' partitions, and every file of another spec: which rows it shares with them cannot be told. */
function partitionsOfAll(metadata: TableMetadata, files: readonly LiveFile[]): FileSelection {
  const selections = [...Map.groupBy(files, ({ specId }) => specId)].map(([specId, of]) =>
    selectPartitions(
      metadata,
      specId,
      of.map(({ dataFile }) => dataFile.partition),
    ),
  )
  const specs = new Set(files.map(({ specId }) => specId))
  return {
    mayHold: (manifest) =>
      !specs.has(manifest.partitionSpecId) || selections.some((selection) => selection.mayHold(manifest)),
    takes: (file) => !specs.has(file.specId) || selections.some((selection) => selection.takes(file)),
  }
}

function refuseSecond(metadata: TableMetadata, picked: Snapshot, head: Snapshot | null): void {
  const wapId = picked.summary[stagedWapId] ?? ''
  for (const snapshot of ancestorsOf(metadata, head?.snapshotId ?? null)) {
    const { snapshotId, summary } = snapshot
    const isIt = isReplay(snapshot, picked.snapshotId)
    const sameWap = wapId !== '' && (summary[publishedWapId] === wapId || summary[stagedWapId] === wapId)
    if (!isIt && !sameWap) continue
    throw new HindcastError(
      'REQUEST_INVALID',
      `snapshot ${picked.snapshotId} was published already, as snapshot ${snapshotId}${isIt ? '' : ` with the same wap.id ${wapId}`}`,
      {
        hint: 'There is nothing left to do.',
        context: { snapshotId: picked.snapshotId.toString(), as: snapshotId.toString() },
      },
    )
  }
}

/** Files that a snapshot itself adds and removes. */
async function filesOf(
  io: FileIO,
  metadata: TableMetadata,
  snapshot: Snapshot,
): Promise<{ readonly added: readonly LiveFile[]; readonly removed: readonly LiveFile[] }> {
  const { snapshotId } = snapshot
  const manifests = (await readManifests(io, snapshot)).filter(({ addedSnapshotId }) => addedSnapshotId === snapshotId)
  const entries = await mapConcurrently(manifests, MANIFEST_READS, async (manifest) =>
    decodeManifest(await io.read(manifest.manifestPath), manifest, metadata)
      .filter((entry) => entry.snapshotId === snapshotId)
      .map(({ status, dataFile, sequenceNumber }) => ({
        status,
        file: { dataFile, specId: manifest.partitionSpecId, sequenceNumber: sequenceNumber ?? manifest.sequenceNumber },
      })),
  )
  const withStatus = (wanted: EntryStatus): LiveFile[] =>
    entries.flat().flatMap(({ status, file }) => (status === wanted ? [file] : []))
  return { added: withStatus(EntryStatus.added), removed: withStatus(EntryStatus.deleted) }
}
