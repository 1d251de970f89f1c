import { describe, expect, test } from 'vitest'
import { EntryStatus, overwriteFiles, rowDelta, type DataFile } from '../../../../src/iceberg/index.ts'
import { added, data, equality, History, nameOf, positions } from './history.ts'

/*
 * Thousands of commits must not leave thousands of manifests. But an entry that loses its snapshot, its sequence number or its row ids as
 * manifests are merged is a file that other readers see differently, or deletes that fall on the wrong rows.
 */

const merging = (minCount: number, bytes = 8_388_608) => ({
  'commit.manifest.min-count-to-merge': String(minCount),
  'commit.manifest.target-size-bytes': String(bytes),
})

const facts = async (history: History) =>
  (await history.entries()).map(({ status, snapshotId, sequenceNumber, fileSequenceNumber, dataFile }) => [
    nameOf(dataFile.filePath),
    status,
    snapshotId,
    sequenceNumber,
    fileSequenceNumber,
    dataFile.firstRowId,
  ])

test(
  'hundreds of commits leave a bounded number of manifests, and rewrite each entry a few times',
  { timeout: 120_000 },
  async () => {
    const history = new History({
      properties: { ...merging(10, 16_000), 'write.avro.compression-codec': 'uncompressed' },
    })
    let rewritten = 0
    for (let index = 0; index < 400; index++) {
      const { summary } = await history.append([data(`f${index}`, index % 7)])
      const own = (await history.manifests()).filter(({ addedSnapshotId }) => addedSnapshotId === history.head)
      rewritten += own.reduce((sum, { existingFilesCount }) => sum + existingFilesCount, 0)
      expect(summary['total-data-files']).toBe(String(index + 1))
    }
    const manifests = await history.manifests()
    expect(manifests.length).toBeLessThan(25)
    expect(new Set(await history.names()).size).toBe(400)
    // Each entry is copied with its neighbours until they fill a manifest, and then left alone.
    expect(rewritten / 400).toBeLessThan(12)
  },
)

test('below the count, and when it is turned off, manifests are left alone', async () => {
  const few = new History({ properties: merging(100) })
  const off = new History({ properties: { ...merging(2), 'commit.manifest-merge.enabled': 'false' } })
  for (const history of [few, off]) {
    for (let index = 0; index < 10; index++) await history.append([data(`f${index}`, 1)])
    expect(await history.manifests()).toHaveLength(10)
    expect(history.snapshot().summary).toMatchObject({ 'manifests-created': '1', 'manifests-kept': '9' })
  }
})

test('entries keep snapshot and sequence numbers; what a snapshot adds itself stays ADDED', async () => {
  const history = new History({ properties: merging(3) })
  await history.append([data('a', 1)])
  await history.append([data('b', 1)])
  await history.append([data('c', 1)])
  expect(await facts(history)).toEqual([
    ['c', EntryStatus.added, 3n, 3n, 3n, undefined],
    ['b', EntryStatus.existing, 2n, 2n, 2n, undefined],
    ['a', EntryStatus.existing, 1n, 1n, 1n, undefined],
  ])
  expect(await history.manifests()).toMatchObject([{ minSequenceNumber: 1n, sequenceNumber: 3n, addedSnapshotId: 3n }])
  expect(history.snapshot().summary).toMatchObject({ 'manifests-created': '1', 'manifests-replaced': '2' })
})

test('a file that keeps an older number keeps it through merging, and its own file number', async () => {
  const history = new History({ properties: merging(2) })
  await history.append([data('a', 1)])
  await history.append([data('b', 1)])
  const removed = [await history.find('a')]
  await history.commit((request) => overwriteFiles({ ...request, removed, added: [added(data('c', 1), 1n)] }))
  expect(await facts(history)).toEqual([
    ['c', EntryStatus.added, 3n, 1n, 3n, undefined],
    ['b', EntryStatus.existing, 2n, 2n, 2n, undefined],
    ['a', EntryStatus.deleted, 3n, 1n, 1n, undefined],
  ])
})

test('what a snapshot deletes is told by it, and by none that follows', async () => {
  const history = new History({ properties: merging(2) })
  await history.append([data('a', 1), data('b', 1)])
  const removed = [await history.find('a')]
  await history.commit((request) => overwriteFiles({ ...request, removed, added: [added(data('c', 1))] }))
  expect((await facts(history)).filter(([, status]) => status === EntryStatus.deleted)).toHaveLength(1)
  await history.append([data('d', 1)])
  expect((await facts(history)).filter(([, status]) => status === EntryStatus.deleted)).toHaveLength(0)
})

test('manifests of different specs and contents are never mixed', async () => {
  const history = new History({ properties: merging(2) })
  const a = data('a', 1)
  await history.append([a])
  await history.commit((request) =>
    rowDelta({ ...request, added: [], deletes: [added(equality('e', 1))], referenced: [] }),
  )
  const months = { specId: 1, fields: [{ sourceId: 2, fieldId: 1001, name: 'm', transform: 'month' }] }
  history.change({
    requirements: [],
    updates: [
      { action: 'add-spec', spec: months },
      { action: 'set-default-spec', specId: 1 },
    ],
  })
  const referenced = [await history.find('a')]
  await history.append([data('b', 0)])
  await history.commit((request) =>
    rowDelta({
      ...request,
      added: [{ dataFile: data('c', 0), specId: 1 }],
      deletes: [added(positions('p', 1, a))],
      referenced,
      validation: { startingSnapshotId: history.head, isolation: 'snapshot' },
    }),
  )
  expect((await history.manifests()).map(({ content, partitionSpecId }) => [content, partitionSpecId])).toEqual([
    ['data', 1],
    ['deletes', 0],
    ['data', 0],
  ])
})

describe('row ids', () => {
  const idsOf = async (history: History): Promise<Record<string, bigint | undefined>> =>
    Object.fromEntries((await history.live()).map(({ dataFile }) => [nameOf(dataFile.filePath), dataFile.firstRowId]))

  const rows = (name: string): DataFile => data(name, 1, 5n)

  test('stay with files whose manifest is merged, also with one that the same commit filters first', async () => {
    const history = new History({ formatVersion: 3, properties: merging(100) })
    await history.append([rows('a'), rows('b')])
    await history.append([rows('c')])
    const before = await idsOf(history)
    expect(before).toEqual({ a: 0n, b: 5n, c: 10n })
    history.change({ requirements: [], updates: [{ action: 'set-properties', updates: merging(2) }] })
    const removed = [await history.find('a')]
    await history.commit((request) => overwriteFiles({ ...request, removed, added: [added(rows('d'))] }))
    expect(await history.manifests()).toHaveLength(1)
    expect(await idsOf(history)).toEqual({ b: 5n, c: 10n, d: expect.anything() })
    const ids = Object.values(await idsOf(history)) as bigint[]
    expect(
      ids.every((id, at) => ids.every((other, index) => at === index || id + 5n <= other || other + 5n <= id)),
    ).toBe(true)
  })

  test('are given to files from before version 3 by the first commit, and stay', async () => {
    const history = new History({ properties: merging(2) })
    await history.append([rows('a')])
    await history.append([rows('b')])
    history.change({ requirements: [], updates: [{ action: 'upgrade-format-version', formatVersion: 3 }] })
    expect(await idsOf(history)).toEqual({ a: undefined, b: undefined })
    await history.append([rows('c')])
    const first = await idsOf(history)
    expect(new Set(Object.values(first)).size).toBe(3)
    await history.append([rows('d')])
    expect(await idsOf(history)).toMatchObject(first)
  })
})

test('files that were written and then merged at once are told of as unused', async () => {
  const history = new History({ properties: merging(2) })
  await history.append([data('a', 1)])
  const { written, unused } = await history.commit((request) =>
    overwriteFiles({ ...request, removed: [], added: [added(data('b', 1))] }),
  )
  expect([written, unused].map(({ length }) => length)).toEqual([3, 1])
  const named = [
    history.snapshot().manifestList,
    ...(await history.manifests()).map(({ manifestPath }) => manifestPath),
  ]
  expect(written.filter((path) => !unused.includes(path)).sort()).toEqual(named.sort())
})
