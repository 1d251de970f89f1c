import { isHindcastError, isRetryable } from '../../contract/index.ts'
import {
  mapConcurrently,
  type FileIO,
  type ManifestFile,
  type Snapshot,
  type Table,
  type TableMetadata,
} from '../../iceberg/index.ts'
import { normalizeUri } from '../files/index.ts'
import {
  livePaths,
  namedFiles,
  visitLiveFiles,
  visitManifests,
  withoutSummaries,
  type LivePath,
} from './reachable-files.ts'

/** Files of one kind, as the metadata spells them. */
export interface UnreachableFiles {
  readonly kind: 'data' | 'deletes' | 'manifest' | 'manifest list' | 'statistics'
  readonly files: readonly {
    readonly path: string
    /** As the metadata has it; null for a manifest list, whose size it does not tell. */
    readonly size: bigint | null
  }[]
}

export interface UnreachableFilesRequest {
  readonly io: Pick<FileIO, 'read'>
  /** The metadata that still had the removed snapshots. */
  readonly before: TableMetadata
  readonly removed: readonly Snapshot[]
  /** The table as it is now: the snapshots are gone from it for certain. Asked again before files are named. */
  readonly current: () => Promise<Table>
  /** Candidates held in memory at once; for every so many, the manifests of what stays are read once. */
  readonly batch?: number
}

/**
 * The files that only removed snapshots lead to, in the order in which they may be deleted: data before what tells of it, so that a
 * clean-up that was interrupted leaves no manifest whose files are gone and unknown. Found by what is reachable, not by what was removed when: a
 * file that came back, or that another branch still shows, is never among them.
 *
 * A removed snapshot's manifest that is gone or damaged tells nothing; its files are then left for the removal of orphans.
 * @throws STORAGE_UNAVAILABLE; what reading the manifests of a snapshot that stays throws: then nothing can be said of any file
 */
export async function* unreachableFiles(request: UnreachableFilesRequest): AsyncGenerator<UnreachableFiles> {
  const { io, before, removed, batch = 250_000 } = request
  const gone = new Map<string, ManifestFile>()
  await mapConcurrently(removed, 4, (snapshot) =>
    orNothing(visitManifests(io, [snapshot], (path, manifest) => gone.set(path, withoutSummaries(manifest)))),
  )
  const kept = new Kept(request)
  await kept.refresh()
  for (const path of gone.keys()) if (kept.has(path)) gone.delete(path)

  let candidates = new Map<string, LivePath>()
  const settle = async (): Promise<readonly UnreachableFiles[]> => {
    await kept.refresh()
    await visitLiveFiles(io, kept.metadata, kept.manifests, (path) => {
      candidates.delete(path)
      return candidates.size > 0
    })
    const files = [...candidates.values()].filter(({ path }) => !kept.has(path))
    candidates = new Map()
    const those = (deletes: boolean): UnreachableFiles['files'] =>
      files.filter(({ isDelete }) => isDelete === deletes).map(({ asWritten, size }) => ({ path: asWritten, size }))
    return [
      { kind: 'data', files: those(false) },
      { kind: 'deletes', files: those(true) },
    ]
  }
  for (const manifest of gone.values()) {
    const entries = (await orNothing(livePaths(io, before, manifest))) ?? []
    for (const entry of entries) candidates.set(entry.path, entry)
    if (candidates.size >= batch) yield* await settle()
  }
  if (candidates.size > 0) yield* await settle()

  const unkept = (files: UnreachableFiles['files']): UnreachableFiles['files'] =>
    files.filter(({ path }) => !kept.has(normalizeUri(path)))
  const manifests = [...gone.values()].map(({ manifestPath, manifestLength }) => ({
    path: manifestPath,
    size: manifestLength,
  }))
  yield { kind: 'manifest', files: unkept(manifests) }
  const lists = removed.flatMap(({ manifestList, manifests: own }) =>
    own === undefined ? [{ path: manifestList, size: null }] : [],
  )
  yield { kind: 'manifest list', files: unkept(lists) }
  const ids = new Set(removed.map(({ snapshotId }) => snapshotId))
  const statistics = [...before.statistics, ...before.partitionStatistics]
    .filter(({ snapshotId }) => ids.has(snapshotId))
    .map(({ statisticsPath, fileSizeInBytes }) => ({ path: statisticsPath, size: fileSizeInBytes }))
  yield { kind: 'statistics', files: unkept(statistics) }
}

/** What the table keeps, brought up to date as others commit. */
class Kept {
  readonly #request: UnreachableFilesRequest
  readonly #read = new Set<bigint>()
  readonly #manifests = new Map<string, ManifestFile>()
  #named: ReadonlySet<string> = new Set()
  #metadata: TableMetadata

  constructor(request: UnreachableFilesRequest) {
    this.#request = request
    this.#metadata = request.before
  }

  async refresh(): Promise<void> {
    const table = await this.#request.current()
    const unread = table.metadata.snapshots.filter(({ snapshotId }) => !this.#read.has(snapshotId))
    await visitManifests(this.#request.io, unread, (path, manifest) => {
      if (!this.#manifests.has(path)) this.#manifests.set(path, withoutSummaries(manifest))
    })
    for (const { snapshotId } of unread) this.#read.add(snapshotId)
    this.#named = namedFiles(table)
    this.#metadata = table.metadata
  }

  get metadata(): TableMetadata {
    return this.#metadata
  }

  get manifests(): Iterable<ManifestFile> {
    return this.#manifests.values()
  }

  has(path: string): boolean {
    return this.#manifests.has(path) || this.#named.has(path)
  }
}

/** The result, or undefined where trying again would not help. */
async function orNothing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isHindcastError(error) && !isRetryable(error.code)) return undefined
    throw error
  }
}
