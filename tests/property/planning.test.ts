// A delete that planning forgets brings rows back; one too many loses them. Both are silent.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  applyTransform,
  bindExpression,
  compareLiterals,
  encodeManifest,
  encodeManifestList,
  encodeSingleValue,
  EntryStatus,
  evaluateRow,
  newTableMetadata,
  planScan,
  type DataFile,
  type Expression,
  type Literal,
  type PartitionSpec,
  type PartitionTuple,
  type PrimitiveType,
  type Schema,
  type TableMetadata,
} from '../../src/iceberg/index.ts'
import { assignFirstRowIds } from '../../src/iceberg/manifest/row-ids.ts'
import { partitionKey } from '../../src/iceberg/types/partition-values.ts'
import { MemoryIO } from '../unit/iceberg/support.ts'

const schema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'a', required: false, type: 'int' },
    { id: 2, name: 'b', required: false, type: 'string' },
    { id: 3, name: 'x', required: true, type: 'double' },
  ],
}
const typeOf = (id: number): PrimitiveType => schema.fields.find((field) => field.id === id)?.type as PrimitiveType

const specs: readonly PartitionSpec[] = [
  { specId: 0, fields: [] },
  { specId: 1, fields: [{ sourceId: 1, fieldId: 1000, name: 'a', transform: 'truncate[2]' }] },
  {
    specId: 2,
    fields: [
      { sourceId: 2, fieldId: 1001, name: 'b', transform: 'bucket[2]' },
      { sourceId: 1, fieldId: 1002, name: 'gone', transform: 'void' },
    ],
  },
  { specId: 3, fields: [{ sourceId: 3, fieldId: 1003, name: 'gone', transform: 'void' }] },
]

type Row = Readonly<Record<number, Literal | null>>
const row: fc.Arbitrary<Row> = fc.record({
  1: fc.constantFrom(null, 0, 1, 2, 3),
  2: fc.constantFrom(null, 'a', 'ab', 'b'),
  3: fc.constantFrom(Number.NaN, -0, 0, 1.5),
})

const tupleOf = (of: Row, { fields }: PartitionSpec): PartitionTuple =>
  fields.map(({ sourceId, transform }) => applyTransform(transform, typeOf(sourceId), of[sourceId] ?? null))

interface Data {
  readonly file: DataFile
  readonly specId: number
  readonly sequence: bigint
  readonly rows: readonly Row[]
}

interface Deletes {
  readonly file: DataFile
  readonly specId: number
  readonly sequence: bigint
  /** Positions by path, or rows to compare in the file's equality columns. */
  readonly positions?: ReadonlyMap<string, ReadonlySet<number>>
  readonly rows?: readonly Row[]
}

const file = (filePath: string, partition: PartitionTuple, count: number): DataFile => ({
  content: 0,
  filePath,
  fileFormat: 'PARQUET',
  partition,
  recordCount: BigInt(count),
  fileSizeInBytes: 1n,
})

const isNaNValue = (value: Literal | null): boolean => typeof value === 'number' && Number.isNaN(value)

function metrics(rows: readonly Row[], ids: readonly number[]): Partial<DataFile> {
  const valuesOf = (id: number): (Literal | null)[] => rows.map((each) => each[id] ?? null)
  const counts = (wanted: (value: Literal | null) => boolean): Map<number, bigint> =>
    new Map(ids.map((id) => [id, BigInt(valuesOf(id).filter(wanted).length)]))
  const bounds = (end: 0 | -1): Map<number, Uint8Array> =>
    new Map(
      ids.flatMap((id): [number, Uint8Array][] => {
        const values = valuesOf(id).filter((value): value is Literal => value !== null && !isNaNValue(value))
        const bound = values.toSorted(compareLiterals).at(end)
        return bound === undefined ? [] : [[id, encodeSingleValue(typeOf(id), bound)]]
      }),
    )
  return {
    valueCounts: counts(() => true),
    nullValueCounts: counts((value) => value === null),
    nanValueCounts: counts(isNaNValue),
    lowerBounds: bounds(0),
    upperBounds: bounds(-1),
  }
}

const specOf = (specId: number): PartitionSpec => specs[specId] as PartitionSpec
const sequence = fc.bigInt({ min: 1n, max: 4n })
const specId = fc.integer({ min: 0, max: 3 })

const dataFiles = fc
  .array(fc.record({ specId, sequence, rows: fc.array(row, { minLength: 1, maxLength: 5 }), measured: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((drawn) =>
    drawn.map(({ specId: spec, sequence: number, rows, measured }, index): Data => {
      const tuple = tupleOf(rows[0] as Row, specOf(spec))
      // The rows that lie in the first one's partition.
      const own = rows.filter((each) => partitionKey(tupleOf(each, specOf(spec))) === partitionKey(tuple))
      const bare = file(`data-${index}`, tuple, own.length)
      return {
        specId: spec,
        sequence: number,
        rows: own,
        file: measured ? { ...bare, ...metrics(own, [1, 2, 3]) } : bare,
      }
    }),
  )

/** Position deletes of one data file or of its partition, deletion vectors, and equality deletes, some of which concern nothing. */
const deletesOf = (data: readonly Data[]): fc.Arbitrary<Deletes[]> => {
  const positions = fc
    .array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 3 })
    .map((list) => new Set(list))
  const about = fc.constantFrom(...data)
  const position = fc
    .record({ about, positions, sequence, named: fc.constantFrom('bounds', 'reference', 'partition', 'vector') })
    .map(({ about: of, positions: at, sequence: number, named }): Deletes => {
      const path = of.file.filePath
      const bound = new Map([[2_147_483_546, encodeSingleValue('string', path)]])
      const deletes: DataFile = { ...file('', of.file.partition, at.size), content: 1 }
      const shape: Partial<DataFile> =
        named === 'bounds'
          ? { lowerBounds: bound, upperBounds: bound }
          : named === 'reference'
            ? { referencedDataFile: path }
            : named === 'vector'
              ? { referencedDataFile: path, fileFormat: 'PUFFIN', contentOffset: 4n, contentSizeInBytes: 40n }
              : {}
      return {
        file: { ...deletes, ...shape },
        specId: of.specId,
        sequence: named === 'vector' && number < of.sequence ? of.sequence : number,
        positions: new Map([[path, at]]),
      }
    })
  const equality = fc
    .record({
      specId,
      sequence,
      rows: fc.array(row, { minLength: 1, maxLength: 3 }),
      ids: fc.constantFrom([1], [2], [3], [1, 2], [2, 3]),
      measured: fc.constantFrom<'compared' | 'all' | null>('compared', 'all', null),
      about: fc.option(about),
    })
    .map(({ specId: anySpec, sequence: number, rows, ids, measured, about: of }): Deletes => {
      const spec = of?.specId ?? anySpec
      const tuple = of?.file.partition ?? tupleOf(rows[0] as Row, specOf(spec))
      const facts = measured === null ? {} : metrics(rows, measured === 'all' ? [1, 2, 3] : ids)
      const deletes: DataFile = { ...file('', tuple, rows.length), content: 2, equalityIds: ids }
      return { file: { ...deletes, ...facts }, specId: spec, sequence: number, rows }
    })
  return fc.array(fc.oneof(position, equality), { maxLength: 6 }).map((drawn) => {
    const hasVector = new Set<string>()
    return drawn
      .filter(({ file: { fileFormat, referencedDataFile } }) => {
        if (fileFormat !== 'PUFFIN' || referencedDataFile === undefined) return true
        const isFirst = !hasVector.has(referencedDataFile)
        hasVector.add(referencedDataFile)
        return isFirst
      })
      .map((deletes, index) => ({ ...deletes, file: { ...deletes.file, filePath: `deletes-${index}` } }))
  })
}

const same = (a: Literal | null, b: Literal | null): boolean =>
  a === null || b === null ? a === b : isNaNValue(a) || isNaNValue(b) ? isNaNValue(a) === isNaNValue(b) : a === b

const kills = ({ file: { equalityIds = [] }, positions, rows }: Deletes, path: string, at: number, of: Row): boolean =>
  positions?.get(path)?.has(at) ??
  rows?.some((each) => equalityIds.every((id) => same(each[id] ?? null, of[id] ?? null))) ??
  false

/** The rules of the spec, word by word. */
function applies(deletes: Deletes, data: Data, all: readonly Deletes[]): boolean {
  const samePartition =
    deletes.specId === data.specId && partitionKey(deletes.file.partition) === partitionKey(data.file.partition)
  const unpartitioned = specOf(deletes.specId).fields.every(({ transform }) => transform === 'void')
  if (deletes.rows !== undefined) return data.sequence < deletes.sequence && (samePartition || unpartitioned)
  if (!samePartition || data.sequence > deletes.sequence) return false
  const named = deletes.file.referencedDataFile
  if (named !== undefined && named !== data.file.filePath) return false
  if (deletes.file.fileFormat === 'PUFFIN') return true
  return !all.some(
    (other) => other.file.fileFormat === 'PUFFIN' && other.file.referencedDataFile === data.file.filePath,
  )
}

const predicate: fc.Arbitrary<Expression> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('lt', 'lt-eq', 'gt', 'gt-eq', 'eq', 'not-eq'),
    column: fc.constant('a'),
    value: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({ kind: fc.constantFrom('eq', 'starts-with'), column: fc.constant('b'), value: fc.constantFrom('a', 'b') }),
  fc.record({ kind: fc.constantFrom('is-null', 'not-null'), column: fc.constantFrom('a', 'b') }),
  fc.record({ kind: fc.constantFrom('lt', 'gt', 'eq'), column: fc.constant('x'), value: fc.constantFrom(0, 1) }),
  fc.record({ kind: fc.constantFrom('is-nan', 'not-nan'), column: fc.constant('x') }),
)
const expression: fc.Arbitrary<Expression> = fc.oneof(
  fc.constant<Expression>({ kind: 'true' }),
  predicate,
  fc.record({ kind: fc.constantFrom('and', 'or'), children: fc.array(predicate, { minLength: 2, maxLength: 3 }) }),
)

/** A snapshot of these files, in manifests of one spec and kind each. */
function write(io: MemoryIO, data: readonly Data[], deletes: readonly Deletes[]): TableMetadata {
  const manifests = [...data, ...deletes].map(({ file: dataFile, specId: spec, sequence: number }, index) => {
    const content = dataFile.content === 0 ? ('data' as const) : ('deletes' as const)
    const { bytes, manifest } = encodeManifest({
      formatVersion: 3,
      schema,
      spec: specOf(spec),
      content,
      entries: [
        {
          status: EntryStatus.existing,
          snapshotId: number,
          sequenceNumber: number,
          fileSequenceNumber: number,
          dataFile,
        },
      ],
    })
    const manifestPath = `manifest-${index}`
    io.files.set(manifestPath, bytes)
    return { ...manifest, manifestPath, sequenceNumber: 4n, minSequenceNumber: number, addedSnapshotId: 4n }
  })
  const identity = { snapshotId: 4n, parentSnapshotId: null, sequenceNumber: 4n, formatVersion: 3 as const }
  io.files.set('list', encodeManifestList(assignFirstRowIds(manifests, 0n).manifests, { ...identity, firstRowId: 0n }))
  const empty = newTableMetadata(
    { schema, spec: specOf(0) },
    { uuid: '9c12d441-03fe-4693-9a96-a0705ddf69c1', location: 'file:///t', nowMs: 0 },
  )
  return {
    ...empty,
    partitionSpecs: specs,
    currentSnapshotId: 4n,
    snapshots: [
      {
        snapshotId: 4n,
        sequenceNumber: 4n,
        timestampMs: 1,
        manifestList: 'list',
        summary: { operation: 'append' },
        schemaId: 0,
      },
    ],
  }
}

test('what a plan shows is what the snapshot’s files and deletes say, through every partition spec and kind of delete', async () => {
  let pruned = 0
  let spared = 0
  await fc.assert(
    fc.asyncProperty(
      dataFiles.chain((data) => fc.tuple(fc.constant(data), deletesOf(data))),
      expression,
      fc.boolean(),
      async ([data, deletes], filter, wholeFiles) => {
        const io = new MemoryIO()
        const metadata = write(io, data, deletes)
        const bound = bindExpression(filter, schema)
        const plan = await planScan({ table: { metadata }, io, filter, wholeFiles })
        const matches = (of: Row): boolean => evaluateRow(bound, (id) => of[id] ?? null)
        const planned = new Set(plan.tasks.map(({ dataFile }) => dataFile.filePath))
        const wanted = data.flatMap((each) => {
          const applying = deletes.filter((candidate) => applies(candidate, each, deletes))
          const path = each.file.filePath
          const live = each.rows.flatMap((of, at) =>
            applying.some((candidate) => kills(candidate, path, at, of)) ? [] : [{ of, at }],
          )
          const shown = wholeFiles ? live.filter(() => planned.has(path)) : live.filter(({ of }) => matches(of))
          // A file that is left out has no row that matches, deleted or not.
          if (!planned.has(path)) expect(each.rows.some(matches)).toBe(false)
          spared += planned.has(path) ? applying.length : 0
          return shown.map(({ at }) => `${path}:${at}`)
        })
        const shown = plan.tasks.flatMap((task) => {
          const path = task.dataFile.filePath
          const of = data.find((each) => each.file.filePath === path) as Data
          const killers = task.deletes.map(
            (each) => deletes.find((candidate) => candidate.file.filePath === each.dataFile.filePath) as Deletes,
          )
          spared -= killers.length
          return of.rows.flatMap((each, at) => {
            const dead = killers.some((killer) => kills(killer, path, at, each))
            return dead || !evaluateRow(task.residual, (id) => each[id] ?? null) ? [] : [`${path}:${at}`]
          })
        })
        expect(shown.sort()).toEqual(wanted.sort())
        pruned += data.length - plan.tasks.length
      },
    ),
    { numRuns: 1000 },
  )
  expect(pruned).toBeGreaterThan(100)
  expect(spared).toBeGreaterThan(100)
})
