import type { KeptPartition, PlannedSlice, PlannedTiles, TilesSummary } from '../../contract/index.ts'
import { eventRanges, type Stretch } from '../../compile/index.ts'
import type { ViewDefinition } from '../../definition/index.ts'
import { partitionPath, type ScanTask, type Schema } from '../../iceberg/index.ts'
import {
  filesIn,
  partitionAt,
  partitionOrdinal,
  reachesOf,
  StretchFiles,
  type FileRange,
  type Partition,
  type SourceFile,
} from '../../plan/index.ts'
import { sha256 } from '../run-store.ts'
import type { TileNeeds } from './describe-tiles.ts'
import { sliceRange } from './slice-range.ts'
import { sourceIdentities, type PinnedSource } from './source.ts'
import { columnsIn, tileSpec } from './tile-table.ts'

export interface TilesRequest {
  readonly definition: ViewDefinition
  readonly source: PinnedSource
  readonly files: readonly SourceFile[]
  readonly outputSchema: Schema
  readonly engine: string
  readonly slices: readonly PlannedSlice[]
  /** Feature columns that carried slices do not compute. */
  readonly carried: Readonly<Record<string, string>> | null
  /** Whether tiles are left: not by runs on a former state of the source, which would take the place of newer ones. */
  readonly keeps: boolean
}

/** What tiles of a view have. */
export interface Needs {
  readonly whole: TileNeeds
  /** Of the slices that carry columns over; null where they compute nothing. */
  readonly carried: TileNeeds | null
}

export interface TileTableState {
  /** Event times that tiles may be of. */
  readonly range: Stretch
  /** With the columns that the run adds. */
  readonly schema: Schema
  readonly location: string
  /** The table's data files by partition. */
  readonly live: ReadonlyMap<number, readonly ScanTask[]>
  readonly needs: Needs
}

export interface SlicePlanner {
  /** The slice, with what it takes from tiles and leaves there. */
  readonly plan: (slice: PlannedSlice) => PlannedSlice
  /** The files of tiles that slices planned so far read. */
  readonly files: PlannedTiles['files']
  readonly counts: Omit<TilesSummary, 'table' | 'problem'>
  readonly problem: () => string | null
}

/** A file of tiles made from what the source has now. */
interface FreshTiles {
  readonly task: ScanTask
  readonly columns: ReadonlySet<string>
}

/** Plans one slice after the other: each partition of tiles is left by the first that can. */
export function slicePlanner(request: TilesRequest, state: TileTableState): SlicePlanner {
  const { definition, files, keeps } = request
  const { range, schema, location, live, needs } = state
  const unit = definition.partitionBy
  const partitions = partitionsIn(unit, range)
  const offset = partitions[0]?.ordinal ?? 0
  const { filesOf, fresh, sources } = freshTiles(request, state, partitions)
  const spec = tileSpec(definition, schema)
  const eventsOf = eventRanges(definition)
  const planned: PlannedTiles['files'][number][] = []
  const numbers = new Map<string, number>()
  const left = new Set<number>()
  const counts = { windows: 0, fromTiles: 0, rows: 0, bytes: 0, kept: 0 }
  let problem: string | null = null

  const numberOf = ({ task: { dataFile } }: FreshTiles, ordinal: number): number => {
    const known = numbers.get(dataFile.filePath)
    if (known !== undefined) return known
    numbers.set(dataFile.filePath, planned.length)
    const [rows, bytes] = [Number(dataFile.recordCount), Number(dataFile.fileSizeInBytes)]
    return planned.push({ ordinal, path: dataFile.filePath, rows, bytes }) - 1
  }

  const keptPartition = (index: number, { partials }: TileNeeds): KeptPartition => {
    const { ordinal } = partitions[index] as Partition
    const there = fresh[index] ?? null
    const former = needs.whole.partials.filter((name) => there?.columns.has(name) === true && !partials.includes(name))
    const columns = schema.fields.filter(
      ({ name }) => !needs.whole.partials.includes(name) || partials.includes(name) || former.includes(name),
    )
    const replaced = (live.get(ordinal) ?? []).map(({ dataFile }) => dataFile.filePath).sort()
    const content = sha256(JSON.stringify([columns.map(({ id, name }) => [id, name]), replaced])).slice(0, 16)
    const folder = partitionPath(spec, schema, [ordinal])
    return {
      ordinal,
      path: `${location}/data/${folder}/${sources[index]}-${content}.parquet`,
      ...(there === null || former.length === 0
        ? {}
        : { carried: { file: numberOf(there, ordinal), columns: former } }),
    }
  }

  const plan = (slice: PlannedSlice): PlannedSlice => {
    const due = slice.isCarried === true ? needs.carried : needs.whole
    if (due === null) return slice
    const whole = sliceRange(unit, slice)
    const seen = eventsOf(whole)
    // Events without a key are counted up to the end of the slice's range, in those of its files that are read for its windows.
    const counted = { from: seen.from, to: later(seen.to, whole.to) }
    const ofSlice = new Set(filesIn(slice.files))
    const read: number[] = []
    const keep: KeptPartition[] = []
    const taken: Partition[] = []
    const end = Math.min(partitionOrdinal(unit, counted.to - 1n) - offset + 1, partitions.length)
    for (let index = Math.max(partitionOrdinal(unit, counted.from) - offset, 0); index < end; index++) {
      const partition = partitions[index] as Partition
      const touching = filesOf(index)
      if (touching.length === 0) continue
      const isSeen = partition.from < seen.to
      if (isSeen) counts.windows += 1
      const there = fresh[index] ?? null
      const has = there !== null && due.partials.every((name) => there.columns.has(name))
      const isCounted = partition.to <= seen.to || touching.every((file) => ofSlice.has(file))
      if (has && due.problem === null && isCounted) {
        read.push(numberOf(there, partition.ordinal))
        taken.push(partition)
        if (isSeen) counts.fromTiles += 1
        counts.rows += Number(there.task.dataFile.recordCount)
        counts.bytes += Number(there.task.dataFile.fileSizeInBytes)
        continue
      }
      problem = due.problem ?? problem
      const isWhole = partition.from >= seen.from && partition.to <= seen.to
      if (!keeps || has || !isWhole || left.has(index) || due.partials.length === 0) continue
      left.add(index)
      keep.push(keptPartition(index, due))
      counts.kept += 1
    }
    if (read.length === 0 && keep.length === 0) return slice
    const rest = without(counted, taken)
    const fromSource = rest.map(({ from, to }) => ({ from: from.toString(), to: to.toString() }))
    const wanted = [...ofSlice].filter((index) => touches(files[index] as SourceFile, rest))
    const total = (of: (file: SourceFile) => number): number =>
      wanted.reduce((sum, index) => sum + of(files[index] as SourceFile), 0)
    return {
      ...slice,
      ...(read.length === 0 ? {} : { inputRows: total(({ rows }) => rows), inputBytes: total(({ bytes }) => bytes) }),
      tiles: { read, files: rangesOf(wanted), fromSource, keep },
    }
  }

  return { plan, files: planned, counts, problem: () => problem }
}

/** Of each partition the source files that touch it, their hash, and its file of tiles where that was made from them. */
function freshTiles(
  { source, files, engine }: TilesRequest,
  { live, schema }: TileTableState,
  partitions: readonly Partition[],
): {
  readonly filesOf: (index: number) => readonly number[]
  readonly fresh: readonly (FreshTiles | null)[]
  readonly sources: readonly string[]
} {
  const reaches = reachesOf(partitions, files, (partition) => partition)
  const stretches = new StretchFiles(files, reaches, partitions.length)
  const columns = sha256(JSON.stringify(['tiles', source.table.metadata.tableUuid, engine]))
  const sources = sourceIdentities(columns, files, reaches, partitions.length).map((hash) => hash.slice(0, 32))
  const fresh = partitions.map(({ ordinal }, index): FreshTiles | null => {
    const [task, ...others] = live.get(ordinal) ?? []
    if (task === undefined || others.length > 0 || task.deletes.length > 0) return null
    const name = task.dataFile.filePath.split('/').at(-1) ?? ''
    return name.startsWith(`${sources[index]}-`) ? { task, columns: new Set(columnsIn(task.dataFile, schema)) } : null
  })
  return { filesOf: (index) => filesIn(stretches.files(index, index + 1)), fresh, sources }
}

function partitionsIn(unit: ViewDefinition['partitionBy'], { from, to }: Stretch): Partition[] {
  if (from >= to) return []
  const first = partitionOrdinal(unit, from)
  return Array.from({ length: partitionOrdinal(unit, to - 1n) - first + 1 }, (_, i) => partitionAt(unit, first + i))
}

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** What of a stretch lies in none of the partitions, which are in order. */
function without({ from, to }: Stretch, partitions: readonly Stretch[]): Stretch[] {
  const left: Stretch[] = []
  let start = from
  for (const taken of partitions) {
    if (taken.from > start) left.push({ from: start, to: taken.from })
    start = taken.to > start ? taken.to : start
  }
  if (start < to) left.push({ from: start, to })
  return left
}

const touches = ({ from, to }: SourceFile, stretches: readonly Stretch[]): boolean =>
  stretches.some((stretch) => (to === null || to >= stretch.from) && (from === null || from < stretch.to))

/** Indices in order, as ranges. */
function rangesOf(indices: readonly number[]): FileRange[] {
  const ranges: [number, number][] = []
  for (const index of indices) {
    const last = ranges.at(-1)
    if (last?.[1] === index) last[1] = index + 1
    else ranges.push([index, index + 1])
  }
  return ranges
}
