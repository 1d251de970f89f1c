/** Rule: a deleted row is gone for every reader, by whichever means it was deleted. Damage otherwise: erased people come back. */
import { expect, test } from 'vitest'
import { isIn, type Expression } from '../../src/iceberg/expression/expression.ts'
import { define, definitionJson } from '../support/counterparts/definition.ts'
import { lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

const definition = (version: 2 | 3) => ({
  ...define({
    columns: { id: 'long', day: 'date', name: 'string', ratio: 'double' },
    partitionBy: ['identity(day)'],
    properties: {
      'format-version': String(version),
      'write.delete.mode': 'merge-on-read',
      'write.update.mode': 'merge-on-read',
      'write.merge.mode': 'merge-on-read',
    },
  }),
})

const rowsFrom = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, i) => ({
    id: String(from + i),
    day: String((from + i) % 3),
    name: (from + i) % 5 === 0 ? null : `n${from + i}`,
    ratio: (from + i) % 7 === 0 ? 'NaN' : (from + i) / 8,
  }))

const ids = (...values: readonly number[]): Expression => isIn('id', values.map(BigInt))

for (const version of [2, 3] as const) {
  test(`version ${version}: our deletes and Spark’s fall on one table`, async () => {
    await using lake = await lakehouse()
    await lake.create('db.t', definition(version))
    await lake.append('db.t', rowsFrom(0, 12))
    await lake.append('db.t', rowsFrom(12, 24))
    const gone = new Set<string>()
    const held = (all: readonly Row[]): Row[] => inOrder(all.filter(({ id }) => !gone.has(String(id))))
    const check = async (title: string, all: readonly Row[], ...ids: readonly string[]): Promise<void> => {
      for (const id of ids) gone.add(id)
      expect(await lake.agreedRows('db.t'), title).toEqual(held(all))
    }
    let all = rowsFrom(0, 24)
    await lake.deleteRows('db.t', ids(0, 5, 13))
    await check('ours', all, '0', '5', '13')
    await lake.spark('DELETE FROM db.t WHERE id IN (1, 6, 23)')
    await check('Spark’s on ours', all, '1', '6', '23')
    await lake.deleteRows('db.t', ids(2, 3, 12, 14))
    await check('ours on Spark’s', all, '2', '3', '12', '14')
    await lake.append('db.t', rowsFrom(24, 30))
    all = rowsFrom(0, 30)
    await check('an append after', all)
    await lake.spark(`UPDATE db.t SET name = 'updated' WHERE id IN (7, 25)`)
    all = all.map((row) => (row['id'] === '7' || row['id'] === '25' ? { ...row, name: 'updated' } : row))
    await check('an update of Spark’s', all)
    await lake.spark(`
      MERGE INTO db.t USING (SELECT 8 AS id UNION ALL SELECT 9) s ON t.id = s.id
      WHEN MATCHED AND t.id = 8 THEN DELETE WHEN MATCHED THEN UPDATE SET ratio = -1`)
    all = all.map((row) => (row['id'] === '9' ? { ...row, ratio: -1 } : row))
    await check('a merge of Spark’s', all, '8')
    const merged = [
      { id: '10', day: '1', name: 'merged', ratio: 0 },
      { id: '27', day: '2', name: 'moved', ratio: null },
      { id: '100', day: '5', name: 'inserted', ratio: 'Infinity' },
    ]
    const result = await lake.mergeInto('db.t', merged, ['id'])
    expect(result).toMatchObject({ updatedRows: 2n, insertedRows: 1n })
    all = [...all.filter(({ id }) => !['10', '27'].includes(String(id))), ...merged]
    await check('a merge of ours', all)

    const files = await lake.spark('SELECT content, file_format FROM db.t.delete_files')
    expect(files.length).toBeGreaterThan(2)
    expect(new Set(files.map((each) => each['file_format']))).toEqual(new Set([version === 2 ? 'PARQUET' : 'PUFFIN']))

    await lake.spark(
      `CALL hindcast.system.rewrite_position_delete_files(table => 'db.t', options => map('rewrite-all', 'true'))`,
    )
    await check('delete files rewritten', all)
    await lake.deleteRows('db.t', ids(26))
    await check('ours after that', all, '26')
    await lake.spark(
      `CALL hindcast.system.rewrite_data_files(table => 'db.t', options => map('rewrite-all', 'true', 'delete-file-threshold', '1'))`,
    )
    await check('data files rewritten', all)
    await lake.append('db.t', rowsFrom(30, 33))
    all = [...all, ...rowsFrom(30, 33)]
    await check('an append after that', all)
  })

  test(`version ${version}: equality deletes of theirs fall on our rows`, async () => {
    await using lake = await lakehouse()
    const table = definition(version)
    await lake.create('db.t', table)
    await lake.append('db.t', rowsFrom(0, 12))
    const remove = (columns: readonly string[], rows: readonly Row[]): Promise<unknown> =>
      lake.java('deleteEqual', { table: 'db.t', columns, rows })
    // PyIceberg (0.11) has no equality deletes.
    const without = ['python'] as const
    await remove(
      ['id'],
      [
        { id: '3', day: '0' },
        { id: '4', day: '1' },
        { id: '5', day: '0' },
      ],
    )
    // 5 is of another day: the delete is for its partition alone.
    let held = rowsFrom(0, 12).filter(({ id }) => id !== '3' && id !== '4')
    expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder(held))
    // Null equals null, and NaN NaN.
    await remove(['name'], [{ name: null, day: '1' }])
    await remove(['ratio'], [{ ratio: 'NaN', day: '0' }])
    held = held.filter(({ day, name, ratio }) => !(day === '1' && name === null) && !(day === '0' && ratio === 'NaN'))
    expect(held.map(({ id }) => id)).not.toContain('10')
    expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder(held))
    // Rows written later with the same values stay.
    await lake.append('db.t', rowsFrom(0, 6))
    expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder([...held, ...rowsFrom(0, 6)]))
    await remove(['day', 'name'], [{ day: '1', name: 'n1' }])
    held = [...held, ...rowsFrom(0, 6)].filter(({ name }) => name !== 'n1')
    expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder(held))
    // Positions and equality on the same files.
    await lake.deleteRows('db.t', ids(2))
    held = held.filter(({ id }) => id !== '2')
    expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder(held))
  })

  test(`version ${version}: a global equality delete falls on every partition`, async () => {
    await using lake = await lakehouse()
    const unpartitioned = define({
      columns: { id: 'long', day: 'date', name: 'string', ratio: 'double' },
      properties: { 'format-version': String(version) },
    })
    await lake.create('db.t', unpartitioned)
    await lake.append('db.t', rowsFrom(0, 6))
    await lake.spark('ALTER TABLE db.t ADD PARTITION FIELD day')
    await lake.append('db.t', rowsFrom(6, 12))
    await lake.java('deleteEqual', {
      table: 'db.t',
      columns: ['id'],
      spec: 0,
      rows: [{ id: '1' }, { id: '7' }, { id: '8' }],
    })
    const held = rowsFrom(0, 12).filter(({ id }) => !['1', '7', '8'].includes(String(id)))
    expect(await lake.agreedRows('db.t', { without: ['python'] })).toEqual(inOrder(held))
  })
}

test('a table that was raised from version 2 to 3 has deletes of both kinds', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', definition(2))
  await lake.append('db.t', rowsFrom(0, 12))
  await lake.deleteRows('db.t', ids(0, 1))
  await lake.spark(`ALTER TABLE db.t SET TBLPROPERTIES ('format-version' = '3')`)
  await lake.deleteRows('db.t', ids(3, 4))
  await lake.spark('DELETE FROM db.t WHERE id = 6')
  await lake.append('db.t', rowsFrom(12, 15))
  const held = rowsFrom(0, 15).filter(({ id }) => !['0', '1', '3', '4', '6'].includes(String(id)))
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(held))
})

test('their version 3 table with vectors, written by Java, is ours', async () => {
  await using lake = await lakehouse()
  await lake.java('create', { table: 'db.t', ...definitionJson(definition(3)) })
  await lake.java('append', { table: 'db.t', rows: rowsFrom(0, 9) })
  const files = await lake.spark('SELECT file_path AS file FROM db.t.files')
  for (const position of [0, 2]) {
    const deletes = files.map(({ file }) => ({ file, positions: [position] }))
    await lake.java('deletePositions', { table: 'db.t', deletes })
  }
  const held = rowsFrom(0, 9).filter(({ id }) => ['3', '4', '5'].includes(String(id)))
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(held))
})
