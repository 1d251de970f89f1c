import {
  cardinality,
  overwriteFiles,
  planScan,
  rowDelta,
  tableFilter,
  type Expression,
  type PositionSet,
  type ScanPlan,
  type ScanTask,
  type Table,
} from '../../iceberg/index.ts'
import { commitSnapshot } from '../commit.ts'
import { deletedRows } from '../delete-write.ts'
import { expressionSql, filterColumns } from '../expression-sql.ts'
import {
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

const deletedRowsKey = 'hindcast.deleted-rows'

/**
 * Deletes the rows that match a filter. Files all of whose rows match are dropped unread; of the others, those with matching rows are
 * rewritten, or get position deletes (version 2) or deletion vectors (version 3), as `mode` says.
 * @throws CONFLICT when others changed what was read; REQUEST_INVALID for a filter that the schema does not bear; what reading and
 *   writing throw
 */
export async function deleteRows(
  context: RowChangeContext,
  request: RowChangeOptions & { readonly where: Expression },
): Promise<RowChangeResult> {
  const { catalog } = context
  const { where, snapshotId, branch = 'main', signal } = request
  const table = await catalog.loadTable(request.table)
  const { metadata } = table
  const io = context.tableFiles(table)
  const result = (committed: bigint | null, rows: bigint): RowChangeResult => ({
    snapshotId: committed,
    deletedRows: rows,
    updatedRows: 0n,
    insertedRows: 0n,
  })
  const earlier = metadata.snapshots.find((snapshot) => snapshot.snapshotId === snapshotId)
  if (earlier !== undefined) return result(snapshotId, BigInt(earlier.summary[deletedRowsKey] ?? '0'))
  const asOf = metadata.refs[branch] === undefined ? {} : { asOf: { ref: branch } }
  const plan = await planScan({ table, io, filter: where, wholeFiles: true, ...asOf })
  if (plan.tasks.length === 0) return result(null, 0n)
  const mode = modeOf(metadata, 'delete', request.mode)
  return context.withEngine(async (db, scratchDir) => {
    const change = await changeOf({ io, db, scratchDir }, { table, plan, mode, snapshotId, signal })
    if (change.deletedRows === 0n) return result(null, 0n)
    const discard = async (): Promise<void> => {
      for (const { dataFile } of [...change.added, ...change.deletes]) await io.delete(dataFile.filePath)
    }
    const isolation = isolationOf(metadata, 'delete', request.isolation)
    const summary = { ...request.summary, [deletedRowsKey]: change.deletedRows.toString() }
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
      return change.deletes.length === 0
        ? overwriteFiles({ ...common, removed: change.touched.map(liveFile), added: change.added })
        : rowDelta({ ...common, ...change, referenced: change.touched.map(liveFile) })
    })
    return result(snapshotId, change.deletedRows)
  })
}

interface ChangeRequest {
  readonly table: Table
  readonly plan: ScanPlan
  readonly mode: RowChangeMode
  readonly snapshotId: bigint
  readonly signal: AbortSignal | undefined
}

interface Change extends RowFiles {
  /** Data files with deleted rows: replaced, unless there are delete files. */
  readonly touched: readonly ScanTask[]
  readonly deletedRows: bigint
}

/** Reads what may match, and writes what takes its place. */
async function changeOf(session: RowChangeSession, request: ChangeRequest): Promise<Change> {
  const { table, plan, mode, snapshotId, signal } = request
  const { metadata } = table
  const filter = tableFilter(plan.filter, metadata)
  const isWhole = ({ dataFile, specId, deletes }: ScanTask): boolean =>
    deletes.length === 0 && filter.fileMustMatch(dataFile, specId)
  const [whole, others] = [plan.tasks.filter(isWhole), plan.tasks.filter((task) => !isWhole(task))]
  const matches = await matchingRows(session, request, others)
  const rowsOf = (positions: ReadonlyMap<string, PositionSet>): bigint =>
    [...positions.values()].reduce((sum, set) => sum + cardinality(set), 0n)
  if (mode === 'merge-on-read' && matches.size > 0) {
    const positions = new Map([...matches, ...(await matchingRows(session, request, whole))])
    const touched = plan.tasks.filter(({ dataFile }) => positions.has(dataFile.filePath))
    const files = await writeRowDeletes(session, {
      table,
      tasks: touched,
      positions,
      snapshotId,
      signal,
    })
    return { ...files, added: [], touched, deletedRows: rowsOf(positions) }
  }
  const partly = others.filter(({ dataFile }) => matches.has(dataFile.filePath))
  const wholeRows = whole.reduce((sum, { dataFile }) => sum + dataFile.recordCount, 0n)
  return {
    ...noDeletes,
    touched: [...whole, ...partly],
    added: partly.length === 0 ? [] : await rewritten(session, request, partly),
    deletedRows: wholeRows + rowsOf(matches),
  }
}

/** Positions of the rows that match, by data file. */
async function matchingRows(
  session: RowChangeSession,
  { table: { metadata }, plan, signal }: ChangeRequest,
  tasks: readonly ScanTask[],
): Promise<ReadonlyMap<string, PositionSet>> {
  if (tasks.length === 0) return new Map()
  const { schema, filter } = plan
  await using rows = await readRows(
    session,
    {
      metadata,
      schema,
      tasks,
      columns: ['_file', '_pos'],
      filter: { sql: expressionSql(filter, schema), columns: filterColumns(filter, schema) },
    },
    signal,
  )
  return await deletedRows(session.db, `SELECT _file, _pos FROM ${rows.sql}`, queryOptions(signal))
}

/** The rows of files that do not match, as new files. */
async function rewritten(
  session: RowChangeSession,
  { table, plan: { schema, filter }, snapshotId, signal }: ChangeRequest,
  tasks: readonly ScanTask[],
) {
  const { metadata } = table
  await using rows = await readRows(
    session,
    {
      metadata,
      schema,
      tasks,
      columns: [...schema.fields.map(({ name }) => name), ...lineageColumns(metadata)],
      filter: { sql: `NOT (${expressionSql(filter, schema)})`, columns: filterColumns(filter, schema) },
    },
    signal,
  )
  return await writeRows(session, { table, schema, query: `FROM ${rows.sql}`, snapshotId, signal })
}
