import {
  isHindcastError,
  isRetryable,
  parseDuration,
  summaryKeys,
  type MaintainTableRequest,
  type MaintenanceInput,
  type TableMaintenance,
} from '../../contract/index.ts'
import {
  ancestorsOf,
  booleanProperty,
  qualifiedName,
  type ListedFile,
  type Snapshot,
  type Table,
  type TableMetadata,
} from '../../iceberg/index.ts'
import { loadIfExists, viewOfTiles } from '../backfill/index.ts'
import { tableIdentifier } from '../catalog-names.ts'
import type { WarehouseFiles } from '../files/index.ts'
import {
  compactTable,
  expireTable,
  removeOrphanFiles,
  rewriteTableManifests,
  type MaintenanceContext,
} from '../maintenance/index.ts'
import { claimPath, runsFolder } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { newSnapshotId } from '../snapshot-id.ts'
import { announceSweep, deadSweeps, type Sweep } from '../sweep-marker.ts'
import { Garbage } from './garbage.ts'
import { keptByRuns, type KeptByRuns } from './kept-by-runs.ts'
import { retentionOf } from './retention.ts'
import { readRunsFolder, type AskRun, type RunFolder, type RunsFolder } from './run-folders.ts'
import { removeWithoutTable } from './without-table.ts'

const msPerDay = 86_400_000

export interface MaintainOptions {
  readonly signal?: AbortSignal
  /** How long another clean-up's marker is unchanged before it is dead; as `sweep-marker.ts` has it unless given. */
  readonly patienceMs?: number
}

/**
 * Cleans up after one table: slice results that nothing needs, snapshots and branches past their retention with their files, files that
 * nothing refers to, the folders of runs that are over and of which the table shows nothing any more, and the markers of dead clean-ups. In
 * this order, so that nothing is ever left that names a file which is gone.
 *
 * What open runs have written and read stays, however old; what runs that are over have left stays for the grace period. A run that starts
 * meanwhile waits, see `sweep-marker.ts`.
 * @throws what storage and catalog throw where trying again may help; anything else is the report's `problem`
 */
export async function maintainTable(
  runtime: Runtime,
  ask: AskRun,
  { table, sourceSnapshots, input }: MaintainTableRequest,
  options: MaintainOptions = {},
): Promise<TableMaintenance> {
  const folder = runsFolder(runtime.warehouse, ownerOf(table))
  const dryRun = input.dryRun === true
  await using sweep =
    dryRun || !(await hasFiles(runtime.io, folder)) ? noSweep : await announceSweep(runtime.io, folder)
  using others = watchOthers(runtime.io, folder, sweep, options)
  const times = timesOf(runtime, input)
  const runs = await readRunsFolder(runtime.io, folder, ask)
  const loaded = await loadIfExists(runtime, tableIdentifier(table))
  const work = new TableWork({ runtime, table, loaded, runs, times, input, sourceSnapshots, sweep, others, options })
  try {
    await work.run()
  } catch (error) {
    if (!isHindcastError(error) || isRetryable(error.code)) throw error
    work.problem = { code: error.code, reason: error.message, hint: error.hint ?? null }
  }
  return work.report
}

/** The table whose runs write a table: of one that keeps tiles that of the view. */
function ownerOf(table: string): string {
  const { namespace, name } = tableIdentifier(table)
  return qualifiedName({ namespace, name: viewOfTiles({ namespace, name }) ?? name })
}

interface Times {
  readonly nowMs: number
  /** Epoch ms: what is younger stays. */
  readonly sinceMs: number
  /** Likewise, for runs of which nobody can be asked. */
  readonly unknownSinceMs: number
  readonly expireOlderThanMs: number | null
}

function timesOf(runtime: Runtime, { olderThan, expireOlderThan }: MaintenanceInput): Times {
  const { maintenance, limits } = runtime.settings.config
  const nowMs = runtime.now()
  const graceMs = olderThan === undefined ? maintenance.graceDays * msPerDay : msOf(olderThan, 'olderThan')
  return {
    nowMs,
    sinceMs: nowMs - graceMs,
    unknownSinceMs: nowMs - Math.max(graceMs, limits.stagedRetentionDays * msPerDay),
    expireOlderThanMs: expireOlderThan === undefined ? null : msOf(expireOlderThan, 'expireOlderThan'),
  }
}

const msOf = (text: string, field: string): number => Number(parseDuration(text, field) / 1000n)

const noSweep: Sweep = { marker: null, check: () => undefined, [Symbol.asyncDispose]: () => Promise.resolve() }

interface OtherSweeps extends Disposable {
  /** The markers of dead clean-ups, once they have been silent for long enough. */
  readonly dead: Promise<readonly ListedFile[]>
}

/** Watches the markers of other clean-ups while this one is at work, until it is disposed of. */
function watchOthers(
  io: WarehouseFiles,
  folder: string,
  { marker }: Sweep,
  { signal, patienceMs }: MaintainOptions,
): OtherSweeps {
  const over = new AbortController()
  const dead = deadSweeps(io, folder, {
    own: marker,
    signal: signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]),
    ...(patienceMs === undefined ? {} : { patienceMs }),
  })
  // Nobody waits for it where the clean-up fails first.
  dead.catch(() => undefined)
  return { dead, [Symbol.dispose]: () => over.abort() }
}

async function hasFiles(io: WarehouseFiles, folder: string): Promise<boolean> {
  for await (const _ of io.list(folder)) return true
  return false
}

interface TableWorkRequest {
  readonly runtime: Runtime
  readonly table: string
  readonly loaded: Table | null
  readonly runs: RunsFolder
  readonly times: Times
  readonly input: MaintenanceInput
  readonly sourceSnapshots: readonly string[]
  readonly sweep: Sweep
  readonly others: OtherSweeps
  readonly options: MaintainOptions
}

/** The steps of one table's clean-up, and what they add up to. */
class TableWork {
  problem: TableMaintenance['problem'] = null
  readonly #request: TableWorkRequest
  readonly #garbage: Garbage
  readonly #open: readonly RunFolder[]
  readonly #past: readonly RunFolder[]
  readonly #notes: string[] = []
  #expired: readonly Snapshot[] = []
  #droppedRefs: readonly string[] = []
  #compaction: TableMaintenance['compaction'] = null

  constructor(request: TableWorkRequest) {
    this.#request = request
    const { runs, times, runtime, input, sweep, options } = request
    this.#garbage = new Garbage(checkedBefore(runtime.io, sweep), {
      dryRun: input.dryRun === true,
      signal: options.signal,
    })
    const mayGoOn = ({ state, lastMs }: RunFolder): boolean =>
      state === 'open' || (state === 'unknown' && lastMs >= times.unknownSinceMs)
    this.#open = runs.runs.filter(mayGoOn)
    this.#past = runs.runs.filter((run) => !mayGoOn(run) && run.lastMs < times.sinceMs)
  }

  get report(): TableMaintenance {
    const { table, runs } = this.#request
    return {
      table,
      problem: this.problem,
      expiredSnapshots: this.#expired.map(({ snapshotId }) => snapshotId.toString()),
      droppedRefs: this.#droppedRefs,
      ...this.#garbage.report,
      openRuns: this.#open.map(({ runId }) => runId),
      unknownRuns: runs.runs.filter(({ state }) => state === 'unknown').length,
      compaction: this.#compaction,
      notes: this.#notes,
    }
  }

  async run(): Promise<void> {
    const { runtime, loaded, runs, times } = this.#request
    if (loaded !== null && !booleanProperty(loaded.metadata.properties, 'gc.enabled')) {
      this.#notes.push('left alone: its property gc.enabled is false, for its files may be another table’s too')
      return
    }
    const kept = await keptByRuns({
      io: runtime.io,
      runs: this.#resumable(loaded),
      sliceResults: runs.sliceResults,
      sinceMs: times.sinceMs,
    })
    const isOwner = ownerOf(this.#request.table) === this.#request.table
    if (isOwner) await this.#garbage.remove('slice result', kept.staleResults)
    let metadata: TableMetadata | null = null
    if (loaded === null) await this.#withoutTable(kept)
    else {
      const compacted = await this.#compact(loaded)
      const after = await this.#expire(compacted, kept)
      await this.#removeOrphans(after, kept)
      metadata = after.metadata
    }
    if (!isOwner) return
    await this.#removeRunFolders(metadata)
    await this.#garbage.remove('run file', await this.#request.others.dead)
  }

  /** Runs that may go on, or be gone on with: those that published have nothing more to come. */
  #resumable(loaded: Table | null): readonly RunFolder[] {
    const { runs } = this.#request
    const main = loaded?.metadata.refs['main']?.snapshotId ?? null
    const shown = loaded === null ? [] : ancestorsOf(loaded.metadata, main)
    const published = new Set(shown.map(({ summary }) => summary[summaryKeys.runId]))
    const past = new Set(this.#past)
    return runs.runs
      .filter((run) => !past.has(run))
      .filter(({ runId, state }) => state !== 'over' || !published.has(runId))
  }

  #context(table: Table): MaintenanceContext {
    const { runtime, times, sweep, options } = this.#request
    return {
      catalog: runtime.catalog,
      io: checkedBefore(runtime.tableFiles(table), sweep),
      now: () => times.nowMs,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }
  }

  async #compact(loaded: Table): Promise<Table> {
    const { runtime, input, options } = this.#request
    if (input.compact !== true) return loaded
    if (input.dryRun === true) {
      this.#notes.push('what compaction would do is not said: a dry run rewrites nothing')
      return loaded
    }
    let table = loaded
    let [rewrittenFiles, addedFiles] = [0, 0]
    if (isFeatureTable(loaded, runtime)) {
      this.#notes.push('small files are left as they are: the ledger of a feature table names its data files')
    } else {
      const signal = options.signal === undefined ? {} : { signal: options.signal }
      const report = await compactTable(runtime, table, { newSnapshotId, ...signal })
      ;({ table, rewrittenFiles, addedFiles } = report)
    }
    const {
      table: rewritten,
      replaced,
      created,
    } = await rewriteTableManifests(this.#context(table), table, {
      snapshotId: newSnapshotId(),
    })
    this.#compaction = {
      rewrittenFiles,
      addedFiles,
      rewrittenManifests: replaced.length,
      addedManifests: created.length,
    }
    return rewritten
  }

  async #expire(table: Table, kept: KeptByRuns): Promise<Table> {
    const { runtime, times, input, sourceSnapshots } = this.#request
    const { nowMs: _, ...limits } = retentionOf({
      metadata: table.metadata,
      nowMs: times.nowMs,
      config: runtime.settings.config.maintenance,
      expireOlderThanMs: times.expireOlderThanMs,
      sinceMs: times.sinceMs,
      openRuns: new Set(this.#open.map(({ runId }) => runId)),
      pastRuns: new Set(this.#past.map(({ runId }) => runId)),
      keptSnapshots: [...sourceSnapshots.map(BigInt), ...(kept.snapshots.get(this.#request.table) ?? [])],
    })
    const report = await expireTable(this.#context(table), table, {
      ...limits,
      dryRun: input.dryRun === true,
      isKept: kept.isKept,
      onFiles: (kind, files) => this.#garbage.note(kindOf[kind], files),
    })
    this.#garbage.addFailed(report.failed)
    this.#expired = report.expired
    this.#droppedRefs = report.droppedRefs
    return report.table
  }

  async #removeOrphans(table: Table, kept: KeptByRuns): Promise<void> {
    const { times, input } = this.#request
    const { failed } = await removeOrphanFiles(this.#context(table), table, {
      minAgeMs: times.nowMs - times.sinceMs,
      // Whether it may be less than a day was judged with the input.
      force: true,
      dryRun: input.dryRun === true,
      isKept: kept.isKept,
      onFiles: (files) => this.#garbage.note('unreferenced file', files),
    })
    this.#garbage.addFailed(failed)
  }

  async #withoutTable(kept: KeptByRuns): Promise<void> {
    const { runtime, table, times } = this.#request
    const note = await removeWithoutTable(runtime, table, {
      sinceMs: times.sinceMs,
      isKept: kept.isKept,
      remove: (files) => this.#garbage.remove('unreferenced file', files),
    })
    if (note !== null) this.#notes.push(note)
  }

  /** Folders of past runs of which the table has no snapshot any more; the claim last, so that a clean-up that died can go on. */
  async #removeRunFolders(metadata: TableMetadata | null): Promise<void> {
    const { runtime, table, runs, times } = this.#request
    const summaries = (metadata?.snapshots ?? []).map(({ summary }) => summary)
    const named = new Set(summaries.map((summary) => summary[summaryKeys.runId]))
    const records = new Set(summaries.map((summary) => summary[summaryKeys.record]))
    const unfinished = runs.unfinished.filter(({ modifiedMs }) => modifiedMs < times.sinceMs)
    await this.#garbage.remove('run file', unfinished)
    for (const { runId, files } of this.#past) {
      if (named.has(runId) || files.some(({ path }) => records.has(path))) continue
      const isClaim = ({ path }: ListedFile): boolean => path === claimPath(runsFolder(runtime.warehouse, table), runId)
      await this.#garbage.remove(
        'run file',
        files.filter((file) => !isClaim(file)),
      )
      await this.#garbage.remove('run file', files.filter(isClaim))
    }
  }
}

const kindOf = {
  data: 'data file',
  deletes: 'delete file',
  manifest: 'manifest',
  'manifest list': 'manifest list',
  statistics: 'statistics',
} as const

const isFeatureTable = ({ identifier, metadata }: Table, runtime: Runtime): boolean =>
  metadata.properties['hindcast.view'] !== undefined ||
  identifier.namespace.join('.') === runtime.settings.config.namespace

/** The same files, which delete nothing any more once others may take this clean-up for dead. */
function checkedBefore(io: WarehouseFiles, sweep: Sweep): WarehouseFiles {
  return {
    ...io,
    delete: (path) => {
      sweep.check()
      return io.delete(path)
    },
    deleteAll: (paths) => {
      sweep.check()
      return io.deleteAll(paths)
    },
  }
}
