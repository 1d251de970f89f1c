import type { PlannedSlice } from '../../contract/index.ts'
import type { DataFile } from '../../iceberg/index.ts'
import type { QueryOptions } from '../duckdb.ts'
import type { WarehouseFiles } from '../files/index.ts'
import type { WriteRequest } from '../parquet-write.ts'
import type { Runtime } from '../runtime.ts'
import { keepTiles } from './keep-tiles.ts'
import { placedByOrdinal } from './partition-files.ts'
import type { BackfillPlan } from './plan.ts'
import type { SliceResult } from './slice-result.ts'
import { sliceRows } from './slice-rows.ts'
import { inNoSpan, type StepOptions } from './step-options.ts'
import { targetIdentifier, targetSpec } from './target.ts'
import { writeComputedRows } from './write-rows.ts'

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

/** What the windows of a slice may take, for each of its threads, before they are made in parts. */
const partBytes = 128 * 2 ** 20

/** How much of what the engine may have that is at most. */
const partShare = 0.18

/** How much of it the tiles of a single partition may take before shares of its entities are computed instead. */
const tileShare = 3 / 4

/** Computes a slice in one engine. */
export async function computeFiles(
  runtime: Runtime,
  plan: BackfillPlan,
  slice: PlannedSlice,
  options: StepOptions & { readonly threads: number },
): Promise<SliceFiles> {
  const { threads } = options
  const { engineMemory } = runtime
  const io = await targetFiles(runtime, plan)
  const engine = engineOptions(options)
  return runtime.withEngine(
    async (db, scratchDir) => {
      options.onProgress?.({ phase: 'read', inputRows: slice.inputRows })
      const { inSpan = inNoSpan } = options
      const about = { 'hindcast.view': plan.summary.view, 'hindcast.partitions': slice.partitions.length }
      await using rows = await inSpan('read', { ...about, 'hindcast.input_rows': slice.inputRows }, () =>
        sliceRows(runtime, db, plan, slice, engine, {
          memory: {
            partBytes: Math.min(partBytes * threads, partShare * engineMemory),
            // Only of one partition are shares tried next; halves have nearly as many tiles where windows look far back.
            ...(slice.partitions.length === 1
              ? { tileBudget: { bytes: tileShare * engineMemory, rows: slice.inputRows } }
              : {}),
          },
        }),
      )
      const files = await inSpan('write', about, () =>
        writeComputedRows(db, rows, {
          ...writeRequest(plan, slice, options),
          definition: plan.definition,
          ordinals: slice.partitions.map(({ ordinal }) => ordinal),
          io,
          scratchDir,
          onProgress: (written) => options.onProgress?.({ phase: 'write', rows: Number(written) }),
        }),
      )
      const tiles = await keepTiles(runtime, db, { plan, slice, kept: rows.kept, scratchDir, options: engine })
      return { files, rejectedRows: rows.rejectedRows, tiles }
    },
    { threads },
  )
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
