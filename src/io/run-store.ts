import { createHash } from 'node:crypto'
import { HindcastError, type RunIdentity } from '../contract/index.ts'
import type { FileIO } from '../iceberg/index.ts'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Where a feature table's runs keep what is not Iceberg's. */
export const runsFolder = (warehouse: string, table: string): string => `${warehouse}/_hindcast/${table}`

export async function readJson<T>(io: FileIO, path: string): Promise<T> {
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

export const toJsonBytes = (value: unknown): Uint8Array => encoder.encode(`${JSON.stringify(value, null, 1)}\n`)

/**
 * Gives a run its id and folder. The id is the workflow's; when that id was used before, by another execution, a number is added,
 * so that no two runs share a branch or a folder. The same execution is given the same id however often it asks.
 */
export async function claimRun(
  io: FileIO,
  folder: string,
  run: RunIdentity,
): Promise<{ readonly runId: string; readonly folder: string }> {
  const base = pathSafe(run.workflowId)
  for (let attempt = 1; attempt <= 10_000; attempt++) {
    const runId = attempt === 1 ? base : `${base}-${attempt}`
    const claim = `${folder}/${runId}/run.json`
    if ((await io.create(claim, toJsonBytes(run))) === 'created') return { runId, folder: `${folder}/${runId}` }
    const holder = await readJson<RunIdentity>(io, claim)
    if (holder.executionId === run.executionId) return { runId, folder: `${folder}/${runId}` }
  }
  throw new HindcastError('REQUEST_INVALID', `the workflow id ${run.workflowId} was used too often`, {
    hint: 'Start the workflow with another id.',
  })
}

/** A workflow id as a file and branch name; ids that had to be changed, or cut, keep their difference in a hash. */
function pathSafe(id: string): string {
  const safe = id.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 100)
  return safe === id && !safe.startsWith('.') ? safe : `${safe.replace(/^\.+/, '_')}-${sha256(id).slice(0, 8)}`
}
