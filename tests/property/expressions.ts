/** Schemas, rows and filters at random, mostly where mistakes are: at the edges of types, transforms and text. */
import fc from 'fast-check'
import {
  decimalShape,
  fixedLength,
  type Expression,
  type ExpressionValue,
  type Literal,
  type NestedField,
  type PrimitiveType,
  type Schema,
} from '../../src/iceberg/index.ts'

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)
const day = 86_400_000_000n
const longs = [-(2n ** 63n), -11n, -10n, -1n, 0n, 1n, 9n, 10n, 11n, 2n ** 63n - 1n]
const times = [-400n * day, -31n * day, -day - 1n, -day, -day + 1n, -1n, 0n, 1n, day - 1n, day, 59n * day, 400n * day]

/** Values of a type that stand close to one another, and at the type's ends. */
export function valuesOf(type: PrimitiveType): readonly Literal[] {
  const decimal = decimalShape(type)
  if (decimal !== null) {
    const largest = 10n ** BigInt(decimal.precision) - 1n
    return [-largest, -11n, -10n, -1n, 0n, 1n, 9n, 10n, 11n, largest]
  }
  const length = fixedLength(type)
  if (length !== null) return [0, 1, 0x7f, 0x80, 0xff].map((last) => new Uint8Array(length).fill(last, 1))
  switch (type) {
    case 'boolean':
      return [false, true]
    case 'int':
      return [-(2 ** 31), -11, -10, -1, 0, 1, 9, 10, 11, 2 ** 31 - 1]
    case 'long':
      return longs
    case 'float':
      return [-Infinity, -3.4028234663852886e38, -1.5, -0, 0, 0.25, 1.5, Math.fround(0.1), Infinity, Number.NaN]
    case 'double':
      return [-Infinity, -Number.MAX_VALUE, -1.5, -0, 0, 5e-324, 0.1, 1.5, Infinity, Number.NaN]
    case 'date':
      return [-400, -366, -365, -31, -1, 0, 1, 30, 31, 364, 365, 400]
    case 'time':
      return [0n, 1n, 43_200_000_000n, day - 1n]
    case 'timestamp':
    case 'timestamptz':
      return times
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return [...times.map((micros) => micros * 1000n), -1001n, -999n, 999n]
    case 'string':
      return [
        '',
        'a',
        'ab',
        'abc',
        'abcdefghijklmnopqrst',
        'abd',
        'b',
        'é',
        '\u{fffd}',
        '\u{1f600}',
        '\u{1f600}a',
        '\u{10ffff}',
      ]
    case 'uuid':
      return [0, 1, 0x7f, 0x80, 0xff].map((first) => new Uint8Array(16).fill(first, 0, 1))
    case 'binary':
      return [
        bytes(),
        bytes(0),
        bytes(1),
        bytes(1, 2),
        bytes(1, 2, 3),
        bytes(0x7f),
        bytes(0x80),
        bytes(0xff),
        bytes(0xff, 0xff),
      ]
    default:
      return []
  }
}

export const primitiveTypes: readonly PrimitiveType[] = [
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'decimal(4, 2)',
  'decimal(38, 10)',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'timestamp_ns',
  'timestamptz_ns',
  'string',
  'uuid',
  'fixed[3]',
  'binary',
]

/** A leaf column: its dotted name, and whether a row can lack it. */
export interface Leaf {
  readonly id: number
  readonly name: string
  readonly type: PrimitiveType
  readonly required: boolean
}

export interface RandomSchema {
  readonly schema: Schema
  readonly leaves: readonly Leaf[]
}

/** A few columns of the given types, one of them perhaps inside a struct that may be null. */
export const schemaOf = (types: readonly PrimitiveType[]): fc.Arbitrary<RandomSchema> =>
  fc
    .record({
      columns: fc.array(fc.record({ type: fc.constantFrom(...types), required: fc.boolean() }), {
        minLength: 1,
        maxLength: 4,
      }),
      inner: fc.option(fc.record({ type: fc.constantFrom(...types), required: fc.boolean(), around: fc.boolean() })),
    })
    .map(({ columns, inner }) => {
      const fields = columns.map(({ type, required }, index): NestedField => ({
        id: index + 1,
        name: `c${index + 1}`,
        required,
        type,
      }))
      const leaves = fields.map(({ id, name, type, required }): Leaf => ({
        id,
        name,
        type: type as PrimitiveType,
        required,
      }))
      if (inner !== null) {
        const field: NestedField = { id: 21, name: 'in.ner', required: inner.required, type: inner.type }
        fields.push({ id: 20, name: 's', required: inner.around, type: { type: 'struct', fields: [field] } })
        leaves.push({ id: 21, name: 's.in.ner', type: inner.type, required: inner.required && inner.around })
      }
      return { schema: { schemaId: 0, fields }, leaves }
    })

export type Row = ReadonlyMap<number, Literal | null>

export const rowOf = (leaves: readonly Leaf[]): fc.Arbitrary<Row> =>
  fc
    .tuple(
      ...leaves.map(({ type, required }) => {
        const value = fc.constantFrom(...valuesOf(type))
        return required ? value : fc.option(value, { freq: 4 })
      }),
    )
    .map((values) => new Map(leaves.map(({ id }, index) => [id, values[index] ?? null])))

/** Values to compare with: those of the rows, and others in forms that a caller may write. */
function literalOf(type: PrimitiveType): fc.Arbitrary<ExpressionValue> {
  const own = fc.constantFrom(...valuesOf(type).filter((value) => !Number.isNaN(value)))
  const others = otherForms(type)
  return others.length === 0 ? own : fc.oneof({ arbitrary: own, weight: 4 }, fc.constantFrom(...others))
}

function otherForms(type: PrimitiveType): readonly ExpressionValue[] {
  if (decimalShape(type) !== null) return ['0.01', '-0.005', 0.1, '99.995', 1e30, Infinity, 10n ** 38n]
  switch (type) {
    case 'int':
      return [2n ** 31n, -(2n ** 31n) - 1n, 5n]
    case 'long':
      return [2n ** 63n, -(2n ** 63n) - 1n, 5]
    case 'float':
      return [0.1, 1e300, -1e300, 3n]
    case 'double':
      return [3n]
    case 'date':
      return ['1969-12-31', { micros: day }, { micros: -1n }, 2 ** 31 - 1, 2 ** 40]
    case 'time':
      return ['00:00', '11:59:59.9999999', '23:59:59.999999']
    case 'timestamp':
    case 'timestamptz':
      return [
        '1970-01-01',
        '1969-12-31T23:59:59.999999',
        '1970-01-01T00:00:00.0000005',
        { micros: day },
        2n ** 63n - 1n,
      ]
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return ['1970-01-02', '1969-12-31T23:59:59.999999001', { micros: day }, { micros: 2n ** 62n }]
    case 'string':
      return ['abcdefghijklmnop', 'abcdefghijklmnoq', '\u{d7ff}']
    case 'uuid':
      return ['80000000-0000-0000-0000-000000000000']
    default:
      return []
  }
}

function predicateOf({ name, type }: Leaf): fc.Arbitrary<Expression> {
  const literal = literalOf(type)
  const kinds: fc.Arbitrary<Expression>[] = [
    fc.record({
      kind: fc.constantFrom('lt', 'lt-eq', 'gt', 'gt-eq', 'eq', 'not-eq'),
      column: fc.constant(name),
      value: literal,
    }),
    fc.record({
      kind: fc.constantFrom('in', 'not-in'),
      column: fc.constant(name),
      values: fc.array(literal, { maxLength: 4 }),
    }),
    fc.record({ kind: fc.constantFrom('is-null', 'not-null'), column: fc.constant(name) }),
  ]
  if (type === 'float' || type === 'double') {
    kinds.push(fc.record({ kind: fc.constantFrom('is-nan', 'not-nan'), column: fc.constant(name) }))
  }
  if (type === 'string') {
    kinds.push(
      fc.record({
        kind: fc.constantFrom('starts-with', 'not-starts-with'),
        column: fc.constant(name),
        value: literal as fc.Arbitrary<string>,
      }),
    )
  }
  return fc.oneof(...kinds)
}

export function expressionOf(leaves: readonly Leaf[]): fc.Arbitrary<Expression> {
  const predicate = fc.oneof(...leaves.map(predicateOf))
  return fc.letrec<{ tree: Expression }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      { arbitrary: predicate, weight: 3 },
      { arbitrary: fc.record({ kind: fc.constant('not'), child: tie('tree') }), weight: 1 },
      {
        arbitrary: fc.record({
          kind: fc.constantFrom('and', 'or'),
          children: fc.array(tie('tree'), { maxLength: 3 }),
        }),
        weight: 1,
      },
    ),
  })).tree
}
