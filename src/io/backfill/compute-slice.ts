import { availableParallelism } from 'node:os'
import { rowOrder } from '../../compile/index.ts'
import { HindcastError, type PlannedSlice, type SliceSummary, type PlanReference } from '../../contract/index.ts'
import {
  encodeManifest,
  EntryStatus,
  mapConcurrently,
  type DataFile,
  type PartitionTuple,
} from '../../iceberg/index.ts'
import { partitionAt } from '../../plan/index.ts'
import type { DuckDb } from '../duckdb.ts'
import type { WarehouseFiles } from '../files/index.ts'
import { writePartitionQueries, writePartitions } from '../parquet-write.ts'
import { readJson, toJsonBytes } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { keepTiles } from './keep-tiles.ts'
import type { BackfillPlan } from './plan.ts'
import { readPlan } from './read-plan.ts'
import { sliceManifestPath, sliceResultPath } from './slice-address.ts'
import { encodeManifestFacts, parseSliceResult, type SliceResult } from './slice-result.ts'
import { sliceRows } from './slice-rows.ts'
import { sliceThreads } from './slice-threads.ts'
import { targetIdentifier, targetSpec } from './target.ts'

export interface StepOptions {
  readonly signal?: AbortSignal
  /** Called with what was done so far, often enough to tell that the step lives. */
  readonly onProgress?: (detail: Readonly<Record<string, unknown>>) => void
}

/**
 * Computes one slice of a plan into data files and one manifest, unless it lies finished at its address. The result file is written
 * last: what is at the address is whole.
 */
export async function computeSlice(
  runtime: Runtime,
  request: PlanReference & { readonly index: number },
  options: StepOptions = {},
): Promise<SliceSummary> {
  const started = runtime.now()
  const plan = await readPlan(runtime, request)
  const slice = plan.slices[request.index]
  if (slice === undefined) {
    throw new HindcastError('INVARIANT_VIOLATED', `${request.plan} has no slice ${request.index}`)
  }
  const finished = await findFinished(runtime, plan, slice)
  const result = finished ?? (await compute(runtime, plan, slice, options))
  return {
    index: request.index,
    reused: finished !== null,
    partitions: slice.partitions.length,
    files: result.files.length,
    rows: result.files.reduce((sum, file) => sum + file.rows, 0),
    bytes: result.files.reduce((sum, file) => sum + file.bytes, 0),
    rejectedRows: result.rejectedRows,
    inputRows: slice.inputRows,
    inputBytes: slice.inputBytes,
    elapsedMs: runtime.now() - started,
  }
}

const targetFiles = (runtime: Runtime, plan: BackfillPlan): Promise<WarehouseFiles> =>
  runtime.filesOf(targetIdentifier(runtime, plan.target.name))

/** Files of one slice looked at at once. */
const sizeRequests = 8

/** The result at a slice's address, if it and all it names are there. */
async function findFinished(runtime: Runtime, plan: BackfillPlan, slice: PlannedSlice): Promise<SliceResult | null> {
  const path = sliceResultPath(plan.runsFolder, slice)
  if ((await runtime.io.size(path)) === null) return null
  const result = parseSliceResult(await readJson(runtime.io, path), path)
  const io = await targetFiles(runtime, plan)
  const sizes = await mapConcurrently(result.files, sizeRequests, ({ path: file }) => io.size(file))
  if (sizes.some((size, i) => size !== BigInt(result.files[i]?.bytes ?? -1))) return null
  const { manifest } = result
  if (manifest !== null && (await io.size(manifest.manifestPath)) !== BigInt(manifest.manifestLength)) return null
  return result
}

/** Slices looked at at once: there may be a hundred thousand. */
const finishedRequests = 16

/** The finished results of all slices, in order. */
export async function finishedSlices(runtime: Runtime, plan: BackfillPlan): Promise<SliceResult[]> {
  return mapConcurrently([...plan.slices.entries()], finishedRequests, async ([index, slice]) => {
    const result = await findFinished(runtime, plan, slice)
    if (result !== null) return result
    throw new HindcastError('DATA_FILE_INVALID', `slice ${index + 1} was computed, but its files are no longer there`, {
      hint: 'Something deleted files of a running backfill. Run it again: only what is missing is computed.',
      context: { slice: slice.address },
    })
  })
}

async function compute(
  runtime: Runtime,
  plan: BackfillPlan,
  slice: PlannedSlice,
  { signal, onProgress }: StepOptions,
): Promise<SliceResult> {
  const { definition, target } = plan
  const { partitionBy } = definition
  const first = slice.partitions[0]
  const last = slice.partitions.at(-1)
  if (first === undefined || last === undefined)
    throw new HindcastError('INVARIANT_VIOLATED', 'a slice without partitions')
  const range = { from: partitionAt(partitionBy, first.ordinal).from, to: partitionAt(partitionBy, last.ordinal).to }
  const spec = targetSpec(definition, target.schema)
  const destinations = new Map(slice.partitions.map(({ ordinal, path }) => [ordinal, path]))
  const engineOptions = { ...(signal === undefined ? {} : { signal }), otherwise: 'DEFINITION_INVALID' as const }

  const io = await targetFiles(runtime, plan)
  const work = async (db: DuckDb, scratchDir: string) => {
    onProgress?.({ phase: 'read', inputRows: slice.inputRows })
    await using rows = await sliceRows(runtime, db, plan, slice, range, engineOptions)
    const request = {
      schema: target.schema,
      spec,
      scratchDir,
      place: ([ordinal]: PartitionTuple) => {
        const path = typeof ordinal === 'number' ? destinations.get(ordinal) : undefined
        if (path === undefined)
          throw new HindcastError('INVARIANT_VIOLATED', `a row fell outside its slice: ${String(ordinal)}`)
        return path
      },
      io,
      otherwise: 'DEFINITION_INVALID' as const,
      ...(signal === undefined ? {} : { signal }),
    }
    const finish = async (written: readonly DataFile[]) => ({
      files: written,
      rejectedRows: rows.rejectedRows,
      tiles: await keepTiles(runtime, db, { plan, slice, kept: rows.kept, scratchDir, options: engineOptions }),
    })
    const progress = (before: number) => (rowsWritten: bigint) =>
      onProgress?.({ phase: 'write', rows: before + Number(rowsWritten) })
    const { spans } = rows
    if (spans === null) {
      const [query, sortBy] = [rows.select, rowOrder(definition)]
      const written = await writePartitions(db, { ...request, query, sortBy, onProgress: progress(0) })
      return await finish(written)
    }
    const written: DataFile[] = []
    let rowsWritten = 0
    for (const stretch of stretchesOf(slice.partitions)) {
      const ranges = stretch.map(({ ordinal }) => ({ ...partitionAt(partitionBy, ordinal), ordinal }))
      const whole = spans.between(ranges[0]?.from ?? range.from, ranges.at(-1)?.to ?? range.to)
      await db.run(`CREATE OR REPLACE TABLE spans AS ${whole}`, engineOptions)
      const files = await writePartitionQueries(db, {
        ...request,
        partitions: ranges.map(({ ordinal, from, to }) => ({ tuple: [ordinal], query: spans.rows('spans', from, to) })),
        onProgress: progress(rowsWritten),
      })
      rowsWritten += files.reduce((sum, { recordCount }) => sum + Number(recordCount), 0)
      written.push(...files)
    }
    return await finish(written)
  }
  const { files, rejectedRows, tiles } = await runtime.withEngine(work, { threads: threadsOf(runtime, plan, slice) })

  const result: SliceResult = {
    version: 1,
    manifest: files.length === 0 ? null : await writeManifest(io, plan, slice, files),
    files: files.map((file) => ({
      ordinal: Number(file.partition[0]),
      path: file.filePath,
      rows: Number(file.recordCount),
      bytes: Number(file.fileSizeInBytes),
    })),
    rejectedRows,
    ...(tiles === null ? {} : { tiles }),
  }
  await runtime.io.replace(sliceResultPath(plan.runsFolder, slice), toJsonBytes(result))
  return result
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

function threadsOf(runtime: Runtime, plan: BackfillPlan, slice: PlannedSlice): number {
  const cores = availableParallelism()
  const { slicesPerWorker = cores } = runtime.settings.config.limits
  const atOnce = Math.min(slicesPerWorker, plan.summary.concurrency)
  return sliceThreads({ index: plan.slices.indexOf(slice), slices: plan.slices.length, atOnce, cores })
}

async function writeManifest(
  io: WarehouseFiles,
  plan: BackfillPlan,
  slice: PlannedSlice,
  files: readonly DataFile[],
): Promise<SliceResult['manifest']> {
  const { schema, location } = plan.target
  const { bytes, manifest } = encodeManifest({
    // Good in a table of version 3 too: its files inherit their row ids from the manifest list.
    formatVersion: 2,
    schema,
    spec: targetSpec(plan.definition, schema),
    content: 'data',
    entries: files.map((dataFile) => ({
      status: EntryStatus.added,
      snapshotId: null,
      sequenceNumber: null,
      fileSequenceNumber: null,
      dataFile,
    })),
  })
  const manifestPath = sliceManifestPath(location, slice)
  await io.create(manifestPath, bytes)
  return encodeManifestFacts({ ...manifest, manifestPath })
}
