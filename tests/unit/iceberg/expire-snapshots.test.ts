import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { retainedSnapshots } from '../../../src/iceberg/actions/snapshot-retention.ts'
import {
  appendFiles,
  createRef,
  expireSnapshots,
  setCurrentSnapshot,
  type PartitionSpec,
  type Schema,
  type Snapshot,
  type SnapshotRef,
  type TableMetadata,
} from '../../../src/iceberg/index.ts'
import { dataFile, location, MemoryIO, schema, TestTable } from './support.ts'

const hour = 3_600_000
const nowMs = 1000 * hour

interface Made {
  readonly metadata: TableMetadata
  readonly limits: { readonly nowMs: number; readonly olderThanMs?: number; readonly minSnapshotsToKeep?: number }
}

/** Any forest of snapshots, whose times need not follow their descent, with any refs. */
const tables: fc.Arbitrary<Made> = fc
  .record({
    parents: fc.array(fc.option(fc.nat(40)), { maxLength: 14 }),
    ages: fc.array(fc.nat(30), { minLength: 14, maxLength: 14 }),
    refs: fc.array(
      fc.record({
        at: fc.nat(40),
        type: fc.constantFrom('branch' as const, 'tag' as const),
        minSnapshotsToKeep: fc.option(fc.integer({ min: 1, max: 4 })),
        maxSnapshotAge: fc.option(fc.nat(30)),
        maxRefAge: fc.option(fc.nat(30)),
      }),
      { maxLength: 5 },
    ),
    maxAge: fc.option(fc.nat(30)),
    minToKeep: fc.option(fc.integer({ min: 1, max: 4 })),
    maxRefAge: fc.option(fc.nat(30)),
    olderThan: fc.option(fc.nat(30)),
    retainLast: fc.option(fc.integer({ min: 1, max: 4 })),
  })
  .map(({ parents, ages, refs, maxAge, minToKeep, maxRefAge, olderThan, retainLast }) => {
    const snapshots = parents.map((parent, index): Snapshot => ({
      snapshotId: BigInt(index + 1),
      // Also of a parent that is not there any more.
      ...(parent === null ? {} : { parentSnapshotId: BigInt((parent % (index + 2)) + (parent === 40 ? 100 : 0)) }),
      sequenceNumber: BigInt(index + 1),
      timestampMs: nowMs - (ages[index] as number) * hour,
      manifestList: `${location}/metadata/snap-${index}.avro`,
      summary: { operation: 'append' },
    }))
    const named = refs.map((ref, index): [string, SnapshotRef] => [
      index === 0 ? 'main' : `ref${index}`,
      {
        snapshotId: BigInt((ref.at % Math.max(snapshots.length, 1)) + 1),
        type: index === 0 ? 'branch' : ref.type,
        ...(ref.maxRefAge === null ? {} : { maxRefAgeMs: ref.maxRefAge * hour }),
        ...(ref.type === 'tag' || ref.minSnapshotsToKeep === null
          ? {}
          : { minSnapshotsToKeep: ref.minSnapshotsToKeep }),
        ...(ref.type === 'tag' || ref.maxSnapshotAge === null ? {} : { maxSnapshotAgeMs: ref.maxSnapshotAge * hour }),
      },
    ])
    return {
      metadata: {
        ...new TestTable().metadata,
        snapshots,
        refs: snapshots.length === 0 ? {} : Object.fromEntries(named),
        properties: {
          ...(maxAge === null ? {} : { 'history.expire.max-snapshot-age-ms': String(maxAge * hour) }),
          ...(minToKeep === null ? {} : { 'history.expire.min-snapshots-to-keep': String(minToKeep) }),
          ...(maxRefAge === null ? {} : { 'history.expire.max-ref-age-ms': String(maxRefAge * hour) }),
        },
      },
      limits: {
        nowMs,
        ...(olderThan === null ? {} : { olderThanMs: nowMs - olderThan * hour }),
        ...(retainLast === null ? {} : { minSnapshotsToKeep: retainLast }),
      },
    }
  })

/** The spec's policy, sentence by sentence. */
function policy({ metadata, limits }: Made): { refs: string[]; snapshots: bigint[] } {
  const { properties, refs, snapshots } = metadata
  const setting = (key: string, otherwise: number): number => Number(properties[`history.expire.${key}`] ?? otherwise)
  const byId = new Map(snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]))
  const ageOf = ({ timestampMs }: Snapshot): number => limits.nowMs - timestampMs
  const defaultAge =
    limits.olderThanMs === undefined ? setting('max-snapshot-age-ms', 120 * hour) : limits.nowMs - limits.olderThanMs
  const kept = new Set<bigint>()
  const reached = new Set<bigint>()
  const keptRefs: string[] = []
  for (const [name, ref] of Object.entries(refs)) {
    const head = byId.get(ref.snapshotId) as Snapshot
    if (name !== 'main' && ageOf(head) > (ref.maxRefAgeMs ?? setting('max-ref-age-ms', Infinity))) continue
    keptRefs.push(name)
    kept.add(head.snapshotId)
    reached.add(head.snapshotId)
    let keeping = ref.type === 'branch'
    let depth = 0
    const seen = new Set<Snapshot>()
    for (
      let at: Snapshot | undefined = ref.type === 'branch' ? head : undefined;
      at !== undefined && !seen.has(at);
      at = byId.get(at.parentSnapshotId ?? -1n)
    ) {
      seen.add(at)
      reached.add(at.snapshotId)
      const least = ref.minSnapshotsToKeep ?? limits.minSnapshotsToKeep ?? setting('min-snapshots-to-keep', 1)
      keeping &&= depth < least || ageOf(at) <= (ref.maxSnapshotAgeMs ?? defaultAge)
      if (keeping) kept.add(at.snapshotId)
      depth++
    }
  }
  for (const snapshot of snapshots) {
    if (!reached.has(snapshot.snapshotId) && ageOf(snapshot) <= defaultAge) kept.add(snapshot.snapshotId)
  }
  return { refs: keptRefs.sort(), snapshots: [...kept].sort((a, b) => Number(a - b)) }
}

test('what is retained is what the policy says, of any snapshots and refs', () => {
  fc.assert(
    fc.property(tables, (made) => {
      const { refs, snapshots } = retainedSnapshots(made.metadata, made.limits)
      expect({
        refs: [...refs].sort(),
        snapshots: [...snapshots].sort((a, b) => Number(a - b)),
      }).toEqual(policy(made))
    }),
    { numRuns: 1000 },
  )
})

async function tableWith(count: number, io: MemoryIO): Promise<TestTable> {
  const target = new TestTable()
  for (let id = 1; id <= count; id++) {
    const files = [dataFile(`${location}/data/${id}.parquet`, [id])]
    target.commit(
      (await appendFiles({ table: target.table, io, files, specId: 0, snapshotId: BigInt(id), nowMs: target.nowMs }))
        .change,
    )
  }
  return target
}

const allOld = (of: TestTable) => ({ table: of.table, nowMs: of.nowMs, olderThanMs: of.nowMs + 1 })

describe('expiry leaves a table as it was found otherwise', () => {
  test('a ref that moves back, or appears, on what is about to go is a conflict', async () => {
    const io = new MemoryIO()
    const target = await tableWith(4, io)
    const { change, expired } = await expireSnapshots({ ...allOld(target), io })
    expect(expired.map(({ snapshotId }) => snapshotId)).toEqual([1n, 2n, 3n])
    const [moved, tagged] = [await tableWith(4, io), await tableWith(4, io)]
    moved.commit(setCurrentSnapshot({ table: moved.table, snapshotId: 2n }).change)
    expect(() => moved.commit(change)).toThrow('main is at snapshot 2, not 4')
    tagged.commit(createRef({ table: tagged.table, ref: 'kept', type: 'tag', snapshotId: 2n }).change)
    expect(() => tagged.commit(change)).toThrow('kept shows snapshot 2')
    target.commit(change)
    expect(target.metadata.snapshots.map(({ snapshotId }) => snapshotId)).toEqual([4n])
  })

  test('what is built on a snapshot that has gone since is a conflict', async () => {
    const io = new MemoryIO()
    const target = await tableWith(2, io)
    const onOld = createRef({ table: target.table, ref: 'late', type: 'branch', snapshotId: 1n })
    target.commit(createRef({ table: target.table, ref: 'b', type: 'branch', snapshotId: 1n }).change)
    const files = [dataFile(`${location}/data/late.parquet`, [9])]
    const { change } = await appendFiles({
      table: target.table,
      io,
      files,
      specId: 0,
      snapshotId: 9n,
      nowMs: 1,
      branch: 'b',
    })
    target.commit({ requirements: [], updates: [{ action: 'remove-snapshot-ref', refName: 'b' }] })
    target.commit((await expireSnapshots({ ...allOld(target), io })).change)
    expect(() => target.commit(onOld.change)).toThrow('snapshot 1 is gone')
    expect(() => target.commit({ ...change, requirements: [] })).toThrow(
      'snapshot 1, which snapshot 9 builds on, is gone',
    )
  })

  test('snapshots named by id go, whatever their age, unless a ref shows them', async () => {
    const io = new MemoryIO()
    const target = await tableWith(3, io)
    const young = { table: target.table, io, nowMs: target.nowMs }
    const { expired } = await expireSnapshots({ ...young, snapshotIds: [2n, 77n] })
    expect(expired.map(({ snapshotId }) => snapshotId)).toEqual([2n])
    await expect(expireSnapshots({ ...young, snapshotIds: [3n] })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: 'snapshot 3 is what main shows',
    })
  })

  test('a table whose files may be shared is refused', async () => {
    const target = new TestTable()
    target.commit({ requirements: [], updates: [{ action: 'set-properties', updates: { 'gc.enabled': 'false' } }] })
    await expect(expireSnapshots({ ...allOld(target), io: new MemoryIO() })).rejects.toMatchObject({
      code: 'FEATURE_UNSUPPORTED',
    })
  })
})

test('specs and schemas go once nothing was written with them, and not before', async () => {
  const io = new MemoryIO()
  const target = await tableWith(1, io)
  const spec = (specId: number, sourceId: number): PartitionSpec => ({
    specId,
    fields: [{ sourceId, fieldId: 1000 + specId, name: `p${specId}`, transform: 'identity' }],
  })
  const schemaOf = (schemaId: number, ...extra: number[]): Schema => ({
    schemaId,
    fields: [...schema.fields, ...extra.map((id) => ({ id, name: `c${id}`, required: false, type: 'int' as const }))],
  })
  const evolve = (schemaId: number, specId: number, sourceId: number, ...extra: number[]): void =>
    target.commit({
      requirements: [],
      updates: [
        { action: 'add-schema', schema: schemaOf(schemaId, ...extra), lastColumnId: 9 },
        { action: 'set-current-schema', schemaId },
        { action: 'add-spec', spec: spec(specId, sourceId) },
        { action: 'set-default-spec', specId },
      ],
    })
  const append = async (id: bigint, specId: number): Promise<void> => {
    const files = [dataFile(`${location}/data/s${id}.parquet`, [1])]
    const request = { table: target.table, io, files, snapshotId: id, nowMs: target.nowMs, specId }
    target.commit((await appendFiles(request)).change)
  }
  evolve(1, 1, 5, 5)
  await append(11n, 1)
  evolve(2, 2, 6, 6)
  evolve(3, 3, 3)
  await append(12n, 3)

  const expire = async (): Promise<[number[], number[]]> => {
    const { change } = await expireSnapshots({ ...allOld(target), io, cleanMetadata: true })
    target.commit(change)
    const { partitionSpecs, schemas } = target.metadata
    return [partitionSpecs.map(({ specId }) => specId), schemas.map(({ schemaId }) => schemaId)]
  }
  // Spec 1 has live files, and its column 5 is known to schema 1 alone; spec 2 never had any.
  expect(await expire()).toEqual([
    [0, 1, 3],
    [1, 3],
  ])
  expect(await expire()).toEqual([
    [0, 1, 3],
    [1, 3],
  ])
})
