import {
  HindcastError,
  isHindcastError,
  type PlanReference,
  type PlannedSlice,
  type SliceSummary,
} from '../../contract/index.ts'
import { mapConcurrently } from '../../iceberg/index.ts'
import { readJson, toJsonBytes } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { diagnoseBadData } from './diagnose-bad-data.ts'
import { areWhole, writeManifest } from './partition-files.ts'
import type { BackfillPlan } from './plan.ts'
import { readPlan } from './read-plan.ts'
import { sliceManifestPath, sliceResultPath } from './slice-address.ts'
import { targetFiles } from './slice-files.ts'
import { parseSliceResult, type SliceResult } from './slice-result.ts'
import { computeInParts } from './split-slice.ts'
import type { StepOptions } from './step-options.ts'
import { targetSpec } from './target.ts'

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
  const { result, parts } =
    finished === null ? await compute(runtime, plan, slice, options) : { result: finished, parts: 1 }
  return {
    index: request.index,
    reused: finished !== null,
    ...(parts === 1 ? {} : { parts }),
    partitions: slice.partitions.length,
    files: result.files.length,
    rows: result.files.reduce((sum, file) => sum + file.rows, 0),
    bytes: result.files.reduce((sum, file) => sum + file.bytes, 0),
    rejectedRows: result.rejectedRows,
    inputRows: slice.inputRows,
    inputBytes: slice.inputBytes,
    // Clocks are set back.
    elapsedMs: Math.max(0, runtime.now() - started),
  }
}

/** The result at a slice's address, if it and all it names are there. */
async function findFinished(runtime: Runtime, plan: BackfillPlan, slice: PlannedSlice): Promise<SliceResult | null> {
  const path = sliceResultPath(plan.runsFolder, slice)
  if ((await runtime.io.size(path)) === null) return null
  const result = parseSliceResult(await readJson(runtime.io, path), path)
  const io = await targetFiles(runtime, plan)
  return (await areWhole(io, result.files, result.manifest)) ? result : null
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
  options: StepOptions,
): Promise<{ readonly result: SliceResult; readonly parts: number }> {
  const { files, rejectedRows, tiles, parts } = await computeInParts(runtime, plan, slice, options).catch(
    async (error: unknown) => {
      throw located(await diagnoseBadData(runtime, plan, slice, error, options), plan, slice)
    },
  )
  const { schema, location } = plan.target
  const spec = targetSpec(plan.definition, schema)
  const io = await targetFiles(runtime, plan)
  const result: SliceResult = {
    version: 1,
    manifest:
      files.length === 0 ? null : await writeManifest(io, sliceManifestPath(location, slice), { schema, spec, files }),
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
  return { result, parts }
}

/** The error with the partitions in which it came up. */
function located(error: unknown, plan: BackfillPlan, slice: PlannedSlice): unknown {
  if (!isHindcastError(error) || error.code === 'CANCELLED') return error
  const [first, last] = [slice.partitions[0]?.key ?? '', slice.partitions.at(-1)?.key ?? '']
  const where = first === last ? `partition ${first}` : `partitions ${first} to ${last}`
  return new HindcastError(error.code, `${plan.summary.view}, ${where}: ${error.message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    context: {
      view: plan.summary.view,
      partitions: { first, last },
      slice: plan.slices.indexOf(slice),
      ...error.context,
    },
    cause: error,
  })
}
