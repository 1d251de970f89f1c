import { rowOrder } from '../../compile/index.ts'
import type { PlannedSlice } from '../../contract/index.ts'
import type { DataFile } from '../../iceberg/index.ts'
import { partitionAt } from '../../plan/index.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import type { WarehouseFiles } from '../files/index.ts'
import { writePartitionQueries, writePartitions, type WriteRequest } from '../parquet-write.ts'
import type { Runtime } from '../runtime.ts'
import { keepTiles } from './keep-tiles.ts'
import { placedByOrdinal } from './partition-files.ts'
import type { BackfillPlan } from './plan.ts'
import type { SliceResult } from './slice-result.ts'
import { sliceRows, type SliceRows } from './slice-rows.ts'
import { inNoSpan, type StepOptions } from './step-options.ts'
import { targetIdentifier, targetSpec } from './target.ts'

/** The data files of a slice, or of a part of one, in the order of their partitions. */
export interface SliceFiles {
  readonly files: readonly DataFile[]
  readonly rejectedRows: number
  /** Null where it leaves none. */
  readonly tiles: NonNullable<SliceResult['tiles']> | null
}

export const targetFiles = (runtime: Runtime, plan: BackfillPlan): Promise<WarehouseFiles> =>
  runtime.filesOf(targetIdentifier(runtime, plan.target.name))

/** How the engine is asked: what it finds wrong with the SQL is the definition's. */
export const engineOptions = ({ signal }: StepOptions): QueryOptions => ({
  ...(signal === undefined ? {} : { signal }),
  otherwise: 'DEFINITION_INVALID',
})

/** Computes a slice in one engine. */
export async function computeFiles(
  runtime: Runtime,
  plan: BackfillPlan,
  slice: PlannedSlice,
  options: StepOptions & { readonly threads: number },
): Promise<SliceFiles> {
  const io = await targetFiles(runtime, plan)
  const engine = engineOptions(options)
  return runtime.withEngine(
    async (db, scratchDir) => {
      options.onProgress?.({ phase: 'read', inputRows: slice.inputRows })
      const { inSpan = inNoSpan } = options
      const about = { 'hindcast.view': plan.summary.view, 'hindcast.partitions': slice.partitions.length }
      await using rows = await inSpan('read', { ...about, 'hindcast.input_rows': slice.inputRows }, () =>
        sliceRows(runtime, db, plan, slice, engine),
      )
      const files = await inSpan('write', about, () => writeRows(db, plan, slice, rows, { io, scratchDir, ...options }))
      const tiles = await keepTiles(runtime, db, { plan, slice, kept: rows.kept, scratchDir, options: engine })
      return { files, rejectedRows: rows.rejectedRows, tiles }
    },
    { threads: options.threads },
  )
}

async function writeRows(
  db: DuckDb,
  plan: BackfillPlan,
  slice: PlannedSlice,
  { select, spans }: SliceRows,
  options: StepOptions & Pick<WriteRequest, 'io' | 'scratchDir'>,
): Promise<DataFile[]> {
  const { partitionBy } = plan.definition
  const request = { ...writeRequest(plan, slice, options), io: options.io, scratchDir: options.scratchDir }
  const progress = (before: number) => (rowsWritten: bigint) =>
    options.onProgress?.({ phase: 'write', rows: before + Number(rowsWritten) })
  if (spans === null)
    return writePartitions(db, {
      ...request,
      query: select,
      sortBy: rowOrder(plan.definition),
      onProgress: progress(0),
    })
  const written: DataFile[] = []
  let rowsWritten = 0
  for (const stretch of stretchesOf(slice.partitions)) {
    const ranges = stretch.map(({ ordinal }) => partitionAt(partitionBy, ordinal))
    const [first, last] = [ranges[0], ranges.at(-1)]
    if (first === undefined || last === undefined) continue
    await db.run(`CREATE OR REPLACE TABLE spans AS ${spans.between(first.from, last.to)}`, engineOptions(options))
    const counts = new Map(
      (await db.rows<{ range: number; count: bigint }>(spans.counts('spans', ranges), engineOptions(options))).map(
        ({ range, count }) => [range, count],
      ),
    )
    const files = await writePartitionQueries(db, {
      ...request,
      partitions: ranges.map(({ ordinal, from, to }, index) => ({
        tuple: [ordinal],
        query: spans.rows('spans', from, to),
        count: counts.get(index) ?? 0n,
      })),
      onProgress: progress(rowsWritten),
    })
    rowsWritten += files.reduce((sum, { recordCount }) => sum + Number(recordCount), 0)
    written.push(...files)
  }
  return written
}

/** Where and how the rows of a slice's partitions are written. */
export function writeRequest(
  { definition, target: { schema } }: BackfillPlan,
  slice: PlannedSlice,
  { signal }: StepOptions,
): Omit<WriteRequest, 'query' | 'sortBy' | 'io' | 'scratchDir'> {
  return {
    schema,
    spec: targetSpec(definition, schema),
    place: placedByOrdinal(slice.partitions),
    otherwise: 'DEFINITION_INVALID',
    ...(signal === undefined ? {} : { signal }),
  }
}

/** Partitions whose rows come from one table of spans: each scans all of it. */
const stretchPartitions = 32

/** Neighbouring partitions, some at a time. */
function stretchesOf(
  partitions: readonly PlannedSlice['partitions'][number][],
): PlannedSlice['partitions'][number][][] {
  const stretches: PlannedSlice['partitions'][number][][] = []
  for (let first = 0; first < partitions.length; first += stretchPartitions)
    stretches.push(partitions.slice(first, first + stretchPartitions))
  return stretches
}
