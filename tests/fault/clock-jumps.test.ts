// Clocks are wrong and are set right, at any time and by any amount. Nothing may be lost by it, no run may lose its turn, and the table's
// times must stay such as readers accept: Java refuses a table whose log goes back by more than a minute.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { referenceTo, type RunIdentity } from '../../src/contract/index.ts'
import type { TableMetadata } from '../../src/iceberg/index.ts'
import {
  claimRange,
  computeSlice,
  planRun,
  publishSnapshot,
  releaseRange,
  stageSnapshot,
  targetIdentifier,
} from '../../src/io/backfill/index.ts'
import { maintainTable, planMaintenance, type RunState } from '../../src/io/gc/index.ts'
import type { Runtime } from '../../src/io/runtime.ts'
import { faultyRuntime, type FaultyRuntime } from '../support/faulty-runtime.ts'
import { salesProject, type SalesProject } from '../support/runtime.ts'
import { mainBytes } from '../support/table-bytes.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const request = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-08', force: true }

let project: SalesProject
let worker: FaultyRuntime
let offsetMs = 0
let reference: ReadonlyMap<string, readonly string[]>

beforeEach(async () => {
  offsetMs = 0
  project = await salesProject(undefined, { limits: { sliceInputBytes: 200 } })
  // Its catalog goes by the same clock.
  const runtime = { ...project.runtime, now: () => Date.now() + offsetMs }
  worker = await faultyRuntime(runtime, { at: 0, kind: 'crash before' })
  await using undisturbed = await salesProject()
  await undisturbed.publish(await undisturbed.staged('undisturbed', request))
  reference = await mainBytes(undisturbed.runtime.settings.dir, 'shop_sales')
})
afterEach(async () => {
  await worker[Symbol.asyncDispose]()
  await project[Symbol.asyncDispose]()
})

const bytes = () => mainBytes(project.runtime.settings.dir, 'shop_sales')
const asIs = (isOpen: boolean) => (): Promise<RunState> =>
  Promise.resolve(isOpen ? { state: 'open' } : { state: 'over', closedMs: null })

/** A whole run; before each step `tick` is called. */
async function publishRun(runtime: Runtime, id: string, tick: () => Promise<void> | void): Promise<void> {
  const run: RunIdentity = { workflowId: id, executionId: id }
  await tick()
  expect(await claimRange(runtime, request, run, () => Promise.resolve(false))).toBeNull()
  await tick()
  const { summary, slices } = await planRun(runtime, request, run)
  const plan = referenceTo(summary)
  expect(slices.length).toBeGreaterThan(1)
  for (const index of slices.keys()) {
    await tick()
    const { elapsedMs } = await computeSlice(runtime, { ...plan, index })
    expect(elapsedMs).toBeGreaterThanOrEqual(0)
  }
  await tick()
  const { snapshotId } = await stageSnapshot(runtime, plan)
  await tick()
  await publishSnapshot(runtime, { ...plan, snapshotId, audits: [], decision: null })
  await tick()
  await releaseRange(runtime, request, run)
}

async function cleanUp(runtime: Runtime, isOpen: boolean): Promise<void> {
  const ask = asIs(isOpen)
  const { tables, sourceSnapshots } = await planMaintenance(runtime, ask, {})
  for (const table of tables) {
    const report = await maintainTable(runtime, ask, {
      table,
      sourceSnapshots: sourceSnapshots[table] ?? [],
      input: {},
    })
    expect(report.problem).toBeNull()
    expect(report.failed.count).toBe(0)
  }
}

/** Stricter than readers are: nothing goes back at all. */
function expectTimes({ snapshots, snapshotLog, metadataLog, lastUpdatedMs }: TableMetadata): void {
  const times = (entries: readonly { readonly timestampMs: number }[]): number[] =>
    entries.map(({ timestampMs }) => timestampMs)
  for (const log of [times(snapshotLog), times(metadataLog)]) {
    expect(log).toEqual(log.toSorted((a, b) => a - b))
    expect(log.at(-1) ?? 0).toBeLessThanOrEqual(lastUpdatedMs)
  }
  const made = new Map(snapshots.map(({ snapshotId, timestampMs }) => [snapshotId, timestampMs]))
  for (const { snapshotId, parentSnapshotId, timestampMs } of snapshots) {
    expect(timestampMs, `snapshot ${snapshotId}`).toBeLessThanOrEqual(lastUpdatedMs)
    const parentMs = made.get(parentSnapshotId ?? snapshotId) ?? 0
    expect(timestampMs).toBeGreaterThanOrEqual(parentMs)
  }
}

const loaded = async (runtime: Runtime): Promise<TableMetadata> =>
  (await runtime.catalog.loadTable(targetIdentifier(runtime, 'shop_sales'))).metadata

test.each([
  ['an hour ahead and back', [0, hourMs, 0, -hourMs]],
  ['by days ahead', [0, 10 * dayMs, 100 * dayMs]],
  ['by days back', [0, -10 * dayMs, -100 * dayMs]],
  ['to and fro', [2 * dayMs, -3 * dayMs, hourMs, -400 * dayMs, 0]],
])('jumps %s between the steps of two runs: the same bytes, and times that never go back', async (_, offsets) => {
  const { runtime } = worker
  let step = 0
  const tick = (): void => {
    offsetMs = offsets[step++ % offsets.length] ?? 0
  }
  await publishRun(runtime, 'first', tick)
  expect(await bytes()).toEqual(reference)
  expectTimes(await loaded(runtime))
  await publishRun(runtime, 'second', tick)
  expect(await bytes()).toEqual(reference)
  const metadata = await loaded(runtime)
  expectTimes(metadata)
  const shown = metadata.refs['main']?.snapshotId ?? null
  expect(metadata.snapshotLog.at(-1)?.snapshotId).toBe(shown)
})

test.each([
  ['an hour ahead', hourMs],
  ['a year ahead', 365 * dayMs],
  ['a year behind', -365 * dayMs],
])('a clean-up whose clock is %s, between all steps of a run that is open: nothing of it is lost', async (_, ahead) => {
  const { runtime } = worker
  const cleaner: Runtime = { ...runtime, now: () => Date.now() + ahead }
  await publishRun(runtime, 'run', () => cleanUp(cleaner, true))
  expect(await bytes()).toEqual(reference)
  expectTimes(await loaded(runtime))
})

test('what main shows stays, however wrong the clock of a clean-up after the run', async () => {
  const { runtime } = worker
  await publishRun(runtime, 'run', () => undefined)
  for (const ahead of [-365 * dayMs, hourMs, 36_500 * dayMs, 0]) {
    offsetMs = ahead
    await cleanUp(runtime, false)
    expect(await bytes(), `${ahead} ms ahead`).toEqual(reference)
    expectTimes(await loaded(runtime))
  }
  await publishRun(runtime, 'again', () => undefined)
  expect(await bytes()).toEqual(reference)
})

test('a claim lasts for as long as its run, whatever the time', async () => {
  const { runtime } = worker
  const first: RunIdentity = { workflowId: 'first', executionId: 'first' }
  const second: RunIdentity = { workflowId: 'second', executionId: 'second' }
  expect(await claimRange(runtime, request, first, () => Promise.resolve(false))).toBeNull()
  for (const ahead of [365 * dayMs, -365 * dayMs]) {
    offsetMs = ahead
    expect(await claimRange(runtime, request, second, () => Promise.resolve(false))).toEqual(first)
  }
  await releaseRange(runtime, request, first)
  expect(await claimRange(runtime, request, second, () => Promise.resolve(false))).toBeNull()
})
