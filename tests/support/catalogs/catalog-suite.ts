import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  appendFiles,
  applyUpdates,
  planScan,
  qualifiedName,
  type Catalog,
  type NewTable,
  type Snapshot,
  type Table,
  type TableChange,
  type TableIdentifier,
  type TableRequirement,
  type TableUpdate,
} from '../../../src/iceberg/index.ts'
import { dataFileOf, snapshotIdOf, type AppendWorkerInput } from './append-worker.ts'
import { filesOf, openAddress, type CatalogUnderTest, type Lack } from './catalog-under-test.ts'

/** On a machine that has none of it, servers and runtimes are fetched first. */
const installTimeoutMs = 600_000

const workerScript = fileURLToPath(new URL('append-worker.ts', import.meta.url))

const newTable: NewTable = {
  schema: {
    schemaId: 0,
    fields: [
      { id: 1, name: 'id', required: true, type: 'long' },
      { id: 2, name: 'note', required: false, type: 'string' },
    ],
  },
  spec: { specId: 0, fields: [] },
  properties: { owner: 'tests' },
}

/** Beyond 2^53: a client that reads JSON numbers as doubles takes these two for one. */
const largeIds = [7_926_889_530_948_516_885n, 7_926_889_530_948_516_886n] as const

/**
 * What every catalog must do, whatever keeps it. Each test works in a namespace of its own.
 * @param more tests of this catalog alone, given its server once it runs
 */
export function catalogSuite<T extends CatalogUnderTest>(
  name: string,
  start: () => Promise<T>,
  more: (server: () => T) => void = () => {},
): void {
  describe(`${name} catalog`, () => {
    let target: T
    let catalog: Catalog
    beforeAll(async () => {
      target = await start()
      catalog = await openAddress(target.address)
    }, installTimeoutMs)
    afterAll(async () => {
      await catalog?.close()
      await target?.[Symbol.asyncDispose]()
    })

    const lacks = (what: Lack): boolean => target.lacks.includes(what)
    let namespaces = 0
    const inNewNamespace = (table = 'events'): TableIdentifier => ({ namespace: [`ns${++namespaces}`], name: table })
    const create = (identifier = inNewNamespace()): Promise<Table> => catalog.createTable(identifier, newTable)
    const append = async (table: Table, snapshotId: bigint, branch = 'main') => {
      const files = [dataFileOf(snapshotId.toString())]
      return appendFiles({
        table,
        io: filesOf(target.address),
        files,
        specId: 0,
        snapshotId,
        branch,
        nowMs: Date.now(),
      })
    }
    const commit = async (table: Table, change: TableChange): Promise<Table> => {
      const outcome = await catalog.commit(table, change)
      if (outcome.status !== 'committed') throw new Error(JSON.stringify(outcome))
      // What the commit answers is what a reader finds.
      const loaded = await catalog.loadTable(table.identifier)
      expect(loaded.metadata).toEqual(outcome.table.metadata)
      return loaded
    }
    const update = (table: Table, ...updates: readonly TableUpdate[]): Promise<Table> =>
      commit(table, { requirements: [{ type: 'assert-table-uuid', uuid: table.metadata.tableUuid }], updates })

    test('a created table is found by every handle', async () => {
      const identifier = inNewNamespace()
      expect(await catalog.tableExists(identifier)).toBe(false)
      const created = await create(identifier)
      expect(created.metadata.formatVersion).toBe(2)
      if (!lacks('empty tables')) expect(created.metadata).toMatchObject({ currentSnapshotId: null, refs: {} })
      expect(created.metadata.properties).toMatchObject({ owner: 'tests' })
      expect(created.metadata.schemas).toEqual([newTable.schema])
      const other = await openAddress(target.address)
      expect(await other.tableExists(identifier)).toBe(true)
      expect((await other.loadTable(identifier)).metadata).toEqual(created.metadata)
      expect(await other.listTables(identifier.namespace)).toEqual([identifier])
      expect(await other.listTables()).toContainEqual(identifier)
      await other.close()
    })

    test('field ids stay as given, where a server would number them anew', async () => {
      const identifier = inNewNamespace()
      const schema: NewTable['schema'] = {
        schemaId: 0,
        fields: [
          { id: 5, name: 'day', required: false, type: 'date' },
          {
            id: 9,
            name: 'tags',
            required: false,
            type: { type: 'list', elementId: 3, elementRequired: false, element: 'string' },
          },
        ],
        identifierFieldIds: [],
      }
      const spec = { specId: 0, fields: [{ sourceId: 5, fieldId: 1004, name: 'day_month', transform: 'month' }] }
      const sortOrder = {
        orderId: 1,
        fields: [{ sourceId: 5, transform: 'identity', direction: 'desc', nullOrder: 'nulls-last' } as const],
      }
      const asked = catalog.createTable(identifier, { schema, spec, sortOrder })
      if (lacks('field ids')) {
        await expect(asked).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' })
        expect(await catalog.tableExists(identifier)).toBe(false)
        return
      }
      const created = await asked
      expect(created.metadata.schemas[0]?.fields).toEqual(schema.fields)
      expect(created.metadata.partitionSpecs).toEqual([spec])
      expect(created.metadata).toMatchObject({ lastColumnId: 9, lastPartitionId: 1004, defaultSortOrderId: 1 })
      expect(created.metadata.sortOrders).toContainEqual(sortOrder)
    })

    test('a table made twice, also at once, is a conflict that leaves the first', async () => {
      const identifier = inNewNamespace()
      const outcomes = await Promise.allSettled([create(identifier), create(identifier), create(identifier)])
      const made = outcomes.filter((outcome) => outcome.status === 'fulfilled')
      expect(made).toHaveLength(1)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'CONFLICT' })
      }
      await expect(create(identifier)).rejects.toMatchObject({ code: 'CONFLICT' })
      expect((await catalog.loadTable(identifier)).metadata.tableUuid).toBe(made[0]?.value.metadata.tableUuid)
    })

    test.each(['naïve_表', '1st-table', '_x', 'UPPER', 'a'.repeat(120)])('the name %s is a name', async (odd) => {
      const identifier = { namespace: [`odd-${odd.slice(0, 9)}`], name: odd }
      const table = await create(identifier)
      expect(await catalog.listTables(identifier.namespace)).toEqual([identifier])
      expect((await catalog.loadTable(identifier)).metadata.tableUuid).toBe(table.metadata.tableUuid)
      await update(table, { action: 'set-properties', updates: { seen: 'yes' } })
    })

    test.each(['a/b', '', 'a.b', '..', 'a b', "a'b", 'a%2Fb'])('the name "%s" is refused', async (bad) => {
      await expect(create({ namespace: ['raw'], name: bad })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
      await expect(create({ namespace: ['raw', bad], name: 'x' })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    })

    test('a missing table is answered with the nearest names', async () => {
      const { identifier } = await create()
      const missing = { ...identifier, name: 'evnts' }
      await expect(catalog.loadTable(missing)).rejects.toMatchObject({
        code: 'TABLE_NOT_FOUND',
        message: expect.stringContaining(qualifiedName(missing)),
        hint: expect.stringContaining(qualifiedName(identifier)),
      })
      const elsewhere = { namespace: ['no_such_namespace'], name: 'events' }
      await expect(catalog.loadTable(elsewhere)).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
      expect(await catalog.tableExists(elsewhere)).toBe(false)
      expect(await catalog.listTables(elsewhere.namespace)).toEqual([])
    })

    test('namespaces nest, and go only when they are empty', async () => {
      const { identifier } = await create({ namespace: ['outer', 'inner'], name: 'events' })
      await catalog.createNamespace(['outer', 'empty'])
      await catalog.createNamespace(['outer', 'empty'])
      expect(await catalog.listNamespaces()).toContainEqual(['outer'])
      expect(await catalog.listNamespaces(['outer'])).toEqual([
        ['outer', 'empty'],
        ['outer', 'inner'],
      ])
      expect(await catalog.listTables(['outer'])).toEqual([])
      await expect(catalog.dropNamespace(['outer', 'inner'])).rejects.toMatchObject({ code: 'CONFLICT' })
      await expect(catalog.dropNamespace(['outer'])).rejects.toMatchObject({ code: 'CONFLICT' })
      expect(await catalog.dropNamespace(['outer', 'empty'])).toBe(true)
      expect(await catalog.dropNamespace(['outer', 'empty'])).toBe(false)
      await catalog.dropTable(identifier)
      // Where a namespace is made by its first table alone, it is gone with the last.
      await catalog.dropNamespace(['outer', 'inner'])
      expect(await catalog.listNamespaces(['outer'])).toEqual([])
    })

    test('a dropped table is gone, and comes back by its metadata file', async () => {
      const created = await create()
      const { identifier } = created
      const table = await commit(created, (await append(created, 11n)).change)
      await catalog.dropTable(identifier)
      expect(await catalog.tableExists(identifier)).toBe(false)
      await expect(catalog.dropTable(identifier)).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
      await expect(catalog.commit(table, { requirements: [], updates: [] })).rejects.toMatchObject({
        code: 'TABLE_NOT_FOUND',
      })
      const again = { ...identifier, name: 'back' }
      const back = await catalog.registerTable(again, table.metadataLocation)
      expect(back.metadata).toMatchObject({ tableUuid: table.metadata.tableUuid, currentSnapshotId: 11n })
      expect((await catalog.loadTable(again)).metadata.currentSnapshotId).toBe(11n)
      await expect(catalog.registerTable(again, table.metadataLocation)).rejects.toMatchObject({ code: 'CONFLICT' })
    })

    test('a renamed table keeps its files and history', async () => {
      const table = await create()
      const to = { namespace: [...table.identifier.namespace], name: 'renamed' }
      await catalog.renameTable(table.identifier, to)
      expect((await catalog.loadTable(to)).metadata.tableUuid).toBe(table.metadata.tableUuid)
      expect(await catalog.tableExists(table.identifier)).toBe(false)
      await expect(catalog.renameTable(table.identifier, { ...to, name: 'x' })).rejects.toMatchObject({
        code: 'TABLE_NOT_FOUND',
      })
      const other = await create({ ...to, name: 'other' })
      await expect(catalog.renameTable(other.identifier, to)).rejects.toMatchObject({ code: 'CONFLICT' })
    })

    test('properties are set and removed, and nothing else changes', async () => {
      const created = await create()
      const odd = { 'a "quoted" key': 'line\nbreak', пример: '\u{1f9ca}', empty: '' }
      const set = await update(created, { action: 'set-properties', updates: odd })
      expect(set.metadata.properties).toMatchObject({ ...odd, owner: 'tests' })
      expect(set.metadata.schemas).toEqual(created.metadata.schemas)
      const removed = await update(set, { action: 'remove-properties', removals: ['owner', 'empty'] })
      expect(removed.metadata.properties).not.toHaveProperty('owner')
      expect(removed.metadata.properties).not.toHaveProperty('empty')
      expect(removed.metadata.properties).toMatchObject({ пример: '\u{1f9ca}' })
    })

    test('schema, spec and sort order evolve', async () => {
      const created = await create()
      const fields = [...newTable.schema.fields, { id: 3, name: 'at', required: false, type: 'timestamptz' } as const]
      const spec = { specId: 1, fields: [{ sourceId: 3, fieldId: 1000, name: 'at_day', transform: 'day' }] }
      const sortOrder = {
        orderId: 1,
        fields: [{ sourceId: 1, transform: 'identity', direction: 'asc', nullOrder: 'nulls-first' } as const],
      }
      const { metadata } = await update(
        created,
        { action: 'add-schema', schema: { schemaId: 1, fields }, lastColumnId: 3 },
        { action: 'set-current-schema', schemaId: 1 },
        { action: 'add-spec', spec },
        { action: 'set-default-spec', specId: 1 },
        { action: 'add-sort-order', sortOrder },
        { action: 'set-default-sort-order', sortOrderId: 1 },
      )
      expect(metadata).toMatchObject({ currentSchemaId: 1, defaultSpecId: 1, defaultSortOrderId: 1, lastColumnId: 3 })
      expect(metadata.schemas.find(({ schemaId }) => schemaId === 1)?.fields).toEqual(fields)
      expect(metadata.partitionSpecs.find(({ specId }) => specId === 1)?.fields).toEqual(spec.fields)
      expect(metadata.sortOrders).toContainEqual(sortOrder)
    })

    test('snapshots keep every digit of their ids, and every word of their summaries', async () => {
      const created = await create()
      const summary = { 'hindcast.run-id': 'run 1', 'engine-name': 'hindcast' }
      const files = [dataFileOf('large')]
      const io = filesOf(target.address)
      const [firstId, secondId] = largeIds
      const first = await appendFiles({
        table: created,
        io,
        files,
        specId: 0,
        snapshotId: firstId,
        nowMs: Date.now(),
        summary,
      })
      const once = await commit(created, first.change)
      const { parentSnapshotId: _, ...withoutParent } = first.snapshot
      expect(snapshotOf(once)).toEqual(lacks('history') ? withoutParent : first.snapshot)
      const before = created.metadata.lastSequenceNumber
      expect(once.metadata).toMatchObject({ currentSnapshotId: firstId, lastSequenceNumber: before + 1n })
      const twice = await commit(once, (await append(once, secondId)).change)
      expect(snapshotOf(twice)?.snapshotId).toBe(secondId)
      if (!lacks('history')) expect(snapshotOf(twice)?.parentSnapshotId).toBe(firstId)
      expect(snapshotOf(twice)?.sequenceNumber).toBe(before + 2n)
      expect(twice.metadata.refs['main']?.snapshotId).toBe(secondId)
      expect((await planScan({ io, table: twice })).tasks).toHaveLength(2)
    })

    test('a branch and a tag live beside main, or are refused and leave main as it was', async () => {
      const created = await create()
      const { identifier } = created
      const base = await commit(created, (await append(created, 21n)).change)
      const staged = await append(base, 22n, 'audit')
      if (lacks('branches')) {
        await expect(catalog.requireBranches(identifier)).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' })
        await expect(catalog.commit(base, staged.change)).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' })
        const { metadata } = await catalog.loadTable(identifier)
        expect(metadata.currentSnapshotId).toBe(21n)
        expect(Object.keys(metadata.refs)).toEqual(['main'])
        expect(metadata.snapshots.map(({ snapshotId }) => snapshotId)).not.toContain(22n)
        return
      }
      await catalog.requireBranches(identifier)
      const branched = await commit(base, staged.change)
      expect(branched.metadata.refs).toEqual({
        main: { type: 'branch', snapshotId: 21n },
        audit: { type: 'branch', snapshotId: 22n },
      })
      expect(branched.metadata.currentSnapshotId).toBe(21n)
      const tag = { type: 'tag', snapshotId: 21n, maxRefAgeMs: 86_400_000 } as const
      const kept = { type: 'branch', snapshotId: 22n, minSnapshotsToKeep: 3, maxSnapshotAgeMs: 5_000 } as const
      const tagged = await update(
        branched,
        { action: 'set-snapshot-ref', refName: 'v1.0/rc-ä', ref: tag },
        { action: 'set-snapshot-ref', refName: 'audit', ref: kept },
      )
      expect(tagged.metadata.refs).toMatchObject({ 'v1.0/rc-ä': tag, audit: kept })
      const published = await update(
        tagged,
        { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId: 22n } },
        { action: 'remove-snapshot-ref', refName: 'audit' },
      )
      expect(published.metadata.currentSnapshotId).toBe(22n)
      expect(Object.keys(published.metadata.refs).sort()).toEqual(['main', 'v1.0/rc-ä'])
      expect(published.metadata.snapshotLog.map(({ snapshotId }) => snapshotId)).toEqual([21n, 22n])
    })

    test('a new table, and one to be made, can be asked for branches too, and nothing is left of it', async () => {
      const created = await create()
      const asked = catalog.requireBranches(created.identifier)
      if (!lacks('branches')) await asked
      else await expect(asked).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' })
      const missing = catalog.requireBranches({ ...created.identifier, name: 'not_there' })
      if (!lacks('branches')) await missing
      else await expect(missing).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' })
      const { currentSnapshotId, refs, snapshots } = created.metadata
      const { metadata } = await catalog.loadTable(created.identifier)
      expect(metadata).toMatchObject({ currentSnapshotId, refs, snapshots })
      expect(await catalog.listTables(created.identifier.namespace)).toEqual([created.identifier])
    })

    test('each requirement that does not hold is a conflict, and nothing changes', async () => {
      const created = await create()
      const table = await commit(created, (await append(created, 31n)).change)
      const wrong: readonly TableRequirement[] = [
        { type: 'assert-create' },
        { type: 'assert-table-uuid', uuid: '00000000-0000-4000-8000-000000000000' },
        { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: 30n },
        { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: null },
        { type: 'assert-ref-snapshot-id', ref: 'missing', snapshotId: 31n },
        { type: 'assert-current-schema-id', currentSchemaId: 7 },
        { type: 'assert-default-spec-id', defaultSpecId: 7 },
        { type: 'assert-default-sort-order-id', defaultSortOrderId: 7 },
        { type: 'assert-last-assigned-field-id', lastAssignedFieldId: 77 },
        { type: 'assert-last-assigned-partition-id', lastAssignedPartitionId: 7777 },
      ]
      const updates: readonly TableUpdate[] = [{ action: 'set-properties', updates: { wrong: 'yes' } }]
      for (const requirement of wrong) {
        const ofBranch = requirement.type === 'assert-ref-snapshot-id' && requirement.ref !== 'main'
        if (ofBranch && lacks('branches')) {
          const refused = catalog.commit(table, { requirements: [requirement], updates })
          await expect(refused).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' })
          continue
        }
        const outcome = await catalog.commit(table, { requirements: [requirement], updates })
        expect(outcome, requirement.type).toMatchObject({ status: 'conflicted', reason: expect.any(String) })
      }
      expect(await catalog.loadTable(table.identifier)).toEqual(table)
      const { metadata } = table
      const right: readonly TableRequirement[] = [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: 31n },
        { type: 'assert-ref-snapshot-id', ref: 'missing', snapshotId: null },
        { type: 'assert-current-schema-id', currentSchemaId: metadata.currentSchemaId },
        { type: 'assert-default-spec-id', defaultSpecId: metadata.defaultSpecId },
        { type: 'assert-default-sort-order-id', defaultSortOrderId: metadata.defaultSortOrderId },
        { type: 'assert-last-assigned-field-id', lastAssignedFieldId: metadata.lastColumnId },
        { type: 'assert-last-assigned-partition-id', lastAssignedPartitionId: metadata.lastPartitionId },
      ]
      await commit(table, { requirements: right, updates })
    })

    test('of two snapshots on one state, one wins and the other is told', async () => {
      const table = await create()
      const [ours, theirs] = [await append(table, 41n), await append(table, 42n)]
      await commit(table, ours.change)
      expect(await catalog.commit(table, theirs.change)).toMatchObject({ status: 'conflicted' })
      const { metadata } = await catalog.loadTable(table.identifier)
      const lastSequenceNumber = table.metadata.lastSequenceNumber + 1n
      expect(metadata).toMatchObject({ currentSnapshotId: 41n, lastSequenceNumber })
      // The same snapshot once more, as after an answer that was lost.
      expect(await catalog.commit(table, ours.change)).toMatchObject({ status: 'conflicted' })
    })

    test('a stale table builds on the newest metadata when its requirements still hold', async () => {
      const table = await create()
      const { metadata } = await update(table, { action: 'set-properties', updates: { a: '1' } })
      expect(metadata.properties).toMatchObject({ a: '1' })
      const second = await update(table, { action: 'set-properties', updates: { b: '2' } })
      expect(second.metadata.properties).toMatchObject({ a: '1', b: '2' })
    })

    test('a table that was replaced by another of its name takes no commit of the first', async () => {
      const first = await create()
      await catalog.dropTable(first.identifier)
      const second = await create(first.identifier)
      const outcome = await catalog.commit(first, {
        requirements: [{ type: 'assert-table-uuid', uuid: first.metadata.tableUuid }],
        updates: [{ action: 'set-properties', updates: { lost: 'yes' } }],
      })
      expect(outcome).toMatchObject({ status: 'conflicted' })
      expect((await catalog.loadTable(first.identifier)).metadata).toEqual(second.metadata)
    })

    test('every kind of update means the same to the catalog as to us', async () => {
      // Nessie knows few of them, and adds properties of its own to each commit.
      if (lacks('history')) return
      const created = await create()
      const first = await commit(created, (await append(created, 61n)).change)
      const second = await commit(first, (await append(first, 62n)).change)
      const statisticsOf = (snapshotId: bigint, more: Readonly<Record<string, unknown>>) => {
        const statisticsPath = `${second.metadata.location}/metadata/${snapshotId}.stats`
        const ours = { 'snapshot-id': Number(snapshotId), 'statistics-path': statisticsPath, 'file-size-in-bytes': 413 }
        return { snapshotId, statisticsPath, fileSizeInBytes: 413n, json: { ...ours, ...more } }
      }
      const puffin = { 'file-footer-size-in-bytes': 42, 'blob-metadata': [] }
      const field = { id: 7, name: 'extra', required: false, type: 'decimal(9, 2)' } as const
      const steps: readonly (readonly TableUpdate[])[] = [
        [{ action: 'set-location', location: `${second.metadata.location}-moved` }],
        [{ action: 'set-statistics', statistics: statisticsOf(62n, puffin) }],
        [{ action: 'set-partition-statistics', partitionStatistics: statisticsOf(62n, {}) }],
        [{ action: 'remove-statistics', snapshotId: 62n }],
        [{ action: 'remove-partition-statistics', snapshotId: 62n }],
        [
          // Two of each, of which the first is never used.
          ...[6, 7].flatMap((id, i): TableUpdate[] => [
            {
              action: 'add-schema',
              schema: { schemaId: i + 1, fields: [...newTable.schema.fields, { ...field, id }] },
              lastColumnId: id,
            },
            {
              action: 'add-spec',
              spec: {
                specId: i + 1,
                fields: [{ sourceId: 1, fieldId: 1000 + i, name: 'b', transform: `bucket[${id}]` }],
              },
            },
          ]),
          { action: 'set-current-schema', schemaId: -1 },
          { action: 'set-default-spec', specId: -1 },
        ],
        [{ action: 'remove-schemas', schemaIds: [1] }],
        [{ action: 'remove-partition-specs', specIds: [1] }],
        [{ action: 'remove-snapshots', snapshotIds: [61n] }],
        [{ action: 'upgrade-format-version', formatVersion: 3 }],
        [{ action: 'remove-properties', removals: ['owner'] }],
        [63n, 64n].flatMap((snapshotId): TableUpdate[] => [
          {
            action: 'add-snapshot',
            snapshot: {
              snapshotId,
              parentSnapshotId: snapshotId - 1n,
              sequenceNumber: snapshotId - 60n,
              timestampMs: second.metadata.lastUpdatedMs + Number(snapshotId),
              manifestList: `${second.metadata.location}/metadata/${snapshotId}.avro`,
              summary: { operation: 'append' },
              schemaId: 2,
              firstRowId: 10n * (snapshotId - 63n),
              addedRows: 10n,
            },
          },
          { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId } },
        ]),
        [{ action: 'remove-snapshot-ref', refName: 'main' }],
      ]
      let table = second
      for (const updates of steps) {
        const wanted = applyUpdates(table.metadata, updates, { nowMs: table.metadata.lastUpdatedMs })
        table = await update(table, ...updates)
        expect(comparable(table), updates[0]?.action).toEqual(comparable({ metadata: wanted }))
      }
    })

    more(() => target)

    test('eight processes that commit at once lose no update', { timeout: 300_000 }, async () => {
      const [writers, commits] = [8, 3]
      const created = await create()
      const { identifier } = created
      await Promise.all(
        Array.from({ length: writers }, (_, writer) => {
          const input: AppendWorkerInput = { address: target.address, identifier, writer, commits }
          return promisify(execFile)(process.execPath, [workerScript, JSON.stringify(input)])
        }),
      )
      const table = await catalog.loadTable(identifier)
      const { metadata } = table
      const ids = Array.from({ length: writers * commits }, (_, i) =>
        snapshotIdOf(i % writers, Math.floor(i / writers)),
      )
      const { tasks } = await planScan({ io: filesOf(target.address), table })
      const paths = tasks.map(({ dataFile }) => dataFile.filePath).sort()
      const wanted = Array.from({ length: writers * commits }, (_, i) =>
        dataFileOf(`${i % writers}-${Math.floor(i / writers)}`),
      )
      expect(paths).toEqual(wanted.map(({ filePath }) => filePath).sort())
      const before = created.metadata.lastSequenceNumber
      expect(metadata.lastSequenceNumber).toBe(before + BigInt(writers * commits))
      if (lacks('history')) return
      const sorted = [...metadata.snapshots].sort((a, b) => Number(a.sequenceNumber - b.sequenceNumber))
      expect(sorted.map(({ sequenceNumber }) => sequenceNumber)).toEqual(ids.map((_, i) => before + BigInt(i + 1)))
      expect(new Set(sorted.map(({ snapshotId }) => snapshotId))).toEqual(new Set(ids))
      // One chain, without a fork.
      expect(sorted.map(({ parentSnapshotId }) => parentSnapshotId)).toEqual([
        undefined,
        ...sorted.slice(0, -1).map(({ snapshotId }) => snapshotId),
      ])
    })
  })
}

/** Metadata without what each commit sets by the clock or by its own files. */
function comparable({ metadata }: Pick<Table, 'metadata'>): object {
  const { lastUpdatedMs: _, metadataLog: __, ...rest } = metadata
  return rest
}

function snapshotOf({ metadata }: Table): Snapshot | undefined {
  return metadata.snapshots.find(({ snapshotId }) => snapshotId === metadata.currentSnapshotId)
}
