// An orphan that stays costs money. A file that is taken for one and is none is data lost for good.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appendFiles } from '../../../../src/iceberg/index.ts'
import { expireTable } from '../../../../src/io/maintenance/expire.ts'
import { removeOrphanFiles } from '../../../../src/io/maintenance/orphan-files.ts'
import { overrideCatalog } from '../../../support/override-catalog.ts'
import { dayMs, History, hourMs, location, steps } from './history.ts'

const names = fc.constantFrom(
  'data/day=1/stray.parquet',
  'data/stray.parquet',
  'metadata/9-m-aaaa.avro',
  'metadata/00077-x.metadata.json',
  'stray',
  'data/.123e4567-e89b-12d3-a456-426614174000.tmp',
  'metadata/snap-77-bbbb.avro',
)
const hidden = fc.constantFrom('_SUCCESS', 'data/_temporary/part-0', '.crc', 'metadata/version-hint.text')

describe('nothing that is referred to goes, and everything else that is old does', () => {
  test('over any history, with any strays of any age, interrupted expiries, and in batches of any size', async () => {
    const strays = fc.array(fc.record({ name: fc.oneof(names, hidden), ageHours: fc.nat(200) }), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(
        steps,
        strays,
        fc.integer({ min: 24, max: 100 }),
        fc.integer({ min: 1, max: 9 }),
        async (some, left, ageHours, batch) => {
          const history = await History.create({ 'write.metadata.previous-versions-max': '3' })
          for (const step of some) await history.apply(step)
          history.nowMs += 4 * dayMs
          // As if it had died right after its commit.
          const expiry = { olderThanMs: history.nowMs - 100 * hourMs, deleteFiles: false }
          history.table = (await expireTable(history.context, history.table, expiry)).table
          const now = history.nowMs
          for (const [index, { name, ageHours: age }] of left.entries()) {
            history.nowMs = now - age * hourMs
            history.io.put(`${location}/${name.replace(/(?=[^/]*$)/, /[_.][^/]*$/.test(name) ? '' : `${index}-`)}`)
          }
          history.nowMs = now
          const { metadataLog } = history.table.metadata
          const needed = new Set([
            ...(await history.referenced()),
            history.table.metadataLocation,
            ...metadataLog.map(({ metadataFile }) => metadataFile),
          ])
          const isHidden = (path: string): boolean => /_SUCCESS|_temporary|\.crc|version-hint/.test(path)
          const expected = [...history.io.files].filter(
            ([path, { modifiedMs }]) => !needed.has(path) && !isHidden(path) && modifiedMs < now - ageHours * hourMs,
          )
          const before = history.io.paths
          const options = { minAgeMs: ageHours * hourMs, batch }
          const planned = await removeOrphanFiles(history.context, history.table, { ...options, dryRun: true })
          expect(history.io.paths).toEqual(before)
          expect(planned.files.map(({ path }) => path).sort()).toEqual(expected.map(([path]) => path).sort())
          const report = await removeOrphanFiles(history.context, history.table, options)
          expect(report).toEqual({ ...planned, deleted: expected.length })
          const gone = new Set(expected.map(([path]) => path))
          expect(history.io.paths).toEqual(before.filter((path) => !gone.has(path)))
          history.table = await history.catalog.loadTable(history.table.identifier)
          expect([...(await history.referenced())].every((path) => history.io.files.has(path))).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('a file that is committed while the folder is listed stays, though it is old', async () => {
    const history = await History.create()
    const [file] = history.newFiles(1)
    history.nowMs += 30 * dayMs
    const table = history.table
    const list = history.io.list.bind(history.io)
    history.io.list = async function* (prefix) {
      yield* list(prefix)
      const request = { table, io: history.io, snapshotId: 1n, nowMs: history.nowMs, specId: 0 }
      await history.commit(await appendFiles({ ...request, files: file === undefined ? [] : [file] }))
    }
    const report = await removeOrphanFiles(history.context, table)
    expect(report.count).toBe(0)
    expect(history.io.files.has(file?.filePath as string)).toBe(true)
  })

  test('what others refer to stays', async () => {
    const history = await History.create()
    for (const name of ['a', 'b']) history.io.put(`${location}/data/${name}`)
    history.nowMs += 30 * dayMs
    const alsoKept = async function* (): AsyncGenerator<string> {
      yield `file:${location.slice(7)}/data//a`
    }
    const report = await removeOrphanFiles(history.context, history.table, { alsoKept })
    expect(report.files.map(({ path }) => path)).toEqual([`${location}/data/b`])
  })
})

describe('one place under two spellings is one file', () => {
  /** A table in S3 whose writers name the bucket as they like. */
  async function spelled(path: string): Promise<History> {
    const history = await History.create({}, 2, 's3://bucket/ns/t')
    const table = history.table
    const [file] = history.newFiles(1)
    if (file === undefined) throw new Error('no file')
    history.io.put(`s3://bucket/ns/t/data/spelled.parquet`)
    const files = [{ ...file, filePath: path }]
    const request = { table, io: history.io, snapshotId: 1n, nowMs: history.nowMs, specId: 0 }
    await history.commit(await appendFiles({ ...request, files }))
    history.nowMs += 30 * dayMs
    return history
  }

  test.each(['s3a', 's3n', 's3'])('%s is the scheme of S3', async (scheme) => {
    const history = await spelled(`${scheme}://bucket/ns/t/data/spelled.parquet`)
    const { files } = await removeOrphanFiles(history.context, history.table)
    expect(files.map(({ path }) => path)).toEqual([expect.stringContaining('/data/day=')])
  })

  test.each(['s3://alias/ns/t/data/spelled.parquet', 'oss://bucket/ns/t/data/spelled.parquet'])(
    '%s may be the same file or not: nothing is deleted',
    async (path) => {
      const history = await spelled(path)
      const before = history.io.paths
      await expect(removeOrphanFiles(history.context, history.table)).rejects.toMatchObject({
        code: 'REQUEST_INVALID',
        message: `the table refers to ${path}, and s3://bucket/ns/t/data/spelled.parquet may be that file`,
      })
      expect(history.io.paths).toEqual(before)
    },
  )

  test('a partition folder that looks hidden is none', async () => {
    const history = await History.create({}, 2, location, '_day')
    for (const name of ['data/_day=1/x', 'data/_other=1/x', 'data/_day=1/_x']) history.io.put(`${location}/${name}`)
    history.nowMs += 30 * dayMs
    const { files } = await removeOrphanFiles(history.context, history.table)
    expect(files.map(({ path }) => path)).toEqual([`${location}/data/_day=1/x`])
  })
})

describe('nothing is deleted where files may be another table’s', () => {
  const newTable = (at: string, properties = {}) => ({
    schema: { schemaId: 0, fields: [{ id: 1, name: 'x', required: false, type: 'int' as const }] },
    spec: { specId: 0, fields: [] },
    location: at,
    properties,
  })

  test.each([
    [`${location}/inner`, {}],
    [location, {}],
    ['file:///elsewhere', { 'write.data.path': `file:${location.slice(7)}/data` }],
    ['file:///elsewhere', { 'write.metadata.path': `${location}/metadata/other` }],
  ])('a table at %s with %o is in the way', async (at, properties) => {
    const history = await History.create()
    await history.catalog.createTable({ namespace: ['ns'], name: 'other' }, newTable(at, properties))
    await expect(removeOrphanFiles(history.context, history.table)).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: expect.stringContaining('table ns.other has files in') as string,
    })
  })

  test('a table beside it is not, nor is one whose name begins alike', async () => {
    const history = await History.create()
    for (const at of ['file:///warehouse/ns', `${location}2`, 'file:///warehouse/ns/u']) {
      await history.catalog.createTable({ namespace: ['ns'], name: at.slice(-3).replaceAll('/', '_') }, newTable(at))
    }
    expect((await removeOrphanFiles(history.context, history.table)).count).toBe(0)
  })

  test('nor where the table was registered from metadata that lies elsewhere', async () => {
    const history = await History.create()
    const table = { ...history.table, metadataLocation: 'file:///backup/metadata/1.metadata.json' }
    await expect(removeOrphanFiles(history.context, table)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })

  test('nor younger than a day unless forced, nor where gc.enabled is false', async () => {
    const history = await History.create()
    const young = { minAgeMs: 23 * hourMs }
    await expect(removeOrphanFiles(history.context, history.table, young)).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    })
    history.io.put(`${location}/data/stray`)
    history.nowMs += 1
    const forced = await removeOrphanFiles(history.context, history.table, { minAgeMs: 0, force: true })
    expect(forced.files.map(({ path }) => path)).toEqual([`${location}/data/stray`])
    await history.commit({
      change: { requirements: [], updates: [{ action: 'set-properties', updates: { 'gc.enabled': 'false' } }] },
    })
    await expect(removeOrphanFiles(history.context, history.table)).rejects.toMatchObject({
      code: 'FEATURE_UNSUPPORTED',
    })
  })

  test('nor once the table was replaced under its name', async () => {
    const history = await History.create()
    history.io.put(`${location}/data/stray`)
    history.nowMs += 30 * dayMs
    const catalog = overrideCatalog(history.catalog, {
      loadTable: async (identifier) => {
        const table = await history.catalog.loadTable(identifier)
        return { ...table, metadata: { ...table.metadata, tableUuid: 'another' } }
      },
    })
    await expect(removeOrphanFiles({ ...history.context, catalog }, history.table)).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    expect(history.io.files.has(`${location}/data/stray`)).toBe(true)
  })
})
