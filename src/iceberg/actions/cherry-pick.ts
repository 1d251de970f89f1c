import { HindcastError } from '../../contract/index.ts'
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import type { FileIO } from '../file-io.ts'
import { readManifests } from '../manifest/read-manifests.ts'
import { decodeManifest } from '../manifest/manifest.ts'
import { DataContent, EntryStatus } from '../manifest/model.ts'
import { ancestorsOf, snapshotFor } from '../metadata/snapshots.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import { MAIN } from '../metadata/updates.ts'
import { changeFiles, type ChangeResult } from './change-files.ts'
import { selectFiles, selectPartitions, type LiveFile } from './file-selection.ts'
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
 * Applies a staged snapshot's changes to a branch. Where the branch still stands at the snapshot's parent, it is simply moved forward;
 * else an append is replayed, and an overwrite too when nothing was committed to its partitions since.
 * @throws REQUEST_INVALID for a snapshot that the branch has already, or whose `wap.id` was published already: picked again its rows
 *   would double; for one that deletes rows, or is no append or overwrite; CONFLICT when its partitions were changed meanwhile
 */
export async function cherryPick(request: CherryPickRequest): Promise<Omit<ChangeResult, 'removed'>> {
  const { table, io, branch = MAIN } = request
  const { metadata } = table
  const picked = snapshotFor(metadata, { snapshotId: request.pick })
  const head = branchHead(metadata, branch)
  refuseSecond(metadata, picked, head)
  if ((picked.parentSnapshotId ?? null) === (head?.snapshotId ?? null)) {
    const expected = metadata.refs[branch]?.snapshotId ?? null
    return { ...setBranch({ table, ref: branch, snapshotId: picked.snapshotId, expected }), written: [] }
  }
  const { added, removed } = await filesOf(io, metadata, picked)
  const operation = picked.summary['operation']
  const data = added.every(({ dataFile }) => dataFile.content === DataContent.data)
  if (!data || (operation !== 'append' && operation !== 'overwrite')) {
    throw new HindcastError(
      'REQUEST_INVALID',
      `snapshot ${picked.snapshotId} cannot be cherry-picked: it is no append or overwrite of files`,
      {
        hint: 'Only where the branch still stands at its parent can any snapshot be taken over. Make the change anew.',
        context: { snapshotId: picked.snapshotId.toString(), operation: operation ?? null },
      },
    )
  }
  if (operation === 'overwrite') {
    const history = new ConcurrentHistory(io, metadata, picked.parentSnapshotId ?? null, head)
    for (const [specId, files] of Map.groupBy([...added, ...removed], (file) => file.specId)) {
      const partitions = selectPartitions(
        metadata,
        specId,
        files.map(({ dataFile }) => dataFile.partition),
      )
      refuseConflict(await history.addedData(partitions), 'added rows to partitions that are being replaced')
      refuseConflict(await history.addedDeletes(partitions), 'deleted rows of partitions that are being replaced')
    }
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
  requireRemoved(removed, result)
  return result
}

function refuseSecond(metadata: TableMetadata, picked: Snapshot, head: Snapshot | null): void {
  const wapId = picked.summary[stagedWapId]
  for (const { snapshotId, summary } of ancestorsOf(metadata, head?.snapshotId ?? null)) {
    const isIt = snapshotId === picked.snapshotId || summary[sourceSnapshotId] === picked.snapshotId.toString()
    const sameWap = wapId !== undefined && (summary[publishedWapId] === wapId || summary[stagedWapId] === wapId)
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
