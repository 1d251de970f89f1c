import { randomUUID } from 'node:crypto'
import { quoteIdentifier } from '../../compile/quote.ts'
import { HindcastError, nearest } from '../../contract/index.ts'
import {
  alwaysFalse,
  and,
  greaterThanOrEqual,
  isIn,
  lessThanOrEqual,
  overwriteFiles,
  planScan,
  rowDelta,
  type Expression,
  type Literal,
  type NestedField,
  type ScanPlan,
  type ScanTask,
  type Schema,
  type Table,
} from '../../iceberg/index.ts'
import { commitSnapshot } from '../commit.ts'
import { deletedRows } from '../delete-write.ts'
import type { DuckDb } from '../duckdb.ts'
import { duckDbType } from '../duckdb-types.ts'
import {
  columnList,
  conflictsOf,
  isolationOf,
  lineageColumns,
  liveFile,
  modeOf,
  noDeletes,
  queryOptions,
  readRows,
  writeRowDeletes,
  writeRows,
  type RowChangeContext,
  type RowChangeMode,
  type RowChangeOptions,
  type RowChangeResult,
  type RowChangeSession,
  type RowFiles,
} from './row-change.ts'

export interface MergeRequest extends RowChangeOptions {
  /** SELECT text whose columns are columns of the table, the keys among them; it may read what `prepare` made. */
  readonly source: string
  /** Makes what `source` reads. */
  readonly prepare?: (db: DuckDb) => Promise<void>
  /** Columns by which rows are matched; a null matches nothing. */
  readonly keys: readonly string[]
  /** Rows of the table with the key of a source row: take over the source's columns, go, or stay. `update` unless given. */
  readonly whenMatched?: 'update' | 'delete' | 'keep'
  /** An SQL predicate over the source's columns: matching rows of the table go, whatever `whenMatched` says, and none is inserted. */
  readonly deleteWhen?: string
  /** Source rows whose key the table has not: `insert` unless given. Columns that the source lacks are null. */
  readonly whenNotMatched?: 'insert' | 'ignore'
}

const countKeys = {
  deletedRows: 'hindcast.deleted-rows',
  updatedRows: 'hindcast.updated-rows',
  insertedRows: 'hindcast.inserted-rows',
} as const

/**
 * MERGE INTO by key: updates, deletes and inserts rows of a table from a query, in one snapshot. Only files whose bounds admit one of the
 * source's keys are read, and only those with a matched row are rewritten (or get deletes, as `mode` says).
 * @throws REQUEST_INVALID when two source rows have one key; DEFINITION_INVALID for a column that the table lacks; CONFLICT when
 *   others changed what was read
 */
export async function mergeInto(context: RowChangeContext, request: MergeRequest): Promise<RowChangeResult> {
  const { catalog } = context
  const { snapshotId, branch = 'main', signal } = request
  const table = await catalog.loadTable(request.table)
  const { metadata } = table
  const io = context.tableFiles(table)
  const earlier = metadata.snapshots.find((snapshot) => snapshot.snapshotId === snapshotId)
  if (earlier !== undefined) return countsOf(snapshotId, earlier.summary)
  const asOf = metadata.refs[branch] === undefined ? {} : { asOf: { ref: branch } }
  return context.withEngine(async (db, scratchDir) => {
    await request.prepare?.(db)
    const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId) as Schema
    const source = await loadSource(db, request, schema)
    const plan = await planScan({ table, io, filter: source.range, wholeFiles: true, ...asOf })
    const mode = modeOf(metadata, 'merge', request.mode)
    const change = await changeOf({ io, db, scratchDir }, { table, plan, schema, source, mode, request })
    const { counts } = change
    if (counts.deletedRows + counts.updatedRows + counts.insertedRows === 0n) return { snapshotId: null, ...counts }
    const discard = async (): Promise<void> => {
      for (const { dataFile } of [...change.added, ...change.deletes]) await io.delete(dataFile.filePath)
    }
    const isolation = isolationOf(metadata, 'merge', request.isolation)
    const summary: Record<string, string> = { ...request.summary }
    for (const [name, key] of Object.entries(countKeys)) summary[key] = counts[name as keyof Counts].toString()
    await commitSnapshot({ catalog, io, discard, ...queryOptions(signal) }, table, snapshotId, (current) => {
      const common = {
        table: current,
        io,
        snapshotId,
        branch,
        nowMs: context.now(),
        summary,
        validation: { startingSnapshotId: plan.snapshot?.snapshotId ?? null, isolation },
        conflicts: conflictsOf(current, plan.filter),
      }
      const touched = change.touched.map(liveFile)
      return change.deletes.length === 0
        ? overwriteFiles({ ...common, removed: touched, added: change.added })
        : rowDelta({ ...common, ...change, referenced: touched, updatesRows: true })
    })
    return { snapshotId, ...counts }
  })
}

type Counts = Omit<RowChangeResult, 'snapshotId'>

const countsOf = (snapshotId: bigint, summary: Readonly<Record<string, string>>): RowChangeResult => ({
  snapshotId,
  deletedRows: BigInt(summary[countKeys.deletedRows] ?? '0'),
  updatedRows: BigInt(summary[countKeys.updatedRows] ?? '0'),
  insertedRows: BigInt(summary[countKeys.insertedRows] ?? '0'),
})

interface Source {
  /** A temporary table with the source's columns as the table has them, then `deletes`, a boolean. */
  readonly table: string
  readonly columns: readonly string[]
  readonly keys: readonly string[]
  /** What files must admit to hold a row with one of its keys. */
  readonly range: Expression
}

const deletesColumn = '__hindcast_deletes'

async function loadSource(db: DuckDb, request: MergeRequest, schema: Schema): Promise<Source> {
  const options = { ...queryOptions(request.signal), otherwise: 'REQUEST_INVALID' as const }
  const found = (await db.describe(request.source, options)).map(({ name }) => name)
  const fields = found.map((name) => fieldNamed(schema, name))
  const missing = request.keys.find((key) => !found.includes(key))
  if (request.keys.length === 0 || missing !== undefined) {
    throw new HindcastError(
      'REQUEST_INVALID',
      missing === undefined ? 'a merge needs key columns' : `the source of the merge has no key column ${missing}`,
      {
        hint: `Its columns are ${found.join(', ')}.`,
        context: { keys: request.keys },
      },
    )
  }
  const absent = schema.fields.find(({ name, required }) => required && !found.includes(name))
  if (absent !== undefined && request.whenNotMatched !== 'ignore') {
    throw new HindcastError('REQUEST_INVALID', `the source of the merge lacks the required column ${absent.name}`, {
      hint: 'Add the column, or ignore rows that are not matched.',
      context: { column: absent.name },
    })
  }
  const table = `hindcast_merge_${randomUUID().replaceAll('-', '')}`
  const casts = fields.map(
    ({ name, type }) => `CAST(${quoteIdentifier(name)} AS ${duckDbType(type)}) AS ${quoteIdentifier(name)}`,
  )
  const deletes = request.deleteWhen === undefined ? 'false' : `(${request.deleteWhen}) IS TRUE`
  await db.run(
    `CREATE TEMP TABLE ${quoteIdentifier(table)} AS SELECT ${casts.join(', ')}, ${deletes} AS ${deletesColumn} FROM (${request.source})`,
    options,
  )
  const keyList = columnList(request.keys)
  const notNull = request.keys.map((key) => `${quoteIdentifier(key)} IS NOT NULL`).join(' AND ')
  const [twice] = await db.rows<{ shown: string }>(
    `SELECT CAST(row(${keyList}) AS VARCHAR) AS shown FROM ${quoteIdentifier(table)} WHERE ${notNull}
     GROUP BY ${keyList} HAVING count(*) > 1 ORDER BY shown LIMIT 1`,
    options,
  )
  if (twice !== undefined) {
    throw new HindcastError('REQUEST_INVALID', `the source of the merge has several rows with the key ${twice.shown}`, {
      hint: 'Reduce it to one row a key: which of them is meant cannot be told.',
      context: { keys: request.keys },
    })
  }
  const ranges = await Promise.all(
    fields.filter(({ name }) => request.keys.includes(name)).map((field) => keyRange(db, table, field)),
  )
  return { table, columns: found, keys: request.keys, range: and(...ranges) }
}

function fieldNamed(schema: Schema, name: string): NestedField {
  const field = schema.fields.find((candidate) => candidate.name === name)
  if (field !== undefined) return field
  const names = schema.fields.map((candidate) => candidate.name)
  const near = nearest(name, names)
  throw new HindcastError(
    'DEFINITION_INVALID',
    `the table has no column ${name}, which the source of the merge gives`,
    {
      hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `Its columns are ${names.join(', ')}.`,
      context: { column: name },
    },
  )
}

/** Types whose values the engine gives back just as filters take them, and whose order is the bounds' order. */
const rangedTypes: ReadonlySet<string> = new Set(['int', 'long', 'date', 'timestamp', 'timestamptz', 'string'])
const mostListedKeys = 200

async function keyRange(db: DuckDb, table: string, { name, type }: NestedField): Promise<Expression> {
  const column = quoteIdentifier(name)
  const [range] = await db.rows<{ low: Literal | null; high: Literal | null; count: bigint }>(
    `SELECT min(${column}) AS low, max(${column}) AS high, count(DISTINCT ${column}) AS count FROM ${quoteIdentifier(table)}`,
  )
  if (range === undefined || range.low === null || range.high === null) return alwaysFalse
  if (typeof type !== 'string' || !rangedTypes.has(type)) return and()
  if (range.count > BigInt(mostListedKeys))
    return and(greaterThanOrEqual(name, range.low), lessThanOrEqual(name, range.high))
  const values = await db.rows<{ value: Literal }>(
    `SELECT DISTINCT ${column} AS value FROM ${quoteIdentifier(table)} WHERE ${column} IS NOT NULL ORDER BY value`,
  )
  return isIn(
    name,
    values.map(({ value }) => value),
  )
}

interface ChangeRequest {
  readonly table: Table
  readonly plan: ScanPlan
  readonly schema: Schema
  readonly source: Source
  readonly mode: RowChangeMode
  readonly request: MergeRequest
}

interface Change extends RowFiles {
  readonly touched: readonly ScanTask[]
  readonly counts: Counts
}

async function changeOf(session: RowChangeSession, change: ChangeRequest): Promise<Change> {
  const { db } = session
  const { table, plan, schema, source, mode, request } = change
  const { snapshotId, signal, whenMatched = 'update', whenNotMatched = 'insert' } = request
  const { metadata } = table
  const lineage = lineageColumns(metadata)
  const options = queryOptions(signal)
  const read = (tasks: readonly ScanTask[], columns: readonly string[]) =>
    readRows(session, { metadata, schema, tasks, columns: [...columns, '_file', '_pos'] }, signal)
  await using keyed = await read(plan.tasks, source.keys)
  const src = quoteIdentifier(source.table)
  const sameKey = source.keys.map((key) => `s.${quoteIdentifier(key)} = t.${quoteIdentifier(key)}`).join(' AND ')
  // First the keys alone: which rows are matched, by which source row, and what becomes of them. Then only files with a change are read whole.
  const matched = quoteIdentifier(`${source.table}_matched`)
  const fate = `CASE WHEN s.${deletesColumn} THEN 'delete' ELSE '${whenMatched}' END`
  await db.run(
    `CREATE TEMP TABLE ${matched} AS SELECT t._file, t._pos, s.rowid AS source_row, ${fate} AS fate
     FROM ${keyed.sql} AS t JOIN ${src} AS s ON ${sameKey}`,
    options,
  )
  const changed = `(SELECT * FROM ${matched} WHERE fate <> 'keep')`
  const positions = await deletedRows(db, `SELECT _file, _pos FROM ${changed}`, options)
  const touched = plan.tasks.filter(({ dataFile }) => positions.has(dataFile.filePath))
  await using rows = await read(touched, [...schema.fields.map(({ name }) => name), ...lineage])
  const inserts =
    whenNotMatched === 'ignore' ? 'false' : `NOT ${deletesColumn} AND rowid NOT IN (SELECT source_row FROM ${matched})`
  const [counted] = await db.rows<{ deleted: bigint; updated: bigint; inserted: bigint }>(
    `SELECT (SELECT count(*) FROM ${matched} WHERE fate = 'delete') AS deleted,
            (SELECT count(*) FROM ${matched} WHERE fate = 'update') AS updated,
            (SELECT count(*) FROM ${src} WHERE ${inserts}) AS inserted`,
    options,
  )
  const counts = {
    deletedRows: counted?.deleted ?? 0n,
    updatedRows: counted?.updated ?? 0n,
    insertedRows: counted?.inserted ?? 0n,
  }
  const given = new Set(source.columns)
  const value =
    (of: { readonly updated: boolean }) =>
    (field: NestedField): string => {
      const column = quoteIdentifier(field.name)
      if (!given.has(field.name))
        return of.updated ? `t.${column}` : `CAST(NULL AS ${duckDbType(field.type)}) AS ${column}`
      return of.updated
        ? `CASE WHEN m.fate = 'update' THEN s.${column} ELSE t.${column} END AS ${column}`
        : `s.${column}`
    }
  const lineageOf = (updated: boolean): string[] =>
    lineage.map((name) => {
      if (!updated) return `CAST(NULL AS BIGINT) AS ${name}`
      // A changed row keeps its id, and was last updated by this snapshot.
      return name === '_row_id' ? 't._row_id' : `CASE WHEN m.fate = 'update' THEN NULL ELSE t.${name} END AS ${name}`
    })
  const surviving = (condition: string, join: 'JOIN' | 'LEFT JOIN'): string =>
    `SELECT ${[...schema.fields.map(value({ updated: true })), ...lineageOf(true)].join(', ')}
     FROM ${rows.sql} AS t ${join} ${matched} AS m ON m._file = t._file AND m._pos = t._pos
     LEFT JOIN ${src} AS s ON s.rowid = m.source_row WHERE ${condition}`
  const inserted = `SELECT ${[...schema.fields.map(value({ updated: false })), ...lineageOf(false)].join(', ')}
     FROM ${src} AS s WHERE ${inserts}`
  const isMergeOnRead = mode === 'merge-on-read'
  const kept = isMergeOnRead
    ? surviving(`m.fate = 'update'`, 'JOIN')
    : surviving(`m.fate IS DISTINCT FROM 'delete'`, 'LEFT JOIN')
  const added = await writeRows(session, {
    table,
    schema,
    query: `${kept} UNION ALL ${inserted}`,
    snapshotId,
    signal,
  })
  const deletes =
    isMergeOnRead && touched.length > 0
      ? await writeRowDeletes(session, { table, tasks: touched, positions, snapshotId, signal })
      : noDeletes
  return { ...deletes, added, touched, counts }
}
