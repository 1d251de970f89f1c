import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'
import {
  cardinality,
  DataContent,
  DELETION_VECTOR_BLOB,
  encodeDeletionVector,
  encodePuffin,
  encodeSingleValue,
  highestPosition,
  mapConcurrently,
  positionChunks,
  positionSet,
  unionOf,
  type DataFile,
  type DeleteFile,
  type FileIO,
  type NewPuffinBlob,
  type PositionSet,
} from '../iceberg/index.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'
import type { WarehouseFiles } from './files/index.ts'
import { FILE_PATH_ID, POSITION_ID, previousPositions } from './position-deletes.ts'
import type { ReadableFiles } from './readable-paths.ts'
import { dropScratchFolder, makeScratchFolder } from './scratch-folder.ts'

/** Rows to delete from one data file. */
export interface RowDeletes {
  readonly dataFile: DataFile
  readonly specId: number
  readonly positions: PositionSet
  /** The deletes that a scan applies to the file already. */
  readonly deletes: readonly DeleteFile[]
}

export interface NewDeleteFile {
  readonly dataFile: DataFile
  readonly specId: number
}

/**
 * The rows that a query gives, grouped by data file.
 * @param query SELECT text with the columns `_file` and `_pos`
 */
export async function deletedRows(
  db: DuckDb,
  query: string,
  options: QueryOptions = {},
): Promise<ReadonlyMap<string, PositionSet>> {
  const rows = await db.rows<{ file: string; positions: readonly bigint[] }>(
    `SELECT _file AS file, list(_pos) AS positions FROM (${query}) GROUP BY file ORDER BY file`,
    options,
  )
  return new Map(rows.map(({ file, positions }) => [file, positionSet(positions)]))
}

/**
 * Version 2: writes one position delete file for each data file, in the order given. The same positions give the same bytes.
 * @throws INVARIANT_VIOLATED for a position that the data file does not have, or a destination that holds other bytes
 */
export async function writePositionDeletes(
  db: DuckDb,
  request: {
    readonly deletes: readonly RowDeletes[]
    /** Local folder for unfinished files. */
    readonly scratchDir: string
    /** URI of the delete file of a data file. */
    readonly place: (dataFile: DataFile) => string
    readonly io: Pick<WarehouseFiles, 'adopt'>
    readonly options?: QueryOptions
  },
): Promise<readonly NewDeleteFile[]> {
  const { options = {} } = request
  const attempt = `hindcast_deletes_${randomUUID().replaceAll('-', '')}`
  const scratch = join(request.scratchDir, attempt)
  const table = quoteIdentifier(attempt)
  await makeScratchFolder(scratch)
  try {
    await db.run(`CREATE TEMP TABLE ${table} (pos BIGINT)`)
    const files: (NewDeleteFile & { readonly local: string })[] = []
    for (const { dataFile, specId, positions } of request.deletes) {
      const highest = requireRows(dataFile, positions)
      if (highest === null) continue
      await db.run(`TRUNCATE ${table}`)
      await db.append(attempt, batchesOf(positions))
      const local = join(scratch, `${files.length}.parquet`)
      const path = quoteString(dataFile.filePath)
      const [written] = await db.rows<{ count: bigint; file_size_bytes: bigint; column_statistics: ColumnSizes }>(
        `COPY (SELECT ${path} AS file_path, pos FROM ${table}) TO ${quoteString(local)}
         (FORMAT parquet, COMPRESSION zstd, RETURN_STATS, FIELD_IDS {file_path: ${FILE_PATH_ID}, pos: ${POSITION_ID}})`,
        options,
      )
      if (written === undefined || written.count !== cardinality(positions)) {
        throw new HindcastError('INVARIANT_VIOLATED', 'the engine wrote another number of deletes than it was given')
      }
      const filePath = request.place(dataFile)
      files.push({ local, specId, dataFile: positionDeleteFile(filePath, dataFile, positions, highest, written) })
    }
    return await mapConcurrently(files, adoptions, async ({ local, ...file }) => {
      await request.io.adopt(local, file.dataFile.filePath)
      return file
    })
  } finally {
    // Neither clean-up may hide why the write failed.
    await db.run(`DROP TABLE IF EXISTS ${table}`).catch(() => undefined)
    await dropScratchFolder(scratch)
  }
}

/** How many finished files are moved to the warehouse at once. */
const adoptions = 8

type ColumnSizes = readonly (readonly [path: string, statistics: readonly (readonly [string, string])[]])[]

function* batchesOf(positions: PositionSet) {
  for (const chunk of positionChunks(positions, 1 << 16)) yield [Array.from(chunk)]
}

function positionDeleteFile(
  filePath: string,
  dataFile: DataFile,
  positions: PositionSet,
  highest: bigint,
  written: { readonly count: bigint; readonly file_size_bytes: bigint; readonly column_statistics: ColumnSizes },
): DataFile {
  const sizes = new Map(
    written.column_statistics.map(([path, values]) => [path, BigInt(new Map(values).get('column_size_bytes') ?? 0)]),
  )
  const each = <T>(path: T, position: T): ReadonlyMap<number, T> =>
    new Map([
      [FILE_PATH_ID, path],
      [POSITION_ID, position],
    ])
  // Whole, and the same on both sides: by that readers know that the file is about one data file.
  const path = encodeSingleValue('string', dataFile.filePath)
  const [[lowest = 0n] = []] = positionChunks(positions, 1)
  return {
    content: DataContent.positionDeletes,
    filePath,
    fileFormat: 'PARQUET',
    partition: dataFile.partition,
    recordCount: written.count,
    fileSizeInBytes: written.file_size_bytes,
    columnSizes: each(sizes.get('"file_path"') ?? 0n, sizes.get('"pos"') ?? 0n),
    valueCounts: each(written.count, written.count),
    nullValueCounts: each(0n, 0n),
    lowerBounds: each(path, encodeSingleValue('long', lowest)),
    upperBounds: each(path, encodeSingleValue('long', highest)),
    splitOffsets: [4n],
    referencedDataFile: dataFile.filePath,
  }
}

/** The highest position, null for none. */
function requireRows({ filePath, recordCount }: DataFile, positions: PositionSet): bigint | null {
  const highest = highestPosition(positions)
  if (highest !== null && highest >= recordCount) {
    throw new HindcastError(
      'INVARIANT_VIOLATED',
      `row ${highest} of ${filePath} is to be deleted, which has ${recordCount}`,
    )
  }
  return highest
}

/** What one Puffin file may hold: it is made in memory. */
const puffinBytes = 1 << 26

export interface DeletionVectors {
  readonly files: readonly NewDeleteFile[]
  /** Delete files that the new vectors stand in for: to be removed in the same commit. */
  readonly replaced: readonly DeleteFile[]
}

/**
 * Version 3: writes deletion vectors, in the order of their data files' paths, into as few Puffin files as may be. A data file has
 * one vector at most, so each takes up what deletes the file's rows already; data files of which nothing more is deleted get none.
 * @throws INVARIANT_VIOLATED for a position that the data file does not have; DATA_FILE_INVALID for damaged earlier deletes
 */
export async function writeDeletionVectors(
  db: DuckDb,
  request: {
    readonly deletes: readonly RowDeletes[]
    /** URI of the nth Puffin file. */
    readonly place: (index: number) => string
    readonly io: Pick<FileIO, 'create'> & ReadableFiles
    readonly options?: QueryOptions
  },
): Promise<DeletionVectors> {
  const { io } = request
  const sorted = request.deletes.toSorted((a, b) => (a.dataFile.filePath < b.dataFile.filePath ? -1 : 1))
  const previous = await previousPositions(db, sorted, request)
  const files: NewDeleteFile[] = []
  const replaced: DeleteFile[] = []
  let pending: { readonly blob: NewPuffinBlob; readonly of: RowDeletes; readonly count: bigint }[] = []
  let pendingBytes = 0
  let puffins = 0
  const flush = async (): Promise<void> => {
    if (pending.length === 0) return
    const { bytes, footer } = encodePuffin(
      pending.map(({ blob }) => blob),
      { 'created-by': 'Hindcast' },
    )
    const filePath = request.place(puffins++)
    if ((await io.create(filePath, bytes)) === 'exists') await requireSame(io, filePath, bytes)
    for (const [index, { of, count }] of pending.entries()) {
      const { offset, length } = footer.blobs[index] as (typeof footer.blobs)[number]
      files.push({
        specId: of.specId,
        dataFile: {
          content: DataContent.positionDeletes,
          filePath,
          fileFormat: 'PUFFIN',
          partition: of.dataFile.partition,
          recordCount: count,
          fileSizeInBytes: BigInt(bytes.length),
          referencedDataFile: of.dataFile.filePath,
          contentOffset: offset,
          contentSizeInBytes: length,
        },
      })
    }
    pending = []
    pendingBytes = 0
  }
  for (const [index, each] of sorted.entries()) {
    requireRows(each.dataFile, each.positions)
    const before = previous[index] ?? positionSet([])
    const positions = unionOf(before, each.positions)
    const count = cardinality(positions)
    if (count === cardinality(before)) continue
    const content = encodeDeletionVector(positions)
    const blob: NewPuffinBlob = {
      type: DELETION_VECTOR_BLOB,
      fields: [POSITION_ID],
      // Not known before the commit, and the same for every one of its retries.
      snapshotId: -1n,
      sequenceNumber: -1n,
      properties: { 'referenced-data-file': each.dataFile.filePath, cardinality: count.toString() },
      content,
    }
    pending.push({ blob, of: each, count })
    pendingBytes += content.length
    replaced.push(...each.deletes.filter(isOfOneFile))
    if (pendingBytes >= puffinBytes) await flush()
  }
  await flush()
  return { files, replaced }
}

/** Whether a delete file is about one data file alone, so that a vector of that file replaces all of it. */
function isOfOneFile({ dataFile }: DeleteFile): boolean {
  if (dataFile.content !== DataContent.positionDeletes) return false
  if (dataFile.referencedDataFile !== undefined) return true
  const [lower, upper] = [dataFile.lowerBounds?.get(FILE_PATH_ID), dataFile.upperBounds?.get(FILE_PATH_ID)]
  return lower !== undefined && upper !== undefined && Buffer.compare(lower, upper) === 0
}

async function requireSame(io: Pick<FileIO, 'readRange'>, path: string, bytes: Uint8Array): Promise<void> {
  const there = await io.readRange(path, 0n, BigInt(bytes.length)).catch(() => null)
  if (there !== null && Buffer.compare(there, bytes) === 0) return
  throw new HindcastError('INVARIANT_VIOLATED', `${path} exists with other bytes than the ones computed for it`, {
    hint: 'Something else wrote this file. If no snapshot refers to it, delete it and run again.',
    context: { path },
  })
}
