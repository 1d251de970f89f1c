/**
 * Rule: a compaction changes no row, whatever deletes, specs and files the table has, and whoever commits meanwhile. Damage: rows lost,
 * doubled or come back, and in version 3 rows that are taken for new ones.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { and, describeTable, equal, planScan, updateSortOrder, type Table } from '../../src/iceberg/index.ts'
import { commitChange } from '../../src/io/commit.ts'
import { compactTable, type CompactOptions } from '../../src/io/maintenance/index.ts'
import { deleteRows } from '../../src/io/rows/index.ts'
import { overrideCatalog } from '../support/override-catalog.ts'
import { testWarehouse, type TestWarehouse } from '../support/warehouse.ts'
import { identifier, Lake, schema, sorted, step, type ReadRow, type Row } from './row-lake.ts'

const identities = (rows: readonly ReadRow[]): string[] =>
  rows.map(({ k, g, v, id, updated }) => JSON.stringify([k, g, v, String(id), String(updated)])).sort()

async function dataFiles(warehouse: TestWarehouse, table: Table): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of warehouse.io.list(`${table.metadata.location}/data`)) paths.push(path)
  return paths
}

describe.each([2, 3] as const)('version %i', (formatVersion) => {
  test('the same rows, of the same identity, in files of the present spec, without the deletes', async () => {
    const settings = fc.record({
      rewriteAll: fc.boolean(),
      olderSpecs: fc.boolean(),
      minInputFiles: fc.integer({ min: 1, max: 4 }),
      deleteFileThreshold: fc.integer({ min: 1, max: 3 }),
      commits: fc.integer({ min: 1, max: 3 }),
      targetFileBytes: fc.constantFrom(500, 2_000, 1_000_000),
      where: fc.option(fc.constant(equal('g', 'a'))),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 2, maxLength: 6 }),
        fc.array(fc.nat(9), { maxLength: 2 }),
        settings,
        async (steps, keys, { where, ...limits }) => {
          await using warehouse = await testWarehouse()
          const lake = new Lake(warehouse)
          await warehouse.catalog.createTable(identifier, describeTable({ schema, formatVersion }))
          for (const doing of steps) await lake.apply(doing)
          if (keys.length > 0) await lake.deleteKeys(...keys)
          const before = await lake.read()
          const options: CompactOptions = {
            ...limits,
            ...(where === null ? {} : { where }),
            newSnapshotId: () => lake.newId,
          }
          const report = await compactTable(lake.context, await lake.load(), options)
          expect(report.conflicts).toEqual([])
          expect(report.table).toEqual(await lake.load())
          expect(identities(await lake.read())).toEqual(identities(before))
          const { tasks } = await planScan({ table: report.table, io: warehouse.io })
          if (limits.rewriteAll && where === null) {
            expect(tasks.flatMap(({ deletes }) => deletes)).toEqual([])
            expect(tasks.every(({ specId }) => specId === report.table.metadata.defaultSpecId)).toBe(true)
          }
          // Later steps meet the new files as they would have met the old ones.
          await lake.deleteKeys(1, 2)
          const left = before.filter(({ k }) => k !== 1 && k !== 2)
          expect(identities(await lake.read())).toEqual(identities(left))
        },
      ),
      { numRuns: 20 },
    )
  })

  test('small files of a partition become one, and the next compaction finds nothing to do', async () => {
    await using warehouse = await testWarehouse()
    const lake = new Lake(warehouse)
    await warehouse.catalog.createTable(identifier, describeTable({ schema, formatVersion }))
    await lake.respec()
    for (let k = 0; k < 6; k++) {
      await lake.append(
        ['a', 'b', 'c'].flatMap((g) => [
          { k, g, v: k },
          { k: 9 - k, g, v: null },
        ]),
      )
    }
    const before = await lake.read()
    const options = { newSnapshotId: () => lake.newId }
    const first = await compactTable(lake.context, await lake.load(), options)
    expect([first.rewrittenFiles, first.addedFiles, first.snapshotIds.length]).toEqual([18, 3, 1])
    expect(first.table.metadata.snapshots.at(-1)?.summary).toMatchObject({
      operation: 'replace',
      'added-data-files': '3',
      'deleted-data-files': '18',
      'total-records': '36',
    })
    expect(identities(await lake.read())).toEqual(identities(before))
    const second = await compactTable(lake.context, first.table, options)
    expect(second.snapshotIds).toEqual([])
  })
})

async function sixFiles(formatVersion: 2 | 3, work: (lake: Lake, warehouse: TestWarehouse) => Promise<void>) {
  await using warehouse = await testWarehouse()
  const lake = new Lake(warehouse)
  await warehouse.catalog.createTable(identifier, describeTable({ schema, formatVersion }))
  for (let k = 0; k < 6; k++)
    await lake.append([
      { k, g: 'a', v: k },
      { k, g: 'b', v: 10 + k },
    ])
  await work(lake, warehouse)
}

/** Compacts, with a commit of others after the files were read. */
async function compactBeside(lake: Lake, warehouse: TestWarehouse, others: () => Promise<unknown>) {
  let first = true
  const catalog = overrideCatalog(warehouse.catalog, {
    commit: async (table, change) => {
      if (first) {
        first = false
        await others()
      }
      return warehouse.catalog.commit(table, change)
    },
  })
  return compactTable({ ...lake.context, catalog }, await lake.load(), { newSnapshotId: () => lake.newId })
}

describe.each([2, 3] as const)('what others commit while files are rewritten, in version %i', (formatVersion) => {
  test('rows that they add are kept', () =>
    sixFiles(formatVersion, async (lake, warehouse) => {
      const before = await lake.read()
      const report = await compactBeside(lake, warehouse, () => lake.append([{ k: 7, g: 'c', v: 7 }]))
      expect(report.rewrittenFiles).toBe(6)
      const after = await lake.read()
      expect(sorted(after)).toEqual(sorted([...before, { k: 7, g: 'c', v: 7 }]))
    }))

  test('rows that they delete by value are deleted from the new files', () =>
    sixFiles(formatVersion, async (lake, warehouse) => {
      const before = await lake.read()
      const report = await compactBeside(lake, warehouse, () => lake.deleteKeys(2, 3))
      expect(report.rewrittenFiles).toBe(6)
      const left = before.filter(({ k }) => k !== 2 && k !== 3)
      expect(identities(await lake.read())).toEqual(identities(left))
    }))

  test.each(['copy-on-write', 'merge-on-read'] as const)(
    'rows that they delete by position or file (%s) stay deleted: the compaction is refused, and leaves no file',
    (mode) =>
      sixFiles(formatVersion, async (lake, warehouse) => {
        const isLeft = ({ k, g }: Row): boolean => k !== 2 || g !== 'a'
        const before = (await lake.read()).filter(isLeft)
        let files: string[] = []
        const others = async (): Promise<void> => {
          const mine = new Set(await dataFiles(warehouse, await lake.load()))
          const where = and(equal('k', 2), equal('g', 'a'))
          await deleteRows(lake.context, { table: identifier, snapshotId: lake.newId, where, mode })
          files = (await dataFiles(warehouse, await lake.load())).filter((path) => !mine.has(path))
        }
        const compaction = compactBeside(lake, warehouse, others)
        await expect(compaction).rejects.toMatchObject({ code: 'CONFLICT' })
        expect(sorted(await lake.read())).toEqual(sorted(before))
        const left = await dataFiles(warehouse, await lake.load())
        expect(left.filter((path) => path.includes('compacted'))).toEqual([])
        expect(left).toEqual(expect.arrayContaining(files))
      }),
  )
})

test('of several commits, one that others made impossible fails alone', () =>
  sixFiles(2, async (lake, warehouse) => {
    await lake.respec()
    for (let k = 0; k < 6; k++)
      await lake.append([
        { k, g: 'a', v: k },
        { k, g: 'b', v: 10 + k },
      ])
    const others = (): Promise<unknown> =>
      deleteRows(lake.context, {
        table: identifier,
        snapshotId: lake.newId,
        where: equal('v', 12),
        mode: 'copy-on-write',
      })
    let first = true
    const catalog = overrideCatalog(warehouse.catalog, {
      commit: async (table, change) => {
        if (first) {
          first = false
          await others()
        }
        return warehouse.catalog.commit(table, change)
      },
    })
    const options = { newSnapshotId: () => lake.newId, commits: 3 }
    const report = await compactTable({ ...lake.context, catalog }, await lake.load(), options)
    // The files of the former spec, and partition b, each have a row of those.
    expect(report.snapshotIds).toHaveLength(1)
    expect(report.conflicts).toHaveLength(2)
    expect(await lake.read()).toHaveLength(22)
  }))

test('new files are sorted as the table is', () =>
  sixFiles(2, async (lake, warehouse) => {
    const table = await lake.load()
    const { io, catalog } = warehouse
    const change = updateSortOrder({ table, columns: [{ column: 'v', direction: 'desc' }] })
    await commitChange(
      { catalog, io },
      table,
      () => change,
      () => false,
    )
    await compactTable(lake.context, await lake.load(), { newSnapshotId: () => lake.newId })
    const { tasks } = await planScan({ table: await lake.load(), io, columns: 'all' })
    expect(tasks.map(({ dataFile }) => dataFile.sortOrderId)).toEqual([1])
    expect((await lake.read()).map(({ v }) => v)).toEqual([15, 14, 13, 12, 11, 10, 5, 4, 3, 2, 1, 0])
  }))
