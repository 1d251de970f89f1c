import { hash } from 'node:crypto'
import type { z } from 'zod'
import { HindcastError, isHindcastError, isRetryable, type RunIdentity } from '../contract/index.ts'
import type { FileIO } from '../iceberg/index.ts'
import type { WarehouseFiles } from './files/index.ts'
import { sweepsOver } from './sweep-marker.ts'

export const sha256 = (text: string): string => hash('sha256', text)

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Where a feature table's runs keep what is not Iceberg's. */
export const runsFolder = (warehouse: string, table: string): string => `${warehouse}/_hindcast/${table}`

export async function readJson<T>(io: Pick<FileIO, 'read'>, path: string): Promise<T> {
  const bytes = await io.read(path)
  try {
    return JSON.parse(decoder.decode(bytes)) as T
  } catch (cause) {
    throw new HindcastError('METADATA_INVALID', `${path} is not JSON`, {
      hint: 'The file was damaged or written by something else. Run the backfill again: it writes a new one.',
      cause,
    })
  }
}

/** As `readJson`, checked; null for a file that is not there, or not what it should be. @throws STORAGE_UNAVAILABLE */
export async function readJsonOrNull<T>(
  io: Pick<FileIO, 'read'>,
  path: string,
  schema: z.ZodType<T>,
): Promise<T | null> {
  try {
    const parsed = schema.safeParse(await readJson(io, path))
    return parsed.success ? parsed.data : null
  } catch (error) {
    if (isHindcastError(error) && !isRetryable(error.code)) return null
    throw error
  }
}

export const toJsonBytes = (value: unknown): Uint8Array => encoder.encode(`${JSON.stringify(value, null, 1)}\n`)

/** Says whose a run's folder is. */
export const claimPath = (folder: string, runId: string): string => `${folder}/${runId}/run.json`

/**
 * Gives a run its id and folder. The id is the workflow's; when that id was used before, by another execution, a number is added,
 * so that no two runs share a branch or a folder. The same execution is given the same id however often it asks.
 */
export async function claimRun(io: WarehouseFiles, folder: string, run: RunIdentity): Promise<ClaimedRun> {
  const claimed = await claim(io, folder, run)
  // From here on a clean-up spares what the run may use. One that is at work already may be about to delete some of it.
  await sweepsOver(io, folder)
  return claimed
}

interface ClaimedRun {
  readonly runId: string
  readonly folder: string
}

async function claim(io: FileIO, folder: string, run: RunIdentity): Promise<ClaimedRun> {
  const base = pathSafe(run.workflowId)
  for (let attempt = 1; attempt <= 10_000; attempt++) {
    const runId = attempt === 1 ? base : `${base}-${attempt}`
    const path = claimPath(folder, runId)
    if ((await io.create(path, toJsonBytes(run))) === 'created') return { runId, folder: `${folder}/${runId}` }
    const holder = await readJson<RunIdentity>(io, path)
    if (holder.executionId === run.executionId) return { runId, folder: `${folder}/${runId}` }
  }
  throw new HindcastError('REQUEST_INVALID', `the workflow id ${run.workflowId} was used too often`, {
    hint: 'Start the workflow with another id.',
  })
}

/** Folders beside those of runs. */
const taken: ReadonlySet<string> = new Set(['slices', 'claims'])

/** A workflow id as a file and branch name; ids that had to be changed, or cut, keep their difference in a hash. */
function pathSafe(id: string): string {
  const safe = id.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 100)
  return safe === id && !safe.startsWith('.') && !taken.has(safe)
    ? safe
    : `${safe.replace(/^\.+/, '_')}-${sha256(id).slice(0, 8)}`
}
