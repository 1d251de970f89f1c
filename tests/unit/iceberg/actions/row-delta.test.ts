import { describe, expect, test } from 'vitest'
import { overwriteFiles, rewriteFiles, rowDelta, type Isolation, type NewFile } from '../../../../src/iceberg/index.ts'
import { selectPartitions } from '../../../../src/iceberg/actions/file-selection.ts'
import { added, data, equality, History, positions, vector } from './history.ts'

/*
 * A row delta deletes rows of the files that it read. Applied to a table that changed under it, it would delete nothing, undo an
 * update, or hide another's deletes; taken for a conflict where there is none, it would never get through on a busy table.
 */

const [a, b] = [data('a', 1), data('b', 2)]

async function twoFiles(formatVersion: 2 | 3 = 2): Promise<History> {
  const history = new History({ formatVersion })
  await history.append([a, b])
  return history
}

interface Delta {
  readonly isolation?: Isolation
  readonly updatesRows?: boolean
  readonly deletes?: readonly NewFile[]
  readonly added?: readonly NewFile[]
  /** Day that the change reads. */
  readonly day?: number
}

/** A change of file `a` as the table stands now, to be applied later. */
async function plan(history: History, delta: Delta = {}): Promise<() => Promise<unknown>> {
  const { isolation = 'serializable', updatesRows = false, day = 1 } = delta
  const referenced = [await history.find('a')]
  const startingSnapshotId = history.head
  const own = history.target.metadata.formatVersion === 3 ? vector('v', a) : positions('p', 1, a)
  return () =>
    history.commit((request) =>
      rowDelta({
        ...request,
        added: delta.added ?? (updatesRows ? [added(data('new', 1, 1n))] : []),
        deletes: delta.deletes ?? [added(own)],
        referenced,
        validation: { startingSnapshotId, isolation },
        conflicts: selectPartitions(request.table.metadata, 0, [[day]]),
        updatesRows,
      }),
    )
}

const conflict = { code: 'CONFLICT' }

describe.each([2, 3] as const)('version %d', (formatVersion) => {
  test('without anybody else, it is committed', async () => {
    const history = await twoFiles(formatVersion)
    await (
      await plan(history)
    )()
    expect(await history.names()).toEqual(['a', 'b', formatVersion === 3 ? 'v' : 'p'])
    expect(history.snapshot().summary).toMatchObject({ operation: 'delete', 'total-delete-files': '1' })
  })

  test('after its file was compacted, its deletes would fall on nothing', async () => {
    const history = await twoFiles(formatVersion)
    const apply = await plan(history, { isolation: 'snapshot' })
    const removed = [await history.find('a')]
    await history.commit((request) =>
      rewriteFiles({ ...request, removed, added: [added(data('c', 1))], startingSnapshotId: history.head }),
    )
    await expect(apply()).rejects.toMatchObject({ ...conflict, message: expect.stringContaining('replaced files') })
  })

  test('after its file was replaced by copy-on-write, or removed whole', async () => {
    for (const by of [[added(data('c', 1))], []]) {
      const history = await twoFiles(formatVersion)
      const apply = await plan(history, { isolation: 'snapshot' })
      const removed = [await history.find('a')]
      await history.commit((request) => overwriteFiles({ ...request, removed, added: by }))
      await expect(apply()).rejects.toMatchObject(conflict)
    }
  })

  test('rows added to what it read are a conflict if it is serializable, rows elsewhere never', async () => {
    for (const [isolation, day, conflicts] of [
      ['serializable', 1, true],
      ['serializable', 2, false],
      ['snapshot', 1, false],
    ] as const) {
      const history = await twoFiles(formatVersion)
      const apply = await plan(history, { isolation })
      await history.append([data('c', day)])
      if (conflicts) await expect(apply()).rejects.toMatchObject(conflict)
      else await apply()
    }
  })

  test('a compaction elsewhere, or of what it only might have read, loses no rows', async () => {
    const history = await twoFiles(formatVersion)
    await history.append([data('c', 1)])
    const apply = await plan(history, { updatesRows: true })
    const removed = [await history.find('b'), await history.find('c')]
    await history.commit((request) =>
      rewriteFiles({
        ...request,
        removed,
        added: [added(data('b2', 2)), added(data('c2', 1))],
        startingSnapshotId: history.head,
      }),
    )
    await apply()
    expect(await history.names()).toContain('new')
  })

  test('commits to another branch don’t matter', async () => {
    const history = await twoFiles(formatVersion)
    const apply = await plan(history)
    await history.append([data('c', 1)], 'side')
    await apply()
  })

  test('an update would undo a delete of the same row, and only one that may be of the same row', async () => {
    for (const [day, conflicts] of [
      [1, true],
      [2, false],
    ] as const) {
      const history = await twoFiles(formatVersion)
      const apply = await plan(history, { isolation: 'snapshot', updatesRows: true })
      await history.commit((request) =>
        rowDelta({ ...request, added: [], deletes: [added(equality('e', day))], referenced: [] }),
      )
      if (conflicts) await expect(apply()).rejects.toMatchObject(conflict)
      else await apply()
    }
  })

  test('a serializable merge may have matched a row that was deleted since, in a file that it leaves as it is', async () => {
    for (const isolation of ['serializable', 'snapshot'] as const) {
      for (const by of ['rows', 'file'] as const) {
        const history = await twoFiles(formatVersion)
        const other = data('other', 1)
        await history.append([other])
        const start = history.head
        const apply = await plan(history, { isolation, updatesRows: true })
        const found = await history.find('other')
        await history.commit((request) =>
          by === 'file'
            ? overwriteFiles({ ...request, removed: [found], added: [] })
            : rowDelta({
                ...request,
                added: [],
                deletes: [added(formatVersion === 3 ? vector('w', other) : positions('w', 1, other))],
                referenced: [found],
                validation: { startingSnapshotId: start, isolation },
              }),
        )
        if (isolation === 'serializable') await expect(apply()).rejects.toMatchObject(conflict)
        else await apply()
      }
    }
  })

  test('a merge that only inserts is an append', async () => {
    const history = await twoFiles(formatVersion)
    await (
      await plan(history, { updatesRows: true, deletes: [] })
    )()
    expect(history.snapshot().summary).toMatchObject({ operation: 'append', 'added-data-files': '1' })
  })
})

describe('version 2', () => {
  test('two deletes of one file go together', async () => {
    const history = await twoFiles()
    const apply = await plan(history)
    await (
      await plan(history, { deletes: [added(positions('q', 1, a))] })
    )()
    await apply()
    expect(await history.names()).toEqual(['a', 'b', 'p', 'q'])
  })
})

describe('deletion vectors', () => {
  test('a second one for a file would hide the first, whatever the isolation and whoever wrote it', async () => {
    for (const isolation of ['serializable', 'snapshot'] as const) {
      const history = await twoFiles(3)
      const apply = await plan(history, { isolation })
      await (
        await plan(history, { deletes: [added(vector('w', a))] })
      )()
      await expect(apply()).rejects.toMatchObject({ ...conflict, message: expect.stringContaining('deleted rows') })
    }
  })

  test('one that compaction made out of position deletes counts too', async () => {
    const history = await twoFiles()
    await (
      await plan(history)
    )()
    history.change({ requirements: [], updates: [{ action: 'upgrade-format-version', formatVersion: 3 }] })
    const apply = await plan(history)
    const removed = [await history.find('p')]
    await history.commit((request) =>
      rewriteFiles({ ...request, removed, added: [added(vector('w', a))], startingSnapshotId: history.head }),
    )
    await expect(apply()).rejects.toMatchObject(conflict)
  })

  test('one that stands in for another needs that to be there', async () => {
    const history = await twoFiles(3)
    await (
      await plan(history)
    )()
    const [referenced, replacedDeletes] = [[await history.find('a')], [await history.find('v')]]
    const startingSnapshotId = history.head
    const replace = (name: string) =>
      history.commit((request) =>
        rowDelta({
          ...request,
          added: [],
          deletes: [added(vector(name, a))],
          replacedDeletes,
          referenced,
          validation: { startingSnapshotId: name === 'w' ? startingSnapshotId : history.head, isolation: 'snapshot' },
        }),
      )
    await replace('w')
    expect(await history.names()).toEqual(['a', 'b', 'w'])
    // Even where the history would not tell.
    await expect(replace('x')).rejects.toMatchObject({ ...conflict, message: expect.stringContaining('no longer') })
  })
})

test('deletes by position hold for what was read alone: what that was must be said', async () => {
  const history = await twoFiles()
  const base = { added: [], deletes: [added(positions('p', 1, a))], referenced: [await history.find('a')] }
  const validation = { startingSnapshotId: history.head, isolation: 'snapshot' } as const
  for (const bad of [
    { ...base },
    { ...base, referenced: [], validation },
    { ...base, referenced: [await history.find('b')], validation },
  ]) {
    await expect(history.commit((request) => rowDelta({ ...request, ...bad }))).rejects.toMatchObject({
      code: 'INVARIANT_VIOLATED',
    })
  }
})

test('position delete files in a table that was raised to version 3 meanwhile are a conflict', async () => {
  const history = await twoFiles()
  const apply = await plan(history)
  history.change({ requirements: [], updates: [{ action: 'upgrade-format-version', formatVersion: 3 }] })
  await expect(apply()).rejects.toMatchObject(conflict)
})

describe('a history with a gap', () => {
  test('is a conflict, for what happened in the gap cannot be told', async () => {
    const history = await twoFiles()
    const apply = await plan(history)
    await history.append([data('c', 3)])
    await history.append([data('d', 3)])
    history.change({ requirements: [], updates: [{ action: 'remove-snapshots', snapshotIds: [1n, 2n] }] })
    await expect(apply()).rejects.toMatchObject({ ...conflict, message: expect.stringContaining('history') })
  })

  test('is none when only the start itself expired', async () => {
    const history = await twoFiles()
    const apply = await plan(history)
    await history.append([data('c', 3)])
    history.change({ requirements: [], updates: [{ action: 'remove-snapshots', snapshotIds: [1n] }] })
    await apply()
  })

  test('is one when the branch was rolled back behind the start', async () => {
    const history = await twoFiles()
    await history.append([data('c', 3)])
    const apply = await plan(history)
    history.change({
      requirements: [],
      updates: [{ action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId: 1n } }],
    })
    await expect(apply()).rejects.toMatchObject(conflict)
  })
})
