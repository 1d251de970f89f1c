import { randomUUID } from 'node:crypto'
import { quoteIdentifier } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'
import {
  decodeDeletionVector,
  emptyPositionSet,
  mapConcurrently,
  positionChunks,
  positionSet,
  unionOf,
  type DataFile,
  type DeleteFile,
  type FileIO,
  type PositionSet,
} from '../iceberg/index.ts'
import { pathList, type DuckDb, type QueryOptions } from './duckdb.ts'
import { readablePaths, type ReadableFiles } from './readable-paths.ts'
import { requireParquet } from './parquet-schema.ts'

/** Reserved field ids of position delete files: https://iceberg.apache.org/spec/#reserved-field-ids */
export const FILE_PATH_ID = 2_147_483_546
export const POSITION_ID = 2_147_483_545

/** A data file as its deletes name it, and the number that stands for it in SQL. */
export interface DeleteTarget {
  readonly number: number
  readonly dataFile: DataFile
  readonly deletes: readonly DeleteFile[]
}

/** Row number within a file, and beside it the file's number: one BIGINT, by which a row is looked up. */
const positionBits = 40n

/** SQL of the key of a row. */
export const positionKey = (file: string, position: string): string =>
  `(CAST(${file} AS BIGINT) << ${positionBits}) + ${position}`

/** How many parts of Puffin files are read at once. */
const spanReads = 8

/**
 * Makes a temporary table of one column `key`, the keys of all rows that position delete files and deletion vectors delete.
 * @param readable gives the local path, or whatever DuckDB opens, of URIs
 * @throws DATA_FILE_INVALID for a damaged deletion vector, or one of another data file
 */
export async function loadDeletedPositions(
  db: DuckDb,
  table: string,
  targets: readonly DeleteTarget[],
  request: {
    readonly io: Pick<FileIO, 'readRange'>
    readonly readable: (uris: readonly string[]) => Promise<readonly string[]>
    readonly options: QueryOptions
  },
): Promise<void> {
  await db.run(`CREATE TEMP TABLE ${quoteIdentifier(table)} (key BIGINT NOT NULL)`)
  await loadDeleteFiles(db, table, targets, request)
  const vectors = targets.flatMap(({ number, dataFile, deletes }) =>
    deletes.filter(isVector).map((vector) => ({ number, vector: vector.dataFile, dataFilePath: dataFile.filePath })),
  )
  const spans = spansOf(vectors)
  for (let start = 0; start < spans.length; start += spanReads) {
    const batch = await mapConcurrently(spans.slice(start, start + spanReads), spanReads, (span) =>
      readSpan(request.io, span),
    )
    await db.append(table, keysOf(batch.flat()))
  }
}

const isVector = ({ dataFile }: DeleteFile): boolean => dataFile.content === 1 && dataFile.fileFormat === 'PUFFIN'

/**
 * For each data file the positions that its position deletes and deletion vectors delete, null where it has neither.
 * @throws as `loadDeletedPositions`
 */
export async function previousPositions(
  db: DuckDb,
  targets: readonly Omit<DeleteTarget, 'number'>[],
  request: {
    readonly io: ReadableFiles
    readonly options?: QueryOptions
  },
): Promise<readonly (PositionSet | null)[]> {
  const numbered = targets
    .map((target, number) => ({
      ...target,
      number,
      deletes: target.deletes.filter(({ dataFile }) => dataFile.content === 1),
    }))
    .filter(({ deletes }) => deletes.length > 0)
  const positions: (PositionSet | null)[] = targets.map(() => null)
  const inFiles = numbered.filter(({ deletes }) => !deletes.every(isVector))
  const vectors = numbered.flatMap(({ number, dataFile, deletes }) =>
    deletes.filter(isVector).map((each) => ({ number, vector: each.dataFile, dataFilePath: dataFile.filePath })),
  )
  for (const read of (
    await mapConcurrently(spansOf(vectors), spanReads, (span) => readSpan(request.io, span))
  ).flat()) {
    positions[read.number] = unionOf(positions[read.number] ?? emptyPositionSet, read.positions)
  }
  if (inFiles.length === 0) return positions
  const table = `hindcast_previous_${randomUUID().replaceAll('-', '')}`
  const { io, options = {} } = request
  const readable = (uris: readonly string[]) => readablePaths(db, io, uris, options)
  try {
    await db.run(`CREATE TEMP TABLE ${quoteIdentifier(table)} (key BIGINT NOT NULL)`)
    await loadDeleteFiles(db, table, inFiles, { io, readable, options })
    const rows = await db.rows<{ number: bigint; positions: readonly bigint[] }>(
      `SELECT key >> ${positionBits} AS number, list(key & ${(1n << positionBits) - 1n}) AS positions
       FROM ${quoteIdentifier(table)} GROUP BY number`,
      options,
    )
    for (const row of rows) {
      const number = Number(row.number)
      positions[number] = unionOf(positions[number] ?? emptyPositionSet, positionSet(row.positions))
    }
    return positions
  } finally {
    await db.run(`DROP TABLE IF EXISTS ${quoteIdentifier(table)}`).catch(() => undefined)
  }
}

function* keysOf(batch: readonly { readonly number: number; readonly positions: PositionSet }[]) {
  for (const { number, positions } of batch) {
    const first = BigInt(number) << positionBits
    for (const chunk of positionChunks(positions, 1 << 14)) {
      // Beyond any file's last row, such a position would be the key of another file's row.
      yield [Array.from(chunk, (position) => first + position).filter((key) => key >> positionBits === BigInt(number))]
    }
  }
}

interface NumberedVector {
  readonly number: number
  /** Its manifest entry. */
  readonly vector: DataFile
  readonly dataFilePath: string
}

/** Neighbouring vectors of one Puffin file, read at once: each by itself would be a request to the store. */
interface Span {
  readonly path: string
  readonly from: bigint
  to: bigint
  readonly vectors: NumberedVector[]
}

const maxGapBytes = 1n << 16n
const maxSpanBytes = 1n << 24n

/** @throws DATA_FILE_INVALID for an entry that is of another data file, or does not say where the vector lies */
function spansOf(vectors: readonly NumberedVector[]): readonly Span[] {
  const placed = vectors.map((each) => {
    const { filePath: path, contentOffset: from, contentSizeInBytes: size, referencedDataFile } = each.vector
    if (from !== undefined && size !== undefined && size >= 0n && referencedDataFile === each.dataFilePath) {
      return { path, from, to: from + size, vectors: [each] }
    }
    throw new HindcastError(
      'DATA_FILE_INVALID',
      `the deletion vector of ${each.dataFilePath} has no place in ${path}`,
      {
        hint: 'The manifest that names it is damaged: roll the table back to a snapshot without it.',
        context: { path, dataFile: each.dataFilePath, referencedDataFile: referencedDataFile ?? null },
      },
    )
  })
  placed.sort((a, b) => (a.path === b.path ? Number(a.from - b.from) : a.path < b.path ? -1 : 1))
  const spans: Span[] = []
  for (const next of placed) {
    const last = spans.at(-1)
    const near = last?.path === next.path && next.from <= last.to + maxGapBytes && next.to - last.from <= maxSpanBytes
    if (last === undefined || !near) spans.push(next)
    else {
      if (next.to > last.to) last.to = next.to
      last.vectors.push(...next.vectors)
    }
  }
  return spans
}

async function readSpan(io: Pick<FileIO, 'readRange'>, { path, from, to, vectors }: Span) {
  const bytes = await io.readRange(path, from, to - from)
  return vectors.map(({ number, vector }) => {
    const start = Number((vector.contentOffset ?? 0n) - from)
    const blob = bytes.subarray(start, start + Number(vector.contentSizeInBytes ?? 0n))
    return { number, positions: decodeDeletionVector(blob, { location: path, recordCount: vector.recordCount }) }
  })
}

/** Position delete files may name many data files, and a data file may be named by many. */
async function loadDeleteFiles(
  db: DuckDb,
  table: string,
  targets: readonly DeleteTarget[],
  request: Parameters<typeof loadDeletedPositions>[3],
): Promise<void> {
  const numbers = new Map<string, number>()
  const pairs: { readonly deleteFile: number; readonly path: string; readonly target: number }[] = []
  for (const { number, dataFile, deletes } of targets) {
    for (const { dataFile: deleteFile } of deletes) {
      if (deleteFile.content !== 1 || deleteFile.fileFormat === 'PUFFIN') continue
      requireParquet(deleteFile)
      const known = numbers.get(deleteFile.filePath) ?? numbers.size
      numbers.set(deleteFile.filePath, known)
      pairs.push({ deleteFile: known, path: dataFile.filePath, target: number })
    }
  }
  if (pairs.length === 0) return
  const pairTable = `${table}_pairs`
  await db.run(
    `CREATE TEMP TABLE ${quoteIdentifier(pairTable)} (delete_file BIGINT, data_path VARCHAR, target INTEGER)`,
  )
  await db.append(pairTable, [
    [
      pairs.map(({ deleteFile }) => BigInt(deleteFile)),
      pairs.map(({ path }) => path),
      pairs.map(({ target }) => target),
    ],
  ])
  const paths = pathList(await request.readable([...numbers.keys()]))
  const schema = `MAP {${FILE_PATH_ID}: {name: 'deleted_path', type: 'VARCHAR', default_value: NULL},
    ${POSITION_ID}: {name: 'deleted_pos', type: 'BIGINT', default_value: NULL}}`
  const from = `read_parquet(${paths}, hive_partitioning = false, schema = ${schema})`
  // Without the reserved ids every path would read as null, and the deletes be lost without a word.
  const [nameless] = await db.rows<{ file: bigint }>(
    `SELECT CAST(file_index AS BIGINT) AS file FROM ${from} WHERE deleted_path IS NULL OR deleted_pos IS NULL LIMIT 1`,
    request.options,
  )
  if (nameless !== undefined) {
    const path = [...numbers.keys()][Number(nameless.file)]
    throw new HindcastError(
      'DATA_FILE_INVALID',
      `${path} deletes rows by position, but its columns have no field ids`,
      {
        hint: 'Rewrite the table’s data files, so that it has no such deletes any more.',
        context: { path },
      },
    )
  }
  await db.run(
    `INSERT INTO ${quoteIdentifier(table)}
     SELECT ${positionKey('target', 'deleted_pos')}
     FROM (SELECT CAST(file_index AS BIGINT) AS delete_file, deleted_path AS data_path, deleted_pos FROM ${from})
     JOIN ${quoteIdentifier(pairTable)} USING (delete_file, data_path)
     WHERE deleted_pos BETWEEN 0 AND ${(1n << positionBits) - 1n}`,
    request.options,
  )
  await db.run(`DROP TABLE ${quoteIdentifier(pairTable)}`)
}
