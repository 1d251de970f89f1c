import { availableParallelism } from 'node:os'
import { HindcastError, isHindcastError, type PlannedSlice } from '../../contract/index.ts'
import type { Runtime } from '../runtime.ts'
import { computeByKeys } from './compute-by-keys.ts'
import type { BackfillPlan } from './plan.ts'
import { computeFiles, type SliceFiles } from './slice-files.ts'
import { sliceThreads } from './slice-threads.ts'
import type { StepOptions } from './step-options.ts'

/** Shares of a partition's entities that are tried, one after the other, before it is given up. */
const shares = [4, 16, 64, 256]

/** How a slice, or a part of one, is computed; either fails with ENGINE_OUT_OF_MEMORY. */
export interface Computations {
  /** As a whole. */
  whole(slice: PlannedSlice): Promise<SliceFiles>
  /** One partition, as many shares of its entities one after the other. */
  byKeys(slice: PlannedSlice, shares: number): Promise<SliceFiles>
}

/** What it took to compute a slice: 1 where it was computed as a whole. */
export type PartFiles = SliceFiles & { readonly parts: number }

/**
 * Computes a slice, in parts where the engine's memory does not hold it: halves of its partitions, down to one, and of that one shares of its
 * entities. What is written is the same, however it is split.
 * @throws ENGINE_OUT_OF_MEMORY when one share of one partition is still too much
 */
export function computeInParts(
  runtime: Runtime,
  plan: BackfillPlan,
  slice: PlannedSlice,
  options: StepOptions,
): Promise<PartFiles> {
  const halvings = halvingsFor(options)
  // Each thread takes memory of its own: one does with the least, where a worker was killed for it and in the smallest shares.
  const threads = halvings > 0 ? 1 : threadsOf(runtime, plan, slice)
  const computations: Computations = {
    whole: (part) => computeFiles(runtime, plan, part, { ...options, threads }),
    byKeys: (part, of) =>
      computeByKeys(runtime, plan, part, of, { ...options, threads: of === shares[0] ? threads : 1 }),
  }
  return splitting(slice, computations, {
    halvings,
    onSplit: (parts) => options.onProgress?.({ parts }),
  })
}

/** A worker that was killed for its memory says nothing: its slice comes back as a later attempt, and begins in smaller parts each time. */
const halvingsFor = ({ attempt = 1 }: StepOptions): number => Math.max(0, attempt - 2)

/** As `computeInParts`, by other means. */
export async function splitting(
  slice: PlannedSlice,
  computations: Computations,
  { halvings, onSplit }: { readonly halvings: number; readonly onSplit?: (parts: number) => void },
): Promise<PartFiles> {
  let parts = 1
  const split = (by: number): void => {
    parts += by
    onSplit?.(parts)
  }
  const compute = async (part: PlannedSlice, toHalve: number): Promise<SliceFiles> => {
    if (toHalve === 0 || part.partitions.length === 1) {
      try {
        return await computations.whole(part)
      } catch (error) {
        if (!isOutOfMemory(error)) throw error
      }
    }
    if (part.partitions.length === 1) return bySharesOf(part)
    split(1)
    const middle = Math.ceil(part.partitions.length / 2)
    const halves = [part.partitions.slice(0, middle), part.partitions.slice(middle)]
    const done: SliceFiles[] = []
    for (const partitions of halves) done.push(await compute(partOf(part, partitions), Math.max(0, toHalve - 1)))
    return {
      files: done.flatMap(({ files }) => files),
      rejectedRows: done.reduce((sum, { rejectedRows }) => sum + rejectedRows, 0),
      tiles: null,
    }
  }
  const bySharesOf = async (part: PlannedSlice): Promise<SliceFiles> => {
    let last: unknown
    for (const [index, of] of shares.entries()) {
      split(of - (shares[index - 1] ?? 1))
      try {
        return await computations.byKeys(part, of)
      } catch (error) {
        if (!isOutOfMemory(error)) throw error
        last = error
      }
    }
    throw tooLarge(part, last)
  }
  return { ...(await compute(slice, halvings)), parts }
}

/** Without tiles: they are of the whole slice. */
function partOf(slice: PlannedSlice, partitions: PlannedSlice['partitions']): PlannedSlice {
  const { tiles: _, ...rest } = slice
  return { ...rest, partitions }
}

const isOutOfMemory = (error: unknown): error is HindcastError =>
  isHindcastError(error) && error.code === 'ENGINE_OUT_OF_MEMORY'

function tooLarge(part: PlannedSlice, cause: unknown): HindcastError {
  const key = part.partitions[0]?.key ?? ''
  const message = cause instanceof Error ? cause.message : String(cause)
  return new HindcastError(
    'ENGINE_OUT_OF_MEMORY',
    `partition ${key}: one of ${shares.at(-1) ?? 0} shares of its entities is too much: ${message}`,
    {
      hint: 'An entity has very many events in its windows. Raise engine.memoryLimit, or leave that entity out by the source’s where.',
      context: { partition: key },
      cause,
    },
  )
}

function threadsOf(runtime: Runtime, plan: BackfillPlan, slice: PlannedSlice): number {
  const cores = availableParallelism()
  const { slicesPerWorker = cores } = runtime.settings.config.limits
  const atOnce = Math.min(slicesPerWorker, plan.summary.concurrency)
  return sliceThreads({ index: plan.slices.indexOf(slice), slices: plan.slices.length, atOnce, cores })
}
