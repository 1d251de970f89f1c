// Rows deleted from a source must not be counted, and their partitions must be computed again; a reader that takes files for rows counts them for ever.
import { expect, test } from 'vitest'
import { quoteString } from '../../src/compile/quote.ts'
import { DataContent, planScan, rowDelta, type NewFile, type ScanTask, type Table } from '../../src/iceberg/index.ts'
import { makePlan, targetIdentifier } from '../../src/io/backfill/index.ts'
import { deletedRows, writePositionDeletes } from '../../src/io/delete-write.ts'
import { toPath } from '../../src/io/files/index.ts'
import { tableRelation } from '../../src/io/table-read.ts'
import { salesProject, type SalesProject } from '../support/runtime.ts'

const range = { from: '2024-01-02', to: '2024-01-12' }
const identifier = { namespace: ['raw'], name: 'sales' }

async function commitDeletes(
  project: SalesProject,
  table: Table,
  deletes: readonly NewFile[],
  of: readonly ScanTask[],
) {
  const { runtime } = project
  const { change } = await rowDelta({
    table,
    io: runtime.io,
    added: [],
    deletes,
    referenced: of,
    validation: { startingSnapshotId: table.metadata.currentSnapshotId, isolation: 'snapshot' },
    snapshotId: BigInt(runtime.now()),
    nowMs: runtime.now(),
  })
  expect(await runtime.catalog.commit(table, change)).toMatchObject({ status: 'committed' })
}

/** Deletes by position what an SQL predicate says. */
async function deleteWhere(project: SalesProject, predicate: string): Promise<void> {
  const { runtime } = project
  const table = await runtime.catalog.loadTable(identifier)
  const { tasks, schema } = await planScan({ table, io: runtime.io })
  const files = await runtime.withEngine(async (db, scratchDir) => {
    const columns = ['_file', '_pos']
    const filter = { sql: predicate, columns: schema.fields.map(({ name }) => name) }
    await using rows = await tableRelation(db, {
      metadata: table.metadata,
      schema,
      tasks,
      columns,
      filter,
      io: runtime.io,
    })
    const deleted = await deletedRows(db, `FROM ${rows.sql}`)
    const deletes = tasks.flatMap((task) => {
      const positions = deleted.get(task.dataFile.filePath)
      return positions === undefined ? [] : [{ ...task, positions }]
    })
    const place = ({ filePath }: { filePath: string }): string => `${filePath}-${runtime.now()}-deletes.parquet`
    return await writePositionDeletes(db, { deletes, scratchDir, place, io: runtime.io })
  })
  const paths = new Set(files.map(({ dataFile }) => dataFile.referencedDataFile))
  await commitDeletes(
    project,
    table,
    files,
    tasks.filter(({ dataFile }) => paths.has(dataFile.filePath)),
  )
}

/** Deletes all older rows of these shops in all partitions, as a streaming writer does it. */
async function deleteShops(project: SalesProject, ...shops: readonly string[]): Promise<void> {
  const { runtime } = project
  const table = await runtime.catalog.loadTable(identifier)
  const { tasks, schema } = await planScan({ table, io: runtime.io })
  const shop = schema.fields.find(({ name }) => name === 'shop')
  const files: NewFile[] = []
  for (const { dataFile, specId } of tasks) {
    const filePath = `${dataFile.filePath}-equality.parquet`
    await runtime.withEngine((db) =>
      db.run(`COPY (SELECT unnest([${shops.map(quoteString).join(', ')}]) AS shop) TO ${quoteString(toPath(filePath))}
              (FORMAT parquet, FIELD_IDS {shop: ${shop?.id}})`),
    )
    files.push({
      specId,
      dataFile: {
        content: DataContent.equalityDeletes,
        filePath,
        fileFormat: 'PARQUET',
        partition: dataFile.partition,
        recordCount: BigInt(shops.length),
        fileSizeInBytes: (await runtime.io.size(filePath)) ?? 0n,
        equalityIds: [shop?.id ?? 0],
      },
    })
  }
  await commitDeletes(project, table, files, tasks)
}

/** Every row of the feature table, as text in order. */
async function features(project: SalesProject): Promise<readonly string[]> {
  const { runtime } = project
  const table = await runtime.catalog.loadTable(targetIdentifier(runtime, 'shop_sales'))
  const { tasks, schema } = await planScan({ table, io: runtime.io })
  return runtime.withEngine(async (db) => {
    await using rows = await tableRelation(db, { metadata: table.metadata, schema, tasks, io: runtime.io })
    const all = await db.rows<Record<string, unknown>>(`FROM ${rows.sql} ORDER BY ALL`)
    return all.map((row) => Object.values(row).join(' '))
  })
}

const backfilled = async (project: SalesProject, run: string): Promise<readonly string[]> => {
  await project.publish(await project.staged(run, range))
  return features(project)
}

test('a backfill over a source with deletes is one over the rows that are left', async () => {
  await using project = await salesProject()
  const before = await backfilled(project, 'before')
  await deleteWhere(project, `shop = 'south' AND "at" >= TIMESTAMP '2024-01-05' AND "at" < TIMESTAMP '2024-01-06'`)
  const plan = await makePlan(project.runtime, { view: 'shop_sales', ...range })
  const stale = plan.partitions.filter(({ reason }) => reason !== 'fresh').map(({ key, reason }) => `${key} ${reason}`)
  // Windows of three days see it from the day after.
  expect(stale).toEqual(['2024-01-06', '2024-01-07', '2024-01-08'].map((day) => `${day} source-changed`))
  const afterOne = await backfilled(project, 'after one')
  expect(afterOne).not.toEqual(before)

  await deleteWhere(project, `amount % 4 = 0`)
  await deleteShops(project, 'north', 'nowhere')
  await project.sell('north,2024-01-09 10:00:00,1000', 'south,2024-01-09 12:00:00,2000')

  await using plain = await salesProject([
    ...Array.from({ length: 20 }, (_, day) => ({ day: day + 1, shop: 'south', amount: 2 * day }))
      .filter(({ day, amount }) => day !== 5 && amount % 4 !== 0)
      .map(({ day, shop, amount }) => `${shop},2024-01-${String(day).padStart(2, '0')} 11:00:00,${amount}`),
    'north,2024-01-09 10:00:00,1000',
    'south,2024-01-09 12:00:00,2000',
  ])
  expect(await backfilled(project, 'after all')).toEqual(await backfilled(plain, 'plain'))
})
