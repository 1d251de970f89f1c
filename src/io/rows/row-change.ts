/** What deletes and merges of rows share: how they are told to work, where new files go, and the commit. */
import { quoteIdentifier } from '../../compile/quote.ts'
import { HindcastError } from '../../contract/index.ts'
import {
  dataFolder,
  selectMatching,
  tableFilter,
  type BoundExpression,
  type Catalog,
  type DataFile,
  type FileSelection,
  type Isolation,
  type LiveFile,
  type NewFile,
  type PositionSet,
  type ScanTask,
  type Schema,
  type Table,
  type TableIdentifier,
  type TableMetadata,
} from '../../iceberg/index.ts'
import { writeDeletionVectors, writePositionDeletes } from '../delete-write.ts'
import type { DuckDb } from '../duckdb.ts'
import type { WarehouseFiles } from '../files/index.ts'
import { writePartitions } from '../parquet-write.ts'
import { sortOrderSql } from '../sort-order-sql.ts'
import { tableRelation, type TableReadRequest, type TableRelation } from '../table-read.ts'

/** `copy-on-write` writes the files anew that hold changed rows; `merge-on-read` leaves them and adds delete files. */
export type RowChangeMode = 'copy-on-write' | 'merge-on-read'

/** What row changes work with; a `Runtime` is one. */
export interface RowChangeContext {
  readonly catalog: Catalog
  readonly tableFiles: (table: Table) => WarehouseFiles
  readonly now: () => number
  withEngine<T>(work: (db: DuckDb, scratchDir: string) => Promise<T>): Promise<T>
}

/** One change's table files and engine. */
export interface RowChangeSession {
  readonly io: WarehouseFiles
  readonly db: DuckDb
  readonly scratchDir: string
}

/** Rows of tasks as a relation; close it after its last query. */
export const readRows = (
  { io, db }: RowChangeSession,
  request: Omit<TableReadRequest, 'io' | 'options'>,
  signal: AbortSignal | undefined,
): Promise<TableRelation> => tableRelation(db, { ...request, io, options: queryOptions(signal) })

export interface RowChangeOptions {
  readonly table: TableIdentifier
  /** Fixed before the first attempt: a repeated call finds that its snapshot is there, and does nothing. */
  readonly snapshotId: bigint
  /** `main` unless given. */
  readonly branch?: string
  /** The table property `write.<delete|merge>.mode` unless given; `copy-on-write` when that says nothing. */
  readonly mode?: RowChangeMode
  /** The table property `write.<delete|merge>.isolation-level` unless given; `serializable` when that says nothing. */
  readonly isolation?: Isolation
  readonly summary?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface RowChangeResult {
  /** Null when no row was to be changed, and nothing was committed. */
  readonly snapshotId: bigint | null
  readonly deletedRows: bigint
  readonly updatedRows: bigint
  readonly insertedRows: bigint
}

function choice<T extends string>(
  properties: TableMetadata['properties'],
  key: string,
  allowed: readonly T[],
  otherwise: T,
): T {
  const text = properties[key]
  if (text === undefined) return otherwise
  const found = allowed.find((candidate) => candidate === text.trim().toLowerCase())
  if (found !== undefined) return found
  throw new HindcastError('METADATA_INVALID', `the table property ${key} is ${JSON.stringify(text)}`, {
    hint: `Set it to ${allowed.join(' or ')}, or remove it.`,
    context: { property: key },
  })
}

export const modeOf = (metadata: TableMetadata, operation: 'delete' | 'merge', given?: RowChangeMode): RowChangeMode =>
  given ?? choice(metadata.properties, `write.${operation}.mode`, ['copy-on-write', 'merge-on-read'], 'copy-on-write')

export const isolationOf = (metadata: TableMetadata, operation: 'delete' | 'merge', given?: Isolation): Isolation =>
  given ??
  choice(metadata.properties, `write.${operation}.isolation-level`, ['serializable', 'snapshot'], 'serializable')

/** The columns that keep a row's identity in a version 3 table when it moves to another file. */
export const lineageColumns = (metadata: TableMetadata): readonly string[] =>
  metadata.formatVersion >= 3 ? ['_row_id', '_last_updated_sequence_number'] : []

/** Writes rows as new data files of the table's present schema, spec and sort order. */
export async function writeRows(
  { io, db, scratchDir }: RowChangeSession,
  request: {
    readonly table: Table
    readonly schema: Schema
    /** SELECT text with every column of the schema, and the lineage columns where the table has them. */
    readonly query: string
    readonly snapshotId: bigint
    readonly signal: AbortSignal | undefined
  },
): Promise<readonly NewFile[]> {
  const { metadata } = request.table
  const spec = metadata.partitionSpecs.find(({ specId }) => specId === metadata.defaultSpecId)
  if (spec === undefined) throw new HindcastError('INVARIANT_VIOLATED', 'the table has no default partition spec')
  let count = 0
  const files = await writePartitions(db, {
    query: request.query,
    schema: request.schema,
    spec,
    ...sortOrderSql(metadata, request.schema),
    properties: metadata.properties,
    rowLineage: metadata.formatVersion >= 3,
    scratchDir,
    place: (_tuple, path) => {
      const name = `rows-${request.snapshotId}-${String(count++).padStart(5, '0')}.parquet`
      return [dataFolder(metadata), ...(path === '' ? [] : [path]), name].join('/')
    },
    io,
    otherwise: 'REQUEST_INVALID',
    ...queryOptions(request.signal),
  })
  return files.map((dataFile: DataFile) => ({ dataFile, specId: spec.specId }))
}

/** A task's data file as the actions on files take it. */
export const liveFile = ({ dataFile, specId, sequenceNumber }: ScanTask): LiveFile => ({
  dataFile,
  specId,
  sequenceNumber,
})

/** Files in which a concurrent commit would have changed what an operation with this filter read. */
export const conflictsOf = ({ metadata }: Table, filter: BoundExpression): FileSelection =>
  selectMatching(tableFilter(filter, metadata))

export const queryOptions = (signal: AbortSignal | undefined): { readonly signal?: AbortSignal } =>
  signal === undefined ? {} : { signal }

/** Files that a change of rows adds, and the delete files that go with it. */
export interface RowFiles {
  readonly added: readonly NewFile[]
  readonly deletes: readonly NewFile[]
  readonly replacedDeletes: readonly LiveFile[]
}

export const noDeletes: Pick<RowFiles, 'deletes' | 'replacedDeletes'> = { deletes: [], replacedDeletes: [] }

/** Writes the deletes of rows of data files, in the form that the table's version asks for. */
export async function writeRowDeletes(
  { io, db, scratchDir }: RowChangeSession,
  request: {
    readonly table: Table
    readonly tasks: readonly ScanTask[]
    readonly positions: ReadonlyMap<string, PositionSet>
    readonly snapshotId: bigint
    readonly signal: AbortSignal | undefined
  },
): Promise<Pick<RowFiles, 'deletes' | 'replacedDeletes'>> {
  const { table, tasks, positions, snapshotId } = request
  const { metadata } = table
  const options = queryOptions(request.signal)
  const deletes = tasks.flatMap((task) => {
    const of = positions.get(task.dataFile.filePath)
    return of === undefined ? [] : [{ ...task, positions: of }]
  })
  const place = (index: number, extension: string): string =>
    `${dataFolder(metadata)}/deletes-${snapshotId}-${String(index).padStart(5, '0')}.${extension}`
  if (metadata.formatVersion >= 3) {
    const vectors = await writeDeletionVectors(db, { deletes, place: (index) => place(index, 'puffin'), io, options })
    return { deletes: vectors.files, replacedDeletes: vectors.replaced }
  }
  let count = 0
  const files = await writePositionDeletes(db, {
    deletes,
    scratchDir,
    place: () => place(count++, 'parquet'),
    io,
    options,
  })
  return { deletes: files, replacedDeletes: [] }
}

export const columnList = (names: readonly string[], prefix = ''): string =>
  names.map((name) => `${prefix}${quoteIdentifier(name)}`).join(', ')
