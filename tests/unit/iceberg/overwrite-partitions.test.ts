import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  appendFiles,
  decodeManifest,
  decodeManifestList,
  dropRef,
  encodeManifest,
  EntryStatus,
  overwritePartitions,
  planScan,
  setBranch,
  type DataFile,
  type DetachedManifest,
  type ManifestEntry,
  type Snapshot,
} from '../../../src/iceberg/index.ts'
import { dataFile, daySpec, detachedManifest, location, MemoryIO, schema, TestTable } from './support.ts'

const day = (value: number | null, name: string, rows = 10n): DataFile =>
  dataFile(`${location}/data/${name}.parquet`, [value], rows)

async function append(
  to: TestTable,
  io: MemoryIO,
  files: readonly DataFile[],
  snapshotId: bigint,
  branch = 'main',
): Promise<void> {
  to.commit(
    (
      await appendFiles({
        table: to.table,
        io,
        files,
        specId: to.metadata.defaultSpecId,
        snapshotId,
        nowMs: to.nowMs,
        branch,
      })
    ).change,
  )
}

interface Overwrite {
  readonly days: readonly (number | null)[]
  readonly manifests: readonly DetachedManifest[]
  readonly snapshotId: bigint
  readonly branch?: string
}

const overwrite = (to: TestTable, io: MemoryIO, { days, manifests, snapshotId, branch = 'staged' }: Overwrite) =>
  overwritePartitions({
    table: to.table,
    io,
    base: to.metadata.currentSnapshotId,
    branch,
    specId: to.metadata.defaultSpecId,
    partitions: days.map((value) => [value]),
    manifests,
    snapshotId,
    nowMs: to.nowMs,
    summary: { 'hindcast.run-id': 'r' },
  })

const publish = (to: TestTable, snapshotId: bigint): void => {
  to.commit(setBranch({ table: to.table, ref: 'main', snapshotId, expected: to.metadata.currentSnapshotId }).change)
}

async function paths(of: TestTable, io: MemoryIO, snapshotId?: bigint): Promise<string[]> {
  const { tasks } = await planScan({ table: of.table, io, ...(snapshotId === undefined ? {} : { snapshotId }) })
  return tasks.map((file) => file.dataFile.filePath.slice(location.length + 6, -8)).sort()
}

async function entriesOf(of: TestTable, io: MemoryIO, snapshot: Snapshot): Promise<ManifestEntry[]> {
  const manifests = decodeManifestList(await io.read(snapshot.manifestList), snapshot.manifestList)
  const read = manifests.map(async (manifest) =>
    decodeManifest(await io.read(manifest.manifestPath), manifest, of.metadata),
  )
  return (await Promise.all(read)).flat()
}

describe('an overwrite shows the new files in its partitions and the old ones elsewhere', () => {
  test('against a map of partitions, over any sequence of appends, overwrites and publishes', async () => {
    const dayValue = fc.option(fc.integer({ min: -3, max: 5 }), { freq: 8 })
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), days: fc.array(dayValue, { minLength: 1, maxLength: 6 }) }),
      fc.record({
        kind: fc.constantFrom('overwrite' as const, 'overwrite unpublished' as const),
        days: fc.uniqueArray(dayValue, { minLength: 1, maxLength: 4 }),
        filled: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
        const [io, target] = [new MemoryIO(), new TestTable()]
        let reference = new Map<number | null, readonly DataFile[]>()
        let snapshotId = 1n
        for (const [index, doing] of steps.entries()) {
          snapshotId++
          const next = new Map(reference)
          if (doing.kind === 'append') {
            const files = doing.days.map((value, at) => day(value, `${index}-${at}`, BigInt(at + 1)))
            await append(target, io, files, snapshotId)
            for (const file of files) {
              const value = file.partition[0] as number | null
              next.set(value, [...(next.get(value) ?? []), file])
            }
            reference = next
          } else {
            const files = doing.days.flatMap((value, at) =>
              doing.filled[at] === true ? [day(value, `${index}-${at}`, 7n)] : [],
            )
            const manifests = files.length === 0 ? [] : [await detachedManifest(io, `${index}`, files)]
            const { change, removed } = await overwrite(target, io, { days: doing.days, manifests, snapshotId })
            expect(removed.map(({ dataFile: { filePath } }) => filePath).sort()).toEqual(
              doing.days
                .flatMap((value) => reference.get(value) ?? [])
                .map(({ filePath }) => filePath)
                .sort(),
            )
            target.commit(change)
            for (const value of doing.days) next.set(value, [])
            for (const file of files) next.set(file.partition[0] as number | null, [file])
            if (doing.kind === 'overwrite') {
              publish(target, snapshotId)
              reference = next
            }
          }
          const live = [...reference.values()].flat()
          const plan = await planScan({ table: target.table, io })
          expect(plan.tasks.map((file) => file.dataFile.filePath).sort()).toEqual(
            live.map(({ filePath }) => filePath).sort(),
          )
          const head = target.metadata.snapshots.find(
            (snapshot) => snapshot.snapshotId === target.metadata.currentSnapshotId,
          )
          if (head === undefined) continue
          expect(head.summary).toMatchObject({
            'total-data-files': String(live.length),
            'total-records': String(live.reduce((sum, file) => sum + file.recordCount, 0n)),
            'total-files-size': String(live.reduce((sum, file) => sum + file.fileSizeInBytes, 0n)),
          })
        }
      }),
      { numRuns: 60 },
    )
  })
})

async function threeDays(): Promise<readonly [MemoryIO, TestTable]> {
  const [io, target] = [new MemoryIO(), new TestTable()]
  await append(target, io, [day(1, 'a'), day(2, 'b')], 11n)
  await append(target, io, [day(30, 'c')], 12n)
  return [io, target]
}

test('main stays as it was until the branch is published; dropping the branch keeps the snapshot', async () => {
  const [io, target] = await threeDays()
  const { change, snapshot } = await overwrite(target, io, {
    days: [1],
    manifests: [await detachedManifest(io, 's', [day(1, 'a2')])],
    snapshotId: 13n,
  })
  target.commit(change)
  expect(await paths(target, io)).toEqual(['a', 'b', 'c'])
  expect(await paths(target, io, 13n)).toEqual(['a2', 'b', 'c'])
  expect(snapshot).toMatchObject({ parentSnapshotId: 12n, sequenceNumber: 3n, schemaId: 0 })
  expect(snapshot.summary).toMatchObject({
    operation: 'overwrite',
    'hindcast.run-id': 'r',
    'added-data-files': '1',
    'deleted-data-files': '1',
    'deleted-records': '10',
    'removed-files-size': '80',
    'changed-partition-count': '1',
  })
  publish(target, 13n)
  target.commit(dropRef({ table: target.table, ref: 'staged', expected: 13n }).change)
  expect(await paths(target, io)).toEqual(['a2', 'b', 'c'])
  expect(Object.keys(target.metadata.refs)).toEqual(['main'])
})

test('rewritten entries keep their numbers, so that row-level deletes still fall on the right files', async () => {
  const [io, target] = await threeDays()
  const manifests = [await detachedManifest(io, 's', [day(1, 'a2')])]
  const { change, snapshot } = await overwrite(target, io, { days: [1], manifests, snapshotId: 13n })
  target.commit(change)
  const entries = await entriesOf(target, io, snapshot)
  const facts = entries.map(({ status, snapshotId, sequenceNumber, fileSequenceNumber, dataFile: { filePath } }) => [
    filePath.slice(location.length + 6, -8),
    status,
    snapshotId,
    sequenceNumber,
    fileSequenceNumber,
  ])
  expect(facts).toEqual([
    ['a2', EntryStatus.added, 13n, 3n, 3n],
    ['c', EntryStatus.added, 12n, 2n, 2n],
    ['a', EntryStatus.deleted, 13n, 1n, 1n],
    ['b', EntryStatus.existing, 11n, 1n, 1n],
  ])
  const rewritten = decodeManifestList(await io.read(snapshot.manifestList), 'l').find(
    ({ deletedFilesCount }) => deletedFilesCount === 1,
  )
  expect(rewritten).toMatchObject({
    sequenceNumber: 3n,
    minSequenceNumber: 1n,
    existingRowsCount: 10n,
    deletedRowsCount: 10n,
  })
  expect(entries[3]?.dataFile).toEqual(day(2, 'b'))
})

test('every entry names its snapshot in the file itself: PyIceberg takes an inherited id for the status', async () => {
  const [io, target] = await threeDays()
  const manifests = [await detachedManifest(io, 's', [day(1, 'a2')])]
  const { snapshot } = await overwrite(target, io, { days: [1], manifests, snapshotId: 13n })
  for (const manifest of decodeManifestList(await io.read(snapshot.manifestList), 'l')) {
    const bytes = await io.read(manifest.manifestPath)
    const unknown = decodeManifest(bytes, { ...manifest, addedSnapshotId: -1n }, target.metadata)
    expect(unknown.every(({ snapshotId }) => snapshotId !== -1n)).toBe(true)
  }
})

test('a manifest whose partitions don’t overlap is carried without being read', async () => {
  const [io, target] = await threeDays()
  const before = decodeManifestList(await io.read(target.metadata.snapshots[1]?.manifestList ?? ''), 'l')
  const far = before.find(({ addedSnapshotId }) => addedSnapshotId === 12n)
  io.reads.length = 0
  const { snapshot } = await overwrite(target, io, { days: [1, 29, 31, null], manifests: [], snapshotId: 13n })
  expect(io.reads).not.toContain(far?.manifestPath)
  expect(decodeManifestList(await io.read(snapshot.manifestList), 'l')).toContainEqual(far)
})

test('a manifest left with deleted entries only is told of once, then dropped', async () => {
  const [io, target] = await threeDays()
  const first = await overwrite(target, io, { days: [30], manifests: [], snapshotId: 13n })
  target.commit(first.change)
  publish(target, 13n)
  expect(decodeManifestList(await io.read(first.snapshot.manifestList), 'l')).toHaveLength(2)
  const second = await overwrite(target, io, { days: [40], manifests: [], snapshotId: 14n })
  expect(second.removed).toEqual([])
  expect(decodeManifestList(await io.read(second.snapshot.manifestList), 'l')).toHaveLength(1)
})

test('one snapshot id staged on two heads never takes the first attempt’s files for its own', async () => {
  const [io, target] = await threeDays()
  const manifests = [await detachedManifest(io, 's', [day(1, 'a2')])]
  const early = await overwrite(target, io, { days: [1], manifests, snapshotId: 13n })
  const again = await overwrite(target, io, { days: [1], manifests, snapshotId: 13n })
  expect(again.snapshot.manifestList).toBe(early.snapshot.manifestList)
  await append(target, io, [day(50, 'd')], 14n)
  expect(() => target.commit(early.change)).toThrow('ref main is at snapshot 14, not 12')
  const late = await overwrite(target, io, { days: [1], manifests, snapshotId: 13n })
  target.commit(late.change)
  expect(await paths(target, io, 13n)).toEqual(['a2', 'b', 'c', 'd'])
})

test('the branch must be where it was when the table was loaded', async () => {
  const [io, target] = await threeDays()
  const one = await overwrite(target, io, { days: [1], manifests: [], snapshotId: 13n })
  const other = await overwrite(target, io, { days: [2], manifests: [], snapshotId: 14n })
  target.commit(one.change)
  expect(() => target.commit(other.change)).toThrow('ref staged exists, at snapshot 13')
  const main = {
    table: target.table,
    io,
    specId: 0,
    partitions: [],
    manifests: [],
    snapshotId: 15n,
    nowMs: 0,
    branch: 'main',
  }
  await expect(overwritePartitions({ ...main, base: 11n })).rejects.toMatchObject({ code: 'CONFLICT' })
})

test('retention stays with its branch, and is changed when given', async () => {
  const [io, target] = await threeDays()
  const request = { io, base: 12n, branch: 'staged', specId: 0, partitions: [[1]], manifests: [], nowMs: 0 }
  const retention = { maxRefAgeMs: 5, minSnapshotsToKeep: 1 }
  target.commit(
    (await overwritePartitions({ ...request, table: target.table, snapshotId: 13n, refRetention: retention })).change,
  )
  target.commit(
    (await overwritePartitions({ ...request, table: target.table, snapshotId: 14n, refRetention: { maxRefAgeMs: 9 } }))
      .change,
  )
  expect(target.metadata.refs['staged']).toEqual({
    type: 'branch',
    snapshotId: 14n,
    maxRefAgeMs: 9,
    minSnapshotsToKeep: 1,
  })
})

describe('new manifests that must not be added', () => {
  const cases: readonly (readonly [string, (io: MemoryIO) => Promise<DetachedManifest>, string])[] = [
    ['a file outside the partitions', (io) => detachedManifest(io, 's', [day(2, 'x')]), 'outside the partitions'],
    ['a path that is being replaced', (io) => detachedManifest(io, 's', [day(1, 'a')]), 'replaced or added already'],
    ['a path twice', (io) => detachedManifest(io, 's', [day(1, 'x'), day(1, 'x')]), 'replaced or added already'],
    [
      'a count that is not true',
      async (io) => ({ ...(await detachedManifest(io, 's', [day(1, 'x')])), addedFilesCount: 2 }),
      'has 1 entries, not 2',
    ],
    ['another spec', (io) => detachedManifest(io, 's', [day(1, 'x')], { ...daySpec, specId: 3 }), 'partition spec 3'],
    [
      'entries with numbers of their own',
      async (io) => {
        const entry = {
          status: EntryStatus.added,
          snapshotId: 4n,
          sequenceNumber: 1n,
          fileSequenceNumber: 1n,
          dataFile: day(1, 'x'),
        }
        const { bytes, manifest } = encodeManifest({
          formatVersion: 2,
          schema,
          spec: daySpec,
          content: 'data',
          entries: [entry],
        })
        await io.create('m', bytes)
        return { ...manifest, manifestPath: 'm' }
      },
      'numbers of its own',
    ],
  ]
  test.each(cases)('%s', async (_name, manifest, reason) => {
    const [io, target] = await threeDays()
    const manifests = [await manifest(io)]
    await expect(overwrite(target, io, { days: [1], manifests, snapshotId: 13n })).rejects.toThrow(reason)
  })
})

test('an unpartitioned table is one partition', async () => {
  const io = new MemoryIO()
  const target = new TestTable({ specId: 0, fields: [] })
  const bare = (name: string): DataFile => dataFile(`${location}/data/${name}.parquet`, [])
  await append(target, io, [bare('a'), bare('b')], 1n)
  const manifests = [await detachedManifest(io, 's', [bare('c')], { specId: 0, fields: [] })]
  const request = { table: target.table, io, base: 1n, branch: 'main', specId: 0, nowMs: 0, snapshotId: 2n, manifests }
  target.commit((await overwritePartitions({ ...request, partitions: [[]] })).change)
  expect(await paths(target, io)).toEqual(['c'])
})

test('a branch that an append makes begins where main is', async () => {
  const [io, target] = await threeDays()
  await append(target, io, [day(9, 'e')], 13n, 'side')
  expect(await paths(target, io, 13n)).toEqual(['a', 'b', 'c', 'e'])
  expect(await paths(target, io)).toEqual(['a', 'b', 'c'])
  expect(() => setBranch({ table: target.table, ref: 'main', snapshotId: 99n, expected: 12n })).toThrow(
    expect.objectContaining({ code: 'SNAPSHOT_NOT_FOUND' }),
  )
})

describe('files of a former partition spec are replaced by the rows they hold', () => {
  const months = { specId: 1, fields: [{ sourceId: 2, fieldId: 1001, name: 'feature_time_month', transform: 'month' }] }
  const buckets = { specId: 1, fields: [{ sourceId: 1, fieldId: 1001, name: 'origin_bucket', transform: 'bucket[4]' }] }
  const respec = (target: TestTable, spec: typeof months): void => {
    target.commit({
      requirements: [],
      updates: [
        { action: 'add-spec', spec },
        { action: 'set-default-spec', specId: 1 },
      ],
    })
  }

  test('days inside a month go with it, those of other months stay', async () => {
    const [io, target] = await threeDays()
    await append(target, io, [day(31, 'feb')], 13n)
    respec(target, months)
    const file = dataFile(`${location}/data/jan.parquet`, [0])
    const base = target.metadata.currentSnapshotId
    const request = { table: target.table, io, base, branch: 'main', specId: 1, nowMs: 0, snapshotId: 14n }
    const { change, removed } = await overwritePartitions({ ...request, partitions: [[0]], files: [file] })
    target.commit(change)
    expect(await paths(target, io)).toEqual(['feb', 'jan'])
    expect(removed.map(({ specId }) => specId)).toEqual([0, 0, 0])
  })

  test('a file with rows of the partition and of others is refused, and so is what cannot be told', async () => {
    const io = new MemoryIO()
    const target = new TestTable(months)
    // Days 0 to 9 of January.
    const upper = dataFile('', [9]).upperBounds as ReadonlyMap<number, Uint8Array>
    const odd = { ...dataFile(`${location}/data/odd.parquet`, [0]), upperBounds: upper }
    await append(target, io, [odd], 11n)
    const days = { ...daySpec, specId: 2 }
    target.commit({
      requirements: [],
      updates: [
        { action: 'add-spec', spec: days },
        { action: 'set-default-spec', specId: 2 },
      ],
    })
    await expect(overwrite(target, io, { days: [5], manifests: [], snapshotId: 12n })).rejects.toThrow(/beside others/)
    const [otherIo, other] = await threeDays()
    respec(other, buckets)
    await expect(overwrite(other, otherIo, { days: [1], manifests: [], snapshotId: 13n })).rejects.toThrow(
      /former partition specs/,
    )
  })
})
