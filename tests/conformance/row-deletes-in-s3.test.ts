/**
 * Rule: a table in S3 reads the same by the engine itself and by copies, with its deletes of every form. Damage otherwise: rows that were
 * deleted come back on one worker and not on the next.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { greaterThanOrEqual, lessThan, planScan, type Schema } from '../../src/iceberg/index.ts'
import { importFiles } from '../../src/io/import-files.ts'
import { loadSettings } from '../../src/io/project-config.ts'
import { deleteRows } from '../../src/io/rows/index.ts'
import { openRuntime, type Runtime } from '../../src/io/runtime.ts'
import { tableRelation } from '../../src/io/table-read.ts'
import { httpfsExtension } from '../support/httpfs.ts'
import { startTestS3, type TestS3 } from '../support/s3/server.ts'
import { tempDir, type TempDir } from '../support/temp-dir.ts'

let server: TestS3
let dir: TempDir
const runtimes: Runtime[] = []

beforeAll(async () => {
  server = await startTestS3()
  dir = await tempDir()
  for (const httpfs of [await httpfsExtension(), 'off']) {
    const config = { warehouse: `s3://${server.bucket}/lake`, storage: { s3: server.settings }, engine: { httpfs } }
    await writeFile(join(dir.path, 'hindcast.config.ts'), `export default ${JSON.stringify(config)} // ${httpfs}\n`)
    const settings = await loadSettings(dir.path)
    // Node keeps what it imported by name and time, which two writes may share.
    runtimes.push(
      await openRuntime({ ...settings, config: { ...settings.config, engine: { ...settings.config.engine, httpfs } } }),
    )
  }
})
afterAll(async () => {
  for (const runtime of runtimes) await runtime.close()
  await dir[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const schema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'id', required: false, type: 'long' },
    { id: 2, name: 'at', required: false, type: 'timestamptz' },
    { id: 3, name: 'name', required: false, type: 'string' },
  ],
}

const day = (i: number): string => `2024-01-0${1 + (i % 5)}`

test.each([
  { formatVersion: 2, form: 'position deletes' },
  { formatVersion: 3, form: 'deletion vectors' },
] as const)('a table of version $formatVersion, with $form', async ({ formatVersion }) => {
  const [one, other] = runtimes as [Runtime, Runtime]
  const identifier = { namespace: ['raw'], name: `events_v${formatVersion}` }
  await one.catalog.createTable(identifier, {
    schema,
    spec: { specId: 0, fields: [{ sourceId: 2, fieldId: 1000, name: 'at_day', transform: 'day' }] },
    formatVersion,
  })
  const csv = join(dir.path, 'events.csv')
  const lines = Array.from({ length: 1000 }, (_, i) => `${i},${day(i)} 12:00:00Z,row ${i}`)
  await writeFile(csv, `id,at,name\n${lines.join('\n')}\n`)
  await one.withEngine((db, scratchDir) =>
    importFiles({
      files: [csv],
      table: `raw.${identifier.name}`,
      eventTime: 'at',
      catalog: one.catalog,
      io: one.io,
      db,
      now: one.now,
      newSnapshotId: () => 1n,
      scratchDir,
    }),
  )
  const deleting = { table: identifier, mode: 'merge-on-read' } as const
  await deleteRows(one, { ...deleting, snapshotId: 2n, where: lessThan('id', 100n) })
  // The second deletes beside the first's: it has to read those first.
  await deleteRows(other, { ...deleting, snapshotId: 3n, where: greaterThanOrEqual('id', 950n) })

  const rowsBy = async (runtime: Runtime) => {
    const table = await runtime.catalog.loadTable(identifier)
    const io = runtime.tableFiles(table)
    const { tasks } = await planScan({ table, io })
    expect(tasks).toHaveLength(5)
    expect(tasks.every(({ deletes }) => deletes.length > 0)).toBe(true)
    return runtime.withEngine(async (db) => {
      const columns = ['id', 'name', '_file', '_pos']
      await using relation = await tableRelation(db, { metadata: table.metadata, schema, tasks, columns, io })
      return await db.rows<{ id: bigint; name: string; _file: string }>(`FROM ${relation.sql}`)
    })
  }
  const [direct, copied] = [await rowsBy(one), await rowsBy(other)]
  expect(copied).toEqual(direct)
  expect(direct.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 850 }, (_, i) => 100 + i),
  )
  for (const { _file } of direct) expect(_file.startsWith(`s3://${server.bucket}/lake/raw/`)).toBe(true)
})
