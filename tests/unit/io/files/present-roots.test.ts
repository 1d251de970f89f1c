// Rule: a warehouse whose storage is not mounted is away, not empty. Damage otherwise: a plan says that everything is missing, and a run
// computes all of it onto the bare mount point, where nobody finds it once the storage is back.
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { claimRange, planRun, releaseRange } from '../../../../src/io/backfill/index.ts'
import { openStorage, toPath, toUri } from '../../../../src/io/files/index.ts'
import { planMaintenance, maintainTable } from '../../../../src/io/gc/index.ts'
import { loadSettings } from '../../../../src/io/project-config.ts'
import { openRuntime, type Runtime } from '../../../../src/io/runtime.ts'
import { salesProject, type SalesProject } from '../../../support/runtime.ts'
import { mainBytes } from '../../../support/table-bytes.ts'
import { tempDir } from '../../../support/temp-dir.ts'

const input = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-12', force: true }
const run = { workflowId: 'later', executionId: 'later' }
const over = () => Promise.resolve({ state: 'over', closedMs: null } as const)

async function listed(files: AsyncIterable<{ readonly path: string }>): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of files) paths.push(path)
  return paths
}

const reads: readonly (readonly [string, (runtime: Runtime, folder: string) => Promise<unknown>])[] = [
  ['read', ({ io }, folder) => io.read(`${folder}/x`)],
  ['readRange', ({ io }, folder) => io.readRange(`${folder}/x`, 0n, 1n)],
  ['size', ({ io }, folder) => io.size(`${folder}/x`)],
  ['list', ({ io }, folder) => listed(io.list(folder))],
  ['list of all', ({ io, warehouse }) => listed(io.list(warehouse))],
  ['create', ({ io }, folder) => io.create(`${folder}/x`, new Uint8Array())],
  ['replace', ({ io }, folder) => io.replace(`${folder}/x`, new Uint8Array())],
  ['delete', ({ io }, folder) => io.delete(`${folder}/x`)],
  ['deleteAll', ({ io }, folder) => io.deleteAll([`${folder}/x`])],
  ['a claim', (runtime) => claimRange(runtime, input, run, () => Promise.resolve(true))],
  ['a plan', (runtime) => planRun(runtime, input, run)],
  ['a clean-up’s plan', (runtime) => planMaintenance(runtime, over, {})],
  [
    'a clean-up',
    (runtime) => maintainTable(runtime, over, { table: 'features.shop_sales', sourceSnapshots: [], input: {} }),
  ],
]

let project: SalesProject
let root = ''
beforeEach(async () => {
  project = await salesProject()
  await project.publish(await project.staged('first', {}))
  root = toPath(project.runtime.warehouse)
})
afterEach(() => project[Symbol.asyncDispose]())

describe.each([
  ['is not there', false],
  ['is an empty mount point', true],
])('a warehouse that %s', (_, isMountPoint) => {
  test.each([
    ['a process that knows it', false],
    ['a process that was just started', true],
  ])('to %s is away, and nothing is written where it was', async (__, isNew) => {
    const dir = project.runtime.settings.dir
    const runtime = isNew ? await openRuntime(await loadSettings(dir)) : project.runtime
    try {
      const before = await mainBytes(dir, 'shop_sales')
      await rename(root, `${root}-away`)
      if (isMountPoint) await mkdir(join(root, 'lost+found'), { recursive: true })
      for (const [name, action] of reads) {
        const failure: unknown = await action(runtime, `${runtime.warehouse}/features`).then(
          () => null,
          (error: unknown) => error,
        )
        expect(failure, name).toMatchObject({
          code: 'STORAGE_UNAVAILABLE',
          context: { root: runtime.warehouse },
          message: expect.stringContaining(root) as string,
        })
      }
      expect(await readdir(root).catch(() => null)).toEqual(isMountPoint ? ['lost+found'] : null)
      if (isMountPoint) await rm(root, { recursive: true })
      await rename(`${root}-away`, root)
      expect(await claimRange(runtime, input, run, () => Promise.resolve(true))).toBeNull()
      await releaseRange(runtime, input, run)
      expect(await mainBytes(dir, 'shop_sales')).toEqual(before)
    } finally {
      if (isNew) await runtime.close()
    }
  })
})

test('files that the engine reads by itself are away too, not broken', async () => {
  const { runtime } = project
  const staged = await project.staged('again', { force: true, to: '2024-01-04' })
  const [file] = staged.plan.source.files
  await rename(root, `${root}-away`)
  const reading = runtime.withEngine((db) =>
    db.rows(`SELECT count(*) FROM read_parquet('${toPath(file?.path ?? '')}')`),
  )
  await expect(reading).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', context: { root: runtime.warehouse } })
})

test('a new root is made by the first who writes below it, and stays new until there is more than a probe', async () => {
  await using folder = await tempDir()
  const uri = toUri(join(folder.path, 'new', 'warehouse'))
  const { files: io } = openStorage({ s3: {}, roots: [uri] })
  expect(await listed(io.list(uri))).toEqual([])
  expect(await io.create(`${uri}/.probe`, new Uint8Array(1))).toBe('created')
  await io.delete(`${uri}/.probe`)
  expect(await io.size(`${uri}/x`)).toBeNull()
  expect(await io.create(`${uri}/x`, new Uint8Array(1))).toBe('created')
  await rm(toPath(uri), { recursive: true })
  await expect(io.size(`${uri}/x`)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
})
