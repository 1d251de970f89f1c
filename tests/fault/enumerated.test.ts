// A backfill with one fault, at each of its side effects in turn and in each kind: it ends with the bytes of an undisturbed run, or fails clearly
// with `main` as it was and ends well when it is tried again. A reader sees nothing in between, and a clean-up finds all that was left.
// FAULTS=all takes each kind at each side effect; by default each side effect has one, and each kind its turn.
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  isHindcastError,
  isRetryable,
  referenceTo,
  type AuditResult,
  type BackfillInput,
  type RunIdentity,
} from '../../src/contract/index.ts'
import {
  claimRange,
  computeSlice,
  dropBranch,
  planRun,
  publishSnapshot,
  releaseRange,
  runAudit,
  stageSnapshot,
  writeReport,
} from '../../src/io/backfill/index.ts'
import type { Runtime } from '../../src/io/runtime.ts'
import { expectCleanSweep, sweepLongAfter, unharmed } from '../support/clean-up.ts'
import { Crash, faultKinds, faultyRuntime, type FaultKind, type FaultyRuntime } from '../support/faulty-runtime.ts'
import { salesProject, type SalesProject } from '../support/runtime.ts'
import { loadFeatureTable, mainBytes } from '../support/table-bytes.ts'

const request = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-06', force: true }

interface Start {
  readonly name: string
  /** The days that are published before. */
  readonly before: Partial<BackfillInput> | null
}

const starts: readonly Start[] = [
  { name: 'two of its four days are published', before: { to: '2024-01-04' } },
  { name: 'there is no table yet', before: null },
]

let project: SalesProject
let template = ''
let base: string | null = null
let published: ReadonlyMap<string, readonly string[]>
let reference: ReadonlyMap<string, readonly string[]>
let effects: readonly string[] = []

const bytes = () => mainBytes(project.runtime.settings.dir, 'shop_sales')
const head = async (): Promise<string | null> =>
  (await loadFeatureTable(project.runtime.settings.dir, 'shop_sales'))?.metadata.refs['main']?.snapshotId.toString() ??
  null
const state = () => join(project.runtime.settings.dir, '.hindcast')

/** Back to the start. */
async function restore(): Promise<void> {
  await rm(state(), { recursive: true })
  await cp(template, state(), { recursive: true })
}

/** A project at its start, and what an undisturbed run makes of it. */
async function prepare({ before }: Start): Promise<void> {
  project = await salesProject(undefined, { limits: { sliceInputBytes: 400 } })
  await project.define('3d', {
    features: `sales: count({ over: ['3d'] }), amount: sum('amount', { over: ['3d'] })`,
    view: `audits: [unique()],`,
  })
  if (before !== null) await project.publish(await project.staged('before', before))
  base = await head()
  published = await bytes()
  template = `${project.runtime.settings.dir}-template`
  await cp(state(), template, { recursive: true })
  await using counted = await faultyRuntime(project.runtime, { at: 0, kind: 'crash before' })
  await drive('undisturbed', () => Promise.resolve(counted))
  effects = [...counted.effects]
  reference = await bytes()
  expect(published.size).toBe(before === null ? 0 : 2)
  expect(reference.size).toBe(4)
}

afterEach(async () => {
  await rm(template, { recursive: true, force: true })
  await project[Symbol.asyncDispose]()
})

/** Whether the run that is being driven has passed its audits: only then may `main` move. */
let audited = false

let seen: string | null = null

/** What a reader of `main` sees is published: the snapshot of before, or a whole one that passed its audits. */
async function look(): Promise<void> {
  const now = await head()
  if (now === seen) return
  seen = now
  expect(audited).toBe(true)
  expect((await bytes()).size).toBe(4)
}

/** The steps of a run as the workflow takes them: each is tried again when its worker died, or the error may pass. */
async function drive(id: string, worker: () => Promise<FaultyRuntime>): Promise<void> {
  const run: RunIdentity = { workflowId: id, executionId: id }
  audited = false
  let current = await worker()
  const step = async <T>(work: (runtime: Runtime) => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work(current.runtime)
      } catch (error) {
        const isDead = error instanceof Crash || (error as { cause?: unknown }).cause instanceof Crash
        const mayPass = isDead || (isHindcastError(error) && isRetryable(error.code))
        if (!mayPass || attempt === 5) throw error
        if (isDead) current = await worker()
      }
    }
  }
  const isOver = () => Promise.resolve(true)
  expect(await step((runtime) => claimRange(runtime, request, run, isOver))).toBeNull()
  try {
    const { summary, slices, definition } = await step((runtime) => planRun(runtime, request, run))
    const plan = referenceTo(summary)
    for (const index of slices.keys()) await step((runtime) => computeSlice(runtime, { ...plan, index }))
    const { snapshotId } = await step((runtime) => stageSnapshot(runtime, plan))
    const audits: AuditResult[] = []
    for (const index of definition.audits.keys())
      audits.push(await step((runtime) => runAudit(runtime, { ...plan, snapshotId, index })))
    audited = audits.every(({ status }) => status === 'pass')
    const final = await step((runtime) => publishSnapshot(runtime, { ...plan, snapshotId, audits, decision: null }))
    await step((runtime) => dropBranch(runtime, plan))
    const totals = { rows: 0, bytes: 0, reused: 0, rejectedRows: 0 }
    await step((runtime) =>
      writeReport(runtime, { ...plan, snapshotId: final.snapshotId, verdict: 'published', audits, totals }),
    )
  } finally {
    await step((runtime) => releaseRange(runtime, request, run))
  }
}

async function withFault(at: number, kind: FaultKind): Promise<void> {
  await restore()
  seen = base
  const made: FaultyRuntime[] = []
  const worker = async (): Promise<FaultyRuntime> => {
    const isFirst = made.length === 0
    const next = await faultyRuntime(project.runtime, {
      at: isFirst ? at : 0,
      kind,
      afterCommit: look,
      meanwhile: () => drive('run', () => faultyRuntime(project.runtime, { at: 0, kind, afterCommit: look })),
    })
    made.push(next)
    return next
  }
  try {
    let failure: unknown = null
    try {
      await drive('run', worker)
    } catch (error) {
      failure = error
    }
    expect(made[0]?.fired).toBe(true)
    const where = `${kind} at ${at}, ${effects[at - 1] ?? ''}: ${String(failure)}`
    if (failure !== null) {
      expect(isHindcastError(failure), where).toBe(true)
      // Nothing may be half done: what failed after publishing is published.
      expect(await bytes(), where).toEqual((await head()) === base ? published : reference)
      await drive('again', () => faultyRuntime(project.runtime, { at: 0, kind, afterCommit: look }))
    }
    expect(await bytes(), where).toEqual(reference)
    await expectCleanSweep(project.runtime, where)
    expect(await bytes(), where).toEqual(reference)
  } finally {
    for (const each of made) await each[Symbol.asyncDispose]()
  }
}

/** Each side effect with the kinds of fault that it is to have. */
function casesOf(names: readonly string[], shift: number): (readonly [at: number, kind: FaultKind])[] {
  const all = process.env['FAULTS'] === 'all'
  return names.flatMap((_, index) => {
    const kinds = all ? faultKinds : [faultKinds[(index + shift) % faultKinds.length] ?? 'crash before']
    return kinds.map((kind) => [index + 1, kind] as const)
  })
}

test('one fault at each side effect of a clean-up: the next one finds what it left, its marker too', async () => {
  await prepare({ name: '', before: { to: '2024-01-04' } })
  await project.staged('abandoned', { to: '2024-01-06', force: true })
  await rm(template, { recursive: true })
  await cp(state(), template, { recursive: true })
  published = await bytes()
  await using counted = await unharmed(project.runtime)
  await sweepLongAfter(counted)
  const names = [...counted.effects]
  expect(names.filter((name) => name === 'delete').length).toBeGreaterThan(5)
  for (const [at, kind] of casesOf(names, 0)) {
    await restore()
    const where = `${kind} at ${at}, ${names[at - 1] ?? ''}`
    await using hit = await faultyRuntime(project.runtime, {
      at,
      kind,
      meanwhile: async () => {
        await using other = await unharmed(project.runtime)
        await sweepLongAfter(other)
      },
    })
    await sweepLongAfter(hit).catch(() => undefined)
    expect(hit.fired, where).toBe(true)
    expect(await bytes(), where).toEqual(published)
    await expectCleanSweep(project.runtime, where)
    expect(await bytes(), where).toEqual(published)
  }
})

test.each(starts)('one fault at each side effect, where $name', { timeout: 3_600_000 }, async (start) => {
  await prepare(start)
  expect(effects.length).toBeGreaterThan(50)
  for (const [at, kind] of casesOf(effects, starts.indexOf(start))) await withFault(at, kind)
})
