// A catalog on storage that is not mounted must not be made anew, empty: all partitions would look missing, and a run would compute ten years
// again, into a catalog that vanishes when the storage is back.
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { HindcastError } from '../../../src/contract/index.ts'
import { loadSettings } from '../../../src/io/project-config.ts'
import { openRuntime } from '../../../src/io/runtime.ts'
import { tempDir } from '../../support/temp-dir.ts'

const newTable = { schema: { schemaId: 0, fields: [] }, spec: { specId: 0, fields: [] } }

/** A project whose catalog and warehouse lie on volumes of their own; `names` says what its process finds in the catalog. */
async function onVolumes() {
  const folder = await tempDir()
  const at = (name: string) => join(folder.path, name)
  for (const name of ['project', 'project/features', 'volume', 'store']) await mkdir(at(name))
  const config = {
    catalog: { type: 'sqlite', file: at('volume/catalog/catalog.db') },
    warehouse: at('store/warehouse'),
  }
  await writeFile(at('project/hindcast.config.ts'), `export default ${JSON.stringify(config)}\n`)
  const within = async <T>(work: (runtime: Awaited<ReturnType<typeof openRuntime>>) => Promise<T>): Promise<T> => {
    const runtime = await openRuntime(await loadSettings(at('project')))
    try {
      return await work(runtime)
    } finally {
      await runtime.close()
    }
  }
  return {
    at,
    names: () => within(async ({ catalog }) => (await catalog.listTables()).map(({ name }) => name)),
    create: (name: string) =>
      within(({ catalog }) => catalog.createTable({ namespace: ['raw'], name }, newTable).then(() => undefined)),
    refusal: () =>
      within(() => Promise.reject(new Error('it was opened'))).catch((error: unknown) =>
        error instanceof HindcastError ? error : null,
      ),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

test('a volume that is not mounted: the catalog is not made anew, and is found again when it is back', async () => {
  await using project = await onVolumes()
  expect(await project.names(), 'a new project asks for nothing').toEqual([])
  await project.create('sales')
  const [volume, away] = [project.at('volume'), project.at('volume-away')]
  await rename(volume, away)
  for (const isMountPoint of [false, true]) {
    if (isMountPoint) await mkdir(volume)
    expect(await project.refusal()).toMatchObject({
      code: 'CATALOG_UNAVAILABLE',
      message: expect.stringContaining('this project has used it') as string,
      hint: expect.stringContaining('Mount its storage') as string,
    })
  }
  await rm(volume, { recursive: true })
  await rename(away, volume)
  expect(await project.names()).toEqual(['sales'])
})

test('on a machine that has not used it, tables in the warehouse tell', async () => {
  await using project = await onVolumes()
  await project.create('sales')
  await rm(project.at('project/.hindcast'), { recursive: true })
  await rename(project.at('volume'), project.at('volume-away'))
  expect(await project.refusal()).toMatchObject({
    code: 'CATALOG_UNAVAILABLE',
    message: expect.stringMatching(
      /catalog\.db is not there, though tables lie in the warehouse, .*\/raw\/sales\//,
    ) as string,
  })
})

test('who wants an empty catalog makes an empty file', async () => {
  await using project = await onVolumes()
  await project.create('sales')
  await rm(project.at('volume/catalog'), { recursive: true })
  expect(await project.refusal()).not.toBeNull()
  await mkdir(project.at('volume/catalog'))
  await writeFile(project.at('volume/catalog/catalog.db'), '')
  expect(await project.names()).toEqual([])
})

test('a project whose state is deleted begins anew', async () => {
  await using project = await onVolumes()
  await writeFile(project.at('project/hindcast.config.ts'), 'export default {}\n')
  await project.create('sales')
  await rm(project.at('project/.hindcast'), { recursive: true })
  expect(await project.names()).toEqual([])
})
