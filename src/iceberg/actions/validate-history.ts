/**
 * Finding out what others committed since an operation read the table, as Iceberg's Java library validates overwrites and row-level
 * changes. Every snapshot in between is looked at by its own manifests: the head's alone would not tell what was added and removed.
 */
import { HindcastError } from '../../contract/index.ts'
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import type { FileIO } from '../file-io.ts'
import { readManifests } from '../manifest/read-manifests.ts'
import { decodeManifest } from '../manifest/manifest.ts'
import { DataContent, EntryStatus, type DataFile, type ManifestFile } from '../manifest/model.ts'
import { ancestorsOf } from '../metadata/snapshots.ts'
import type { Snapshot, TableMetadata } from '../metadata/table-metadata.ts'
import { partitionKey } from '../types/partition-values.ts'
import type { FileSelection, LiveFile } from './file-selection.ts'
import { specOf } from './write-snapshot.ts'

/**
 * `serializable`: as if the operation had run alone after all that was committed before it; a concurrent append of rows it would have
 * read is a conflict. `snapshot`: such rows stay; only what would undo or be undone by a concurrent change is a conflict.
 */
export type Isolation = 'serializable' | 'snapshot'

export interface Validation {
  /** The branch's head when the operation read the table; null when it was empty. */
  readonly startingSnapshotId: bigint | null
  readonly isolation: Isolation
}

/** What was committed to a branch since an operation read it. */
export class ConcurrentHistory {
  readonly #io: FileIO
  readonly #metadata: TableMetadata
  readonly #head: Snapshot | null
  /** Oldest first. */
  readonly #snapshots: readonly Snapshot[]

  /** @throws CONFLICT when the snapshots in between are no longer all there */
  constructor(io: FileIO, metadata: TableMetadata, startingSnapshotId: bigint | null, head: Snapshot | null) {
    this.#io = io
    this.#metadata = metadata
    this.#head = head
    const chain = ancestorsOf(metadata, head?.snapshotId ?? null)
    const start = chain.findIndex(({ snapshotId }) => snapshotId === startingSnapshotId)
    // The start itself may have expired: what counts is that all that came after it is there.
    const oldestStandsOnIt = (chain.at(-1)?.parentSnapshotId ?? null) === startingSnapshotId
    if (start < 0 && !oldestStandsOnIt) {
      throw new HindcastError(
        'CONFLICT',
        `snapshot ${startingSnapshotId}, which the change was made from, is no longer in the branch's history`,
        {
          hint: 'It was expired or rolled back: read the table again and make the change anew.',
          context: { startingSnapshotId: startingSnapshotId?.toString() ?? null },
        },
      )
    }
    this.#snapshots = chain.slice(0, start < 0 ? undefined : start).reverse()
  }

  get isEmpty(): boolean {
    return this.#snapshots.length === 0
  }

  /** What was committed since has higher sequence numbers than this, what was read has none higher. */
  get startingSequenceNumber(): bigint {
    const [first] = this.#snapshots
    return first === undefined ? (this.#head?.sequenceNumber ?? 0n) : first.sequenceNumber - 1n
  }

  /** Data files added since that the selection takes. Compaction adds none: its rows were there before. */
  addedData(selection: FileSelection): Promise<readonly Finding[]> {
    return this.#find(['append', 'overwrite'], 'data', EntryStatus.added, selection)
  }

  /** Data files removed since, by compaction too, that the selection takes. */
  removedData(selection: FileSelection): Promise<readonly Finding[]> {
    return this.#find(['overwrite', 'replace', 'delete'], 'data', EntryStatus.deleted, selection)
  }

  /** Data files removed since other than by compaction, which loses no rows. */
  deletedData(selection: FileSelection): Promise<readonly Finding[]> {
    return this.#find(['overwrite', 'delete'], 'data', EntryStatus.deleted, selection)
  }

  /** Delete files added since that the selection takes. Those that compaction adds delete nothing that was not deleted before. */
  addedDeletes(selection: FileSelection): Promise<readonly Finding[]> {
    return this.#find(['overwrite', 'delete', 'append'], 'deletes', EntryStatus.added, selection)
  }

  /** Deletion vectors added since, by compaction too, of these data files: a second one would hide the rows of the first. */
  addedVectors(dataFiles: ReadonlySet<string>): Promise<readonly Finding[]> {
    return this.#find(['overwrite', 'delete', 'append', 'replace'], 'deletes', EntryStatus.added, {
      mayHold: () => dataFiles.size > 0,
      takes: ({ dataFile }) => isVector(dataFile) && dataFiles.has(dataFile.referencedDataFile ?? ''),
    })
  }

  async #find(
    operations: readonly string[],
    content: ManifestFile['content'],
    status: EntryStatus,
    selection: FileSelection,
  ): Promise<readonly Finding[]> {
    const relevant = this.#snapshots.filter(({ summary }) => operations.includes(summary['operation'] ?? 'overwrite'))
    const found = await mapConcurrently(relevant, 2, async (snapshot) => {
      const list = await readManifests(this.#io, snapshot)
      const own = list.filter(
        (manifest) =>
          manifest.content === content &&
          manifest.addedSnapshotId === snapshot.snapshotId &&
          selection.mayHold(manifest),
      )
      const perManifest = await mapConcurrently(own, MANIFEST_READS, async (manifest) => {
        const entries = decodeManifest(await this.#io.read(manifest.manifestPath), manifest, this.#metadata)
        return entries
          .filter((entry) => entry.status === status && entry.snapshotId === snapshot.snapshotId)
          .map(({ dataFile, sequenceNumber }) => ({
            dataFile,
            specId: manifest.partitionSpecId,
            sequenceNumber: sequenceNumber ?? manifest.sequenceNumber,
          }))
          .filter((file) => selection.takes(file))
          .map((file): Finding => ({ snapshot, file }))
      })
      return perManifest.flat()
    })
    return found.flat()
  }
}

/**
 * Checks, before files are replaced by filter, what others committed since they were read. Rows added there meanwhile would vanish
 * unseen (`serializable`); rows deleted there meanwhile would come back with the new files.
 * @throws CONFLICT
 */
export async function validateReplacement(request: {
  readonly io: FileIO
  readonly metadata: TableMetadata
  readonly base: Snapshot | null
  readonly selection: FileSelection
  readonly validation: Validation | undefined
}): Promise<void> {
  const { io, metadata, base, selection, validation } = request
  if (validation === undefined) return
  const history = new ConcurrentHistory(io, metadata, validation.startingSnapshotId, base)
  if (history.isEmpty) return
  if (validation.isolation === 'serializable') {
    refuseConflict(await history.addedData(selection), 'added rows to what is being replaced')
  }
  await refuseDeleted(history, selection)
}

/** @throws CONFLICT when rows were deleted since among the files of the selection, by whole files or one by one */
export async function refuseDeleted(history: ConcurrentHistory, selection: FileSelection): Promise<void> {
  refuseConflict(await history.deletedData(selection), 'removed files of what the change was made from')
  refuseConflict(await history.addedDeletes(selection), 'deleted rows of what the change was made from')
}

export const isVector = ({ content, fileFormat }: DataFile): boolean =>
  content === DataContent.positionDeletes && fileFormat === 'PUFFIN'

/** The data files that new deletion vectors are about. */
export const vectorTargets = (files: readonly { readonly dataFile: DataFile }[]): ReadonlySet<string> =>
  new Set(
    files.flatMap(({ dataFile }) =>
      isVector(dataFile) && dataFile.referencedDataFile !== undefined ? [dataFile.referencedDataFile] : [],
    ),
  )

export interface Finding {
  readonly snapshot: Snapshot
  readonly file: LiveFile
}

/** @throws CONFLICT naming the first snapshots and files, unless nothing was found */
export function refuseConflict(findings: readonly Finding[], what: string): void {
  const [first] = findings
  if (first === undefined) return
  const files = findings.map(({ file }) => file.dataFile.filePath)
  const shown = files.length > 3 ? `${files.slice(0, 3).join(', ')} … (${files.length} files)` : files.join(', ')
  throw new HindcastError('CONFLICT', `snapshot ${first.snapshot.snapshotId} ${what} meanwhile: ${shown}`, {
    hint: 'Nothing was changed. Read the table again and make the change anew.',
    context: { snapshotId: first.snapshot.snapshotId.toString(), files: files.slice(0, 20) },
  })
}

/**
 * Delete files added since that may concern these data files: those that name one of them, and those of their partitions (or of no
 * partition at all, for equality deletes) that name none. A later delete on a file that is being replaced would be lost.
 */
export async function newDeletesFor(
  history: ConcurrentHistory,
  metadata: TableMetadata,
  files: readonly LiveFile[],
  options: { readonly ignoreEqualityDeletes?: boolean } = {},
): Promise<readonly Finding[]> {
  const paths = new Set(files.map(({ dataFile }) => dataFile.filePath))
  const place = ({ specId, dataFile }: LiveFile): string => `${specId} ${partitionKey(dataFile.partition)}`
  const places = new Set(files.map(place))
  return history.addedDeletes({
    mayHold: () => files.length > 0,
    takes: (candidate) => {
      const { content, referencedDataFile } = candidate.dataFile
      if (referencedDataFile !== undefined) return paths.has(referencedDataFile)
      if (content !== DataContent.equalityDeletes) return places.has(place(candidate))
      if (options.ignoreEqualityDeletes === true) return false
      const isGlobal = specOf(metadata, candidate.specId).fields.every(({ transform }) => transform === 'void')
      return isGlobal || places.has(place(candidate))
    },
  })
}
