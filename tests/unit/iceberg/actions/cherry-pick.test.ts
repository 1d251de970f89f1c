import { describe, expect, test } from 'vitest'
import {
  appendFiles,
  cherryPick,
  overwriteFiles,
  overwritePartitions,
  rewriteFiles,
  rowDelta,
  type PartitionTuple,
} from '../../../../src/iceberg/index.ts'
import { pickedAs } from '../../../../src/iceberg/actions/cherry-pick.ts'
import { daySpec } from '../support.ts'
import { added, data, equality, History } from './history.ts'

/*
 * A cherry-pick publishes what was staged and audited. Done twice its rows would double; done on a table that changed in the same
 * partitions, it would take out what nobody looked at.
 */

const a = data('a', 1)

async function oneFile(): Promise<History> {
  const history = new History()
  await history.append([a, data('b', 2)])
  return history
}

async function stagedAppend(history: History, name: string, summary: Record<string, string> = {}): Promise<bigint> {
  const { snapshot } = await history.commit(
    (request) => appendFiles({ ...request, files: [data(name, 1)], specId: 0, summary }),
    `audit_${name}`,
  )
  return snapshot.snapshotId
}

async function stagedOverwrite(
  history: History,
  partitions: readonly PartitionTuple[],
  name?: string,
): Promise<bigint> {
  const { snapshot } = await history.commit(
    (request) =>
      overwritePartitions({
        ...request,
        base: history.head,
        specId: history.target.metadata.defaultSpecId,
        partitions,
        files: name === undefined ? [] : [data(name, 1)],
      }),
    'audit',
  )
  return snapshot.snapshotId
}

const pick = (history: History, snapshotId: bigint) =>
  history.commit((request) => cherryPick({ ...request, pick: snapshotId }))

test('where the branch stands at the snapshot’s parent, it moves to it, and no snapshot is made', async () => {
  const history = await oneFile()
  const staged = await stagedAppend(history, 'c')
  expect(pickedAs(history.target.metadata, staged)).toBeUndefined()
  await pick(history, staged)
  expect(history.head).toBe(staged)
  expect(pickedAs(history.target.metadata, staged)?.snapshotId).toBe(staged)
})

test('an append is replayed on what came since, and says where it is from', async () => {
  const history = await oneFile()
  const staged = await stagedAppend(history, 'c', { 'wap.id': 'w1', note: 'n' })
  await history.append([data('d', 1)])
  await pick(history, staged)
  expect(await history.names()).toEqual(['a', 'b', 'c', 'd'])
  expect(history.snapshot().summary).toMatchObject({
    operation: 'append',
    'source-snapshot-id': staged.toString(),
    'published-wap-id': 'w1',
    'total-data-files': '4',
  })
  expect(history.snapshot().summary['wap.id']).toBeUndefined()
  expect(pickedAs(history.target.metadata, staged)).toBe(history.snapshot())
  const c = await history.find('c')
  expect(c.sequenceNumber).toBe(history.snapshot().sequenceNumber)
})

describe('a second time is refused', () => {
  const refused = { code: 'REQUEST_INVALID', message: expect.stringContaining('published already') }

  test('of the same snapshot, replayed or moved to', async () => {
    const history = await oneFile()
    const [first, second] = [await stagedAppend(history, 'c'), await stagedAppend(history, 'd')]
    await pick(history, first)
    await pick(history, second)
    await history.append([data('e', 1)])
    await expect(pick(history, first)).rejects.toMatchObject(refused)
    await expect(pick(history, second)).rejects.toMatchObject(refused)
  })

  test('of the same wap.id, whether published or committed as it is', async () => {
    const history = await oneFile()
    const [first, second] = [
      await stagedAppend(history, 'c', { 'wap.id': 'w' }),
      await stagedAppend(history, 'd', { 'wap.id': 'w' }),
    ]
    await history.append([data('e', 1)])
    await pick(history, first)
    await expect(pick(history, second)).rejects.toMatchObject(refused)
  })
})

describe('an overwrite of partitions', () => {
  test('is replayed when others changed other partitions', async () => {
    const history = await oneFile()
    const staged = await stagedOverwrite(history, [[1]], 'c')
    await history.append([data('d', 2)])
    await pick(history, staged)
    expect(await history.names()).toEqual(['b', 'c', 'd'])
    expect(history.snapshot().summary).toMatchObject({ operation: 'overwrite', 'deleted-data-files': '1' })
  })

  test('is a conflict when others added, deleted or compacted in them', async () => {
    const changes: readonly ((history: History) => Promise<unknown>)[] = [
      (history) => history.append([data('d', 1)]),
      (history) =>
        history.commit((request) =>
          rowDelta({ ...request, added: [], deletes: [added(equality('e', 1))], referenced: [] }),
        ),
      async (history) => {
        const removed = [await history.find('a')]
        return history.commit((request) => overwriteFiles({ ...request, removed, added: [] }))
      },
      async (history) => {
        const removed = [await history.find('a')]
        return history.commit((request) =>
          rewriteFiles({ ...request, removed, added: [added(data('d', 1))], startingSnapshotId: history.head }),
        )
      },
    ]
    for (const change of changes) {
      for (const name of ['c', undefined]) {
        const history = await oneFile()
        const staged = await stagedOverwrite(history, [[1]], name)
        await change(history)
        await expect(pick(history, staged)).rejects.toMatchObject({ code: 'CONFLICT' })
      }
    }
  })

  test('is a conflict when others added under another spec, whose rows may lie there too', async () => {
    const history = await oneFile()
    const staged = await stagedOverwrite(history, [[1]], 'c')
    const months = { specId: 1, fields: [{ sourceId: 2, fieldId: 1001, name: 'm', transform: 'month' }] }
    history.change({
      requirements: [],
      updates: [
        { action: 'add-spec', spec: months },
        { action: 'set-default-spec', specId: 1 },
      ],
    })
    await history.append([data('d', 0)])
    await expect(pick(history, staged)).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('not based on the branch’s own history is a conflict', async () => {
    const history = await oneFile()
    await history.append([data('c', 3)])
    const staged = await stagedOverwrite(history, [[1]], 'd')
    history.change({
      requirements: [],
      updates: [{ action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId: 1n } }],
    })
    await expect(pick(history, staged)).rejects.toMatchObject({ code: 'CONFLICT' })
  })
})

test('what follows from rows that it read is not replayed, only moved to', async () => {
  const history = await oneFile()
  const removed = [await history.find('a')]
  const { snapshot } = await history.commit(
    (request) => overwriteFiles({ ...request, removed, added: [added(data('c', 1))] }),
    'audit',
  )
  const deleted = await history.commit(
    (request) => rowDelta({ ...request, added: [], deletes: [added(equality('e', 1))], referenced: [] }),
    'other',
  )
  await history.append([data('d', 9)])
  for (const { snapshotId } of [snapshot, deleted.snapshot]) {
    await expect(pick(history, snapshotId)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  }
  history.change({
    requirements: [],
    updates: [{ action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId: 1n } }],
  })
  await pick(history, snapshot.snapshotId)
  expect(await history.names()).toEqual(['b', 'c'])
})

test('the partitions that Java looks at are those of its own key, which an overwrite of partitions carries', async () => {
  const history = await oneFile()
  const staged = await stagedOverwrite(history, [[1]], 'c')
  expect(history.snapshot(staged).summary['replace-partitions']).toBe('true')
  expect(daySpec.specId).toBe(0)
})
