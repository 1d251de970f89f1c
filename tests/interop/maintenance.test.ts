/** Rule: Spark's maintenance leaves our tables as they were to readers and to our next commit. Damage otherwise: rows lost at night. */
import { utimes } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createRef, setBranch } from '../../src/iceberg/actions/refs.ts'
import { toPath } from '../../src/io/files/index.ts'
import { define } from '../support/counterparts/definition.ts'
import { lakehouse, type Lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

const rowsFrom = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, i) => ({
    id: String(from + i),
    day: String((from + i) % 3),
    name: `n${from + i}`,
  }))

/** Six appends of ours over three days, one of them overwritten; 45 rows. */
async function lakeWithTable(): Promise<{ lake: Lakehouse; rows: readonly Row[] }> {
  const lake = await lakehouse()
  await lake.create(
    'db.t',
    define({ columns: { id: 'long', day: 'date', name: 'string' }, partitionBy: ['identity(day)'], sortBy: ['id'] }),
  )
  for (let from = 0; from < 36; from += 6) await lake.append('db.t', rowsFrom(from, from + 6))
  const replaced = rowsFrom(36, 60).filter(({ day }) => day === '1')
  await lake.overwrite('db.t', replaced)
  return { lake, rows: [...rowsFrom(0, 36).filter(({ day }) => day !== '1'), ...replaced] }
}

const procedures: Readonly<Record<string, string>> = {
  expire_snapshots: `table => 'db.t', older_than => TIMESTAMP '2999-01-01 00:00:00', retain_last => 1`,
  rewrite_data_files: `table => 'db.t', options => map('rewrite-all', 'true')`,
  'rewrite_data_files sorted': `table => 'db.t', strategy => 'sort', sort_order => 'name DESC', options => map('rewrite-all', 'true')`,
  rewrite_manifests: `table => 'db.t', use_caching => false`,
  rewrite_position_delete_files: `table => 'db.t'`,
  remove_orphan_files: `table => 'db.t', older_than => TIMESTAMP '2020-01-01 00:00:00', dry_run => true`,
  compute_table_stats: `table => 'db.t'`,
  compute_partition_stats: `table => 'db.t'`,
}

for (const [title, args] of Object.entries(procedures)) {
  test(`${title} changes no row, and our next commits stand`, async () => {
    const { lake, rows } = await lakeWithTable()
    await using _ = lake
    const [procedure = ''] = title.split(' ')
    await lake.spark(`CALL hindcast.system.${procedure}(${args})`)
    expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows))
    await lake.append('db.t', rowsFrom(60, 66))
    await lake.overwrite('db.t', rowsFrom(66, 70))
    const kept = [...rows, ...rowsFrom(60, 66)].filter(({ day }) => !rowsFrom(66, 70).some((row) => row['day'] === day))
    expect(await lake.agreedRows('db.t')).toEqual(inOrder([...kept, ...rowsFrom(66, 70)]))
    // Statistics that others made stay known.
    if (title.startsWith('compute_')) {
      const { statistics, partitionStatistics } = (await lake.load('db.t')).metadata
      expect([...statistics, ...partitionStatistics]).toHaveLength(1)
    }
  })
}

test('expire_snapshots keeps what our refs name', async () => {
  const { lake, rows } = await lakeWithTable()
  await using _ = lake
  const table = await lake.load('db.t')
  const first = table.metadata.snapshots[0]?.snapshotId ?? 0n
  await lake.commit(table, createRef({ table, ref: 'first', type: 'tag', snapshotId: first }).change)
  await lake.append('db.t', rowsFrom(60, 63), 'audit')
  await lake.spark(`CALL hindcast.system.expire_snapshots(${procedures['expire_snapshots']})`)
  const { metadata } = await lake.load('db.t')
  expect(metadata.snapshots).toHaveLength(3)
  expect(await lake.agreedRows('db.t', { ref: 'first' })).toEqual(inOrder(rowsFrom(0, 6)))
  expect(await lake.agreedRows('db.t', { ref: 'audit' })).toEqual(inOrder([...rows, ...rowsFrom(60, 63)]))
})

test('remove_orphan_files takes what no snapshot of ours names, and nothing else', async () => {
  const { lake, rows } = await lakeWithTable()
  await using _ = lake
  const { location } = (await lake.load('db.t')).metadata
  const orphan = `${location}/data/day=1970-01-01/orphan.parquet`
  const all = async (): Promise<string[]> => {
    const paths: string[] = []
    for await (const { path } of lake.io.list(location)) paths.push(path)
    return paths.filter((path) => path !== orphan)
  }
  const before = await all()
  await lake.io.create(orphan, new Uint8Array(8))
  // Spark takes no file younger than a day.
  const old = new Date(Date.now() - 30 * 3_600_000)
  for (const path of [...before, orphan]) await utimes(toPath(path), old, old)
  const limit = new Date(Date.now() - 25 * 3_600_000).toISOString()
  const args = `table => 'db.t', older_than => TIMESTAMP '${limit}'`
  expect(await lake.spark(`CALL hindcast.system.remove_orphan_files(${args})`)).toEqual([
    { orphan_file_location: orphan.replace('file://', 'file:') },
  ])
  expect(await lake.io.size(orphan)).toBeNull()
  expect(await all()).toEqual(before)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows))
})

test('rollback, cherry-pick, fast-forward and set-current by Spark are seen by us', async () => {
  const { lake, rows } = await lakeWithTable()
  await using _ = lake
  const { metadata } = await lake.load('db.t')
  const third = metadata.snapshots[2]?.snapshotId ?? 0n
  await lake.spark(`CALL hindcast.system.rollback_to_snapshot('db.t', ${third})`)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rowsFrom(0, 18)))
  await lake.spark(`CALL hindcast.system.set_current_snapshot('db.t', ${metadata.currentSnapshotId})`)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows))

  // A snapshot that we staged on a branch is picked onto a main that has moved.
  const staged = await lake.append('db.t', rowsFrom(60, 63), 'audit')
  await lake.append('db.t', rowsFrom(70, 73))
  const head = staged.metadata.refs['audit']?.snapshotId
  await lake.spark(`CALL hindcast.system.cherrypick_snapshot('db.t', ${head})`)
  const all = [...rows, ...rowsFrom(60, 63), ...rowsFrom(70, 73)]
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(all))
  const table = await lake.load('db.t')
  const main = table.metadata.currentSnapshotId ?? 0n
  await lake.commit(table, setBranch({ table, ref: 'copy', snapshotId: main, expected: null }).change)
  await lake.append('db.t', rowsFrom(80, 81), 'copy')
  await lake.spark(`CALL hindcast.system.fast_forward('db.t', 'main', 'copy')`)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder([...all, ...rowsFrom(80, 81)]))
})
