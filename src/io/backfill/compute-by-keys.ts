import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { rowOrder } from '../../compile/index.ts'
import type { PlannedSlice } from '../../contract/index.ts'
import { pathList } from '../duckdb.ts'
import { toPath, toUri } from '../files/index.ts'
import { writePartitions } from '../parquet-write.ts'
import type { Runtime } from '../runtime.ts'
import type { BackfillPlan } from './plan.ts'
import { engineOptions, targetFiles, writeRequest, type SliceFiles } from './slice-files.ts'
import { sliceRows } from './slice-rows.ts'
import type { StepOptions } from './step-options.ts'

/**
 * Computes one partition, as many shares of its entities one after the other: the rows of each lie in scratch until all are there, and are then
 * sorted into the partition's file, which the engine can do on disk. An engine of its own for each share: what one needed is given back.
 */
export async function computeByKeys(
  runtime: Runtime,
  plan: BackfillPlan,
  slice: PlannedSlice,
  of: number,
  options: StepOptions & { readonly threads: number },
): Promise<SliceFiles> {
  const io = await targetFiles(runtime, plan)
  const engine = engineOptions(options)
  const sortBy = rowOrder(plan.definition)
  // Carried columns have no shares: what is computed anew is the same.
  const { tiles: _, isCarried: __, ...part } = slice
  return runtime.withEngine(
    async (merging, mergingScratch) => {
      const files: string[] = []
      let rejectedRows = 0
      for (let share = 0; share < of; share++) {
        options.onProgress?.({ phase: 'share', share: share + 1, shares: of })
        const path = join(mergingScratch, `share-${share}.parquet`)
        await runtime.withEngine(
          async (db, scratchDir) => {
            await using rows = await sliceRows(runtime, db, plan, part, engine, { share: { share, of } })
            rejectedRows += rows.rejectedRows
            const written = await writePartitions(db, {
              ...writeRequest(plan, slice, options),
              query: rows.select,
              sortBy: '',
              scratchDir,
              place: () => toUri(path),
              io: { adopt: adoptLocally },
            })
            if (written.length > 0) files.push(path)
          },
          { threads: options.threads },
        )
      }
      if (files.length === 0) return { files: [], rejectedRows, tiles: null }
      const written = await writePartitions(merging, {
        ...writeRequest(plan, slice, options),
        query: `SELECT * FROM read_parquet(${pathList(files)})`,
        sortBy,
        scratchDir: mergingScratch,
        io,
      })
      return { files: written, rejectedRows, tiles: null }
    },
    { threads: options.threads },
  )
}

async function adoptLocally(localPath: string, uri: string): Promise<'created'> {
  await rename(localPath, toPath(uri))
  return 'created'
}
