/** Rule: any number of engines write one table in turns. Damage otherwise: one engine's commit hides or doubles another's rows. */
import { expect, test } from 'vitest'
import { define } from '../support/counterparts/definition.ts'
import { lakehouse, type Lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

const definition = define({
  columns: { id: 'long', at: 'timestamptz', name: 'string', amount: 'decimal(10, 2)' },
  partitionBy: ['day(at)'],
  sortBy: ['at'],
})

const dayMicros = 86_400_000_000

const row = (id: number, day: number, name: string): Row => ({
  id: String(id),
  at: String(day * dayMicros + id),
  name,
  amount: `${id}.50`,
})
const dayOf = ({ at }: Row): number => Math.floor(Number(at) / dayMicros)

const sqlOf = (rows: readonly Row[]): string =>
  rows
    .map(
      ({ id, at, name, amount }) =>
        `(${String(id)}, timestamp_micros(${String(at)}), '${String(name)}', ${String(amount)})`,
    )
    .join(', ')

/** A turn writes to the table and says what it then holds. */
type Turn = (lake: Lakehouse, held: readonly Row[]) => Promise<readonly Row[]>

const turns: readonly (readonly [string, Turn])[] = [
  [
    'we append',
    async (lake, held) => {
      const rows = [0, 1, 2, 3, 4, 5].map((id) => row(id, id % 3, 'ours'))
      await lake.append('db.t', rows)
      return [...held, ...rows]
    },
  ],
  [
    'Spark appends',
    async (lake, held) => {
      const rows = [10, 11, 12].map((id) => row(id, id % 3, 'spark'))
      await lake.spark(`INSERT INTO db.t VALUES ${sqlOf(rows)}`)
      return [...held, ...rows]
    },
  ],
  [
    'PyIceberg appends',
    async (lake, held) => {
      const rows = [20, 21, 22].map((id) => row(id, 3, 'python'))
      await lake.python('append', { table: 'db.t', rows })
      return [...held, ...rows]
    },
  ],
  [
    'we overwrite two days',
    async (lake, held) => {
      const rows = [row(30, 0, 'overwritten'), row(31, 3, 'overwritten')]
      await lake.overwrite('db.t', rows)
      return [...held.filter((each) => ![0, 3].includes(dayOf(each))), ...rows]
    },
  ],
  [
    'Spark overwrites a day dynamically',
    async (lake, held) => {
      const rows = [row(40, 1, 'spark again')]
      await lake.spark(`SET spark.sql.sources.partitionOverwriteMode = dynamic`)
      await lake.spark(`INSERT OVERWRITE db.t VALUES ${sqlOf(rows)}`)
      return [...held.filter((each) => dayOf(each) !== 1), ...rows]
    },
  ],
  [
    'Spark deletes rows by rewriting files',
    async (lake, held) => {
      await lake.spark('DELETE FROM db.t WHERE id IN (2, 31)')
      return held.filter(({ id }) => id !== '2' && id !== '31')
    },
  ],
  [
    'Java appends without merging manifests',
    async (lake, held) => {
      const rows = [50, 51].map((id) => row(id, id - 50, 'java'))
      await lake.java('append', { table: 'db.t', rows, fast: true })
      return [...held, ...rows]
    },
  ],
  [
    'PyIceberg overwrites by a filter',
    async (lake, held) => {
      const rows = [row(60, 5, 'python')]
      await lake.python('overwrite', { table: 'db.t', rows, filter: 'id >= 40 and id < 51' })
      return [...held.filter(({ id }) => Number(id) < 40 || Number(id) >= 51), ...rows]
    },
  ],
  [
    'we append to what they left',
    async (lake, held) => {
      const rows = [70, 71].map((id) => row(id, 5, 'ours'))
      await lake.append('db.t', rows)
      return [...held, ...rows]
    },
  ],
  [
    'Spark merges',
    async (lake, held) => {
      const rows = [row(70, 5, 'merged'), row(80, 6, 'merged')]
      await lake.spark(`
        MERGE INTO db.t USING (SELECT * FROM VALUES ${sqlOf(rows)} AS s(id, at, name, amount)) s ON t.id = s.id
        WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *`)
      return [...held.filter(({ id }) => id !== '70'), ...rows]
    },
  ],
  [
    'we overwrite every day',
    async (lake, held) => {
      const rows = [...new Set(held.map(dayOf))].map((day) => row(100 + day, day, 'the last'))
      await lake.overwrite('db.t', rows)
      return rows
    },
  ],
  [
    'PyIceberg deletes',
    async (lake, held) => {
      await lake.python('delete', { table: 'db.t', filter: 'id = 100' })
      return held.filter(({ id }) => id !== '100')
    },
  ],
]

test('each writes on what the others left, and all read the same rows after every turn', async () => {
  await using lake = await lakehouse()
  await lake.create('db.t', definition)
  let held: readonly Row[] = []
  for (const [title, turn] of turns) {
    held = await turn(lake, held)
    expect(await lake.agreedRows('db.t'), title).toEqual(inOrder(held))
    const { metadata } = await lake.load('db.t')
    const head = metadata.snapshots.find(({ snapshotId }) => snapshotId === metadata.currentSnapshotId)
    expect(head?.summary['total-records'], title).toBe(String(held.length))
  }
  expect((await lake.load('db.t')).metadata.snapshots.length).toBeGreaterThanOrEqual(turns.length)
})
