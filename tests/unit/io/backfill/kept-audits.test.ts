// A daily run must not read years to judge a day; nor may what it does not read hide what others wrote there.
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { referenceTo, type AuditResult } from '../../../../src/contract/index.ts'
import { appendFiles } from '../../../../src/iceberg/index.ts'
import { publishSnapshot, runAudit } from '../../../../src/io/backfill/index.ts'
import { filesByPartition, mainHead, targetIdentifier } from '../../../../src/io/backfill/target.ts'
import { salesProject, type SalesProject } from '../../../support/runtime.ts'

let project: SalesProject
type Staged = Awaited<ReturnType<SalesProject['staged']>>

beforeEach(async () => {
  // South sells on two days only: its means are null on the others.
  const days = Array.from({ length: 10 }, (_, i) => `2024-01-${String(i + 1).padStart(2, '0')}`)
  project = await salesProject([
    ...days.map((day, i) => `north,${day} 10:00:00,${i}`),
    'south,2024-01-01 11:00:00,5',
    'south,2024-01-05 11:00:00,5',
  ])
  await project.define('3d', {
    features: `sales: count({ over: ['3d'] }), mean: avg('amount', { over: ['1d', '3d'] })`,
    view: `audits: [unique(), nullRate('mean_1d', { max: 0.9 })],`,
  })
})
afterEach(() => project[Symbol.asyncDispose]())

const audited = async ({ plan, snapshotId }: Staged): Promise<AuditResult[]> => {
  const results: AuditResult[] = []
  for (const index of plan.definition.audits.keys())
    results.push(await runAudit(project.runtime, { ...referenceTo(plan.summary), snapshotId, index }))
  return results
}

async function publish(staged: Staged, audits?: readonly AuditResult[]): Promise<readonly AuditResult[]> {
  const results = audits ?? (await audited(staged))
  const reference = { ...referenceTo(staged.plan.summary), snapshotId: staged.snapshotId }
  await publishSnapshot(project.runtime, { ...reference, audits: [...results], decision: null })
  return results
}

/** Files of the table's main branch, by partition. */
async function mainFiles() {
  const table = await project.runtime.catalog.loadTable(targetIdentifier(project.runtime, 'shop_sales'))
  return {
    table,
    files: [...(await filesByPartition(project.runtime, table, mainHead(table.metadata))).values()].flat(),
  }
}

const first = () => project.staged('first', { from: '2024-01-02', to: '2024-01-06' })
const second = () => project.staged('second', { from: '2024-01-06', to: '2024-01-09' })

test('the rows that a run did not write are counted in, and not read', async () => {
  await publish(await first())
  const next = await second()
  const whole = await audited(next)
  expect(whole.map(({ message }) => message)).toEqual([
    'unique: 0 of 13 rows repeat a key, limit 0',
    expect.stringMatching(/^null_rate\(mean_1d\): 0\.\d+ of 13 rows are null, limit 0\.9$/),
  ])
  for (const { filePath } of (await mainFiles()).files) await writeFile(fileURLToPath(filePath), 'no Parquet')
  expect(await audited(next)).toEqual(whole)
})

test('what the last run did not find unique is read', async () => {
  await publish(await first(), [])
  const next = await second()
  for (const { filePath } of (await mainFiles()).files) await writeFile(fileURLToPath(filePath), 'no Parquet')
  await expect(audited(next)).rejects.toMatchObject({ code: 'DATA_FILE_INVALID' })
})

test('somebody else’s file of the same rows beside a run’s is found', async () => {
  await publish(await first())
  const { table, files } = await mainFiles()
  const [file] = files
  if (file === undefined) throw new Error('the table has no files')
  const copy = `${file.filePath.slice(0, -'.parquet'.length)}-again.parquet`
  await project.runtime.io.create(copy, await project.runtime.io.read(file.filePath))
  const { change } = await appendFiles({
    table,
    io: project.runtime.tableFiles(table),
    files: [{ ...file, filePath: copy }],
    specId: 0,
    snapshotId: 77n,
    nowMs: project.runtime.now(),
  })
  expect((await project.runtime.catalog.commit(table, change)).status).toBe('committed')
  const [unique] = await audited(await second())
  expect(unique).toMatchObject({ name: 'unique', status: 'fail' })
})
