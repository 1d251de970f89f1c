/** Rule: what is on a branch is seen there and nowhere else, by everyone. Damage otherwise: unaudited rows show on `main`. */
import { expect, test } from 'vitest'
import { createRef, dropRef, fastForward } from '../../src/iceberg/actions/refs.ts'
import { define } from '../support/counterparts/definition.ts'
import { lakehouse, type Lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

const rowsFrom = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, i) => ({ id: String(from + i), name: `n${from + i}` }))

async function tableOf(lake: Lakehouse, name: string): Promise<void> {
  await lake.create(name, define({ columns: { id: 'long', name: 'string' }, partitionBy: ['truncate[10](id)'] }))
  await lake.append(name, rowsFrom(0, 15))
}

test('a branch of ours is read by its name, and main does not see it', async () => {
  await using lake = await lakehouse()
  await tableOf(lake, 'db.t')
  await lake.append('db.t', rowsFrom(15, 25), 'audit')
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rowsFrom(0, 15)))
  expect(await lake.agreedRows('db.t', { ref: 'audit' })).toEqual(inOrder(rowsFrom(0, 25)))

  await lake.spark('INSERT INTO db.t.branch_audit SELECT id + 100, name FROM db.t.branch_audit WHERE id < 3')
  const staged = [...rowsFrom(0, 25), ...[0, 1, 2].map((id) => ({ id: String(id + 100), name: `n${id}` }))]
  expect(await lake.agreedRows('db.t', { ref: 'audit' })).toEqual(inOrder(staged))
  await lake.append('db.t', rowsFrom(25, 30), 'audit')
  expect(await lake.agreedRows('db.t', { ref: 'audit' })).toEqual(inOrder([...staged, ...rowsFrom(25, 30)]))
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rowsFrom(0, 15)))

  await lake.spark(`CALL hindcast.system.fast_forward('db.t', 'main', 'audit')`)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder([...staged, ...rowsFrom(25, 30)]))
})

test('refs of ours and theirs are one set, with their retention', async () => {
  await using lake = await lakehouse()
  await tableOf(lake, 'db.t')
  const first = await lake.load('db.t')
  const tag = createRef({ table: first, ref: 'v1', type: 'tag', retention: { maxRefAgeMs: 86_400_000 } })
  await lake.commit(first, tag.change)
  const retention = { minSnapshotsToKeep: 3, maxSnapshotAgeMs: 7_200_000, maxRefAgeMs: 3_600_000_000 }
  const tagged = await lake.load('db.t')
  await lake.commit(tagged, createRef({ table: tagged, ref: 'kept', type: 'branch', retention }).change)
  await lake.append('db.t', rowsFrom(15, 20))
  await lake.spark(`ALTER TABLE db.t CREATE BRANCH theirs RETAIN 2 DAYS WITH SNAPSHOT RETENTION 5 SNAPSHOTS 1 DAYS`)
  await lake.spark(`ALTER TABLE db.t CREATE TAG their_tag RETAIN 10 DAYS`)

  const { metadata } = await lake.load('db.t')
  const ours = Object.entries(metadata.refs).map(([name, ref]) => ({
    name,
    type: ref.type.toUpperCase(),
    snapshot_id: String(ref.snapshotId),
    max_reference_age_in_ms: text(ref.maxRefAgeMs),
    min_snapshots_to_keep: text(ref.minSnapshotsToKeep),
    max_snapshot_age_in_ms: text(ref.maxSnapshotAgeMs),
  }))
  expect(inOrder(await lake.spark('SELECT * FROM db.t.refs'))).toEqual(inOrder(ours))
  expect(ours).toHaveLength(5)
  expect(metadata.refs['theirs']).toMatchObject({ minSnapshotsToKeep: 5, maxSnapshotAgeMs: 86_400_000 })
  const seen = await lake.python<{ refs: Row }>('describe', { table: 'db.t' })
  expect(seen.refs).toEqual(Object.fromEntries(ours.map((ref) => [ref.name, ref.snapshot_id])))

  for (const [ref, rows] of [
    ['v1', 15],
    ['kept', 15],
    ['theirs', 20],
    ['their_tag', 20],
  ] as const) {
    expect(await lake.agreedRows('db.t', { ref }), ref).toEqual(inOrder(rowsFrom(0, rows)))
  }
  const table = await lake.load('db.t')
  const expected = table.metadata.refs['their_tag']?.snapshotId ?? 0n
  await lake.commit(table, dropRef({ table, ref: 'their_tag', expected }).change)
  await expect(lake.spark(`SELECT * FROM db.t VERSION AS OF 'their_tag'`)).rejects.toThrow('their_tag')
})

test('we fast-forward main to a branch that Spark wrote, and everyone sees it', async () => {
  await using lake = await lakehouse()
  await tableOf(lake, 'db.t')
  await lake.spark('ALTER TABLE db.t CREATE BRANCH audit')
  await lake.spark(`INSERT INTO db.t.branch_audit VALUES (50, 'n50')`)
  await lake.spark('DELETE FROM db.t.branch_audit WHERE id < 10')
  const staged = inOrder([...rowsFrom(10, 15), ...rowsFrom(50, 51)])
  expect(await lake.agreedRows('db.t', { ref: 'audit' })).toEqual(staged)
  expect(await lake.agreedRows('db.t')).toEqual(inOrder(rowsFrom(0, 15)))
  const table = await lake.load('db.t')
  await lake.commit(table, fastForward({ table, ref: 'main', to: 'audit' }).change)
  expect(await lake.agreedRows('db.t')).toEqual(staged)
})

test('snapshots of ours are found by time and id', async () => {
  await using lake = await lakehouse()
  await tableOf(lake, 'db.t')
  for (const to of [20, 30, 40]) await lake.append('db.t', rowsFrom(to - 5, to))
  const { metadata } = await lake.load('db.t')
  const counts = [15, 20, 25, 30]
  for (const [index, { snapshotId, timestampMs }] of metadata.snapshots.entries()) {
    expect(await lake.agreedRows('db.t', { snapshot: String(snapshotId) })).toHaveLength(counts[index] ?? -1)
    const at = new Date(timestampMs).toISOString()
    const [seen] = await lake.spark(`SELECT count(*) AS n FROM db.t TIMESTAMP AS OF '${at}'`)
    expect(seen).toEqual({ n: String(counts[index]) })
  }
})

const text = (value: number | undefined): string | null => (value === undefined ? null : String(value))
