import { describe, expect, test } from 'vitest'
import {
  describeTable,
  newTableMetadata,
  updatePartitionSpec,
  updateProperties,
  updateSortOrder,
  type PartitionSpecChange,
} from '../../../src/iceberg/index.ts'
import { daySpec, schema, TestTable } from './support.ts'

function changed(target: TestTable, ...changes: readonly PartitionSpecChange[]): void {
  target.commit(updatePartitionSpec({ table: target.table, changes }).change)
}

const specs = (target: TestTable) =>
  target.metadata.partitionSpecs.map(({ specId, fields }) => [
    specId,
    ...fields.map(({ fieldId, name }) => `${fieldId} ${name}`),
  ])

test('a field that was removed and comes back keeps its id, and a spec that the table had is taken up again', () => {
  const target = new TestTable()
  changed(target, { kind: 'add', column: 'origin', transform: 'bucket[16]' })
  changed(target, { kind: 'remove', name: 'feature_time_day' })
  changed(
    target,
    { kind: 'add', column: 'feature_time', transform: 'day' },
    { kind: 'remove', name: 'origin_bucket_16' },
  )
  expect(specs(target)).toEqual([
    [0, '1000 feature_time_day'],
    [1, '1000 feature_time_day', '1001 origin_bucket_16'],
    [2, '1001 origin_bucket_16'],
  ])
  expect(target.metadata.defaultSpecId).toBe(0)
  expect(target.metadata.lastPartitionId).toBe(1001)
})

test('the same column may be partitioned by two transforms, each once', () => {
  const target = new TestTable()
  changed(
    target,
    { kind: 'add', column: 'feature_time', transform: 'hour' },
    { kind: 'rename', name: 'feature_time_day', to: 'day' },
  )
  expect(specs(target).at(-1)).toEqual([1, '1000 day', '1001 feature_time_hour'])
  const again: PartitionSpecChange = { kind: 'add', column: 'feature_time', transform: 'hour', name: 'other' }
  expect(() => updatePartitionSpec({ table: target.table, changes: [again] })).toThrow(
    /partitioned by feature_time_hour already/,
  )
})

describe('what makes no sense is refused by name', () => {
  const cases: readonly (readonly [PartitionSpecChange, RegExp])[] = [
    [{ kind: 'add', column: 'orign' }, /no column orign/],
    [{ kind: 'add', column: 'delay', transform: 'day' }, /day does not apply to column delay of type double/],
    [{ kind: 'add', column: 'delay', transform: 'bucket[4]' }, /bucket\[4\] does not apply/],
    [{ kind: 'add', column: 'origin', transform: 'bucket[4]', name: 'delay' }, /name of another column/],
    [{ kind: 'remove', name: 'feature_time_dya' }, /no partition field feature_time_dya/],
  ]
  test.each(cases)('%j', (change, message) => {
    expect(() => updatePartitionSpec({ table: new TestTable().table, changes: [change] })).toThrow(message)
  })
})

test('a sort order that the table had is taken up again, and unsorted is 0', () => {
  const target = new TestTable()
  const sort = (...columns: Parameters<typeof updateSortOrder>[0]['columns']) =>
    target.commit(updateSortOrder({ table: target.table, columns }).change)
  sort({ column: 'origin' }, { column: 'delay', direction: 'desc' })
  expect(target.metadata.sortOrders.at(-1)).toEqual({
    orderId: 1,
    fields: [
      { transform: 'identity', sourceId: 1, direction: 'asc', nullOrder: 'nulls-first' },
      { transform: 'identity', sourceId: 3, direction: 'desc', nullOrder: 'nulls-last' },
    ],
  })
  sort()
  expect(target.metadata.defaultSortOrderId).toBe(0)
  sort({ column: 'origin' }, { column: 'delay', direction: 'desc' })
  expect(target.metadata.defaultSortOrderId).toBe(1)
  expect(target.metadata.sortOrders).toHaveLength(2)
})

test('properties: the format version goes up only, reserved names are refused', () => {
  const target = new TestTable()
  target.commit(updateProperties({ table: target.table, set: { a: '1', b: '2', 'format-version': '3' } }).change)
  target.commit(updateProperties({ table: target.table, set: { b: '3' }, remove: ['a'] }).change)
  expect(target.metadata.properties).toEqual({ b: '3' })
  expect(target.metadata.formatVersion).toBe(3)
  expect(() => updateProperties({ table: target.table, set: { 'format-version': '2' } })).toThrow(/cannot be lowered/)
  expect(() => updateProperties({ table: target.table, set: { 'snapshot-count': '2' } })).toThrow(/reserved/)
})

test('a table described by column names has the ids that a Java catalog would give it', () => {
  const described = describeTable({
    schema,
    partitionBy: [
      { column: 'feature_time', transform: 'day' },
      { column: 'origin', transform: 'bucket[8]' },
    ],
    sortBy: [{ column: 'origin' }],
    properties: { 'format-version': '3', owner: 'ml' },
  })
  const metadata = newTableMetadata(described, { uuid: 'u', location: 'file:///t/', nowMs: 1 })
  expect(metadata.partitionSpecs).toEqual([
    {
      specId: 0,
      fields: [...daySpec.fields, { sourceId: 1, fieldId: 1001, name: 'origin_bucket', transform: 'bucket[8]' }],
    },
  ])
  expect(metadata).toMatchObject({
    formatVersion: 3,
    defaultSortOrderId: 1,
    properties: { owner: 'ml' },
    lastPartitionId: 1001,
  })
  expect(() => describeTable({ schema: { ...schema, fields: [...schema.fields, ...schema.fields] } })).toThrow(
    /given twice/,
  )
})
