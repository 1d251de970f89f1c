// A filter that leaves out a file with a matching row loses it without a trace; one that takes a file for wholly matching deletes rows
// that it should have kept.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  applyTransform,
  bindExpression,
  compareLiterals,
  DataContent,
  decimalShape,
  encodeSingleValue,
  evaluateRow,
  fixedLength,
  tableFilter,
  truncateLowerBound,
  truncateUpperBound,
  type DataFile,
  type Literal,
  type PartitionField,
  type PartitionSpec,
  type PartitionTuple,
  type PrimitiveType,
} from '../../src/iceberg/index.ts'
import { summarizePartitions } from '../../src/iceberg/manifest/partition-summary.ts'
import { partitionKey } from '../../src/iceberg/types/partition-values.ts'
import { partitionTypes } from '../../src/iceberg/types/transforms.ts'
import { expressionOf, primitiveTypes, rowOf, schemaOf, type Leaf, type Row } from './expressions.ts'

function transformsOf(type: PrimitiveType): readonly string[] {
  const always = ['identity', 'void']
  if (decimalShape(type) !== null) return [...always, 'bucket[3]', 'truncate[10]', 'truncate[3]']
  if (fixedLength(type) !== null) return [...always, 'bucket[3]']
  switch (type) {
    case 'int':
    case 'long':
      return [...always, 'bucket[3]', 'truncate[10]', 'truncate[3]']
    case 'string':
    case 'binary':
      return [...always, 'bucket[3]', 'truncate[1]', 'truncate[2]']
    case 'date':
      return [...always, 'bucket[3]', 'year', 'month', 'day']
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return [...always, 'bucket[3]', 'year', 'month', 'day', 'hour']
    case 'time':
    case 'uuid':
      return [...always, 'bucket[3]']
    default:
      return always
  }
}

const specOf = (leaves: readonly Leaf[]): fc.Arbitrary<PartitionSpec> =>
  fc
    .array(
      fc
        .constantFrom(...leaves)
        .chain(({ id, type }) => fc.constantFrom(...transformsOf(type)).map((transform) => ({ id, transform }))),
      { maxLength: 3 },
    )
    .map((fields) => ({
      specId: 7,
      fields: fields.map(({ id, transform }, index): PartitionField => ({
        sourceId: id,
        fieldId: 1000 + index,
        name: `p${index}`,
        transform,
      })),
    }))

const timeUnits: ReadonlySet<string> = new Set(['year', 'month', 'day', 'hour'])

/** @param rounding of times before 1970: `up` as Iceberg's Java library had it up to version 0.10 */
function partitionOf(
  row: Row,
  spec: PartitionSpec,
  leaves: readonly Leaf[],
  rounding: 'down' | 'up',
): PartitionTuple | null {
  const tuple = spec.fields.map(({ sourceId, transform }) => {
    const leaf = leaves.find(({ id }) => id === sourceId) as Leaf
    const value = applyTransform(transform, leaf.type, row.get(sourceId) ?? null)
    const wrong = rounding === 'up' && timeUnits.has(transform) && !(transform === 'day' && leaf.type === 'date')
    return wrong && typeof value === 'number' && value < 0 ? value + 1 : value
  })
  const types = spec.fields.map(({ sourceId }) => leaves.find(({ id }) => id === sourceId)?.type)
  // What truncates below its type's least cannot be written.
  const fits = tuple.every((value, index) => {
    if (types[index] === 'long') return typeof value !== 'bigint' || value >= -(2n ** 63n)
    return types[index] !== 'int' || typeof value !== 'number' || value >= -(2 ** 31)
  })
  return fits ? tuple : null
}

interface Writer {
  readonly counts: boolean
  readonly nanCounts: boolean
  readonly nullCounts: boolean
  readonly lower: boolean
  readonly upper: boolean
  /** What bounds of text and bytes are cut to. */
  readonly length: number
  /** As old ORC writers: NaN as both bounds where a NaN is among the values. */
  readonly nanBounds: boolean
  /** Counts no null where a struct around the column is. */
  readonly skipsNested: boolean
}

const writer: fc.Arbitrary<Writer> = fc.record({
  counts: fc.boolean(),
  nanCounts: fc.boolean(),
  nullCounts: fc.boolean(),
  lower: fc.boolean(),
  upper: fc.boolean(),
  length: fc.integer({ min: 1, max: 20 }),
  nanBounds: fc.boolean(),
  skipsNested: fc.boolean(),
})

const isNaNValue = (value: Literal | null): boolean => typeof value === 'number' && Number.isNaN(value)

function fileOf(rows: readonly Row[], partition: PartitionTuple, leaves: readonly Leaf[], by: Writer): DataFile {
  const [valueCounts, nullValueCounts, nanValueCounts] = [new Map(), new Map(), new Map<number, bigint>()]
  const [lowerBounds, upperBounds] = [new Map<number, Uint8Array>(), new Map<number, Uint8Array>()]
  for (const { id, type } of leaves) {
    const values = rows.map((row) => row.get(id) ?? null)
    const nans = values.filter(isNaNValue)
    const [least, greatest] = ends(values.filter((value): value is Literal => value !== null && !isNaNValue(value)))
    if (by.counts) valueCounts.set(id, BigInt(rows.length))
    const nulls = by.skipsNested && id === 21 ? 0 : values.filter((value) => value === null).length
    if (by.nullCounts) nullValueCounts.set(id, BigInt(nulls))
    if (by.nanCounts && (type === 'float' || type === 'double')) nanValueCounts.set(id, BigInt(nans.length))
    if (by.nanBounds && nans.length > 0) {
      lowerBounds.set(id, encodeSingleValue(type, Number.NaN))
      upperBounds.set(id, encodeSingleValue(type, Number.NaN))
      continue
    }
    const cut = typeof least === 'string' || least instanceof Uint8Array
    if (by.lower && least !== undefined) {
      lowerBounds.set(
        id,
        encodeSingleValue(
          type,
          cut && fixedLength(type) === null && type !== 'uuid' ? truncateLowerBound(least, by.length) : least,
        ),
      )
    }
    if (by.upper && greatest !== undefined) {
      const shortened =
        (typeof greatest === 'string' || greatest instanceof Uint8Array) &&
        fixedLength(type) === null &&
        type !== 'uuid'
          ? truncateUpperBound(greatest, by.length)
          : greatest
      if (shortened !== null) upperBounds.set(id, encodeSingleValue(type, shortened))
    }
  }
  return {
    content: DataContent.data,
    filePath: 'f',
    fileFormat: 'PARQUET',
    partition,
    recordCount: BigInt(rows.length),
    fileSizeInBytes: 1n,
    valueCounts,
    nullValueCounts,
    nanValueCounts,
    lowerBounds,
    upperBounds,
  }
}

function ends(values: readonly Literal[]): readonly [Literal | undefined, Literal | undefined] {
  const sorted = values.toSorted(compareLiterals)
  return [sorted[0], sorted.at(-1)]
}

const table = schemaOf(primitiveTypes).chain(({ schema, leaves }) =>
  fc.record({
    schema: fc.constant(schema),
    leaves: fc.constant(leaves),
    spec: specOf(leaves),
    rows: fc.array(rowOf(leaves), { minLength: 1, maxLength: 12 }),
    expression: expressionOf(leaves),
    rounding: fc.constantFrom<'down' | 'up'>('down', 'down', 'up'),
    by: writer,
  }),
)

test('through every type, transform and writer: no file with a matching row is left out, and none with another is taken whole', () => {
  let [leftOut, takenWhole, decided] = [0, 0, 0]
  fc.assert(
    fc.property(table, ({ schema, leaves, spec, rows, expression, rounding, by }) => {
      const bound = bindExpression(expression, schema)
      const filter = tableFilter(bound, { schemas: [schema], currentSchemaId: 0, partitionSpecs: [spec] })
      const matches = (row: Row): boolean => evaluateRow(bound, (id) => row.get(id) ?? null)
      const partitions = Map.groupBy(
        rows.flatMap((row) => {
          const tuple = partitionOf(row, spec, leaves, rounding)
          return tuple === null ? [] : [{ row, tuple }]
        }),
        ({ tuple }) => partitionKey(tuple),
      )
      const tuples = [...partitions.values()].flatMap(([first]) => (first === undefined ? [] : [first.tuple]))
      const types = partitionTypes(spec, [schema]) as PrimitiveType[]
      const partitioned = [...partitions.values()].flat()
      if (partitioned.some(({ row }) => matches(row))) {
        const partitionSummaries = summarizePartitions(types, tuples)
        expect(filter.manifestMayMatch({ partitionSpecId: 7, partitions: partitionSummaries })).toBe(true)
      }
      for (const members of partitions.values()) {
        const { tuple } = members[0] as (typeof members)[number]
        const inFile = members.map(({ row }) => row)
        const file = fileOf(inFile, tuple, leaves, by)
        const residual = filter.residual(7, tuple)
        if (inFile.some(matches)) {
          expect(filter.partitionMayMatch(7, tuple)).toBe(true)
          expect(filter.fileMayMatch(file, 7)).toBe(true)
        }
        if (filter.fileMustMatch(file, 7)) expect(inFile.every(matches)).toBe(true)
        for (const row of inFile) {
          expect(evaluateRow(residual, (id) => row.get(id) ?? null)).toBe(matches(row))
        }
        if (!filter.fileMayMatch(file, 7)) leftOut++
        if (filter.fileMustMatch(file, 7)) takenWhole++
        if (residual.kind === 'true' && bound.kind !== 'true') decided++
      }
    }),
    { numRuns: 20_000 },
  )
  // A filter that always reads everything would pass as well.
  expect(leftOut).toBeGreaterThan(1000)
  expect(takenWhole).toBeGreaterThan(1000)
  expect(decided).toBeGreaterThan(100)
})
