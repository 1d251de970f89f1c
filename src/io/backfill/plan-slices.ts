import type { PlannedPartition, PlannedSlice } from '../../contract/index.ts'
import type { Schema } from '../../iceberg/index.ts'
import { groupIntoSlices, StretchFiles, type Partition, type Reaches, type SourceFile } from '../../plan/index.ts'
import { sliceAddress } from './slice-address.ts'

export interface SlicesRequest {
  readonly todo: readonly PlannedPartition[]
  /** Partitions that take columns from the published files. */
  readonly carriedKeys: ReadonlySet<string>
  readonly partitions: readonly Partition[]
  readonly files: readonly SourceFile[]
  readonly reaches: Reaches
  /** Bytes that one slice may read, and those that a row takes. */
  readonly targetBytes: number
  readonly rowWidth: number
  /** Bytes that a slice up to this partition reads beside the source: every slice reads its dimensions anew. */
  readonly bytesBeside: (last: Partition) => number
  /** Where a partition's data file goes. */
  readonly pathOf: (partition: PlannedPartition) => string
}

/** Groups the partitions to compute into slices of neighbours, each with the files that it reads and its address. */
export function planSlices(request: SlicesRequest): PlannedSlice[] {
  const { todo, carriedKeys, partitions, files } = request
  const indexByOrdinal = new Map(partitions.map(({ ordinal }, i) => [ordinal, i]))
  const byOrdinal = new Map(todo.map((partition) => [partition.ordinal, partition]))
  const stretches = new StretchFiles(files, request.reaches, partitions.length)
  // The partitions of a slice are neighbours.
  const stretchOf = (ordinals: readonly number[]): readonly [first: number, end: number] => {
    const first = indexByOrdinal.get(ordinals[0] ?? -1) ?? 0
    return [first, first + ordinals.length]
  }
  const grouped = (members: readonly PlannedPartition[]): number[][] =>
    groupIntoSlices(
      members.map(({ ordinal }) => ordinal),
      (ordinals) => stretches.rows(...stretchOf(ordinals)) * request.rowWidth,
      request.targetBytes,
    )
  // Apart, for a slice is carried over as a whole.
  const parts = [todo.filter(({ key }) => carriedKeys.has(key)), todo.filter(({ key }) => !carriedKeys.has(key))]
  const inOrder = parts.flatMap(grouped).sort(([a = 0], [b = 0]) => a - b)
  return inOrder.map((ordinals): PlannedSlice => {
    const members = ordinals.map((ordinal) => {
      const partition = byOrdinal.get(ordinal) as PlannedPartition
      return { ordinal, key: partition.key, path: request.pathOf(partition) }
    })
    const stretch = stretchOf(ordinals)
    const last = partitions[stretch[1] - 1] as Partition
    const ranges = stretches.files(...stretch)
    return {
      address: sliceAddress(members),
      partitions: members,
      files: ranges,
      inputRows: stretches.rows(...stretch),
      inputBytes: stretches.bytes(ranges) + request.bytesBeside(last),
      ...(members.every(({ key }) => carriedKeys.has(key)) ? { isCarried: true } : {}),
    }
  })
}

/** Bytes that a row of these columns takes in memory, roughly: what a slice's size is judged by. */
export function estimatedRowWidth(schema: Schema, columns: readonly string[]): number {
  const widths = columns.map((name) => {
    const type = schema.fields.find((field) => field.name === name)?.type
    if (type === 'boolean') return 1
    if (type === 'int' || type === 'float' || type === 'date') return 4
    if (typeof type === 'string' && ['long', 'double', 'timestamp', 'timestamptz', 'time'].includes(type)) return 8
    return 16
  })
  return Math.max(
    1,
    widths.reduce((sum, width) => sum + width, 0),
  )
}
