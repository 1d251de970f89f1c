/** What lies in the folder of a table's runs, and which of the runs are over. */
import { z } from 'zod'
import type { RunIdentity } from '../../contract/index.ts'
import { mapConcurrently, type ListedFile } from '../../iceberg/index.ts'
import type { WarehouseFiles } from '../files/index.ts'
import { claimPath, readJsonOrNull } from '../run-store.ts'
import { ownTemporary } from '../maintenance/index.ts'

/** Whether a run is over. */
export type RunState =
  | { readonly state: 'open' }
  /** `closedMs`: epoch ms; null for a run that Temporal does not know any more. */
  | { readonly state: 'over'; readonly closedMs: number | null }
  /** Nobody can be asked. */
  | { readonly state: 'unknown' }

/** Asks who runs the runs. */
export type AskRun = (run: RunIdentity) => Promise<RunState>

export interface RunFolder {
  readonly runId: string
  readonly folder: string
  readonly files: readonly ListedFile[]
  readonly state: RunState['state']
  /** Epoch ms of the last that is known of it. */
  readonly lastMs: number
}

export interface RunsFolder {
  readonly runs: readonly RunFolder[]
  readonly sliceResults: readonly ListedFile[]
  /** What killed writers left unfinished. */
  readonly unfinished: readonly ListedFile[]
}

const asked = 8

const identitySchema = z.object({ workflowId: z.string(), executionId: z.string() })

/** Lists the folder; what is neither a run's nor a slice's is passed over. */
export async function readRunsFolder(io: WarehouseFiles, folder: string, ask: AskRun): Promise<RunsFolder> {
  const sliceResults: ListedFile[] = []
  const unfinished: ListedFile[] = []
  const byRun = new Map<string, ListedFile[]>()
  for await (const file of io.list(folder)) {
    const [first = '', ...rest] = file.path.slice(folder.length + 1).split('/')
    if (ownTemporary.test(rest.at(-1) ?? first)) unfinished.push(file)
    else if (rest.length === 0 || first.startsWith('.')) continue
    else if (first === 'slices') sliceResults.push(file)
    else byRun.set(first, [...(byRun.get(first) ?? []), file])
  }
  const claimed = [...byRun].filter(([runId, files]) => files.some(({ path }) => path === claimPath(folder, runId)))
  const runs = await mapConcurrently(claimed, asked, async ([runId, files]): Promise<RunFolder> => {
    const identity = await readJsonOrNull(io, claimPath(folder, runId), identitySchema)
    // A claim that cannot be read is nobody's: its folder goes by its age.
    const answer = identity === null ? { state: 'over' as const, closedMs: null } : await ask(identity)
    const lastMs = files.reduce((last, { modifiedMs }) => Math.max(last, modifiedMs), 0)
    return {
      runId,
      folder: `${folder}/${runId}`,
      files,
      state: answer.state,
      lastMs: answer.state === 'over' ? Math.max(lastMs, answer.closedMs ?? 0) : lastMs,
    }
  })
  return { runs, sliceResults, unfinished }
}
