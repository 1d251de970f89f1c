/** Rule: a row has one id, whoever reads it. Damage otherwise: changes are followed to the wrong rows. */
import { expect, test } from 'vitest'
import { isIn } from '../../src/iceberg/expression/expression.ts'
import { planScan } from '../../src/iceberg/index.ts'
import { tableRelation } from '../../src/io/table-read.ts'
import { define, definitionJson } from '../support/counterparts/definition.ts'
import { lakehouse, type Lakehouse } from '../support/counterparts/lakehouse.ts'
import type { Row } from '../support/counterparts/plain-values.ts'

const definition = define({ columns: { id: 'long', part: 'int' }, partitionBy: ['identity(part)'] })
const version3 = { ...definition, properties: { 'format-version': '3' } }
const rows = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, index) => ({ id: String(from + index), part: String((from + index) % 3) }))

/** A row by its own key, with what version 3 knows of it; both are null of rows that no commit has been made of since. */
interface Lineage {
  readonly id: bigint
  readonly rowId: bigint | null
  readonly updated: bigint | null
}

async function ours(lake: Lakehouse): Promise<Lineage[]> {
  const { metadata } = await lake.load('db.t')
  const { tasks, schema } = await planScan({ table: { metadata }, io: lake.io })
  const columns = ['id', '_row_id', '_last_updated_sequence_number']
  await using relation = await tableRelation(lake.db, { metadata, schema, tasks, io: lake.io, columns })
  const found = await lake.db.rows<Record<string, bigint | null>>(`FROM ${relation.sql} ORDER BY id`)
  return found.map((row) => ({
    id: row['id'] ?? -1n,
    rowId: row['_row_id'] ?? null,
    updated: row['_last_updated_sequence_number'] ?? null,
  }))
}

async function theirs(lake: Lakehouse): Promise<Lineage[]> {
  const found = await lake.spark('SELECT id, _row_id, _last_updated_sequence_number FROM db.t ORDER BY id')
  const number = (value: unknown): bigint | null => (value === null ? null : BigInt(value as string))
  return found.map((row) => ({
    id: number(row['id']) ?? -1n,
    rowId: number(row['_row_id']),
    updated: number(row['_last_updated_sequence_number']),
  }))
}

/** Spark and we see the same ids, which no two rows share and no row to come will get. */
async function agreed(lake: Lakehouse): Promise<Lineage[]> {
  const found = await ours(lake)
  expect(found).toEqual(await theirs(lake))
  const { nextRowId, lastSequenceNumber } = (await lake.load('db.t')).metadata
  expect(new Set(found.map(({ rowId }) => rowId)).size).toBe(found.length)
  for (const { id, rowId, updated } of found) {
    expect(rowId !== null && rowId >= 0n && rowId < nextRowId, `row id ${rowId} of ${id}`).toBe(true)
    expect(updated !== null && updated <= lastSequenceNumber, `row ${id} updated by ${updated}`).toBe(true)
  }
  return found
}

const byKey = (found: readonly Lineage[]): ReadonlyMap<bigint, Lineage> => new Map(found.map((row) => [row.id, row]))

/** Every row of before that is still there is as it was, but for those that were changed since: they keep their id alone. */
function expectKept(before: readonly Lineage[], after: readonly Lineage[], changed: readonly bigint[] = []): void {
  const found = byKey(after)
  for (const row of before) {
    const now = found.get(row.id)
    if (now === undefined) continue
    if (changed.includes(row.id)) {
      expect(now.rowId).toBe(row.rowId)
      expect(now.updated ?? 0n).toBeGreaterThan(row.updated ?? 0n)
    } else expect(now).toEqual(row)
  }
}

test('rows of our table keep the ids that they were given, when their files are listed anew', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', version3)
  await lake.append('db.t', rows(0, 6))
  const first = await agreed(lake)
  await lake.append('db.t', rows(6, 12))
  const second = await agreed(lake)
  expect(second).toHaveLength(12)
  expectKept(first, second)
  // Two of three partitions stay, in manifests that are written anew.
  await lake.overwrite('db.t', [{ id: '100', part: '0' }])
  const third = await agreed(lake)
  expect(third.map(({ id }) => id)).toEqual([1n, 2n, 4n, 5n, 7n, 8n, 10n, 11n, 100n])
  expectKept(second, third)
})

test('rows that we copy or merge keep the ids that they were given', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', version3)
  await lake.append('db.t', rows(0, 6))
  const before = await agreed(lake)
  await lake.deleteRows('db.t', isIn('id', [4n]))
  const left = await agreed(lake)
  expect(left.map(({ id }) => id)).toEqual([0n, 1n, 2n, 3n, 5n])
  expectKept(before, left)
  await lake.mergeInto('db.t', [{ id: '1', part: '2' }, ...rows(6, 8)], ['id'])
  const merged = await agreed(lake)
  expect(merged.map(({ id }) => id)).toEqual([0n, 1n, 2n, 3n, 5n, 6n, 7n])
  expectKept(left, merged, [1n])
})

test('theirs and ours take turns, by copies and by deletion vectors', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', version3)
  await lake.append('db.t', rows(0, 6))
  await lake.spark('INSERT INTO db.t VALUES (6, 0), (7, 1)')
  const before = await agreed(lake)
  await lake.spark('UPDATE db.t SET part = 9 WHERE id = 1')
  await lake.append('db.t', rows(20, 23))
  const updated = await agreed(lake)
  expect(updated).toHaveLength(before.length + 3)
  expectKept(before, updated, [1n])
  await lake.spark(`ALTER TABLE db.t SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')`)
  await lake.spark('DELETE FROM db.t WHERE id = 4')
  await lake.append('db.t', rows(30, 33))
  const after = await agreed(lake)
  expect(after.map(({ id }) => id)).toEqual([0n, 1n, 2n, 3n, 5n, 6n, 7n, 20n, 21n, 22n, 30n, 31n, 32n])
  expectKept(updated, after)
})

for (const whose of ['ours', 'theirs'] as const) {
  test(`a table raised to version 3 has ids from the first commit after, ${whose}`, async () => {
    await using lake = await lakehouse()
    await lake.java('create', { table: 'db.t', ...definitionJson(definition) })
    await lake.append('db.t', rows(0, 6))
    await lake.spark(`ALTER TABLE db.t SET TBLPROPERTIES ('format-version' = '3')`)
    expect((await ours(lake)).map(({ rowId }) => rowId)).toEqual(Array.from({ length: 6 }, () => null))
    if (whose === 'ours') await lake.append('db.t', rows(6, 9))
    else await lake.spark('INSERT INTO db.t VALUES (6, 0), (7, 1), (8, 2)')
    const first = await agreed(lake)
    expect(first).toHaveLength(9)
    await lake.append('db.t', rows(9, 12))
    const second = await agreed(lake)
    expect(second).toHaveLength(12)
    expectKept(first, second)
  })
}
