/** A small table on a real warehouse, and the steps that change its rows. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import fc from 'fast-check'
import {
  and,
  appendFiles,
  DataContent,
  equal,
  greaterThanOrEqual,
  isNull,
  lessThan,
  not,
  or,
  planScan,
  rowDelta,
  updatePartitionSpec,
  type DataFile,
  type Expression,
  type Schema,
  type Table,
  type TableIdentifier,
} from '../../src/iceberg/index.ts'
import { quoteString } from '../../src/compile/quote.ts'
import { commitChange, commitSnapshot } from '../../src/io/commit.ts'
import { toPath } from '../../src/io/files/index.ts'
import { writePartitions } from '../../src/io/parquet-write.ts'
import { deleteRows, mergeInto, type RowChangeMode } from '../../src/io/rows/index.ts'
import { tableRelation } from '../../src/io/table-read.ts'
import type { TestWarehouse } from '../support/warehouse.ts'

export interface Row {
  readonly k: number | null
  readonly g: string
  readonly v: number | null
}

export const schema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'k', required: false, type: 'int' },
    { id: 2, name: 'g', required: false, type: 'string' },
    { id: 3, name: 'v', required: false, type: 'long' },
  ],
}

export interface ReadRow extends Row {
  /** Row lineage: null in version 2. */
  readonly id: bigint | null
  readonly updated: bigint | null
}

export const identifier: TableIdentifier = { namespace: ['ns'], name: 't' }

export const valuesOf = (rows: readonly Row[]): string =>
  rows.length === 0
    ? `SELECT NULL::INTEGER AS k, NULL::VARCHAR AS g, NULL::BIGINT AS v WHERE false`
    : `SELECT k::INTEGER AS k, g, v::BIGINT AS v FROM (VALUES ${rows
        .map(({ k, g, v }) => `(${k ?? 'NULL'}, '${g}', ${v ?? 'NULL'})`)
        .join(', ')}) AS given(k, g, v)`

interface Named {
  readonly text: string
  readonly filter: Expression
  readonly takes: (row: Row) => boolean
}

export const filters: readonly Named[] = [
  { text: 'k = 3', filter: equal('k', 3), takes: ({ k }) => k === 3 },
  { text: 'k < 4', filter: lessThan('k', 4), takes: ({ k }) => k !== null && k < 4 },
  { text: `g = 'a'`, filter: equal('g', 'a'), takes: ({ g }) => g === 'a' },
  {
    text: `g = 'b' and v >= 5`,
    filter: and(equal('g', 'b'), greaterThanOrEqual('v', 5n)),
    takes: ({ g, v }) => g === 'b' && v !== null && v >= 5,
  },
  { text: 'v is null or k = 1', filter: or(isNull('v'), equal('k', 1)), takes: ({ v, k }) => v === null || k === 1 },
  { text: 'not k is null', filter: not(isNull('k')), takes: ({ k }) => k !== null },
  { text: 'k = 99', filter: equal('k', 99), takes: () => false },
]

const row = fc.record({
  k: fc.option(fc.integer({ min: 0, max: 9 }), { freq: 8 }),
  g: fc.constantFrom('a', 'b', 'c'),
  v: fc.option(fc.integer({ min: 0, max: 9 }), { freq: 8 }),
})
export const mode = fc.constantFrom<RowChangeMode>('copy-on-write', 'merge-on-read')
export const step = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), rows: fc.array(row, { minLength: 1, maxLength: 8 }) }),
  fc.record({ kind: fc.constant('delete' as const), filter: fc.constantFrom(...filters), mode }),
  fc.record({
    kind: fc.constant('merge' as const),
    rows: fc.uniqueArray(row, { selector: ({ k }) => k ?? Number.NaN, comparator: (a, b) => a === b, maxLength: 6 }),
    whenMatched: fc.constantFrom('update' as const, 'delete' as const, 'keep' as const),
    whenNotMatched: fc.constantFrom('insert' as const, 'ignore' as const),
    withDeletes: fc.boolean(),
    mode,
  }),
  fc.record({ kind: fc.constant('respec' as const) }),
)

export type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

export const sorted = (rows: readonly Row[]): string[] => rows.map(({ k, g, v }) => JSON.stringify([k, g, v])).sort()

export class Lake {
  readonly #warehouse: TestWarehouse
  #nextId = 0n

  constructor(warehouse: TestWarehouse) {
    this.#warehouse = warehouse
  }

  get context() {
    const { catalog, io, db, scratchDir } = this.#warehouse
    return {
      catalog,
      tableFiles: () => io,
      now: () => 0,
      withEngine: <T>(work: (engine: typeof db, scratch: string) => Promise<T>) => work(db, scratchDir),
    }
  }

  get newId(): bigint {
    return ++this.#nextId
  }

  async append(rows: readonly Row[]): Promise<void> {
    const { catalog, io, db, scratchDir } = this.#warehouse
    const table = await catalog.loadTable(identifier)
    const { metadata } = table
    const spec = metadata.partitionSpecs.find(({ specId }) => specId === metadata.defaultSpecId)
    if (spec === undefined) throw new Error('no spec')
    const snapshotId = this.newId
    let count = 0
    const files = await writePartitions(db, {
      query: valuesOf(rows),
      schema,
      spec,
      sortBy: '',
      scratchDir,
      place: () => `${metadata.location}/data/a-${snapshotId}-${count++}.parquet`,
      io,
    })
    await commitSnapshot({ catalog, io }, table, snapshotId, (current) =>
      appendFiles({ table: current, io, files, specId: spec.specId, snapshotId, nowMs: 0 }),
    )
  }

  /** Deletes all rows of these keys that were written before, as a streaming writer does it. */
  async deleteKeys(...keys: readonly number[]): Promise<void> {
    const { catalog, io, db } = this.#warehouse
    const table = await catalog.loadTable(identifier)
    const snapshotId = this.newId
    const filePath = `${table.metadata.location}/data/equality-${snapshotId}.parquet`
    await mkdir(dirname(toPath(filePath)), { recursive: true })
    await db.run(
      `COPY (SELECT unnest([${keys.join(', ')}])::INTEGER AS k) TO ${quoteString(toPath(filePath))} (FORMAT parquet, FIELD_IDS {k: 1})`,
    )
    const dataFile: DataFile = {
      content: DataContent.equalityDeletes,
      filePath,
      fileFormat: 'PARQUET',
      partition: [],
      recordCount: BigInt(keys.length),
      fileSizeInBytes: (await io.size(filePath)) ?? 0n,
      equalityIds: [1],
    }
    const deletes = [{ dataFile, specId: 0 }]
    await commitSnapshot({ catalog, io }, table, snapshotId, (current) =>
      rowDelta({ table: current, io, added: [], deletes, referenced: [], snapshotId, nowMs: 0 }),
    )
  }

  async respec(): Promise<void> {
    const { catalog, io } = this.#warehouse
    const table = await catalog.loadTable(identifier)
    const partitioned = table.metadata.defaultSpecId !== 0
    const change = updatePartitionSpec({
      table,
      changes: partitioned ? [{ kind: 'remove', name: 'g' }] : [{ kind: 'add', column: 'g' }],
    })
    await commitChange(
      { catalog, io },
      table,
      () => change,
      () => false,
    )
  }

  async apply(doing: Step): Promise<void> {
    if (doing.kind === 'append') await this.append(doing.rows)
    else if (doing.kind === 'respec') await this.respec()
    else if (doing.kind === 'delete') {
      const where = doing.filter.filter
      await deleteRows(this.context, { table: identifier, snapshotId: this.newId, where, mode: doing.mode })
    } else {
      const { rows, whenMatched, whenNotMatched, withDeletes } = doing
      await mergeInto(this.context, {
        table: identifier,
        snapshotId: this.newId,
        source: valuesOf(rows),
        keys: ['k'],
        whenMatched,
        whenNotMatched,
        ...(withDeletes ? { deleteWhen: 'v >= 5' } : {}),
        mode: doing.mode,
      })
    }
  }

  load(): Promise<Table> {
    return this.#warehouse.catalog.loadTable(identifier)
  }

  async read(): Promise<readonly ReadRow[]> {
    const { io, db } = this.#warehouse
    const table = await this.load()
    const { tasks } = await planScan({ table, io })
    await using relation = await tableRelation(db, {
      metadata: table.metadata,
      schema,
      tasks,
      columns: ['k', 'g', 'v', '_row_id', '_last_updated_sequence_number'],
      io,
    })
    const rows = await db.rows<{
      k: number | null
      g: string
      v: bigint | null
      _row_id: bigint | null
      _last_updated_sequence_number: bigint | null
    }>(`FROM ${relation.sql}`)
    return rows.map(({ k, g, v, _row_id: id, _last_updated_sequence_number: updated }) => ({
      k,
      g,
      v: v === null ? null : Number(v),
      id,
      updated,
    }))
  }
}
