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
import { importFiles } from '../src/io/import-files.ts'
import type { Runtime } from '../src/io/runtime.ts'

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
export async function computeSlices(runtime: Runtime, { slices, summary }: BackfillPlan): Promise<void> {
  const waiting = [...slices.keys()]
  const work = async (): Promise<void> => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      await computeSlice(runtime, { plan: summary.plan, index })
    }
  }
  await Promise.all([work(), work()])
}

export const auditSnapshot = (runtime: Runtime, { summary }: BackfillPlan, snapshotId: string) =>
  Promise.all(summary.audits.map((_, index) => runAudit(runtime, { plan: summary.plan, snapshotId, index })))

/** From plan to published snapshot; gives the rows that were staged. */
export async function backfill(runtime: Runtime, input: Parameters<typeof planRun>[1]): Promise<number> {
  const plan = await planRun(runtime, input, { workflowId: randomUUID(), executionId: randomUUID() })
  const address = plan.summary.plan
  await computeSlices(runtime, plan)
  const { snapshotId, rows } = await stageSnapshot(runtime, { plan: address })
  const audits = await auditSnapshot(runtime, plan, snapshotId)
  await publishSnapshot(runtime, { plan: address, snapshotId, audits, decision: null })
  return rows
}
