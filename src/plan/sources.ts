import type { Micros } from '../contract/index.ts'
import type { Partition } from './partitions.ts'

/** A source data file as planning sees it: metadata only, nothing of it is read. */
export interface SourceFile {
  readonly path: string
  readonly rows: number
  readonly bytes: number
  /** Bounds of its event times, both inclusive; null when the metadata does not bound them, so it may touch any window. */
  readonly from: Micros | null
  readonly to: Micros | null
  /** Hash of the row-level deletes that apply to it; absent where none do. */
  readonly deletes?: string
}

/**
 * For each partition, the indices (ascending) of the files that one of its windows may see.
 * @param eventsOf the event times `[from, to)` that a partition's rows see, later for later partitions
 */
export function filesTouching(
  partitions: readonly Partition[],
  files: readonly SourceFile[],
  eventsOf: (partition: Partition) => { readonly from: Micros; readonly to: Micros },
): number[][] {
  const touching: number[][] = partitions.map(() => [])
  const seen = partitions.map(eventsOf)
  files.forEach((file, index) => {
    // The first partition that ends late enough and the last that begins early enough; both are monotone in the partition.
    const first = file.from === null ? 0 : lowerBound(seen, ({ to }) => to > (file.from as Micros))
    const end = file.to === null ? partitions.length : lowerBound(seen, ({ from }) => from > (file.to as Micros))
    for (let i = first; i < end; i++) touching[i]?.push(index)
  })
  return touching
}

/** Index of the first element for which a monotone predicate holds. */
function lowerBound<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(items[middle] as T)) high = middle
    else low = middle + 1
  }
  return low
}
