/** How many partitions a slice may ever hold: beyond it, one lost slice loses too much, and of a year's few slices one outlasts the others. */
const maxCell = 128

/** Up to so many times what one of its partitions reads, a slice does not gain by being cut. */
const sharedShare = 1.4

/**
 * Groups partitions into slices of neighbours. Cells are aligned at multiples of a power of two of the ordinal, and halved until a cell's
 * input fits, or would be read by either half, too: so a skewed stretch gets small slices without shrinking the others, and two runs whose ranges differ
 * still cut their common stretch in the same places and share its slices.
 * @param ordinals ascending
 * @param inputBytes estimates what a slice of these partitions would read
 */
export function groupIntoSlices(
  ordinals: readonly number[],
  inputBytes: (slice: readonly number[]) => number,
  targetBytes: number,
): number[][] {
  const alone = new Map<number, number>()
  const bytesAlone = (ordinal: number): number => {
    const known = alone.get(ordinal)
    if (known !== undefined) return known
    const bytes = inputBytes([ordinal])
    alone.set(ordinal, bytes)
    return bytes
  }
  /** Whether each partition alone would read nearly as much: what its windows look back to. */
  const isShared = (members: readonly number[], bytes: number): boolean =>
    members.every((ordinal) => bytes <= sharedShare * bytesAlone(ordinal))
  const split = (members: readonly number[], cell: number): number[][] => {
    if (members.length === 0) return []
    const bytes = inputBytes(members)
    if (cell === 1 || bytes <= targetBytes || isShared(members, bytes)) return [[...members]]
    const half = cell / 2
    const first = members[0] as number
    const middle = Math.floor(first / cell) * cell + half
    return [
      ...split(
        members.filter((ordinal) => ordinal < middle),
        half,
      ),
      ...split(
        members.filter((ordinal) => ordinal >= middle),
        half,
      ),
    ]
  }
  const neighbours: number[][] = []
  for (const ordinal of ordinals) {
    const run = neighbours.at(-1)
    if (run !== undefined && run.at(-1) === ordinal - 1 && ordinal % maxCell !== 0) run.push(ordinal)
    else neighbours.push([ordinal])
  }
  return neighbours.flatMap((run) => split(run, maxCell))
}
