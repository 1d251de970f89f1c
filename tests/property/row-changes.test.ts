/**
 * Rule: deletes and merges change exactly the rows they name, in either mode and format version, whatever deletes, specs and files the
 * table has already. Damage: rows lost, doubled, or come back. The judge is a plain array of rows.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeTable } from '../../src/iceberg/index.ts'
import { deleteRows, mergeInto } from '../../src/io/rows/index.ts'
import { testWarehouse } from '../support/warehouse.ts'
import { identifier, Lake, schema, sorted, step, valuesOf, type Row } from './row-lake.ts'

describe.each([2, 3] as const)('version %i', (formatVersion) => {
  test('appends, deletes, merges and changes of partitioning, in any order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 7 }), async (steps) => {
        await using warehouse = await testWarehouse()
        const lake = new Lake(warehouse)
        await warehouse.catalog.createTable(identifier, describeTable({ schema, formatVersion }))
        let reference: readonly Row[] = []
        let ids = new Map<bigint, string>()
        for (const doing of steps) {
          const before = reference
          if (doing.kind === 'append') {
            await lake.append(doing.rows)
            reference = [...reference, ...doing.rows]
          } else if (doing.kind === 'respec') {
            await lake.respec()
          } else if (doing.kind === 'delete') {
            const { filter, takes } = doing.filter
            const result = await deleteRows(lake.context, {
              table: identifier,
              snapshotId: lake.newId,
              where: filter,
              mode: doing.mode,
            })
            reference = reference.filter((each) => !takes(each))
            expect(result.deletedRows).toBe(BigInt(before.length - reference.length))
          } else {
            const { rows, whenMatched, whenNotMatched, withDeletes } = doing
            const isDelete = ({ v }: Row): boolean => withDeletes && v !== null && v >= 5
            await mergeInto(lake.context, {
              table: identifier,
              snapshotId: lake.newId,
              source: valuesOf(rows),
              keys: ['k'],
              whenMatched,
              whenNotMatched,
              ...(withDeletes ? { deleteWhen: 'v >= 5' } : {}),
              mode: doing.mode,
            })
            const match = (each: Row): Row | undefined => rows.find(({ k }) => k !== null && k === each.k)
            const inserted =
              whenNotMatched === 'insert'
                ? rows.filter((each) => !isDelete(each) && (each.k === null || !before.some(({ k }) => k === each.k)))
                : []
            reference = [
              ...before.flatMap((each) => {
                const found = match(each)
                if (found === undefined) return [each]
                if (isDelete(found)) return []
                return whenMatched === 'update' ? [found] : whenMatched === 'delete' ? [] : [each]
              }),
              ...inserted,
            ]
          }
          const read = await lake.read()
          expect(sorted(read)).toEqual(sorted(reference))
          if (formatVersion === 2) continue
          // Row lineage: every row has an id of its own, and keeps it with its key for as long as it lives.
          const now = new Map(read.map(({ id, k }) => [id as bigint, String(k)]))
          expect(now.size).toBe(read.length)
          for (const [id, key] of now) if (ids.has(id)) expect(ids.get(id)).toBe(key)
          if (doing.kind === 'delete' || doing.kind === 'respec')
            for (const id of now.keys()) expect(ids.has(id)).toBe(true)
          ids = now
        }
      }),
      { numRuns: 25 },
    )
  })
})

test('a merge by a key that two source rows have is refused, and nothing is changed', async () => {
  await using warehouse = await testWarehouse()
  const lake = new Lake(warehouse)
  await warehouse.catalog.createTable(identifier, describeTable({ schema }))
  await lake.append([{ k: 1, g: 'a', v: 1 }])
  const twice = [1, 2].map((v): Row => ({ k: 1, g: 'a', v }))
  const merge = mergeInto(lake.context, { table: identifier, snapshotId: 9n, source: valuesOf(twice), keys: ['k'] })
  await expect(merge).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  expect(await lake.read()).toHaveLength(1)
})

test('a call repeated with its snapshot id changes nothing, and tells what it did', async () => {
  await using warehouse = await testWarehouse()
  const lake = new Lake(warehouse)
  await warehouse.catalog.createTable(identifier, describeTable({ schema }))
  await lake.append([
    { k: 1, g: 'a', v: 1 },
    { k: 2, g: 'a', v: 1 },
  ])
  const merge = {
    table: identifier,
    snapshotId: 50n,
    source: valuesOf([
      { k: 1, g: 'x', v: 7 },
      { k: 5, g: 'y', v: 8 },
    ]),
    keys: ['k'],
  }
  const first = await mergeInto(lake.context, merge)
  expect(first).toEqual({ snapshotId: 50n, deletedRows: 0n, updatedRows: 1n, insertedRows: 1n })
  expect(await mergeInto(lake.context, merge)).toEqual(first)
  expect(sorted(await lake.read())).toEqual(
    sorted([
      { k: 1, g: 'x', v: 7 },
      { k: 2, g: 'a', v: 1 },
      { k: 5, g: 'y', v: 8 },
    ]),
  )
})
