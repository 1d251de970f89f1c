// Files of expired snapshots that stay cost money; one file too many that goes, and a retained snapshot is unreadable for good.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Catalog } from '../../../../src/iceberg/index.ts'
import { expireTable } from '../../../../src/io/maintenance/expire.ts'
import { unreachableFiles } from '../../../../src/io/maintenance/unreachable-files.ts'
import { overrideCatalog } from '../../../support/override-catalog.ts'
import { dayMs, History, hourMs, steps } from './history.ts'

describe('after an expiry every retained snapshot reads, and nothing is left of the others', () => {
  test('over any history of branches, tags, deletes, roll-backs and cherry-picks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(steps, fc.nat(200)), { minLength: 1, maxLength: 2 }), async (parts) => {
        const history = await History.create()
        for (const [some, hours] of parts) {
          for (const step of some) await history.apply(step)
          const olderThanMs = history.nowMs - hours * hourMs
          const before = history.stored
          const needed = await history.referenced()
          const planned = await expireTable(history.context, history.table, { olderThanMs, dryRun: true })
          expect(history.stored).toEqual(before)
          const report = await expireTable(history.context, history.table, { olderThanMs })
          expect(report.deleted).toEqual(planned.deleted)
          expect(report.expired).toEqual(planned.expired)
          history.table = report.table
          const stillNeeded = await history.referenced()
          expect(history.stored).toEqual([...stillNeeded].sort())
          expect([...stillNeeded].every((path) => needed.has(path))).toBe(true)
          expect(Object.values(report.deleted).reduce((sum, count) => sum + count, 0)).toBe(
            before.length - history.stored.length,
          )
        }
      }),
      { numRuns: 40 },
    )
  })

  test('in batches of any size', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (some, batch) => {
        const history = await History.create()
        for (const step of some) await history.apply(step)
        const before = history.table
        const { expired } = await expireTable(history.context, before, {
          olderThanMs: history.nowMs + 1,
          deleteFiles: false,
        })
        const found = new Set<string>()
        const current = (): ReturnType<Catalog['loadTable']> => history.catalog.loadTable(before.identifier)
        const request = { io: history.io, before: before.metadata, removed: expired, current, batch }
        for await (const { files } of unreachableFiles(request)) for (const { path } of files) found.add(path)
        history.table = await current()
        const needed = await history.referenced()
        expect([...found].sort()).toEqual(history.stored.filter((path) => !needed.has(path)))
      }),
      { numRuns: 25 },
    )
  })
})

const append = { kind: 'append', pick: 0, other: 0, hours: 1 } as const

async function oldHistory(): Promise<History> {
  const history = await History.create()
  for (let index = 0; index < 5; index++) await history.apply(append)
  await history.apply({ kind: 'overwrite', pick: 0, other: 255, hours: 1 })
  history.nowMs += 10 * dayMs
  return history
}

describe('nothing is deleted before the expiry is known to be committed', () => {
  const losing = (catalog: Catalog, applied: boolean, loads: boolean): Catalog =>
    overrideCatalog(catalog, {
      loadTable: (identifier) => (loads ? catalog.loadTable(identifier) : Promise.reject(new Error('no answer'))),
      commit: async (table, change) => {
        if (applied) await catalog.commit(table, change)
        return { status: 'unknown', cause: new Error('the connection was cut') }
      },
    })

  test('a lost answer that turns out to be a commit is cleaned up after', async () => {
    const history = await oldHistory()
    const catalog = losing(history.catalog, true, true)
    const report = await expireTable({ ...history.context, catalog }, history.table)
    expect(report.expired).toHaveLength(5)
    history.table = report.table
    expect(history.stored).toEqual([...(await history.referenced())].sort())
  })

  for (const applied of [true, false]) {
    test(`while the outcome is unknown (${applied ? 'applied' : 'not applied'}) every file stays`, async () => {
      const history = await oldHistory()
      const before = history.stored
      const catalog = losing(history.catalog, applied, false)
      await expect(expireTable({ ...history.context, catalog }, history.table)).rejects.toThrow('no answer')
      expect(history.stored).toEqual(before)
    })
  }

  test('a retained snapshot that cannot be read keeps every file', async () => {
    const history = await oldHistory()
    const head = history.table.metadata.snapshots.at(-1)
    const before = history.stored.filter((path) => path !== head?.manifestList)
    await history.io.delete(head?.manifestList as string)
    await expect(expireTable(history.context, history.table)).rejects.toMatchObject({ code: 'DATA_FILE_INVALID' })
    expect(history.stored).toEqual(before)
  })

  test('a file that came back meanwhile, and one that cannot be deleted, stay', async () => {
    const history = await oldHistory()
    const [first] = await history.live('main')
    const files = (await Promise.all(history.table.metadata.snapshots.map((each) => history.filesOf(each))))
      .flatMap((each) => [...each])
      .filter((path) => path.endsWith('.parquet') && path !== first?.dataFile.filePath)
    const stuck = files[0] as string
    const io = history.io
    const failing: typeof io = Object.create(io, {
      delete: { value: (uri: string) => (uri === stuck ? Promise.reject(new Error('denied')) : io.delete(uri)) },
      deleteAll: {
        value: (uris: readonly string[]) =>
          uris.includes(stuck) ? Promise.reject(new Error('denied')) : io.deleteAll(uris),
      },
    }) as typeof io
    const report = await expireTable({ ...history.context, io: failing }, history.table)
    expect(report.failed).toEqual({ count: 1, paths: [stuck] })
    history.table = report.table
    expect(history.stored).toEqual([...(await history.referenced()), stuck].sort())
  })
})
