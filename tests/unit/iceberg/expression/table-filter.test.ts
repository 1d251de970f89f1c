import { describe, expect, test } from 'vitest'
import {
  and,
  bindExpression,
  encodeSingleValue,
  equal,
  greaterThan,
  greaterThanOrEqual,
  isIn,
  isNaN as isNaNValue,
  isNull,
  lessThan,
  lessThanOrEqual,
  notEqual,
  notIn,
  notNaN,
  notNull,
  notStartsWith,
  or,
  startsWith,
  tableFilter,
  type DataFile,
  type Expression,
  type PartitionSpec,
  type PartitionTuple,
  type PrimitiveType,
  type Schema,
} from '../../../../src/iceberg/index.ts'

const schema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'ts', required: false, type: 'timestamptz' },
    { id: 2, name: 'n', required: false, type: 'int' },
    { id: 3, name: 's', required: false, type: 'string' },
    { id: 4, name: 'x', required: false, type: 'double' },
    { id: 5, name: 'price', required: false, type: 'decimal(9, 2)' },
  ],
}

const spec = (specId: number, sourceId: number, transform: string): PartitionSpec => ({
  specId,
  fields: [{ sourceId, fieldId: 1000 + specId, name: `p${specId}`, transform }],
})

const filterBy = (expression: Expression, ...partitionSpecs: readonly PartitionSpec[]) =>
  tableFilter(bindExpression(expression, schema), { schemas: [schema], currentSchemaId: 0, partitionSpecs })

const file = (partition: PartitionTuple, metrics: Partial<DataFile> = {}): DataFile => ({
  content: 0,
  filePath: 'f',
  fileFormat: 'PARQUET',
  partition,
  recordCount: 10n,
  fileSizeInBytes: 1n,
  ...metrics,
})

/** A file of ten rows whose column of that id lies within the bounds. */
const between = (id: number, type: PrimitiveType, low: number | bigint | string, high: number | bigint | string) =>
  file([], {
    valueCounts: new Map([[id, 10n]]),
    nullValueCounts: new Map([[id, 0n]]),
    nanValueCounts: new Map([[id, 0n]]),
    lowerBounds: new Map([[id, encodeSingleValue(type, low)]]),
    upperBounds: new Map([[id, encodeSingleValue(type, high)]]),
  })

const unpartitioned: PartitionSpec = { specId: 0, fields: [] }

describe('a partition is ruled out, or taken whole, where its value shows it', () => {
  const day = '2001-01-02'
  const dayOrdinal = 11_324
  test.each<[string, Expression, PartitionSpec, PartitionTuple, 'none' | 'some' | 'all']>([
    ['day, before', lessThan('ts', day), spec(1, 1, 'day'), [dayOrdinal], 'none'],
    ['day, from', greaterThanOrEqual('ts', day), spec(1, 1, 'day'), [dayOrdinal], 'all'],
    ['day, within', greaterThan('ts', day), spec(1, 1, 'day'), [dayOrdinal], 'some'],
    [
      'day, last microsecond',
      lessThanOrEqual('ts', '2001-01-02T23:59:59.999999'),
      spec(1, 1, 'day'),
      [dayOrdinal],
      'all',
    ],
    ['day, another', notEqual('ts', day), spec(1, 1, 'day'), [dayOrdinal + 1], 'all'],
    ['day, of null', lessThan('ts', day), spec(1, 1, 'day'), [null], 'none'],
    ['day, of null, is null', isNull('ts'), spec(1, 1, 'day'), [null], 'all'],
    ['day, of a value, is null', isNull('ts'), spec(1, 1, 'day'), [dayOrdinal], 'none'],
    ['hour', equal('ts', '2001-01-02T05:30:00'), spec(1, 1, 'hour'), [dayOrdinal * 24 + 5], 'some'],
    ['hour, another', equal('ts', '2001-01-02T05:30:00'), spec(1, 1, 'hour'), [dayOrdinal * 24 + 6], 'none'],
    ['month', lessThan('ts', '2001-02-01'), spec(1, 1, 'month'), [31 * 12], 'all'],
    ['year', greaterThanOrEqual('ts', '2002-01-01'), spec(1, 1, 'year'), [31], 'none'],
    ['bucket, equal', equal('n', 34), spec(1, 2, 'bucket[16]'), [3], 'some'],
    ['bucket, another', equal('n', 34), spec(1, 2, 'bucket[16]'), [4], 'none'],
    ['bucket, in', isIn('n', [34, 35]), spec(1, 2, 'bucket[16]'), [3], 'some'],
    ['bucket, not in', notIn('n', [34, 35]), spec(1, 2, 'bucket[16]'), [12], 'all'],
    ['bucket, less', lessThan('n', 34), spec(1, 2, 'bucket[16]'), [4], 'some'],
    ['truncate, below', lessThan('n', 20), spec(1, 2, 'truncate[10]'), [10], 'all'],
    ['truncate, at', lessThanOrEqual('n', 20), spec(1, 2, 'truncate[10]'), [20], 'some'],
    ['truncate, negative', greaterThan('n', -1), spec(1, 2, 'truncate[10]'), [-10], 'none'],
    ['truncate decimal', lessThan('price', '10.00'), spec(1, 5, 'truncate[500]'), [500n], 'all'],
    ['truncate text, prefix', startsWith('s', 'ab'), spec(1, 3, 'truncate[3]'), ['abx'], 'all'],
    ['truncate text, other', startsWith('s', 'ab'), spec(1, 3, 'truncate[3]'), ['axx'], 'none'],
    ['truncate text, longer prefix', startsWith('s', 'abcd'), spec(1, 3, 'truncate[3]'), ['abc'], 'some'],
    ['truncate text, not a longer prefix', notStartsWith('s', 'abcd'), spec(1, 3, 'truncate[3]'), ['abx'], 'all'],
    ['truncate text, not a prefix', notStartsWith('s', 'ab'), spec(1, 3, 'truncate[3]'), ['abx'], 'none'],
    ['identity, NaN', isNaNValue('x'), spec(1, 4, 'identity'), [Number.NaN], 'all'],
    ['identity, NaN is above nothing', greaterThan('x', 0), spec(1, 4, 'identity'), [Number.NaN], 'none'],
    ['void', equal('n', 1), spec(1, 2, 'void'), [null], 'some'],
    ['unknown', equal('n', 1), spec(1, 2, 'zorder[3]'), [7], 'some'],
    ['both', and(equal('n', 1), isNull('s')), spec(1, 2, 'identity'), [1], 'some'],
    ['either', or(equal('n', 1), isNull('s')), spec(1, 2, 'identity'), [1], 'all'],
    ['neither', or(equal('n', 1), equal('n', 2)), spec(1, 2, 'identity'), [3], 'none'],
  ])('%s', (_, expression, partitionedBy, tuple, rows) => {
    const filter = filterBy(expression, partitionedBy)
    expect(filter.partitionMayMatch(1, tuple)).toBe(rows !== 'none')
    expect(filter.fileMayMatch(file(tuple), 1)).toBe(rows !== 'none')
    expect(filter.fileMustMatch(file(tuple), 1)).toBe(rows === 'all')
    expect(filter.residual(1, tuple).kind === 'true').toBe(rows === 'all')
    expect(filter.residual(1, tuple).kind === 'false').toBe(rows === 'none')
  })
})

describe('a file is ruled out, or taken whole, where its metrics show it', () => {
  const numbers = between(2, 'int', 5, 9)
  const one = between(2, 'int', 7, 7)
  const texts = between(3, 'string', 'abc', 'abx')
  const nulls = file([], { valueCounts: new Map([[4, 10n]]), nullValueCounts: new Map([[4, 10n]]) })
  const nans = file([], {
    valueCounts: new Map([[4, 10n]]),
    nullValueCounts: new Map([[4, 0n]]),
    nanValueCounts: new Map([[4, 10n]]),
  })
  test.each<[string, Expression, DataFile, 'none' | 'some' | 'all']>([
    ['below', lessThan('n', 5), numbers, 'none'],
    ['at the lower end', lessThanOrEqual('n', 5), numbers, 'some'],
    ['all below', lessThan('n', 10), numbers, 'all'],
    ['above', greaterThan('n', 9), numbers, 'none'],
    ['all from', greaterThanOrEqual('n', 5), numbers, 'all'],
    ['equal to one', equal('n', 7), one, 'all'],
    ['not equal to one', notEqual('n', 7), one, 'none'],
    ['equal outside', equal('n', 4), numbers, 'none'],
    ['not equal outside', notEqual('n', 4), numbers, 'all'],
    ['in, around', isIn('n', [4, 10]), numbers, 'none'],
    ['in, inside', isIn('n', [4, 6, 10]), numbers, 'some'],
    ['in, the one', isIn('n', [4, 7, 10]), one, 'all'],
    ['not in, around', notIn('n', [4, 10]), numbers, 'all'],
    ['not in, the one', notIn('n', [4, 7]), one, 'none'],
    ['prefix of all', startsWith('s', 'ab'), texts, 'all'],
    ['prefix of none', startsWith('s', 'ac'), texts, 'none'],
    ['longer than the bounds', startsWith('s', 'abcdef'), texts, 'some'],
    ['no prefix of any', notStartsWith('s', 'ab'), texts, 'none'],
    ['no nulls', isNull('n'), numbers, 'none'],
    ['nothing but values', notNull('n'), numbers, 'all'],
    ['nothing but nulls', isNull('x'), nulls, 'all'],
    ['nothing but nulls, compared', lessThan('x', 5), nulls, 'none'],
    ['nothing but nulls, not equal', notEqual('x', 5), nulls, 'all'],
    ['nothing but nulls, not NaN', notNaN('x'), nulls, 'all'],
    ['nothing but NaN', isNaNValue('x'), nans, 'all'],
    ['nothing but NaN, compared', greaterThan('x', 5), nans, 'none'],
    ['nothing but NaN, not in', notIn('x', [1, 2]), nans, 'all'],
    ['nothing known', equal('n', 1), file([]), 'some'],
    ['no rows', equal('n', 1), file([], { recordCount: 0n }), 'none'],
    // A column that a file lacks has no counts; zero of zero are not nothing but nulls.
    [
      'counted as empty',
      greaterThan('n', 1),
      file([], { valueCounts: new Map([[2, 0n]]), nullValueCounts: new Map([[2, 0n]]) }),
      'some',
    ],
    ['a bound of the wrong length', equal('n', 1), file([], { lowerBounds: new Map([[2, Uint8Array.of(9)]]) }), 'some'],
    ['bounds the wrong way round', equal('n', 1), between(2, 'int', 9, 5), 'some'],
  ])('%s', (_, expression, judged, rows) => {
    const filter = filterBy(expression, unpartitioned)
    expect(filter.fileMayMatch(judged, 0)).toBe(rows !== 'none')
    expect(filter.fileMustMatch(judged, 0)).toBe(rows === 'all' || judged.recordCount === 0n)
  })
})

test('each file is judged by the spec it was written with', () => {
  const filter = filterBy(equal('ts', '2001-01-02T05:00:00'), spec(1, 1, 'month'), spec(2, 1, 'day'), unpartitioned)
  expect(filter.partitionMayMatch(1, [372])).toBe(true)
  expect(filter.partitionMayMatch(2, [372])).toBe(false)
  expect(filter.partitionMayMatch(0, [])).toBe(true)
  expect(() => filter.partitionMayMatch(3, [])).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }))
})

test('a manifest is ruled out by its summaries; one without them, or with odd ones, is read', () => {
  const filter = filterBy(equal('n', 15), spec(1, 2, 'truncate[10]'))
  const bound = (value: number): Uint8Array => encodeSingleValue('int', value)
  const holding = (low: number, high: number) => ({
    partitionSpecId: 1,
    partitions: [{ containsNull: true, lowerBound: bound(low), upperBound: bound(high) }],
  })
  expect(filter.manifestMayMatch(holding(20, 90))).toBe(false)
  expect(filter.manifestMayMatch(holding(-90, 0))).toBe(false)
  expect(filter.manifestMayMatch(holding(0, 90))).toBe(true)
  expect(filter.manifestMayMatch({ partitionSpecId: 1 })).toBe(true)
  expect(filter.manifestMayMatch({ partitionSpecId: 1, partitions: [] })).toBe(true)
  expect(filter.manifestMayMatch({ partitionSpecId: 1, partitions: [{ containsNull: true }] })).toBe(false)
  expect(filter.manifestMayMatch({ partitionSpecId: 1, partitions: [{ containsNull: false }] })).toBe(true)
  const oneSided = { partitionSpecId: 1, partitions: [{ containsNull: false, lowerBound: bound(20) }] }
  expect(filter.manifestMayMatch(oneSided)).toBe(false)
})
