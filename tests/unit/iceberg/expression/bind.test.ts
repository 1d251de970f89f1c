import { describe, expect, test } from 'vitest'
import {
  alwaysFalse,
  alwaysTrue,
  and,
  bindExpression,
  equal,
  evaluateRow,
  greaterThan,
  greaterThanOrEqual,
  isIn,
  isNaN as isNaNValue,
  isNull,
  lessThan,
  lessThanOrEqual,
  not,
  notEqual,
  notIn,
  notNaN,
  notNull,
  notStartsWith,
  or,
  startsWith,
  type Expression,
  type ExpressionValue,
  type Literal,
  type PrimitiveType,
  type Schema,
} from '../../../../src/iceberg/index.ts'

const schema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'i', required: false, type: 'int' },
    { id: 2, name: 'd', required: false, type: 'decimal(4, 2)' },
    { id: 3, name: 'x', required: false, type: 'double' },
    { id: 4, name: 's', required: true, type: 'string' },
    {
      id: 5,
      name: 'at',
      required: true,
      type: {
        type: 'struct',
        fields: [
          { id: 6, name: 'lat', required: true, type: 'float' },
          { id: 7, name: 'a.b', required: false, type: 'long' },
        ],
      },
    },
    {
      id: 8,
      name: 'tags',
      required: false,
      type: { type: 'list', elementId: 9, element: 'string', elementRequired: true },
    },
    {
      id: 10,
      name: 'maybe',
      required: false,
      type: { type: 'struct', fields: [{ id: 11, name: 'n', required: true, type: 'int' }] },
    },
    { id: 12, name: 'nothing', required: false, type: 'unknown' },
    { id: 13, name: 'day', required: false, type: 'date' },
    { id: 14, name: 'ts', required: false, type: 'timestamp' },
    { id: 15, name: 'tsns', required: false, type: 'timestamptz_ns' },
    { id: 16, name: 't', required: false, type: 'time' },
    { id: 17, name: 'u', required: false, type: 'uuid' },
    { id: 18, name: 'f', required: false, type: 'float' },
    { id: 19, name: 'l', required: false, type: 'long' },
    { id: 20, name: 'b', required: false, type: 'fixed[2]' },
  ],
}

const bound = (expression: Expression) => bindExpression(expression, schema)

const refused = (expression: Expression, message: RegExp): void => {
  expect(() => bound(expression)).toThrow(
    expect.objectContaining({ code: 'REQUEST_INVALID', message: expect.stringMatching(message) as string }),
  )
}

test('columns are found by their dotted names, by id in the result', () => {
  expect(bound(equal('at.a.b', 5n))).toMatchObject({
    kind: 'eq',
    column: { fieldId: 7, name: 'at.a.b', required: false, nested: true },
    value: 5n,
  })
  expect(bound(isNull('tags'))).toMatchObject({ kind: 'is-null', column: { fieldId: 8, nested: false } })
  refused(equal('I', 1), /no column I/)
  refused(equal('at.lot', 1), /no column at\.lot/)
  refused(equal('tags.element', 'a'), /no column tags\.element/)
  expect(() => bound(equal('at.lot', 1))).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('at.lat') as string }),
  )
})

test('what the schema alone decides is folded', () => {
  expect(bound(isNull('s'))).toEqual({ kind: 'false' })
  expect(bound(notNull('at.lat'))).toEqual({ kind: 'true' })
  // Required, but in a struct that may be null.
  expect(bound(isNull('maybe.n')).kind).toBe('is-null')
  expect(bound(isNull('nothing'))).toEqual({ kind: 'true' })
  expect(bound(isIn('i', []))).toEqual({ kind: 'false' })
  expect(bound(notIn('i', []))).toEqual({ kind: 'true' })
  expect(bound(isIn('i', [3, 3n]))).toMatchObject({ kind: 'eq', value: 3 })
  expect(bound(isIn('i', [9, 3, 9, 4]))).toMatchObject({ kind: 'in', values: [3, 4, 9] })
  expect(bound(and())).toEqual({ kind: 'true' })
  expect(bound(or())).toEqual({ kind: 'false' })
  expect(bound(not(or(alwaysFalse, not(alwaysTrue))))).toEqual({ kind: 'true' })
  expect(bound(and(equal('i', 1), alwaysFalse))).toEqual({ kind: 'false' })
  expect(bound(and(alwaysTrue, or(equal('i', 1))))).toMatchObject({ kind: 'eq' })
  const nested = bound(and(equal('i', 1), and(equal('i', 2), not(or(equal('i', 3), equal('i', 4))))))
  expect(nested).toMatchObject({
    kind: 'and',
    children: [{ kind: 'eq' }, { kind: 'eq' }, { kind: 'not-eq' }, { kind: 'not-eq' }],
  })
})

test('a value that does not fit its column is refused, and so is a predicate', () => {
  refused(equal('i', 1.5), /the number 1\.5 .*column i of type int/)
  refused(equal('i', '1'), /column i/)
  refused(equal('l', 2 ** 60), /column l/)
  refused(equal('x', Number.NaN), /column x/)
  refused(lessThan('x', '1'), /column x/)
  refused(equal('d', 'twelve'), /column d/)
  refused(equal('day', 1n), /column day/)
  refused(equal('day', '2001-02-30'), /2001-02-30/)
  refused(equal('ts', '2001-01-01T00:00:00Z'), /zone/)
  refused(equal('ts', 5), /column ts/)
  refused(equal('t', '24:00'), /column t/)
  refused(equal('u', 'x'), /column u/)
  refused(equal('b', Uint8Array.of(1)), /column b/)
  refused(equal('s', '\ud800'), /column s/)
  refused(equal('tags', 'a'), /eq does not apply to column tags of type list/)
  refused(equal('nothing', 1), /column nothing/)
  refused(startsWith('i', 'a'), /starts-with does not apply/)
  refused(isNaNValue('i'), /is-nan does not apply/)
})

describe('values in other forms compare as the numbers and times that they are', () => {
  /** Numbers and times as fractions that any value compares with exactly. */
  const cases: readonly (readonly [string, PrimitiveType, ExpressionValue, (value: Literal) => boolean | number])[] = [
    ['i', 'int', 2n ** 40n, (value) => Number(value) - 2 ** 40],
    ['i', 'int', -(2n ** 40n), (value) => Number(value) + 2 ** 40],
    ['l', 'long', 2n ** 63n, () => -1],
    ['d', 'decimal(4, 2)', '12.345', (value) => Number(value) - 1234.5],
    ['d', 'decimal(4, 2)', '-0.005', (value) => Number(value) + 0.5],
    ['d', 'decimal(4, 2)', 1e-3, (value) => Number(value) - 0.1],
    ['d', 'decimal(4, 2)', '99.995', (value) => Number(value) - 9999.5],
    ['d', 'decimal(4, 2)', '-99.995', (value) => Number(value) + 9999.5],
    ['d', 'decimal(4, 2)', '100', (value) => Number(value) - 10_000],
    ['d', 'decimal(4, 2)', 12.3, (value) => Number(value) - 1230],
    ['d', 'decimal(4, 2)', 1230n, (value) => Number(value) - 1230],
    ['d', 'decimal(4, 2)', '1.23E1', (value) => Number(value) - 1230],
    ['d', 'decimal(4, 2)', -Infinity, () => 1],
    ['day', 'date', '1970-01-03', (value) => Number(value) - 2],
    ['day', 'date', { micros: -1n }, (value) => Number(value) + 1 / 86_400_000_000],
    ['day', 'date', { micros: 172_800_000_000n }, (value) => Number(value) - 2],
    ['day', 'date', 2 ** 40, () => -1],
    ['ts', 'timestamp', '1970-01-01T00:00:00.000001500', (value) => Number(value) - 1.5],
    ['ts', 'timestamp', '1970-01-01', (value) => Number(value)],
    ['ts', 'timestamp', { micros: 9n }, (value) => Number(value) - 9],
    ['tsns', 'timestamptz_ns', { micros: 9n }, (value) => Number(value) - 9000],
    ['tsns', 'timestamptz_ns', '1970-01-01T01:00:00.000000001+01:00', (value) => Number(value) - 1],
    ['tsns', 'timestamptz_ns', { micros: 2n ** 60n }, () => -1],
    ['t', 'time', '00:00:00.0000015', (value) => Number(value) - 1.5],
    ['f', 'float', 1e300, (value) => Number(value) - 1e300],
    ['f', 'float', -1e300, (value) => Number(value) + 1e300],
    ['f', 'float', 0.1, (value) => Number(value) - Math.fround(0.1)],
  ]
  const near: Readonly<Record<string, readonly Literal[]>> = {
    int: [-(2 ** 31), -1, 0, 2 ** 31 - 1],
    long: [-(2n ** 63n), 0n, 2n ** 63n - 1n],
    'decimal(4, 2)': [-9999n, -1n, 0n, 1n, 1229n, 1230n, 1231n, 1234n, 1235n, 9999n],
    date: [-2, -1, 0, 1, 2, 3],
    timestamp: [-1n, 0n, 1n, 2n, 9n],
    timestamptz_ns: [0n, 1n, 2n, 8999n, 9000n, 9001n],
    time: [0n, 1n, 2n],
    float: [-Infinity, -3.4028234663852886e38, 0, Math.fround(0.1), 3.4028234663852886e38, Infinity],
  }
  test.each(cases)('%s (%s) and %s', (column, type, value, difference) => {
    const id = schema.fields.find(({ name }) => name === column)?.id
    const matches = (expression: Expression, cell: Literal | null): boolean =>
      evaluateRow(bound(expression), (fieldId) => (fieldId === id ? cell : null))
    for (const cell of near[type] as readonly Literal[]) {
      const order = Number(difference(cell))
      expect([
        matches(lessThan(column, value), cell),
        matches(lessThanOrEqual(column, value), cell),
        matches(greaterThan(column, value), cell),
        matches(greaterThanOrEqual(column, value), cell),
        matches(equal(column, value), cell),
        matches(notEqual(column, value), cell),
        matches(isIn(column, [value]), cell),
        matches(notIn(column, [value]), cell),
      ]).toEqual([order < 0, order <= 0, order > 0, order >= 0, order === 0, order !== 0, order === 0, order !== 0])
    }
    for (const compare of [lessThan, lessThanOrEqual, greaterThan, greaterThanOrEqual, equal]) {
      expect(matches(compare(column, value), null)).toBe(false)
      expect(matches(not(compare(column, value)), null)).toBe(compare === equal)
    }
  })
})

test('null and NaN match what the documentation says', () => {
  const matches = (expression: Expression, value: Literal | null): boolean =>
    evaluateRow(bound(expression), () => value)
  const ordered = [lessThan, lessThanOrEqual, greaterThan, greaterThanOrEqual, equal]
  for (const compare of ordered) {
    expect(matches(compare('x', 0), null)).toBe(false)
    expect(matches(compare('x', 0), Number.NaN)).toBe(false)
  }
  expect(matches(isIn('x', [0, 1]), Number.NaN)).toBe(false)
  for (const value of [null, Number.NaN]) {
    expect(matches(notEqual('x', 0), value)).toBe(true)
    expect(matches(notIn('x', [0, 1]), value)).toBe(true)
    expect(matches(isNull('x'), value)).toBe(value === null)
    expect(matches(notNull('x'), value)).toBe(value !== null)
    expect(matches(isNaNValue('x'), value)).toBe(value !== null)
    expect(matches(notNaN('x'), value)).toBe(value === null)
    expect(matches(not(lessThan('x', 0)), value)).toBe(false)
    expect(matches(not(equal('x', 0)), value)).toBe(true)
  }
  expect(matches(notStartsWith('s', 'a'), null)).toBe(true)
  expect(matches(startsWith('s', 'a'), null)).toBe(false)
  expect(matches(equal('x', -0), 0)).toBe(true)
  expect(matches(isIn('x', [-0, 1]), 0)).toBe(true)
})
