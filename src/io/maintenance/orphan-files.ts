import { HindcastError } from '../../contract/index.ts'
import { qualifiedName, requireGarbageCollection, type Table, type TableMetadata } from '../../iceberg/index.ts'
import { normalizeUri } from '../files/index.ts'
import { Deletions } from './delete-files.ts'
import type { MaintenanceContext } from './expire.ts'
import { Candidates, type OrphanFile } from './orphan-candidates.ts'
import { namedFiles, visitLiveFiles, visitManifests, withoutSummaries } from './reachable-files.ts'
import { foldersOf, isBelow, refuseOtherTables } from './table-folders.ts'

const hourMs = 3_600_000

/** As in Spark's procedure: a writer may hold a file that long before it commits it. */
const defaultMinAgeMs = 72 * hourMs
const leastAgeMs = 24 * hourMs

export interface OrphanOptions {
  /** How old a file must be, in ms; three days unless given. */
  readonly minAgeMs?: number
  /** Takes an age below 24 hours. Only where nothing writes to the table: files of a commit under way would be deleted. */
  readonly force?: boolean
  /** Says what would be deleted, and deletes nothing. */
  readonly dryRun?: boolean
  /** Files that something other than the table refers to, in any spelling. Asked after the files were listed. */
  readonly alsoKept?: () => AsyncIterable<string>
  /** The same, as a question about one path in its one spelling. */
  readonly isKept?: (path: string) => boolean
  /** Called with what is about to be deleted, or would be. */
  readonly onFiles?: (files: readonly OrphanFile[]) => Promise<void>
  /** Files held in memory at once; for every so many, the table's manifests are read once. */
  readonly batch?: number
}

export interface OrphanReport {
  readonly count: number
  readonly bytes: bigint
  /** Some of them, at most a thousand. */
  readonly files: readonly OrphanFile[]
  /** 0 in a dry run. */
  readonly deleted: number
  readonly failed: Deletions['failed']
}

const namedInReport = 1000

/**
 * Deletes the files in a table's folders that nothing in the table refers to and that are old enough: what interrupted writers and
 * clean-ups left. What the table refers to is asked after the files were listed, so that a commit in between is seen.
 *
 * Left alone are hidden files and folders (names that begin with `_` or `.`) other than our own unfinished ones: they are somebody's.
 * @throws FEATURE_UNSUPPORTED when the table's property `gc.enabled` is false; REQUEST_INVALID for an age below 24 hours without
 *   `force`, when another table lies within the folders, when the table's own metadata does not, and when it refers to a listed file by
 *   another scheme or host
 */
export async function removeOrphanFiles(
  context: MaintenanceContext,
  table: Table,
  options: OrphanOptions = {},
): Promise<OrphanReport> {
  const { io, catalog, signal } = context
  const { minAgeMs = defaultMinAgeMs, dryRun = false, batch = 250_000, isKept = () => false } = options
  requireGarbageCollection(table, 'its orphan files are not deleted')
  requireAge(minAgeMs, options.force ?? false)
  const folders = foldersOf(table.metadata)
  requireOwnMetadata(table, folders)
  await refuseOtherTables(catalog, table, folders)

  const beforeMs = context.now() - minAgeMs
  const deletions = new Deletions(io, signal)
  const report = { count: 0, bytes: 0n, files: [] as OrphanFile[], deleted: 0 }
  const settle = async (candidates: Candidates): Promise<void> => {
    if (candidates.size === 0) return
    await keepReferenced(context, table, candidates, options.alsoKept)
    const orphans = candidates.remaining()
    await options.onFiles?.(orphans)
    report.count += orphans.length
    for (const { size } of orphans) report.bytes += size
    report.files.push(...orphans.slice(0, namedInReport - report.files.length))
    if (!dryRun) report.deleted += await deletions.delete(orphans.map(({ path }) => path))
  }
  let candidates = new Candidates(table.metadata)
  for (const folder of folders) {
    for await (const file of io.list(folder)) {
      signal?.throwIfAborted()
      if (file.modifiedMs < beforeMs && !isKept(file.path)) candidates.add(file, folder)
      if (candidates.size < batch) continue
      await settle(candidates)
      candidates = new Candidates(table.metadata)
    }
  }
  await settle(candidates)
  return { ...report, failed: deletions.failed }
}

/** Takes out of the candidates what the table as it is now refers to. */
async function keepReferenced(
  { io, catalog }: MaintenanceContext,
  listed: Table,
  candidates: Candidates,
  alsoKept: OrphanOptions['alsoKept'],
): Promise<void> {
  const table = await catalog.loadTable(listed.identifier)
  const { metadata } = table
  requireSamePlaces(listed, metadata)
  for (const path of namedFiles(table)) candidates.keep(path)
  const manifests = new Map<string, Parameters<typeof withoutSummaries>[0]>()
  await visitManifests(io, metadata.snapshots, (path, manifest) => {
    candidates.keep(path)
    if (!manifests.has(path)) manifests.set(path, withoutSummaries(manifest))
  })
  await visitLiveFiles(io, metadata, manifests.values(), (path) => {
    candidates.keep(path)
    return candidates.size > 0
  })
  if (alsoKept !== undefined) for await (const path of alsoKept()) candidates.keep(normalizeUri(path))
}

function requireAge(minAgeMs: number, force: boolean): void {
  if (minAgeMs >= leastAgeMs || (force && minAgeMs >= 0)) return
  throw new HindcastError(
    'REQUEST_INVALID',
    `orphan files must be at least 24 hours old to be deleted, not ${minAgeMs / hourMs}`,
    {
      hint: 'A commit under way would lose its files. Only if certainly nothing writes to the table, force it.',
      context: { minAgeMs },
    },
  )
}

/** A table registered from a copy of its metadata still names the folder of the original, whose newer files it does not know. */
function requireOwnMetadata(table: Table, folders: readonly string[]): void {
  const location = normalizeUri(table.metadataLocation)
  if (folders.some((folder) => isBelow(location, folder))) return
  const name = qualifiedName(table.identifier)
  throw new HindcastError(
    'REQUEST_INVALID',
    `the metadata of ${name} lies at ${location}, outside of its folders ${folders.join(', ')}`,
    {
      hint: 'The files there may be those of the table that this one was copied from. Nothing is deleted.',
      context: { table: name, metadataLocation: location, folders },
    },
  )
}

function requireSamePlaces(listed: Table, now: TableMetadata): void {
  const [before, after] = [foldersOf(listed.metadata), foldersOf(now)]
  if (listed.metadata.tableUuid === now.tableUuid && before.join() === after.join()) return
  const name = qualifiedName(listed.identifier)
  throw new HindcastError('CONFLICT', `${name} was replaced or moved while its files were listed`, {
    hint: 'Nothing more is deleted. Start again.',
    context: { table: name },
  })
}
