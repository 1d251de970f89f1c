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

/** For each file, the partitions that it touches: `[first, end)`, by their index. */
export interface Reaches {
  readonly first: Int32Array
  readonly end: Int32Array
}

/**
 * Which partitions have a window that may see each file.
 * @param files in the order of their first event time, those without one first
 * @param eventsOf the event times `[from, to)` that a partition's rows see, later for later partitions
 */
export function reachesOf(
  partitions: readonly Partition[],
  files: readonly SourceFile[],
  eventsOf: (partition: Partition) => { readonly from: Micros; readonly to: Micros },
): Reaches {
  const seen = partitions.map(eventsOf)
  const [first, end] = [new Int32Array(files.length), new Int32Array(files.length)]
  let [begins, ends] = [0, 0]
  files.forEach((file, index) => {
    const { from, to } = file
    // The first partition that ends late enough and the last that begins early enough; both are monotone in the partition, and mostly those of
    // the file before.
    if (from === null) first[index] = 0
    else first[index] = begins = lowerBound(seen.length, (i) => (seen[i]?.to ?? 0n) > from, begins)
    if (to === null) end[index] = partitions.length
    else end[index] = ends = lowerBound(seen.length, (i) => (seen[i]?.from ?? 0n) > to, ends)
  })
  return { first, end }
}

/** Indices of files, `[first, end)`: those that a stretch of partitions reads mostly lie next to each other. */
export type FileRange = readonly [first: number, end: number]

export const filesIn = (ranges: readonly FileRange[]): number[] =>
  ranges.flatMap(([first, end]) => Array.from({ length: end - first }, (_, i) => first + i))

/** Answers, for stretches `[first, end)` of partitions, which files they read and how much that is, without looking at each file. */
export class StretchFiles {
  readonly #reaches: Reaches
  /** The latest end of the files up to each: where it is passed, no file before matters any more. */
  readonly #latestEnd: Int32Array
  /** Whether files end in the order in which they begin: those of a stretch then lie together. */
  #isInOrder = true
  /** Rows of the files that begin before each partition, and that end before or at it. */
  readonly #begun: Float64Array
  readonly #ended: Float64Array
  /** Bytes of the files before each. */
  readonly #bytes: Float64Array

  constructor(files: readonly SourceFile[], reaches: Reaches, partitions: number) {
    this.#reaches = reaches
    this.#latestEnd = new Int32Array(files.length)
    this.#bytes = new Float64Array(files.length + 1)
    this.#begun = new Float64Array(partitions + 2)
    this.#ended = new Float64Array(partitions + 2)
    let latest = 0
    files.forEach(({ rows, bytes }, index) => {
      this.#bytes[index + 1] = (this.#bytes[index] ?? 0) + bytes
      const [first, end] = [reaches.first[index] ?? 0, reaches.end[index] ?? 0]
      // A file that no partition reads is in nobody's way where it begins behind all of them, as those of the last day do.
      if (end < latest || (first >= end && first < partitions)) this.#isInOrder = false
      latest = Math.max(latest, end)
      this.#latestEnd[index] = latest
      if (first >= end) return
      this.#begun[first + 1] = (this.#begun[first + 1] ?? 0) + rows
      this.#ended[end] = (this.#ended[end] ?? 0) + rows
    })
    for (let i = 1; i < partitions + 2; i++) {
      this.#begun[i] = (this.#begun[i] ?? 0) + (this.#begun[i - 1] ?? 0)
      this.#ended[i] = (this.#ended[i] ?? 0) + (this.#ended[i - 1] ?? 0)
    }
  }

  /** Rows of the files that partitions `[first, end)` read, each file once. */
  rows(first: number, end: number): number {
    return (this.#begun[end] ?? 0) - (this.#ended[first] ?? 0)
  }

  /** Bytes of the files in these ranges. */
  bytes(ranges: readonly FileRange[]): number {
    return ranges.reduce((sum, [first, end]) => sum + (this.#bytes[end] ?? 0) - (this.#bytes[first] ?? 0), 0)
  }

  files(first: number, end: number): FileRange[] {
    const { first: begins, end: ends } = this.#reaches
    const earliest = lowerBound(ends.length, (i) => (this.#latestEnd[i] ?? 0) > first)
    if (this.#isInOrder) {
      const after = lowerBound(ends.length, (i) => (begins[i] ?? 0) >= end)
      return earliest < after ? [[earliest, after]] : []
    }
    const found: [number, number][] = []
    for (let index = earliest; index < ends.length; index++) {
      const begin = begins[index] ?? 0
      if (begin >= end) break
      if ((ends[index] ?? 0) <= Math.max(first, begin)) continue
      const last = found.at(-1)
      if (last?.[1] === index) last[1] = index + 1
      else found.push([index, index + 1])
    }
    return found
  }
}

/** The first index for which a monotone predicate holds. @param guess looked at first */
function lowerBound(length: number, holds: (index: number) => boolean, guess = length >>> 1): number {
  let low = 0
  let high = length
  if (guess < length && !holds(guess)) low = guess + 1
  else {
    high = guess
    if (guess > 0 && !holds(guess - 1)) return guess
  }
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}
