/** Runs a program of concurrent writers against one table and its reference, and checks both after every commit. */
import { isHindcastError } from '../../../src/contract/index.ts'
import type { Isolation, Snapshot, Table, TableChange, TableMetadata } from '../../../src/iceberg/index.ts'
import { branchHead } from '../../../src/iceberg/actions/write-snapshot.ts'
import { commitChange, commitSnapshot, type CommitContext } from '../../../src/io/commit.ts'
import { checkCounts, checkRefs, checkRows, checkSnapshot, RowIds, same } from './checks.ts'
import { compact, rewriteDeletes } from './file-operations.ts'
import { Interleaving, type Pause } from './interleaving.ts'
import { Planning, type Planned, type Step } from './planning.ts'
import { SnapshotReader, type Seen } from './read-snapshot.ts'
import { Reference, type OtherOperation, type RowOperation } from './reference.ts'
import {
  append,
  appendRows,
  deleteRows,
  mergeRows,
  overwriteParts,
  overwriteWhere,
  updateRows,
  upsertBlindly,
} from './row-operations.ts'
import { SharedTable, type Fate } from './shared-table.ts'
import {
  addColumn,
  back,
  drop,
  forward,
  makeBranch,
  makeTag,
  pick,
  respec,
  show,
  upgrade,
  type OtherPlanned,
} from './table-operations.ts'

export interface Program {
  readonly formatVersion: 2 | 3
  readonly isolation: Isolation
  readonly writers: readonly (readonly Step[])[]
  /** Who goes on next, see `Interleaving`. */
  readonly choices: readonly number[]
  readonly fates: readonly Fate[]
  /** Whether a second branch has a commit of its own from the beginning. */
  readonly hasAudit: boolean
  readonly retries: number
  /** Manifests that are merged at least; and the size they are merged up to. */
  readonly mergeCount: number
  readonly mergeBytes: number
}

const rowOperations: Readonly<Record<string, (plan: Planning) => Planned | null>> = {
  append,
  upsertBlindly,
  deleteRows,
  updateRows,
  mergeRows,
  overwriteParts,
  overwriteWhere,
  compact,
  rewriteDeletes,
}

const otherOperations: Readonly<Record<string, (plan: Planning) => OtherPlanned | null>> = {
  makeBranch,
  makeTag,
  drop,
  forward,
  back,
  show,
  pick,
  addColumn,
  respec,
  upgrade,
}

export const kinds: readonly string[] = [...Object.keys(rowOperations), ...Object.keys(otherOperations)]

/** Errors that tell a caller what became of the world, or that it asks for what cannot be; any other is a fault. */
const expected: ReadonlySet<string> = new Set([
  'CONFLICT',
  'CATALOG_UNAVAILABLE',
  'REQUEST_INVALID',
  'FEATURE_UNSUPPORTED',
  'SNAPSHOT_NOT_FOUND',
  'REF_NOT_FOUND',
])

type Result = 'committed' | 'found done' | 'nothing to do' | 'failed'

interface Outcome {
  readonly kind: string
  readonly result: Result
  readonly code: string | null
  /** Whether an answer was lost, so that a failure says nothing of what happened. */
  readonly isLost: boolean
}

/** How often operations of each kind came out how, over all programs: a test in which nothing is ever committed proves nothing. */
export type Tally = Map<string, Map<Result, number>>

interface Registered {
  readonly operation: RowOperation | OtherOperation
  /** Whether rows had ids when the operation read them. */
  readonly readIds: boolean
}

class Run {
  readonly #program: Program
  readonly #interleaving: Interleaving
  readonly #shared: SharedTable
  readonly #reader: SnapshotReader
  readonly #reference = new Reference()
  readonly #rowIds = new RowIds()
  readonly #changes = new Map<TableChange, Registered>()
  readonly #named = new Map<bigint, ReadonlySet<string>>()
  readonly #outcomes = new Map<string, Outcome>()
  #mayLeaveFiles = false

  constructor(program: Program) {
    this.#program = program
    this.#interleaving = new Interleaving(program.choices)
    this.#shared = new SharedTable(
      {
        formatVersion: program.formatVersion,
        properties: {
          'write.avro.compression-codec': 'uncompressed',
          'commit.retry.num-retries': String(program.retries),
          'commit.manifest.min-count-to-merge': String(program.mergeCount),
          'commit.manifest.target-size-bytes': String(program.mergeBytes),
        },
      },
      this.#interleaving,
      program.fates,
    )
    this.#reader = new SnapshotReader(this.#shared)
    this.#shared.onApplied = (change, before, after) => this.#applied(change, before, after)
  }

  async run(tally: Tally): Promise<void> {
    await this.#begin()
    this.#program.writers.forEach((steps, writer) => {
      this.#interleaving.spawn(async (pause) => {
        for (const [index, step] of steps.entries()) await this.#step(pause, step, writer, index)
      })
    })
    await this.#interleaving.run()
    await this.#end()
    for (const { kind, result } of this.#outcomes.values()) {
      const counts = tally.get(kind) ?? new Map<Result, number>()
      counts.set(result, (counts.get(result) ?? 0) + 1)
      tally.set(kind, counts)
    }
  }

  /** Two files in each of three parts, and one on the branch. */
  async #begin(): Promise<void> {
    await this.#beginWith('main', [0, 1, 2], [0, 1, 2])
    await this.#beginWith('main', [0, 1, 2], [2, 3])
    if (this.#program.hasAudit) await this.#beginWith('audit', [1], [4])
  }

  async #beginWith(branch: string, parts: readonly number[], keys: readonly number[]): Promise<void> {
    const { table, metadata } = this.#shared
    const snapshotId = metadata.lastSequenceNumber + 1n
    const step: Step = { kind: 'append', branch, part: 0, keys, style: 0 }
    const seen = await this.#reader.read(metadata, null)
    const plan = this.#planning(table, seen, step, { name: `begin${snapshotId}`, snapshotId })
    const rows = parts.flatMap((part) => plan.newRows(part, keys))
    const planned = appendRows(plan, rows)
    const { change, unused } = await this.#registered(plan, planned.operation, planned.attempt(table))
    same('the beginning', await this.#shared.apply(change), null)
    for (const path of unused) await this.#delete(path)
  }

  async #step(pause: Pause, step: Step, writer: number, index: number): Promise<void> {
    const name = `w${writer}.${index} ${step.kind}`
    const snapshotId = BigInt(1000 + writer * 100 + index)
    const answers = { lost: false, done: false }
    const record = (result: Result, code: string | null = null): void => {
      this.#outcomes.set(name, { kind: step.kind, result, code, isLost: answers.lost })
    }
    try {
      const context = this.#context(pause, answers)
      const table = await context.catalog.loadTable({ namespace: ['ns'], name: 't' })
      await pause()
      const seen = await this.#reader.read(table.metadata, branchHead(table.metadata, step.branch))
      const plan = this.#planning(table, seen, step, { name, snapshotId })
      const planRows = rowOperations[step.kind]
      if (planRows !== undefined) {
        const planned = planRows(plan)
        if (planned === null) return record('nothing to do')
        await this.#commitRows(pause, context, plan, planned)
        return record('committed')
      }
      const planned = otherOperations[step.kind]?.(plan) ?? null
      if (planned === null) return record('nothing to do')
      await commitChange(
        context,
        table,
        async (current) => {
          const attempt = await planned.attempt(current)
          // What the table has already is not committed.
          answers.done = attempt.change.updates.length === 0
          this.#changes.set(attempt.change, {
            operation: attempt.operation,
            readIds: seen.snapshot?.firstRowId !== undefined,
          })
          return attempt
        },
        (current) => {
          answers.done = planned.done(current)
          return answers.done
        },
      )
      return record(answers.done ? 'found done' : 'committed')
    } catch (error) {
      if (!isHindcastError(error) || !expected.has(error.code)) throw error
      return record('failed', error.code)
    }
  }

  /** Once in a while by two processes at once, of which the one took the other for dead. */
  async #commitRows(pause: Pause, context: CommitContext, plan: Planning, planned: Planned): Promise<void> {
    const { shared, snapshotId, table, written } = plan
    const commit = async (with_: CommitContext): Promise<void> => {
      await commitSnapshot(with_, table, snapshotId, (current) =>
        this.#registered(plan, planned.operation, planned.attempt(current)),
      )
    }
    if (!plan.is(6) || !plan.is(7)) {
      const discard = async (): Promise<void> => {
        for (const path of shared.contents.keys())
          if (written.some((own) => path.startsWith(own))) shared.contents.delete(path)
      }
      return commit({ ...context, discard })
    }
    const twin: { error: unknown; ended: boolean } = { error: null, ended: false }
    this.#interleaving.spawn(async (twinsPause) => {
      await commit(this.#context(twinsPause, { lost: false, done: false })).catch((error: unknown) => {
        twin.error = error
      })
      twin.ended = true
    })
    // Whoever comes second may write files anew that the first has cleared away.
    this.#mayLeaveFiles = true
    let error: unknown = null
    await commit(context).catch((caught: unknown) => {
      error = caught
    })
    await pause(() => twin.ended)
    const isThere = this.#reference.snapshots.has(snapshotId)
    if (!isThere && error !== null) throw error
  }

  #context(pause: Pause, answers: { lost: boolean; done: boolean }): CommitContext {
    const catalog = this.#shared.catalogFor(pause)
    return {
      catalog: {
        loadTable: (identifier) => catalog.loadTable(identifier),
        commit: async (table, change) => {
          const outcome = await catalog.commit(table, change)
          if (outcome.status === 'unknown') answers.lost = true
          return outcome
        },
      },
      io: { delete: (path) => this.#delete(path) },
      clock: { now: () => 0, wait: () => pause(), random: () => 0 },
    }
  }

  async #delete(path: string): Promise<void> {
    for (const [snapshotId, named] of this.#named) {
      if (named.has(path)) throw new Error(`${path} is deleted, which snapshot ${snapshotId} names`)
    }
    await this.#shared.io.delete(path)
  }

  #planning(
    table: Table,
    seen: Seen,
    step: Step,
    as: { readonly name: string; readonly snapshotId: bigint },
  ): Planning {
    const { isolation } = this.#program
    return new Planning({ shared: this.#shared, table, seen, step, isolation, ...as })
  }

  async #registered<R extends { readonly change: TableChange }>(
    plan: Planning,
    operation: RowOperation,
    attempt: Promise<R>,
  ): Promise<R> {
    const result = await attempt
    this.#changes.set(result.change, { operation, readIds: plan.seen.snapshot?.firstRowId !== undefined })
    return result
  }

  async #applied(change: TableChange, before: TableMetadata, after: TableMetadata): Promise<void> {
    const known = this.#changes.get(change)
    if (known === undefined) throw new Error('a change was applied that nobody made')
    const { operation } = known
    if ('applied' in operation) this.#reference.commitOther(operation)
    else {
      const parent = this.#reference.headOf(operation.branch)
      this.#reference.commitRows(operation)
      const snapshot = snapshotOf(after, operation.snapshotId)
      const seen = await this.#reader.read(after, snapshot)
      checkSnapshot(snapshot, before, after)
      same('the parent', snapshot.parentSnapshotId ?? null, parent)
      checkRows(seen, this.#reference)
      checkCounts(seen)
      const parentSeen = parent === null ? null : await this.#reader.read(after, snapshotOf(after, parent))
      this.#rowIds.check(seen, parentSeen, !known.readIds)
      this.#named.set(
        snapshot.snapshotId,
        new Set([snapshot.manifestList, ...seen.manifests.map(({ manifest }) => manifest.manifestPath)]),
      )
    }
    checkRefs(after, this.#reference)
  }

  async #end(): Promise<void> {
    const { metadata, io } = this.#shared
    for (const snapshot of metadata.snapshots) checkRows(await this.#reader.read(metadata, snapshot), this.#reference)
    checkRefs(metadata, this.#reference)
    for (const [name, { kind, result, isLost }] of this.#outcomes) {
      const times = this.#reference.applied.get(name) ?? 0
      // An upgrade that arrives after the one sent in its place changes nothing any more.
      const again = kind === 'upgrade' && isLost ? 1 : 0
      const most = (result === 'found done' || isLost || result === 'committed' ? 1 : 0) + again
      const least = result === 'committed' ? 1 : 0
      same(`${name}, ${result}, having been applied ${times} times`, times >= least && times <= most, true)
      this.#mayLeaveFiles ||= isLost || result === 'failed'
    }
    if (this.#mayLeaveFiles || this.#shared.lost > 0) return
    const named = new Set([...this.#named.values()].flatMap((paths) => [...paths]))
    same(
      'files that no snapshot names',
      [...io.files.keys()].filter((path) => !named.has(path)),
      [],
    )
  }
}

function snapshotOf({ snapshots }: TableMetadata, id: bigint): Snapshot {
  const found = snapshots.find(({ snapshotId }) => snapshotId === id)
  if (found === undefined) throw new Error(`the table has no snapshot ${id}`)
  return found
}

export const runProgram = (program: Program, tally: Tally): Promise<void> => new Run(program).run(tally)
