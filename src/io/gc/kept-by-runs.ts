/** What runs that are not over, or not for long, refer to though no table does yet. */
import { z } from 'zod'
import { mapConcurrently, type ListedFile } from '../../iceberg/index.ts'
import { normalizeUri, type WarehouseFiles } from '../files/index.ts'
import { readJsonOrNull } from '../run-store.ts'
import type { RunFolder } from './run-folders.ts'

export interface KeptByRuns {
  /** Whether something refers to a file, or may; the path in its one spelling. */
  readonly isKept: (path: string) => boolean
  /** The slice results that nothing needs any more. */
  readonly staleResults: readonly ListedFile[]
  /** Snapshots that the runs read, by table. */
  readonly snapshots: ReadonlyMap<string, ReadonlySet<bigint>>
}

export interface KeptByRunsRequest {
  readonly io: WarehouseFiles
  /** Those that may go on; of them, the ones that may still compute are `open`. */
  readonly runs: readonly RunFolder[]
  readonly sliceResults: readonly ListedFile[]
  /** Epoch ms: what was written since stays. */
  readonly sinceMs: number
}

const reads = 8

/** As much of a plan as tells what it refers to. Later versions of the file may have more. */
const planSchema = z.object({
  summary: z.object({ table: z.string(), baseSnapshotId: z.string().nullable() }),
  target: z.object({ location: z.string() }),
  source: z.object({ table: z.string(), snapshotId: z.string() }),
  pin: z.object({ sources: z.record(z.string(), z.string()) }).optional(),
  carried: z.object({ snapshotId: z.string() }).optional(),
  slices: z.array(
    z.object({
      address: z.string(),
      partitions: z.array(z.object({ path: z.string() })),
      tiles: z.object({ keep: z.array(z.object({ path: z.string() })) }).optional(),
    }),
  ),
  tiles: z.object({ files: z.array(z.object({ path: z.string() })) }).optional(),
})
type KeptPlan = z.infer<typeof planSchema>

const resultSchema = z.object({
  manifest: z.object({ manifestPath: z.string() }).nullable(),
  files: z.array(z.object({ path: z.string() })),
})

/** The manifest of a slice, or of a part of one; gives the slice's address. */
const sliceManifest = /\/metadata\/([0-9a-f]{32})[^/]*-m\d+\.avro$/
const sliceResult = /\/slices\/([0-9a-f]{32})[^/]*$/
const addressIn = (path: string, pattern: RegExp): string => pattern.exec(path)?.[1] ?? ''

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))

/**
 * Reads the plans of runs. Of an open run it keeps what its plan names, and besides everything in the partitions that it computes and all
 * manifests of slices: it may have split slices, or found those of an earlier run. Where its plan is not there yet, or not understood,
 * everything is kept.
 */
export async function keptByRuns({ io, runs, sliceResults, sinceMs }: KeptByRunsRequest): Promise<KeptByRuns> {
  const paths = new Set<string>()
  const addresses = new Set<string>()
  const partitions = new Set<string>()
  const snapshots = new Map<string, Set<bigint>>()
  const keepSnapshot = (table: string, id: string): void => {
    const ids = snapshots.get(table) ?? new Set()
    snapshots.set(table, ids.add(BigInt(id)))
  }
  let everything = false
  let manifests = false
  await mapConcurrently(runs, reads, async (run) => {
    const isOpen = run.state !== 'over'
    const plan = await readJsonOrNull(io, `${run.folder}/plan.json`, planSchema)
    if (isOpen) manifests = true
    if (plan === null) {
      if (isOpen || run.files.some(({ path }) => path === `${run.folder}/plan.json`)) everything = true
      return
    }
    for (const { path } of plan.tiles?.files ?? []) paths.add(normalizeUri(path))
    for (const { address, partitions: members, tiles } of plan.slices) {
      addresses.add(address)
      for (const { path } of tiles?.keep ?? []) paths.add(normalizeUri(path))
      for (const { path } of members) {
        paths.add(normalizeUri(path))
        if (isOpen) partitions.add(folderOf(normalizeUri(path)))
      }
    }
    if (isOpen) for (const [table, id] of readBy(plan)) keepSnapshot(table, id)
  })

  const staleResults: ListedFile[] = []
  await mapConcurrently(sliceResults, reads, async (file) => {
    const result = await readJsonOrNull(io, file.path, resultSchema)
    const named = (result?.files ?? []).map(({ path }) => normalizeUri(path))
    const isKept =
      everything ||
      file.modifiedMs >= sinceMs ||
      addresses.has(addressIn(file.path, sliceResult)) ||
      named.some((path) => partitions.has(folderOf(path))) ||
      (result === null && manifests)
    if (!isKept) {
      staleResults.push(file)
      return
    }
    for (const path of named) paths.add(path)
    if (result?.manifest !== undefined && result.manifest !== null)
      paths.add(normalizeUri(result.manifest.manifestPath))
  })

  return {
    isKept: (path) =>
      everything ||
      paths.has(path) ||
      partitions.has(folderOf(path)) ||
      (manifests && sliceManifest.test(path)) ||
      addresses.has(addressIn(path, sliceManifest)),
    staleResults,
    snapshots,
  }
}

function readBy({ summary, source, pin, carried }: KeptPlan): (readonly [table: string, snapshotId: string])[] {
  const own = [summary.baseSnapshotId, carried?.snapshotId].flatMap((id) =>
    id === undefined || id === null ? [] : [[summary.table, id] as const],
  )
  return [...own, [source.table, source.snapshotId], ...Object.entries(pin?.sources ?? {})]
}
