import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  appendFiles,
  applyTransform,
  encodeManifest,
  encodeManifestList,
  encodeSingleValue,
  EntryStatus,
  planFiles,
  type DataFile,
  type PartitionSpec,
} from '../../../src/iceberg/index.ts'
import { dataFile, daySpec, location, MemoryIO, microsPerDay, schema, TestTable } from './support.ts'

const specOf = (transform: string): PartitionSpec => ({
  specId: 0,
  fields: [
    { sourceId: 1, fieldId: 1000, name: 'origin', transform: 'bucket[4]' },
    { sourceId: 2, fieldId: 1001, name: 'p', transform },
  ],
})

const sorted = (files: readonly { readonly dataFile: DataFile }[]): string[] =>
  files.map((file) => file.dataFile.filePath).sort()

test('a range leaves out no file with a row in it, whichever transform partitions the column; by bounds it is exact', async () => {
  // Mostly where mistakes are: at the edges of days and of the range.
  const day = fc.bigInt({ min: -400n, max: 400n }).map((ordinal) => ordinal * microsPerDay)
  const instant = fc.oneof(
    day,
    day.map((start) => start - 1n),
    fc.bigInt({ min: -400n * microsPerDay, max: 400n * microsPerDay }),
  )
  const place = fc.constantFrom<'from' | 'to' | null>('from', 'to', null)
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('identity', 'day', 'month', 'year', 'hour', 'void', 'bucket[3]'),
      fc.array(
        fc.array(
          fc.record({ at: fc.option(instant, { freq: 6 }), place, before: fc.boolean(), bounds: fc.boolean() }),
          { maxLength: 5 },
        ),
        {
          maxLength: 4,
        },
      ),
      instant,
      fc.oneof(
        fc.bigInt({ min: 1n, max: 90n }).map((days) => days * microsPerDay),
        fc.bigInt({ min: 1n, max: 90n * microsPerDay }),
      ),
      async (transform, appends, from, length) => {
        const spec = specOf(transform)
        const [io, target] = [new MemoryIO(), new TestTable(spec)]
        const range = { fieldId: 2, from, to: from + length }
        const [inside, outside]: [string[], string[]] = [[], []]
        for (const [index, times] of appends.entries()) {
          const files = times.map(({ at: anywhere, place: edge, before, bounds }, at): DataFile => {
            const time = edge === null || anywhere === null ? anywhere : range[edge] - (before ? 1n : 0n)
            const filePath = `${index}-${at}`
            const within = time !== null && time >= from && time < range.to
            if (within) inside.push(filePath)
            else if (time !== null && bounds) outside.push(filePath)
            const {
              lowerBounds: _l,
              upperBounds: _u,
              ...file
            } = dataFile(filePath, [1, applyTransform(transform, 'timestamptz', time)])
            const bound = time === null || !bounds ? null : new Map([[2, encodeSingleValue('timestamptz', time)]])
            return bound === null ? file : { ...file, lowerBounds: bound, upperBounds: bound }
          })
          const snapshotId = BigInt(index + 1)
          target.commit(
            (await appendFiles({ table: target.table, io, files, specId: 0, snapshotId, nowMs: target.nowMs })).change,
          )
        }
        const planned = sorted((await planFiles({ table: target.table, io, timeRange: range })).files)
        expect(planned).toEqual(expect.arrayContaining(inside))
        expect(planned.filter((path) => outside.includes(path))).toEqual([])
      },
    ),
    { numRuns: 200 },
  )
})

test('manifests out of range are not read', async () => {
  const [io, target] = [new MemoryIO(), new TestTable()]
  for (const [index, days] of [
    [1, 2],
    [10, 11],
    [20, null],
  ].entries()) {
    const files = days.map((day, at) => dataFile(`${index}-${at}`, [day]))
    target.commit(
      (await appendFiles({ table: target.table, io, files, specId: 0, snapshotId: BigInt(index + 1), nowMs: 0 }))
        .change,
    )
  }
  io.reads.length = 0
  const range = { fieldId: 2, from: 10n * microsPerDay, to: 11n * microsPerDay }
  const { files } = await planFiles({ table: target.table, io, timeRange: range })
  expect(sorted(files)).toEqual(['1-0'])
  expect(files[0]).toMatchObject({ specId: 0, sequenceNumber: 2n })
  expect(io.reads).toHaveLength(2)
  expect(sorted((await planFiles({ table: target.table, io, snapshotId: 1n })).files)).toEqual(['0-0', '0-1'])
  await expect(planFiles({ table: target.table, io, timeRange: { ...range, fieldId: 3 } })).rejects.toMatchObject({
    code: 'FEATURE_UNSUPPORTED',
  })
})

test('a table without snapshots has no files', async () => {
  expect(await planFiles({ table: new TestTable().table, io: new MemoryIO() })).toEqual({ files: [], deleteFiles: [] })
})

test('delete files are handed out apart, so that who cannot apply them can refuse', async () => {
  const [io, target] = [new MemoryIO(), new TestTable()]
  const deletes: DataFile = { ...dataFile('deletes', [1]), content: 1, referencedDataFile: 'a' }
  const entry = { status: EntryStatus.added, snapshotId: 1n, sequenceNumber: null, fileSequenceNumber: null }
  const manifests = [dataFile('a', [1]), deletes].map((file, index) => {
    const content = index === 0 ? ('data' as const) : ('deletes' as const)
    const { bytes, manifest } = encodeManifest({
      formatVersion: 2,
      schema,
      spec: daySpec,
      content,
      entries: [{ ...entry, dataFile: file }],
    })
    const manifestPath = `${location}/${content}.avro`
    io.files.set(manifestPath, bytes)
    return { ...manifest, manifestPath, sequenceNumber: 1n, minSequenceNumber: 1n, addedSnapshotId: 1n }
  })
  io.files.set(
    'list',
    encodeManifestList(manifests, { snapshotId: 1n, parentSnapshotId: null, sequenceNumber: 1n, formatVersion: 2 }),
  )
  const snapshot = {
    snapshotId: 1n,
    sequenceNumber: 1n,
    timestampMs: 1,
    manifestList: 'list',
    summary: { operation: 'append' },
  }
  target.commit({
    requirements: [],
    updates: [
      { action: 'add-snapshot', snapshot },
      { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId: 1n, type: 'branch' } },
    ],
  })
  const plan = await planFiles({ table: target.table, io })
  expect(sorted(plan.files)).toEqual(['a'])
  expect(plan.deleteFiles).toEqual([deletes])
})
