import {
  DataContent,
  partitionPath,
  type DataFile,
  type MetricsMode,
  type PartitionSpec,
  type PartitionTuple,
  type Schema,
} from '../iceberg/index.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'
import type { WarehouseFiles } from './files/index.ts'
import type { LeafColumn } from './leaf-columns.ts'
import type { FileWriter, WrittenFile } from './parquet-files.ts'
import { fileMetrics } from './parquet-metrics.ts'

/** Files of one writer that may be on their way to their places while it writes the next: a place is slow to reach, or slow to flush. */
const adoptionsUnderWay = 4

/** A file, and the partition whose rows it has. */
export interface PartitionFile<P> {
  readonly partition: P
  readonly file: WrittenFile
}

export interface CopiesRequest<P> {
  /** Partitions that are written together, in their order. */
  readonly batches: readonly (readonly P[])[]
  readonly tupleOf: (partition: P) => PartitionTuple
  /** One of these writes a batch while others write others. */
  readonly writers: readonly { readonly db: DuckDb; readonly files: FileWriter }[]
  /** The files in the order of the partitions; of one that has several, one after the other. */
  readonly filesOf: (writer: FileWriter, batch: readonly P[]) => AsyncIterable<PartitionFile<P>>
  readonly schema: Schema
  readonly spec: PartitionSpec
  readonly leaves: readonly LeafColumn[]
  readonly modes: ReadonlyMap<number, MetricsMode>
  readonly sortOrderId?: number
  /** Asked for one file after the other, in the order of the partitions. */
  readonly place: (tuple: PartitionTuple, partitionPathText: string, part: number) => string | Promise<string>
  readonly io: Pick<WarehouseFiles, 'adopt'>
  readonly check?: (db: DuckDb, file: WrittenFile) => Promise<void>
  readonly options: QueryOptions
  readonly onProgress?: (rowsWritten: bigint) => void
}

/**
 * Writes every partition's files and brings them to their places; several batches at a time, and returns the files in the order of
 * the partitions. When something fails, what is under way is waited for, and the first failure is thrown.
 */
export async function copyPartitions<P>(request: CopiesRequest<P>): Promise<DataFile[]> {
  const { batches, writers } = request
  const results: DataFile[][] = batches.map(() => [])
  const turns = inOrder(batches.length)
  const failures: unknown[] = []
  const fail = (error: unknown): void => {
    failures.push(error)
    turns.giveUp()
  }
  const progress = progressOf(request.onProgress)
  let next = 0
  const work = async ({ db, files }: CopiesRequest<P>['writers'][number]): Promise<void> => {
    const adopting = new Set<Promise<void>>()
    try {
      for (let index = next++; index < batches.length && failures.length === 0; index = next++) {
        let current: P | null = null
        let part = 0
        for await (const { partition, file } of request.filesOf(files, batches[index] ?? [])) {
          part = partition === current ? part + 1 : 0
          current = partition
          const tuple = request.tupleOf(partition)
          await request.check?.(db, file)
          const dataFile = await describe(request, db, file, tuple, async () => {
            await turns.reached(index)
            return request.place(tuple, partitionPath(request.spec, request.schema, tuple), part)
          })
          results[index]?.push(dataFile)
          const adoption = request.io
            .adopt(file.local, dataFile.filePath)
            .then(() => progress(file.count), fail)
            .finally(() => adopting.delete(adoption))
          adopting.add(adoption)
          if (adopting.size >= adoptionsUnderWay) await Promise.race(adopting)
          if (failures.length > 0) break
        }
        turns.done(index)
      }
    } catch (error) {
      fail(error)
    }
    await Promise.all(adopting)
  }
  await Promise.all(writers.map(work))
  if (failures.length > 0) throw failures[0]
  return results.flat()
}

async function describe<P>(
  { leaves, modes, sortOrderId, options }: CopiesRequest<P>,
  db: DuckDb,
  file: WrittenFile,
  tuple: PartitionTuple,
  place: () => Promise<string>,
): Promise<DataFile> {
  const metrics = await fileMetrics(db, leaves, modes, file.statistics, file.rows, options)
  return {
    content: DataContent.data,
    filePath: await place(),
    fileFormat: 'PARQUET',
    partition: tuple,
    recordCount: file.count,
    fileSizeInBytes: file.size,
    ...metrics,
    splitOffsets: file.splitOffsets,
    ...(sortOrderId === undefined ? {} : { sortOrderId }),
  }
}

function progressOf(onProgress: ((rowsWritten: bigint) => void) | undefined): (rows: bigint) => void {
  let rowsWritten = 0n
  return (rows) => {
    rowsWritten += rows
    onProgress?.(rowsWritten)
  }
}

/** Lets what is done in any order wait for what comes before it. */
function inOrder(count: number): {
  /** When all before `index` are done, or it was given up. */
  reached(index: number): Promise<void>
  done(index: number): void
  giveUp(): void
} {
  const isDone = Array.from({ length: count }, () => false)
  const waiting = new Map<number, () => void>()
  let first = 0
  let givenUp = false
  const wake = (): void => {
    while (isDone[first] === true) first++
    for (const [index, resolve] of waiting) {
      if (!givenUp && index > first) continue
      waiting.delete(index)
      resolve()
    }
  }
  return {
    reached: (index) =>
      givenUp || index <= first ? Promise.resolve() : new Promise((resolve) => waiting.set(index, resolve)),
    done: (index) => {
      isDone[index] = true
      wake()
    },
    giveUp: () => {
      givenUp = true
      wake()
    },
  }
}
