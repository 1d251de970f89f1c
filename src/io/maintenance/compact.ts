import { randomUUID } from 'node:crypto'
import { isHindcastError } from '../../contract/index.ts'
import {
  dataFolder,
  deletesOnlyOf,
  planCompaction,
  planScan,
  rewriteFiles,
  type CompactionGroup,
  type CompactionLimits,
  type Expression,
  type NewFile,
  type PartitionSpec,
  type ScanPlan,
  type ScanTask,
  type Schema,
  type Table,
} from '../../iceberg/index.ts'
import { commitSnapshot } from '../commit.ts'
import { writePartitions } from '../parquet-write.ts'
import { lineageColumns, liveFile, queryOptions, readRows } from '../rows/index.ts'
import type { RowChangeContext, RowChangeSession } from '../rows/index.ts'
import { sortOrderSql } from '../sort-order-sql.ts'

export interface CompactOptions extends CompactionLimits {
  /** A snapshot's id, asked for once a commit. */
  readonly newSnapshotId: () => bigint
  /** `main` unless given. */
  readonly branch?: string
  /** Only files that may hold matching rows. */
  readonly where?: Expression
  /** In how many commits, of groups next to each other; one unless given. A group that others changed meanwhile then fails alone. */
  readonly commits?: number
  readonly summary?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface CompactReport {
  readonly table: Table
  /** In the order of the commits; empty when nothing was worth rewriting. */
  readonly snapshotIds: readonly bigint[]
  readonly rewrittenFiles: number
  readonly rewrittenBytes: number
  readonly addedFiles: number
  readonly addedBytes: number
  readonly removedDeleteFiles: number
  /** Of several commits, why the others were not made. */
  readonly conflicts: readonly string[]
}

/**
 * Rewrites small, too large and much deleted data files of a branch into ones of the target size, partitioned and sorted as the table is
 * now, and drops the deletes that have thereby been done. Rows, their ids and the times of their last change stay what they were. The new
 * files take the sequence number of the snapshot that was read, so that an equality delete which is committed meanwhile still falls on them.
 * @throws CONFLICT when others changed the files meanwhile, unless it was asked for several commits; what reading and writing throw
 */
export async function compactTable(
  context: RowChangeContext,
  table: Table,
  options: CompactOptions,
): Promise<CompactReport> {
  const { branch = 'main', where, commits = 1 } = options
  const { metadata } = table
  const io = context.tableFiles(table)
  const at = metadata.refs[branch] === undefined ? {} : { asOf: { ref: branch } }
  const plan = await planScan({ table, io, wholeFiles: true, ...at })
  const chosen =
    where === undefined ? plan.tasks : await matching(plan, { table, io, wholeFiles: true, filter: where, ...at })
  const groups = planCompaction(metadata, chosen, options)
  const report = {
    table,
    snapshotIds: [] as bigint[],
    rewrittenFiles: 0,
    rewrittenBytes: 0,
    addedFiles: 0,
    addedBytes: 0,
    removedDeleteFiles: 0,
    conflicts: [] as string[],
  }
  if (groups.length === 0) return report
  await context.withEngine(async (db, scratchDir) => {
    const session = { io, db, scratchDir }
    const perCommit = Math.ceil(groups.length / Math.max(1, commits))
    for (let from = 0; from < groups.length; from += perCommit) {
      options.signal?.throwIfAborted()
      const part = groups.slice(from, from + perCommit)
      try {
        const done = await rewrite(context, session, { table: report.table, plan, groups: part, options })
        report.table = done.table
        report.snapshotIds.push(done.snapshotId)
        report.rewrittenFiles += done.removed.length
        report.rewrittenBytes += part.reduce((sum, { bytes }) => sum + bytes, 0)
        report.addedFiles += done.added.length
        report.addedBytes += done.added.reduce((sum, { dataFile }) => sum + Number(dataFile.fileSizeInBytes), 0)
        report.removedDeleteFiles += done.deletes.length
      } catch (error) {
        if (commits === 1 || !isHindcastError(error) || error.code !== 'CONFLICT') throw error
        report.conflicts.push(error.message)
      }
    }
  })
  return report
}

async function matching(plan: ScanPlan, request: Parameters<typeof planScan>[0]): Promise<readonly ScanTask[]> {
  const wanted = new Set((await planScan(request)).tasks.map(({ dataFile }) => dataFile.filePath))
  return plan.tasks.filter(({ dataFile }) => wanted.has(dataFile.filePath))
}

interface Rewrite {
  readonly table: Table
  readonly plan: ScanPlan
  readonly groups: readonly CompactionGroup[]
  readonly options: CompactOptions
}

async function rewrite(context: RowChangeContext, session: RowChangeSession, request: Rewrite) {
  const { table, plan, groups, options } = request
  const { signal, branch = 'main', summary = {} } = options
  const { io } = session
  const snapshotId = options.newSnapshotId()
  const removed = groups.flatMap(({ tasks }) => tasks)
  const deletes = deletesOnlyOf(removed, plan.tasks)
  const added: NewFile[] = []
  const discard = async (): Promise<void> => {
    await io.deleteAll(added.map(({ dataFile }) => dataFile.filePath))
  }
  try {
    for (const group of groups) added.push(...(await writeGroup(session, request, group, snapshotId)))
  } catch (error) {
    await discard().catch(() => undefined)
    throw error
  }
  const startingSnapshotId = plan.snapshot?.snapshotId ?? null
  const common = { io, snapshotId, branch, summary, added, startingSnapshotId }
  const committed = await commitSnapshot(
    { catalog: context.catalog, io, discard, ...queryOptions(signal) },
    table,
    snapshotId,
    (current) =>
      rewriteFiles({
        ...common,
        table: current,
        nowMs: context.now(),
        removed: [...removed.map(liveFile), ...deletes],
      }),
  )
  return { table: committed.table, snapshotId, removed, added, deletes }
}

/** The rows of a group, less those deleted, as files of the table's present schema, spec and order. */
async function writeGroup(
  session: RowChangeSession,
  { table: { metadata }, plan, options: { signal, targetFileBytes } }: Rewrite,
  group: CompactionGroup,
  snapshotId: bigint,
): Promise<readonly NewFile[]> {
  const { db, io, scratchDir } = session
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId) as Schema
  const spec = metadata.partitionSpecs.find(({ specId }) => specId === metadata.defaultSpecId) as PartitionSpec
  const lineage = lineageColumns(metadata)
  const columns = [...schema.fields.map(({ name }) => name), ...lineage]
  const order = sortOrderSql(metadata, schema)
  // Rows that the order does not tell apart stay as they lay.
  const sortBy = [...(order.sortBy === '' ? [] : [order.sortBy]), '_file', '_pos'].join(', ')
  const request = { metadata, schema, tasks: group.tasks, columns: [...columns, '_file', '_pos'] }
  await using rows = await readRows(session, request, signal)
  const attempt = randomUUID().slice(0, 8)
  let count = 0
  const files = await writePartitions(db, {
    query: `FROM ${rows.sql}`,
    schema,
    spec,
    ...order,
    sortBy,
    properties:
      targetFileBytes === undefined
        ? metadata.properties
        : { ...metadata.properties, 'write.target-file-size-bytes': String(targetFileBytes) },
    rowLineage: lineage.length > 0,
    scratchDir,
    place: (_tuple, path) => {
      const name = `compacted-${snapshotId}-${attempt}-${String(count++).padStart(5, '0')}.parquet`
      return [dataFolder(metadata), ...(path === '' ? [] : [path]), name].join('/')
    },
    io,
    ...queryOptions(signal),
  })
  const dataSequenceNumber = plan.snapshot?.sequenceNumber ?? 0n
  return files.map((dataFile) => ({ dataFile, specId: spec.specId, dataSequenceNumber }))
}
