import { describe, expect, test } from 'vitest'
import { overwriteFiles, rewriteFiles, rowDelta, type NewFile } from '../../../../src/iceberg/index.ts'
import { added, data, equality, History, positions, vector } from './history.ts'

/*
 * A compaction shows the same rows in other files. A delete that falls between its reading and its commit would be lost with the files
 * that it was about, and one that is carried on wrongly would fall on rows that came later.
 */

const [a, b] = [data('a', 1), data('b', 2)]
const conflict = { code: 'CONFLICT' }

async function twoFiles(formatVersion: 2 | 3 = 2): Promise<History> {
  const history = new History({ formatVersion })
  await history.append([a, b])
  return history
}

/** Compaction of file `a` as the table stands now, to be applied later. */
async function plan(history: History, file: NewFile = added(data('c', 1))): Promise<() => Promise<unknown>> {
  const removed = [await history.find('a')]
  const startingSnapshotId = history.head
  return () => history.commit((request) => rewriteFiles({ ...request, removed, added: [file], startingSnapshotId }))
}

async function deleteRows(history: History, file: NewFile): Promise<void> {
  const referenced = [await history.find('a'), await history.find('b')]
  await history.commit((request) =>
    rowDelta({
      ...request,
      added: [],
      deletes: [file],
      referenced,
      validation: { startingSnapshotId: history.head, isolation: 'snapshot' },
    }),
  )
}

describe('rows deleted meanwhile', () => {
  test('by position or vector, from a file that is being rewritten', async () => {
    for (const [formatVersion, file] of [
      [2, positions('p', 1, a)],
      [2, positions('p', 1)],
      [3, vector('v', a)],
    ] as const) {
      const history = await twoFiles(formatVersion)
      const keeping = await plan(history, added(data('c', 1), 1n))
      await deleteRows(history, added(file))
      await expect(keeping()).rejects.toMatchObject(conflict)
    }
  })

  test('from other files', async () => {
    const history = await twoFiles()
    const apply = await plan(history)
    await deleteRows(history, added(positions('p', 2, b)))
    await apply()
    expect(await history.names()).toEqual(['b', 'c', 'p'])
  })

  test('by equality: lost on files with a new sequence number, still in force on those that keep theirs', async () => {
    const history = await twoFiles()
    const [renumbering, keeping] = [await plan(history), await plan(history, added(data('c', 1), 1n))]
    await deleteRows(history, added(equality('e', 1)))
    await expect(renumbering()).rejects.toMatchObject(conflict)
    await history.append([data('d', 9)])
    await keeping()
    const [c, e] = [await history.find('c'), await history.find('e')]
    expect(c.sequenceNumber < e.sequenceNumber).toBe(true)
  })
})

test('an equality delete stays for as long as a file is older than it, also one that was rewritten', async () => {
  const history = new History()
  await history.append([a])
  const apply = await plan(history, added(data('c', 1), 1n))
  await history.commit((request) =>
    rowDelta({ ...request, added: [], deletes: [added(equality('e', 1))], referenced: [] }),
  )
  await history.append([data('d', 1)], 'side')
  await apply()
  // The oldest file that was carried over is none: but the new one is older than the delete.
  expect(await history.names()).toEqual(['c', 'e'])
  const removed = [await history.find('c')]
  await history.commit((request) =>
    rewriteFiles({ ...request, removed, added: [added(data('f', 1, 9n))], startingSnapshotId: history.head }),
  )
  expect(await history.names()).toEqual(['f'])
  expect(history.snapshot().summary).toMatchObject({ 'removed-delete-files': '1', 'total-equality-deletes': '0' })
})

describe('deletes that concern no file any more go with the files', () => {
  test('those that name them', async () => {
    for (const [formatVersion, file] of [
      [2, positions('p', 1, a)],
      [3, vector('v', a)],
    ] as const) {
      const history = await twoFiles(formatVersion)
      await deleteRows(history, added(file))
      const removed = [await history.find('a')]
      const { removed: gone } = await history.commit((request) =>
        rewriteFiles({ ...request, removed, added: [added(data('c', 1, 9n))], startingSnapshotId: history.head }),
      )
      expect(gone).toHaveLength(2)
      expect(await history.names()).toEqual(['b', 'c'])
      expect(history.snapshot().summary).toMatchObject({
        operation: 'replace',
        'total-delete-files': '0',
        'total-position-deletes': '0',
        'total-records': '19',
      })
    }
  })

  test('but not those that may concern another of the partition', async () => {
    const history = await twoFiles()
    await history.append([data('a2', 1)])
    await deleteRows(history, added(positions('p', 1)))
    const removed = [await history.find('a')]
    await history.commit((request) =>
      rewriteFiles({ ...request, removed, added: [added(data('c', 1))], startingSnapshotId: history.head }),
    )
    expect(await history.names()).toEqual(['a2', 'b', 'c', 'p'])
  })

  test('and of vectors that share a file only the one', async () => {
    const history = await twoFiles(3)
    const referenced = [await history.find('a'), await history.find('b')]
    await history.commit((request) =>
      rowDelta({
        ...request,
        added: [],
        deletes: [added(vector('v', a)), added(vector('v', b, 50n))],
        referenced,
        validation: { startingSnapshotId: history.head, isolation: 'snapshot' },
      }),
    )
    await (
      await plan(history)
    )()
    const left = (await history.live()).filter(({ dataFile }) => dataFile.content !== 0)
    expect(left.map(({ dataFile }) => dataFile.referencedDataFile)).toEqual([b.filePath])
  })
})

test('a file that is gone, by another compaction or for good', async () => {
  const history = await twoFiles()
  const [first, second] = [await plan(history), await plan(history, added(data('d', 1)))]
  await first()
  await expect(second()).rejects.toMatchObject(conflict)
  const third = await plan(await twoFiles())
  const other = await twoFiles()
  const removed = [await other.find('a')]
  await other.commit((request) => overwriteFiles({ ...request, removed, added: [] }))
  await expect(
    other.commit((request) =>
      rewriteFiles({ ...request, removed, added: [added(data('c', 1))], startingSnapshotId: 1n }),
    ),
  ).rejects.toMatchObject(conflict)
  await third()
})

test('a vector for a file that was given one meanwhile', async () => {
  const history = await twoFiles()
  await deleteRows(history, added(positions('p', 1)))
  history.change({ requirements: [], updates: [{ action: 'upgrade-format-version', formatVersion: 3 }] })
  const removed = [await history.find('p')]
  const startingSnapshotId = history.head
  await deleteRows(history, added(vector('v', a)))
  await expect(
    history.commit((request) =>
      rewriteFiles({ ...request, removed, added: [added(vector('w', a))], startingSnapshotId }),
    ),
  ).rejects.toMatchObject(conflict)
})

describe('what would change the rows is refused', () => {
  const refused = async (removed: readonly string[], files: readonly NewFile[]): Promise<void> => {
    const history = await twoFiles()
    await history.append([data('late', 1)])
    const found = await Promise.all(removed.map((name) => history.find(name)))
    await expect(
      history.commit((request) =>
        rewriteFiles({ ...request, removed: found, added: files, startingSnapshotId: history.head }),
      ),
    ).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
  }

  test('rows out of nothing', () => refused(['a'], [added(data('c', 1, 11n))]))
  test('data for no data', () => refused([], [added(data('c', 1))]))
  test('a number later than what was read', () => refused(['a'], [added(data('c', 1), 3n)]))
  test('a number earlier than a row that is rewritten', () => refused(['late'], [added(data('c', 1), 1n)]))
  test('equality deletes that would fall on later rows', () => refused(['a'], [added(equality('e', 1))]))
})
