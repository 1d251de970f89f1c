import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  and,
  appendFiles,
  applyTransform,
  encodeSingleValue,
  equal,
  greaterThanOrEqual,
  lessThan,
  planScan,
  type DataFile,
  type Expression,
  type PartitionSpec,
  type TableUpdate,
} from '../../../../src/iceberg/index.ts'
import { dataFile, MemoryIO, microsPerDay, schema, TestTable } from '../support.ts'

const specOf = (transform: string): PartitionSpec => ({
  specId: 0,
  fields: [
    { sourceId: 1, fieldId: 1000, name: 'origin', transform: 'bucket[4]' },
    { sourceId: 2, fieldId: 1001, name: 'p', transform },
  ],
})

const sorted = (files: readonly { readonly dataFile: DataFile }[]): string[] =>
  files.map((file) => file.dataFile.filePath).sort()

const during = (from: bigint, to: bigint): Expression =>
  and(greaterThanOrEqual('feature_time', from), lessThan('feature_time', to))

async function append(to: TestTable, io: MemoryIO, files: readonly DataFile[], branch = 'main'): Promise<bigint> {
  const snapshotId = BigInt(to.metadata.snapshots.length + 1)
  const specId = to.metadata.defaultSpecId
  to.commit((await appendFiles({ table: to.table, io, files, specId, snapshotId, nowMs: to.nowMs, branch })).change)
  return snapshotId
}

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
        const range = { from, to: from + length }
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
          await append(target, io, files)
        }
        const { tasks } = await planScan({ table: target.table, io, filter: during(from, range.to) })
        const planned = sorted(tasks)
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
    await append(
      target,
      io,
      days.map((day, at) => dataFile(`${index}-${at}`, [day])),
    )
  }
  io.reads.length = 0
  const { tasks } = await planScan({ table: target.table, io, filter: during(10n * microsPerDay, 11n * microsPerDay) })
  expect(sorted(tasks)).toEqual(['1-0'])
  // All rows of the day are in the range.
  expect(tasks[0]).toMatchObject({ specId: 0, sequenceNumber: 2n, deletes: [], residual: { kind: 'true' } })
  expect(io.reads).toHaveLength(2)
  expect(sorted((await planScan({ table: target.table, io, snapshotId: 1n })).tasks)).toEqual(['0-0', '0-1'])
})

test('each file is judged by the partition spec it was written with', async () => {
  const [io, target] = [new MemoryIO(), new TestTable(specOf('month'))]
  const unmeasured = ['by-month', 'next-month'].map((name, month) => ({
    ...dataFile(name, [null]),
    partition: [1, month],
  }))
  await append(target, io, unmeasured)
  const fields = [{ sourceId: 2, fieldId: 1001, name: 'day', transform: 'day' }]
  target.commit({
    requirements: [],
    updates: [
      { action: 'add-spec', spec: { specId: 1, fields } },
      { action: 'set-default-spec', specId: 1 },
    ],
  })
  await append(target, io, [dataFile('by-day', [3]), dataFile('next-day', [4])])
  const { tasks } = await planScan({ table: target.table, io, filter: equal('feature_time', 3n * microsPerDay + 5n) })
  expect(sorted(tasks)).toEqual(['by-day', 'by-month'])
  expect(tasks.find(({ specId }) => specId === 0)?.residual.kind).toBe('eq')
})

test('tasks keep the metrics of the columns that were asked for, and no others', async () => {
  const [io, target] = [new MemoryIO(), new TestTable()]
  const measured = dataFile('a', [1])
  await append(target, io, [
    {
      ...measured,
      valueCounts: new Map([
        [1, 10n],
        [2, 10n],
      ]),
      columnSizes: new Map([[1, 5n]]),
    },
  ])
  const filter = greaterThanOrEqual('feature_time', 0n)
  const [bare] = (await planScan({ table: target.table, io, filter })).tasks
  expect(bare?.dataFile).toEqual({
    content: 0,
    filePath: 'a',
    fileFormat: 'PARQUET',
    partition: [1],
    recordCount: 10n,
    fileSizeInBytes: 80n,
  })
  const [kept] = (await planScan({ table: target.table, io, filter, columns: [1] })).tasks
  expect(kept?.dataFile.valueCounts).toEqual(new Map([[1, 10n]]))
  expect(kept?.dataFile.lowerBounds ?? new Map()).toEqual(new Map())
})

test('where only bounds are looked at, other metrics are left out, but for a filter, which is judged by all', async () => {
  const [io, target] = [new MemoryIO(), new TestTable()]
  const measured = dataFile('a', [1])
  await append(target, io, [{ ...measured, columnSizes: new Map([[2, 5n]]) }])
  const columns = [2]
  const [bounded] = (await planScan({ table: target.table, io, columns, boundsOnly: true })).tasks
  expect(bounded?.dataFile).toEqual({ ...measured, valueCounts: undefined })
  const filter = greaterThanOrEqual('feature_time', 0n)
  const [judged] = (await planScan({ table: target.table, io, filter, columns, boundsOnly: true })).tasks
  expect(judged?.dataFile.valueCounts).toEqual(measured.valueCounts)
})

describe('time travel', () => {
  const renamed: TableUpdate[] = [
    {
      action: 'add-schema',
      schema: {
        schemaId: 1,
        fields: schema.fields.map((field) => (field.id === 1 ? { ...field, name: 'airport' } : field)),
      },
      lastColumnId: 3,
    },
    { action: 'set-current-schema', schemaId: 1 },
  ]

  test('a branch is read by the current schema; a tag, a time and a snapshot by the schema of then', async () => {
    const [io, target] = [new MemoryIO(), new TestTable()]
    const first = await append(target, io, [dataFile('a', [1])])
    const then = target.nowMs
    target.commit({
      requirements: [],
      updates: [
        { action: 'set-snapshot-ref', refName: 'old', ref: { type: 'tag', snapshotId: first } },
        { action: 'set-snapshot-ref', refName: 'side', ref: { type: 'branch', snapshotId: first } },
        ...renamed,
      ],
    })
    await append(target, io, [dataFile('b', [2])])
    const { table } = target
    const named = { io, table, filter: equal('airport', 'LAX') }
    const before = { io, table, filter: equal('origin', 'LAX') }
    expect(sorted((await planScan(named)).tasks)).toEqual(['a', 'b'])
    expect(sorted((await planScan({ ...named, asOf: { ref: 'main' } })).tasks)).toEqual(['a', 'b'])
    expect(sorted((await planScan({ ...named, asOf: { ref: 'side' } })).tasks)).toEqual(['a'])
    expect(sorted((await planScan({ ...before, asOf: { ref: 'old' } })).tasks)).toEqual(['a'])
    expect(sorted((await planScan({ ...before, asOf: { asOfMs: then } })).tasks)).toEqual(['a'])
    expect(sorted((await planScan({ ...before, snapshotId: first })).tasks)).toEqual(['a'])
    expect((await planScan({ ...before, snapshotId: first })).schema.schemaId).toBe(0)
    await expect(planScan(before)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(planScan({ ...named, snapshotId: first })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(planScan({ ...named, asOf: { ref: 'none' } })).rejects.toMatchObject({ code: 'REF_NOT_FOUND' })
  })
})

test('a table without snapshots has no files', async () => {
  expect(await planScan({ table: new TestTable().table, io: new MemoryIO() })).toEqual({
    snapshot: null,
    schema,
    filter: { kind: 'true' },
    tasks: [],
  })
})
