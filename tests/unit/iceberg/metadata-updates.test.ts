import { describe, expect, test } from 'vitest'
import {
  ancestorsOf,
  applyUpdates,
  checkRequirements,
  conflictIn,
  newTableMetadata,
  snapshotFor,
  withMetadataLog,
  type Snapshot,
  type TableMetadata,
  type TableRequirement,
  type TableUpdate,
} from '../../../src/iceberg/index.ts'
import { daySpec, location, schema } from './support.ts'

const empty = newTableMetadata({ schema, spec: daySpec }, { uuid: 'u', location, nowMs: 1000 })

const snapshot = (snapshotId: bigint, sequenceNumber: bigint, timestampMs: number, parent?: bigint): Snapshot => ({
  snapshotId,
  sequenceNumber,
  timestampMs,
  manifestList: 'l',
  summary: { operation: 'append' },
  ...(parent === undefined ? {} : { parentSnapshotId: parent }),
})
const add = (added: Snapshot): TableUpdate => ({ action: 'add-snapshot', snapshot: added })
const set = (refName: string, snapshotId: bigint): TableUpdate => ({
  action: 'set-snapshot-ref',
  refName,
  ref: { snapshotId, type: 'branch' },
})
const apply = (metadata: TableMetadata, nowMs: number, ...updates: TableUpdate[]): TableMetadata =>
  applyUpdates(metadata, updates, { nowMs })

const one = apply(empty, 2000, add(snapshot(1n, 1n, 2000)), set('main', 1n))
const staged = apply(one, 3000, add(snapshot(2n, 2n, 3000, 1n)), set('staged', 2n))

describe('main and its log', () => {
  test('a snapshot on another branch is not shown; publishing it is logged at the time of publishing', () => {
    expect(staged).toMatchObject({ currentSnapshotId: 1n, lastSequenceNumber: 2n, lastUpdatedMs: 3000 })
    expect(staged.snapshotLog).toEqual([{ snapshotId: 1n, timestampMs: 2000 }])
    const published = apply(staged, 9000, set('main', 2n))
    expect(published.currentSnapshotId).toBe(2n)
    expect(published.snapshotLog.at(-1)).toEqual({ snapshotId: 2n, timestampMs: 9000 })
    expect(apply(published, 9500, set('main', 2n)).snapshotLog).toHaveLength(2)
  })

  test('a clock that goes back brings no time before the last: Spark hangs on a log that lies ahead', () => {
    const back = apply(staged, 10, set('main', 2n))
    expect(back.lastUpdatedMs).toBe(3000)
    expect(back.snapshotLog.at(-1)).toEqual({ snapshotId: 2n, timestampMs: 3000 })
    const behind = apply(back, 10, add(snapshot(3n, 3n, 2500, 2n)), set('main', 3n))
    expect(behind.snapshotLog.at(-1)?.timestampMs).toBe(3000)
    const ahead = apply(behind, 10, add(snapshot(4n, 4n, 8000, 3n)), set('main', 4n))
    expect(ahead.lastUpdatedMs).toBe(8000)
  })

  test('dropping main empties the table, dropping another ref does not', () => {
    expect(apply(staged, 4000, { action: 'remove-snapshot-ref', refName: 'staged' }).currentSnapshotId).toBe(1n)
    const dropped = apply(staged, 4000, { action: 'remove-snapshot-ref', refName: 'main' })
    expect(dropped.currentSnapshotId).toBeNull()
  })
})

describe('what cannot be applied', () => {
  test('a sequence number that another branch took is a conflict, though every requirement holds', () => {
    const change = { requirements: [], updates: [add(snapshot(5n, 2n, 3000, 1n)), set('other', 5n)] }
    expect(conflictIn(one, change)).toBeNull()
    expect(conflictIn(staged, change)).toBe('sequence number 2 of snapshot 5 is taken: the last is 2')
    expect(() => apply(staged, 4000, ...change.updates)).toThrow(expect.objectContaining({ code: 'CONFLICT' }))
  })

  test('the same snapshot twice is a conflict', () => {
    expect(conflictIn(staged, { requirements: [], updates: [add(snapshot(2n, 3n, 3000))] })).toContain('already')
  })

  test('names of what is not there are refused', () => {
    expect(() => apply(one, 1, set('main', 99n))).toThrow(expect.objectContaining({ code: 'SNAPSHOT_NOT_FOUND' }))
    expect(() => apply(one, 1, { action: 'set-current-schema', schemaId: 4 })).toThrow('there is no schema 4')
    expect(() => apply(one, 1, { action: 'add-schema', schema: { ...schema, fields: [] }, lastColumnId: 3 })).toThrow(
      'schema 0',
    )
  })

  test.each([
    ['the uuid, in any case', { type: 'assert-table-uuid', uuid: 'U' }, null],
    ['another uuid', { type: 'assert-table-uuid', uuid: 'v' }, /replaced/],
    ['a ref where it is', { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: 1n }, null],
    [
      'a ref elsewhere',
      { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: 2n },
      /main is at snapshot 1, not 2/,
    ],
    ['no ref, where there is one', { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: null }, /main exists/],
    ['no ref', { type: 'assert-ref-snapshot-id', ref: 'x', snapshotId: null }, null],
    ['a ref that is gone', { type: 'assert-ref-snapshot-id', ref: 'x', snapshotId: 1n }, /x is gone/],
    ['another schema', { type: 'assert-current-schema-id', currentSchemaId: 1 }, /schema is 0, not 1/],
    ['the spec', { type: 'assert-default-spec-id', defaultSpecId: 0 }, null],
  ] satisfies [string, TableRequirement, RegExp | null][])('a requirement of %s', (_name, requirement, reason) => {
    const found = checkRequirements(one, [requirement])
    if (reason === null) expect(found).toBeNull()
    else expect(found).toMatch(reason)
  })

  test('a table that exists, or does not, against what is asserted', () => {
    expect(checkRequirements(one, [{ type: 'assert-create' }])).toContain('exists')
    expect(checkRequirements(null, [{ type: 'assert-create' }])).toBeNull()
    expect(checkRequirements(null, [{ type: 'assert-table-uuid', uuid: 'u' }])).toContain('does not exist')
  })
})

test('schemas, specs, sort orders and properties; last ids only grow', () => {
  const wider = { schemaId: 1, fields: [...schema.fields, { id: 9, name: 'x', required: false, type: 'int' as const }] }
  const updated = apply(
    one,
    5000,
    { action: 'add-schema', schema: wider, lastColumnId: 4 },
    { action: 'set-current-schema', schemaId: -1 },
    {
      action: 'add-spec',
      spec: { specId: 1, fields: [{ sourceId: 1, fieldId: 1004, name: 'origin', transform: 'identity' }] },
    },
    { action: 'set-default-spec', specId: 1 },
    {
      action: 'add-sort-order',
      sortOrder: {
        orderId: 1,
        fields: [{ transform: 'identity', sourceId: 1, direction: 'asc', nullOrder: 'nulls-first' }],
      },
    },
    { action: 'set-default-sort-order', sortOrderId: 1 },
    { action: 'set-properties', updates: { a: '1', b: '2' } },
    { action: 'remove-properties', removals: ['a'] },
  )
  expect(updated).toMatchObject({
    lastColumnId: 9,
    currentSchemaId: 1,
    lastPartitionId: 1004,
    defaultSpecId: 1,
    defaultSortOrderId: 1,
  })
  expect(updated.properties).toEqual({ b: '2' })
  expect(apply(updated, 6000, { action: 'add-schema', schema, lastColumnId: 1 }).lastColumnId).toBe(9)
  expect(one.schemas).toHaveLength(1)
})

test('the metadata log keeps as many files as the table says, newest last', () => {
  let metadata = apply(one, 2000, {
    action: 'set-properties',
    updates: { 'write.metadata.previous-versions-max': '2' },
  })
  for (const file of ['a', 'b', 'c']) metadata = withMetadataLog(metadata, { metadataLocation: file, metadata })
  expect(metadata.metadataLog.map(({ metadataFile }) => metadataFile)).toEqual(['b', 'c'])
})

describe('finding snapshots', () => {
  const published = apply(staged, 9000, set('main', 2n))

  test('by time, main decides, not the snapshot’s own time', () => {
    expect(snapshotFor(published, { asOfMs: 8999 }).snapshotId).toBe(1n)
    expect(snapshotFor(published, { asOfMs: 9000 }).snapshotId).toBe(2n)
    expect(() => snapshotFor(published, { asOfMs: 1999 })).toThrow(
      expect.objectContaining({ code: 'SNAPSHOT_NOT_FOUND' }),
    )
  })

  test('by id and by ref', () => {
    expect(snapshotFor(published, { ref: 'staged' }).snapshotId).toBe(2n)
    expect(snapshotFor(published, { snapshotId: 1n }).snapshotId).toBe(1n)
    expect(() => snapshotFor(published, { ref: 'stagd' })).toThrow(
      expect.objectContaining({ code: 'REF_NOT_FOUND', hint: 'Did you mean staged?' }),
    )
  })

  test('ancestors, newest first, also when expired or circular', () => {
    expect(ancestorsOf(published, 2n).map(({ snapshotId }) => snapshotId)).toEqual([2n, 1n])
    expect(ancestorsOf(published, 7n)).toEqual([])
    const circle = { ...published, snapshots: [snapshot(1n, 1n, 1, 2n), snapshot(2n, 2n, 2, 1n)] }
    expect(ancestorsOf(circle, 1n)).toHaveLength(2)
  })
})
