/** A run's steps as its activities do them, without Temporal around them. */
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import {
  computeSlice,
  planRun,
  publishSnapshot,
  runAudit,
  stageSnapshot,
  type BackfillPlan,
} from '../src/io/backfill/index.ts'
import { referenceTo } from '../src/contract/index.ts'
import { importFiles } from '../src/io/import-files.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { bytesRead } from './measure.ts'

const flights = fileURLToPath(new URL('../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url))

/** Imports one Parquet file into a source table, the first unless told which. */
export const importEvents = (
  runtime: Runtime,
  events: { readonly file: string; readonly table: string; readonly eventTime: string; readonly nth?: bigint },
  options?: { readonly threads: number },
) =>
  runtime.withEngine(
    (db, scratchDir) =>
      importFiles({
        files: [events.file],
        table: events.table,
        eventTime: events.eventTime,
        catalog: runtime.catalog,
        io: runtime.io,
        db,
        now: runtime.now,
        newSnapshotId: () => events.nth ?? 1n,
        scratchDir,
      }),
    options,
  )

/** Imports the three million flights as `raw.flights`. */
export const importFlights = (runtime: Runtime) =>
  importEvents(runtime, { file: flights, table: 'raw.flights', eventTime: 'date' })

/** Computes a plan's slices, two at a time. */
async function computeSlices(runtime: Runtime, { slices, summary }: BackfillPlan): Promise<void> {
  const waiting = [...slices.keys()]
  const work = async (): Promise<void> => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      await computeSlice(runtime, { ...referenceTo(summary), index })
    }
  }
  await Promise.all([work(), work()])
}

const auditSnapshot = (runtime: Runtime, { summary }: BackfillPlan, snapshotId: string) =>
  Promise.all(summary.audits.map((_, index) => runAudit(runtime, { ...referenceTo(summary), snapshotId, index })))

/** What a run took: rows staged, seconds of its parts, and bytes read by its computation where the system counts them. */
export interface BackfillMeasured {
  readonly rows: number
  readonly slices: number
  readonly laps: Readonly<Record<string, number>>
  readonly readBytes: number
}

/** From plan to published snapshot. */
export async function backfill(runtime: Runtime, input: Parameters<typeof planRun>[1]): Promise<BackfillMeasured> {
  const laps: Record<string, number> = {}
  let lapStart = performance.now()
  const lap = (name: string): void => {
    laps[name] = (performance.now() - lapStart) / 1000
    lapStart = performance.now()
  }
  const plan = await planRun(runtime, input, { workflowId: randomUUID(), executionId: randomUUID() })
  const reference = referenceTo(plan.summary)
  lap('plan')
  const before = (await bytesRead()) ?? 0
  await computeSlices(runtime, plan)
  lap('compute')
  const readBytes = ((await bytesRead()) ?? 0) - before
  const { snapshotId, rows } = await stageSnapshot(runtime, reference)
  lap('stage')
  const audits = await auditSnapshot(runtime, plan, snapshotId)
  lap('audit')
  await publishSnapshot(runtime, { ...reference, snapshotId, audits, decision: null })
  lap('publish')
  return { rows, slices: plan.slices.length, laps, readBytes }
}
