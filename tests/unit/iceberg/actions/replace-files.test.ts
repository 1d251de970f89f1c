import { describe, expect, test } from 'vitest'
import {
  equal,
  overwriteByFilter,
  overwriteFiles,
  overwritePartitions,
  rowDelta,
  type Isolation,
} from '../../../../src/iceberg/index.ts'
import { selectPartitions } from '../../../../src/iceberg/actions/file-selection.ts'
import { daySpec } from '../support.ts'
import { added, data, equality, History, nameOf, positions } from './history.ts'

/*
 * What replaces files was made from what it read. Where others changed that meanwhile, their rows would vanish or come back; where they
 * changed something else, there is nothing to complain about.
 */

const [a, b] = [data('a', 1), data('b', 2)]
const conflict = { code: 'CONFLICT' }

async function twoFiles(): Promise<History> {
  const history = new History()
  await history.append([a, b])
  return history
}

/** Three ways to replace what day 1 shows, planned now and applied later. */
const ways = {
  'copy-on-write': async (history: History, isolation: Isolation) => {
    const removed = [await history.find('a')]
    const startingSnapshotId = history.head
    return () =>
      history.commit((request) =>
        overwriteFiles({
          ...request,
          removed,
          added: [added(data('a2', 1, 5n))],
          validation: { startingSnapshotId, isolation },
          conflicts: selectPartitions(request.table.metadata, 0, [[1]]),
        }),
      )
  },
  'overwrite of partitions': async (history: History, isolation: Isolation) => {
    const startingSnapshotId = history.head
    return () =>
      history.commit((request) =>
        overwritePartitions({
          ...request,
          base: history.head,
          specId: 0,
          partitions: [[1]],
          files: [data('a2', 1, 5n)],
          validation: { startingSnapshotId, isolation },
        }),
      )
  },
  'overwrite by filter': async (history: History, isolation: Isolation) => {
    const startingSnapshotId = history.head
    return () =>
      history.commit((request) =>
        overwriteByFilter({
          ...request,
          filter: equal('origin', 'x'),
          added: [added(data('a2', 1, 5n))],
          addedMayLieElsewhere: true,
          validation: { startingSnapshotId, isolation },
        }),
      )
  },
}

describe.each(['copy-on-write', 'overwrite of partitions'] as const)('%s', (way) => {
  test('replaces the file, and counts so', async () => {
    const history = await twoFiles()
    await (
      await ways[way](history, 'serializable')
    )()
    expect(await history.names()).toEqual(['a2', 'b'])
    expect(history.snapshot().summary).toMatchObject({
      operation: 'overwrite',
      'deleted-data-files': '1',
      'deleted-records': '10',
      'total-data-files': '2',
      'total-records': '15',
    })
  })

  test('rows added to the range meanwhile', async () => {
    for (const [isolation, day, conflicts] of [
      ['serializable', 1, true],
      ['serializable', 2, false],
      ['snapshot', 1, false],
    ] as const) {
      const history = await twoFiles()
      const apply = await ways[way](history, isolation)
      await history.append([data('c', day)])
      if (conflicts)
        await expect(apply()).rejects.toMatchObject({ ...conflict, context: { files: [expect.any(String)] } })
      else await apply()
    }
  })

  test('the file itself replaced or removed meanwhile, and one elsewhere', async () => {
    for (const isolation of ['serializable', 'snapshot'] as const) {
      for (const [name, conflicts] of [
        ['a', true],
        ['b', false],
      ] as const) {
        const history = await twoFiles()
        const apply = await ways[way](history, isolation)
        const removed = [await history.find(name)]
        await history.commit((request) => overwriteFiles({ ...request, removed, added: [] }))
        if (conflicts) await expect(apply()).rejects.toMatchObject(conflict)
        else await apply()
      }
    }
  })

  test.each([
    ['by position in the file', () => positions('p', 1, a), true],
    ['by position somewhere in its partition', () => positions('p', 1), true],
    ['by position elsewhere', () => positions('p', 2, b), false],
    ['by equality in its partition', () => equality('e', 1), true],
    ['by equality elsewhere', () => equality('e', 2), false],
  ])('rows deleted meanwhile %s', async (_where, file, conflicts) => {
    const history = await twoFiles()
    const apply = await ways[way](history, 'snapshot')
    const referenced = [await history.find('a'), await history.find('b')]
    await history.commit((request) =>
      rowDelta({
        ...request,
        added: [],
        deletes: [added(file())],
        referenced,
        validation: { startingSnapshotId: history.head, isolation: 'snapshot' },
      }),
    )
    if (conflicts) await expect(apply()).rejects.toMatchObject(conflict)
    else await apply()
  })
})

test('equality deletes of no partition concern every file', async () => {
  const history = await twoFiles()
  const unpartitioned = { specId: 1, fields: [] }
  history.change({ requirements: [], updates: [{ action: 'add-spec', spec: unpartitioned }] })
  const apply = await ways['copy-on-write'](history, 'snapshot')
  const everywhere = { dataFile: { ...equality('e', 0), partition: [] }, specId: 1 }
  await history.commit((request) => rowDelta({ ...request, added: [], deletes: [everywhere], referenced: [] }))
  await expect(apply()).rejects.toMatchObject(conflict)
})

test('a filter that a file may match in part is refused, not applied to the whole file', async () => {
  const history = await twoFiles()
  await expect((await ways['overwrite by filter'](history, 'snapshot'))()).rejects.toMatchObject({
    code: 'FEATURE_UNSUPPORTED',
  })
})

test('without a validation, a removed file must still be there', async () => {
  const history = await twoFiles()
  const removed = [await history.find('a'), await history.find('b')]
  await history.commit((request) => overwriteFiles({ ...request, removed: removed.slice(0, 1), added: [] }))
  await expect(
    history.commit((request) => overwriteFiles({ ...request, removed, added: [added(data('c', 1))] })),
  ).rejects.toMatchObject({ ...conflict, message: expect.stringContaining('a.parquet is no longer in the table') })
})

test('a serializable merge that copies may have matched a row that was deleted since', async () => {
  for (const updatesRows of [true, false]) {
    const history = await twoFiles()
    const other = data('other', 1)
    await history.append([other])
    const removed = [await history.find('a')]
    const gone = [await history.find('other')]
    const startingSnapshotId = history.head
    await history.commit((request) => overwriteFiles({ ...request, removed: gone, added: [] }))
    const merge = history.commit((request) =>
      overwriteFiles({
        ...request,
        removed,
        added: [added(data('a2', 1))],
        validation: { startingSnapshotId, isolation: 'serializable' },
        conflicts: selectPartitions(request.table.metadata, 0, [[1]]),
        updatesRows,
      }),
    )
    if (updatesRows) await expect(merge).rejects.toMatchObject(conflict)
    else await merge
  }
})

test('a commit on another branch is none of a change’s business', async () => {
  const history = await twoFiles()
  const apply = await ways['copy-on-write'](history, 'serializable')
  await history.append([data('c', 1)], 'side')
  await apply()
  expect(await history.names()).toEqual(['a2', 'b'])
})

describe('files keep the spec that they were written under', () => {
  const byOrigin = {
    specId: 1,
    fields: [{ sourceId: 1, fieldId: 1001, name: 'origin_truncate', transform: 'truncate[2]' }],
  }

  test('also when another is the default by the time of the commit, whose tuples look alike', async () => {
    const history = await twoFiles()
    const months = { specId: 1, fields: [{ ...daySpec.fields[0], fieldId: 1001, name: 'm', transform: 'month' }] }
    history.change({
      requirements: [],
      updates: [
        { action: 'add-spec', spec: months as typeof daySpec },
        { action: 'set-default-spec', specId: 1 },
      ],
    })
    await history.commit((request) => overwriteFiles({ ...request, removed: [], added: [added(data('c', 400))] }))
    expect((await history.find('c')).specId).toBe(0)
  })

  test('and are replaced and removed under it', async () => {
    const history = await twoFiles()
    history.change({
      requirements: [],
      updates: [
        { action: 'add-spec', spec: byOrigin },
        { action: 'set-default-spec', specId: 1 },
      ],
    })
    const c = { ...data('c', 1), partition: ['xy'] }
    const removed = [await history.find('a')]
    await history.commit((request) => overwriteFiles({ ...request, removed, added: [{ dataFile: c, specId: 1 }] }))
    const second = [await history.find('b'), await history.find('c')]
    expect(second.map(({ specId }) => specId)).toEqual([0, 1])
    await history.commit((request) => overwriteFiles({ ...request, removed: second, added: [] }))
    expect(await history.names()).toEqual([])
    expect(history.snapshot().summary).toMatchObject({ 'total-data-files': '0', 'changed-partition-count': '2' })
    const entries = await history.entries()
    expect(entries.map(({ specId, dataFile }) => [nameOf(dataFile.filePath), specId])).toEqual([
      ['c', 1],
      ['b', 0],
    ])
  })
})
