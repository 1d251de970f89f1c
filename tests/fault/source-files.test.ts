// Between plan and read a source's file may vanish, be cut short or be torn: the slice ends, naming it, with `main` as it was; nothing is computed
// from the rows that are left. Restored, the same plan ends with the reference's bytes.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { referenceTo } from '../../src/contract/index.ts'
import { computeSlice, planRun, stageSnapshot } from '../../src/io/backfill/index.ts'
import { planScan } from '../../src/iceberg/index.ts'
import { toPath } from '../../src/io/files/index.ts'
import { salesProject, type SalesProject } from '../support/runtime.ts'
import { mainBytes } from '../support/table-bytes.ts'

const request = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-12', force: true }

async function sourceFile({ runtime }: SalesProject): Promise<string> {
  const table = await runtime.catalog.loadTable({ namespace: ['raw'], name: 'sales' })
  const { tasks } = await planScan({ table, io: runtime.io })
  return toPath(tasks[0]?.dataFile.filePath ?? '')
}

const damages: Readonly<Record<string, (path: string, bytes: Buffer) => Promise<void>>> = {
  gone: (path) => rm(path),
  'cut short': (path, bytes) => writeFile(path, bytes.subarray(0, bytes.length >> 1)),
  // As a copy that died leaves it: as long as it was, its second half zeros.
  torn: (path, bytes) => writeFile(path, Buffer.from(bytes).fill(0, bytes.length >> 1)),
}

test.each(Object.entries(damages))('a source file that is %s', async (_, damage) => {
  await using project = await salesProject()
  const { runtime } = project
  await project.publish(await project.staged('before', request))
  const reference = await mainBytes(runtime.settings.dir, 'shop_sales')
  const path = await sourceFile(project)
  const whole = await readFile(path)
  const planned = await planRun(runtime, request, { workflowId: 'hit', executionId: 'hit' })
  const plan = referenceTo(planned.summary)
  // What the first run has computed must not be found.
  await rm(toPath(`${runtime.warehouse}/_hindcast/features.shop_sales/slices`), { recursive: true })
  await damage(path, whole)
  await expect(computeSlice(runtime, { ...plan, index: 0 })).rejects.toMatchObject({
    code: 'DATA_FILE_INVALID',
    message: expect.stringContaining(path) as string,
  })
  expect(await mainBytes(runtime.settings.dir, 'shop_sales')).toEqual(reference)
  await writeFile(path, whole)
  for (const index of planned.slices.keys()) await computeSlice(runtime, { ...plan, index })
  await project.publish({ plan: planned, snapshotId: (await stageSnapshot(runtime, plan)).snapshotId })
  expect(await mainBytes(runtime.settings.dir, 'shop_sales')).toEqual(reference)
  expect((await project.main()).snapshots).toBe(2)
})
