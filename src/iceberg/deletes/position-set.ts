/**
 * Sets of row positions, kept compressed as Roaring bitmaps keep them: one container for every 65,536 positions, as a sorted list, a
 * bitmap or runs, whichever is smallest. A set of a few bytes may stand for billions of positions, so nothing here expands one
 * unless it is asked to. https://github.com/RoaringBitmap/RoaringFormatSpec
 */

/** Positions of one container relative to its first. */
export type ContainerBody =
  | { readonly kind: 'list'; readonly values: Uint16Array }
  /** 65,536 bits, position 0 the lowest bit of the first word. */
  | { readonly kind: 'bitmap'; readonly words: Uint32Array }
  /** Pairs of a run's first position and its length minus one, ascending and apart. */
  | { readonly kind: 'runs'; readonly pairs: Uint16Array }

export interface Container {
  /** The positions divided by 65,536: below 2^47, which a number holds exactly. */
  readonly key: number
  readonly count: number
  readonly body: ContainerBody
}

/** Immutable; containers ascend by key and none is empty. */
export interface PositionSet {
  readonly containers: readonly Container[]
}

export const MAX_POSITION = (1n << 63n) - 1n

/** A list of more values would take more bytes than the bitmap. */
export const MAX_LIST_LENGTH = 4096

export const BITMAP_WORDS = 2048

export const emptyPositionSet: PositionSet = { containers: [] }

/** @throws RangeError for a position below 0 or above 2^63 - 1 */
export function positionSet(positions: Iterable<bigint>): PositionSet {
  const byKey = new Map<number, number[]>()
  let key = -1
  let values: number[] = []
  for (const position of positions) {
    if (position < 0n || position > MAX_POSITION) throw new RangeError(`${position} is no row position`)
    const containerKey = Number(position >> 16n)
    if (containerKey !== key) {
      key = containerKey
      values = byKey.get(key) ?? []
      byKey.set(key, values)
    }
    values.push(Number(position & 0xffffn))
  }
  const keys = Array.from(byKey.keys()).sort((a, b) => a - b)
  return {
    containers: keys.map((each) => containerOf(each, ascending(byKey.get(each) ?? []))),
  }
}

/** The values in order, each once. */
function ascending(values: readonly number[]): Uint16Array {
  const sorted = Uint16Array.from(values).sort()
  let kept = 0
  for (let index = 0; index < sorted.length; index++) {
    const value = sorted[index] as number
    if (index === 0 || value !== sorted[kept - 1]) sorted[kept++] = value
  }
  return sorted.slice(0, kept)
}

export const cardinality = ({ containers }: PositionSet): bigint =>
  containers.reduce((sum, { count }) => sum + BigInt(count), 0n)

/** The highest position, null for the empty set. */
export function highestPosition({ containers }: PositionSet): bigint | null {
  const last = containers.at(-1)
  if (last === undefined) return null
  let highest = 0
  for (const value of valuesOf(last.body)) highest = value
  return (BigInt(last.key) << 16n) | BigInt(highest)
}

export function unionOf(a: PositionSet, b: PositionSet): PositionSet {
  const containers: Container[] = []
  let [left, right] = [0, 0]
  for (;;) {
    const [first, second] = [a.containers[left], b.containers[right]]
    if (first === undefined && second === undefined) return { containers }
    if (second === undefined || (first !== undefined && first.key < second.key)) {
      containers.push(first as Container)
      left++
    } else if (first === undefined || second.key < first.key) {
      containers.push(second)
      right++
    } else {
      containers.push(mergedContainer(first, second))
      left++
      right++
    }
  }
}

function mergedContainer(a: Container, b: Container): Container {
  const words = new Uint32Array(BITMAP_WORDS)
  for (const { body } of [a, b]) {
    for (const value of valuesOf(body)) words[value >>> 5] = (words[value >>> 5] as number) | (1 << (value & 31))
  }
  return containerOf(a.key, Uint16Array.from(valuesOf({ kind: 'bitmap', words })))
}

/** The positions in ascending order, in arrays of at most `length`; memory is that of one array. */
export function* positionChunks({ containers }: PositionSet, length: number): Generator<BigInt64Array> {
  let chunk = new BigInt64Array(length)
  let filled = 0
  for (const { key, body } of containers) {
    const first = BigInt(key) << 16n
    for (const value of valuesOf(body)) {
      chunk[filled++] = first | BigInt(value)
      if (filled < length) continue
      yield chunk
      chunk = new BigInt64Array(length)
      filled = 0
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled)
}

function* valuesOf(body: ContainerBody): Generator<number> {
  switch (body.kind) {
    case 'list':
      yield* body.values
      return
    case 'bitmap':
      for (const [index, word] of body.words.entries()) {
        for (let rest = word; rest !== 0; rest &= rest - 1) yield index * 32 + (31 - Math.clz32(rest & -rest))
      }
      return
    case 'runs':
      for (let index = 0; index < body.pairs.length; index += 2) {
        const first = body.pairs[index] as number
        const last = first + (body.pairs[index + 1] as number)
        for (let value = first; value <= last; value++) yield value
      }
  }
}

/** The smallest container of ascending values, of which there is at least one. */
function containerOf(key: number, values: Uint16Array): Container {
  const starts: number[] = []
  for (const [index, value] of values.entries()) {
    if (index === 0 || value !== (values[index - 1] as number) + 1) starts.push(index)
  }
  const count = values.length
  const runBytes = 2 + 4 * starts.length
  if (runBytes < Math.min(2 * count, 4 * BITMAP_WORDS)) {
    const pairs = new Uint16Array(starts.length * 2)
    for (const [run, start] of starts.entries()) {
      pairs[run * 2] = values[start] as number
      pairs[run * 2 + 1] = (starts[run + 1] ?? count) - start - 1
    }
    return { key, count, body: { kind: 'runs', pairs } }
  }
  if (count <= MAX_LIST_LENGTH) return { key, count, body: { kind: 'list', values } }
  const words = new Uint32Array(BITMAP_WORDS)
  for (const value of values) words[value >>> 5] = (words[value >>> 5] as number) | (1 << (value & 31))
  return { key, count, body: { kind: 'bitmap', words } }
}
