import { randomUUID } from 'node:crypto'
import { isAbsolute } from 'node:path'
import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { HindcastError, nearest } from '../contract/index.ts'
import { type NestedField, type ScanTask, type Schema, type TableMetadata } from '../iceberg/index.ts'
import { requireDistinctNames } from './distinct-names.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'
import { duckDbType } from './duckdb-types.ts'
import {
  distinctFields,
  extracted,
  loadEqualityDeletes,
  partitionScopes,
  type EqualityDeletes,
  type Scopes,
} from './equality-deletes.ts'
import { fileBranches, perFile, type Branch } from './file-branches.ts'
import { loadDeletedPositions, positionKey } from './position-deletes.ts'
import { readablePaths, type ReadableFiles } from './readable-paths.ts'

export type ReadTask = Pick<ScanTask, 'dataFile' | 'specId' | 'sequenceNumber' | 'deletes'>

export interface TableReadRequest {
  readonly metadata: Pick<TableMetadata, 'schemas' | 'partitionSpecs' | 'properties'>
  /** As what the rows are read, whatever schemas their files were written with. */
  readonly schema: Schema
  readonly tasks: readonly ReadTask[]
  /** The relation's columns: names of the schema's top-level columns and of `metadataColumns`. Unless given, all of the schema. */
  readonly columns?: readonly string[]
  /** An SQL predicate over these columns, which need not be among the relation's. */
  readonly filter?: { readonly sql: string; readonly columns: readonly string[] }
  readonly io: ReadableFiles
  readonly options?: QueryOptions
}

/** A relation and what it needs in the engine, which goes with it: close it when its last query has run. */
export interface TableRelation extends AsyncDisposable {
  /** SQL text to put behind FROM. */
  readonly sql: string
  /** Whether reading it again costs the decoding of local files and no more. */
  readonly rereads: boolean
}

/** Columns that no file need have: https://iceberg.apache.org/spec/#reserved-field-ids */
export const metadataColumns = {
  /** Of a row's data file, as the table names it. */
  _file: 'VARCHAR',
  /** The row's number in its file, from 0. */
  _pos: 'BIGINT',
  /** Version 3; null where a file has no row ids. */
  _row_id: 'BIGINT',
  /** Version 3: of the snapshot that last wrote the row; null where a file has no row ids. */
  _last_updated_sequence_number: 'BIGINT',
} as const
type MetadataColumn = keyof typeof metadataColumns

export const rowIdField: NestedField = { id: 2_147_483_540, name: '_row_id', required: false, type: 'long' }
export const lastUpdatedField: NestedField = {
  id: 2_147_483_539,
  name: '_last_updated_sequence_number',
  required: false,
  type: 'long',
}

/**
 * The rows of scan tasks as a DuckDB relation: columns by field id at every depth, files without ids by the table's name mapping,
 * missing columns by partition, default or null; position deletes, deletion vectors and equality deletes applied. Rows come file by
 * file in the order of the tasks, but for files that differ in kind: those of one kind come together.
 * @throws FEATURE_UNSUPPORTED for files that are no plain Parquet, types that DuckDB lacks and columns whose names differ in case only; DEFINITION_INVALID for a column that is
 *   not there; DATA_FILE_INVALID for damaged delete files
 */
export async function tableRelation(db: DuckDb, request: TableReadRequest): Promise<TableRelation> {
  const { schema, tasks, filter, options = {} } = request
  const names = request.columns ?? schema.fields.map(({ name }) => name)
  const wanted = [...new Set([...names, ...(filter?.columns ?? [])])].map((name) => columnNamed(schema, name))
  requireDistinctNames(wanted.map(({ name }) => name))
  const select = names.length === 0 ? '1 AS found' : names.map(quoteIdentifier).join(', ')
  const where = filter === undefined ? '' : ` WHERE ${filter.sql}`
  if (tasks.length === 0) {
    const nulls = wanted.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${quoteIdentifier(name)}`)
    const empty = `SELECT ${['1 AS found', ...nulls].join(', ')} WHERE false`
    return {
      sql: `(SELECT ${select} FROM (${empty})${where})`,
      rereads: true,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
  }
  const prefix = `hindcast_read_${randomUUID().replaceAll('-', '')}`
  const close = async (): Promise<void> => {
    const left = await db.rows<{ name: string }>(
      `SELECT table_name AS name FROM duckdb_tables() WHERE temporary AND starts_with(table_name, ${quoteString(prefix)})`,
    )
    for (const { name } of left) await db.run(`DROP TABLE ${quoteIdentifier(name)}`)
  }
  try {
    const paths = await readablePaths(
      db,
      request.io,
      tasks.map(({ dataFile }) => dataFile.filePath),
      options,
    )
    const placed = tasks.map((task, index) => ({ task, path: paths[index] ?? '' }))
    const part = { db, request, wanted, prefix, options }
    const parts = [
      await rowsOf(
        part,
        placed.filter(({ task }) => task.deletes.length === 0),
      ),
      await survivingRows(
        part,
        placed.filter(({ task }) => task.deletes.length > 0),
      ),
    ].flat()
    return {
      sql: `(SELECT ${select} FROM (${parts.join(' UNION ALL ')})${where})`,
      rereads: placed.every(({ task, path }) => task.deletes.length === 0 && isAbsolute(path)),
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close().catch(() => undefined)
    throw error
  }
}

interface Column {
  readonly name: string
  /** DuckDB's. */
  readonly type: string
  readonly source: NestedField | MetadataColumn
}

interface PlacedTask {
  readonly task: ReadTask
  readonly path: string
}

interface PartContext {
  readonly db: DuckDb
  readonly request: TableReadRequest
  readonly wanted: readonly Column[]
  readonly prefix: string
  readonly options: QueryOptions
}

function columnNamed(schema: Schema, name: string): Column {
  const field = schema.fields.find((candidate) => candidate.name === name)
  if (field !== undefined) return { name, type: duckDbType(field.type), source: field }
  if (name in metadataColumns) {
    const source = name as MetadataColumn
    return { name, type: metadataColumns[source], source }
  }
  const names = schema.fields.map((candidate) => candidate.name)
  const near = nearest(name, names)
  throw new HindcastError('DEFINITION_INVALID', `the source has no column "${name}"`, {
    hint: near.length === 0 ? `Its columns are ${names.join(', ')}.` : `Did you mean ${near.join(' or ')}?`,
    context: { column: name },
  })
}

/** SELECTs of all rows of the files, one SELECT for each kind of file. */
async function rowsOf(context: PartContext, placed: readonly PlacedTask[]): Promise<readonly string[]> {
  const fields = fieldsOf(context.wanted)
  const branches = await branchesOf(context, placed, fields)
  return branches.map((branch) => {
    const columns = wantedColumns(context.wanted, fields, branch, placed)
    const list = columns.map((column, index) => `${column} AS ${quoteIdentifier(context.wanted[index]?.name ?? '')}`)
    return `SELECT ${list.length === 0 ? '1' : list.join(', ')} FROM ${branch.from}`
  })
}

/** The same of files with deletes, without the deleted rows. */
async function survivingRows(context: PartContext, placed: readonly PlacedTask[]): Promise<readonly string[]> {
  if (placed.length === 0) return []
  const { db, request, wanted, prefix, options } = context
  const readable = (uris: readonly string[]) => readablePaths(db, request.io, uris, options)
  const scopes = partitionScopes()
  const equality = await loadEqualityDeletes(
    db,
    `${prefix}_equal`,
    placed.flatMap(({ task }) => task.deletes),
    { schema: request.schema, metadata: request.metadata, scopes, readable, options },
  )
  const keyFields = equality.map(({ columns }) => distinctFields(columns)).flat()
  const fields = [...new Map([...fieldsOf(wanted), ...keyFields].map((field) => [field.id, field])).values()]
  const branches = await branchesOf(context, placed, fields)
  const numbers = branches.flatMap(({ files }) => files)
  const positions = `${prefix}_positions`
  await loadDeletedPositions(
    db,
    positions,
    numbers.map((index, number) => ({ number, ...(placed[index] as PlacedTask).task })),
    { io: request.io, readable, options },
  )
  let first = 0
  const selects = branches.map((branch) => {
    const columns = wantedColumns(wanted, fields, branch, placed).map((column, index) => `${column} AS v${index}`)
    const key = `${positionKey(`(file_index + ${first})`, 'file_row_number')} AS row_key`
    first += branch.files.length
    const keys = equality.flatMap((deletes, set) =>
      keyColumns(deletes, fields, branch).map((key, index) => `${key} AS k${set}_${index}`),
    )
    return `SELECT ${[...columns, key, ...keys, ...(equality.length === 0 ? [] : scopeColumns(branch, placed, scopes))].join(', ')} FROM ${branch.from}`
  })
  const list = wanted.map(({ name }, index) => `v${index} AS ${quoteIdentifier(name)}`)
  const survives = [
    // No anti join: the engine may turn that around, and rows would come in the order of its hash table.
    `row_key NOT IN (SELECT key FROM ${quoteIdentifier(positions)})`,
    ...equality.map((deletes, set) => `NOT EXISTS (${matchingDelete(deletes, set)})`),
  ]
  return [
    `SELECT ${list.length === 0 ? '1' : list.join(', ')} FROM (${selects.join(' UNION ALL ')}) AS file_rows WHERE ${survives.join(' AND ')}`,
  ]
}

function fieldsOf(wanted: readonly Column[]): readonly NestedField[] {
  const sources = wanted.map(({ source }) =>
    source === '_row_id' ? rowIdField : source === '_last_updated_sequence_number' ? lastUpdatedField : source,
  )
  return sources.filter((source) => typeof source !== 'string')
}

const branchesOf = (
  { db, request, options }: PartContext,
  placed: readonly PlacedTask[],
  fields: readonly NestedField[],
): Promise<readonly Branch[]> =>
  fileBranches(db, {
    files: placed.map(({ task: { dataFile, specId }, path }) => ({ dataFile, specId, path })),
    fields,
    metadata: request.metadata,
    options,
  })

/** An expression for each wanted column. */
function wantedColumns(
  wanted: readonly Column[],
  fields: readonly NestedField[],
  branch: Branch,
  placed: readonly PlacedTask[],
): readonly string[] {
  const stored = (field: NestedField): string => branch.columns[fields.findIndex(({ id }) => id === field.id)] ?? 'NULL'
  const of = (type: string, value: (task: ReadTask) => string): string =>
    perFile(
      branch.files.map((index) => value((placed[index] as PlacedTask).task)),
      type,
    )
  const firstRowId = (): string => of('BIGINT', ({ dataFile }) => String(dataFile.firstRowId ?? 'NULL'))
  return wanted.map(({ source }) => {
    switch (source) {
      case '_file':
        return of('VARCHAR', ({ dataFile }) => quoteString(dataFile.filePath))
      case '_pos':
        return 'file_row_number'
      case '_row_id':
        return lineage(firstRowId(), stored(rowIdField), `${firstRowId()} + file_row_number`)
      case '_last_updated_sequence_number':
        return lineage(
          firstRowId(),
          stored(lastUpdatedField),
          of('BIGINT', ({ sequenceNumber }) => String(sequenceNumber)),
        )
      default:
        return stored(source)
    }
  })
}

/** What a row keeps, or takes over from its file; null in a file that has no row ids. */
const lineage = (firstRowId: string, stored: string, inherited: string): string =>
  firstRowId === 'NULL'
    ? 'CAST(NULL AS BIGINT)'
    : `CASE WHEN ${firstRowId} IS NOT NULL THEN CAST(coalesce(${stored}, ${inherited}) AS BIGINT) END`

const keyColumns = ({ columns }: EqualityDeletes, fields: readonly NestedField[], branch: Branch): readonly string[] =>
  columns.map((column) => {
    const place = fields.findIndex(({ id }) => id === column.top.id)
    return extracted(branch.columns[place] ?? 'NULL', column)
  })

function scopeColumns(branch: Branch, placed: readonly PlacedTask[], scopes: Scopes): readonly string[] {
  const of = (value: (task: ReadTask) => number | bigint): string =>
    perFile(
      branch.files.map((index) => String(value((placed[index] as PlacedTask).task))),
      'BIGINT',
    )
  return [
    `${of((task) => scopes.of(task))} AS scope`,
    `${of(({ sequenceNumber }) => sequenceNumber)} AS sequence_number`,
  ]
}

/** A query that finds a delete of the row: null equals null, and a delete reaches only rows older than itself. */
function matchingDelete({ table, columns, global }: EqualityDeletes, set: number): string {
  const equal = columns.map((_, index) => `deleted.k${index} IS NOT DISTINCT FROM file_rows.k${set}_${index}`)
  const reaches = [
    ...(global ? [] : ['deleted.scope = file_rows.scope']),
    'deleted.sequence_number > file_rows.sequence_number',
  ]
  return `SELECT 1 FROM ${quoteIdentifier(table)} AS deleted WHERE ${[...equal, ...reaches].join(' AND ')}`
}
