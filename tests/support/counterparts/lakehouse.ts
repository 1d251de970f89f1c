import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect } from 'vitest'
import { appendFiles } from '../../../src/iceberg/actions/append.ts'
import { overwritePartitions } from '../../../src/iceberg/actions/overwrite-partitions.ts'
import type { DataFile } from '../../../src/iceberg/manifest/model.ts'
import type { PartitionSpec } from '../../../src/iceberg/metadata/table-metadata.ts'
import type { Catalog, Table, TableChange, TableIdentifier } from '../../../src/iceberg/table.ts'
import type { Expression } from '../../../src/iceberg/expression/expression.ts'
import { planScan } from '../../../src/iceberg/scan/plan-scan.ts'
import type { Schema } from '../../../src/iceberg/types/schema.ts'
import { writePartitions } from '../../../src/io/parquet-write.ts'
import { deleteRows } from '../../../src/io/rows/delete-rows.ts'
import { mergeInto } from '../../../src/io/rows/merge-into.ts'
import type { RowChangeContext, RowChangeResult } from '../../../src/io/rows/row-change.ts'
import { sortOrderSql } from '../../../src/io/sort-order-sql.ts'
import { tableRelation } from '../../../src/io/table-read.ts'
import { testWarehouse, type TestWarehouse } from '../warehouse.ts'
import { ask } from './client.ts'
import type { TableDefinition } from './definition.ts'
import { inOrder, plainRow, selectOf, type Row } from './plain-values.ts'

/** What to read: the head of `main`, another ref, or a snapshot by its id. */
export interface Selector {
  readonly ref?: string
  readonly snapshot?: string
}

const readers = ['ours', 'java', 'spark', 'python'] as const
export type Reader = (typeof readers)[number]

/**
 * One catalog and one warehouse that Hindcast, Spark, Iceberg's Java library and PyIceberg share. Tables are named `namespace.table`;
 * rows are in the form of `plain-values.ts`.
 */
export interface Lakehouse extends TestWarehouse {
  spark(sql: string): Promise<Row[]>
  java<T>(op: string, args: Row): Promise<T>
  python<T>(op: string, args: Row): Promise<T>
  load(name: string): Promise<Table>
  /** Creates a table by our catalog. */
  create(name: string, definition: TableDefinition): Promise<Table>
  /** Appends the rows of a SELECT by our writer: for types that rows in a test have no form for. */
  appendQuery(name: string, query: string): Promise<Table>
  /** Rows of a table as our engine reads them, of which SQL expressions are selected. */
  select(name: string, expressions: string): Promise<Row[]>
  /** Writes rows as data files of the table's present schema and spec, and leaves committing to the caller. */
  write(table: Table, rows: readonly Row[]): Promise<DataFile[]>
  /** Commits a change of ours, which must not conflict. */
  commit(table: Table, change: TableChange): Promise<Table>
  /** Appends rows by our writer. */
  append(name: string, rows: readonly Row[], branch?: string): Promise<Table>
  /** Replaces the partitions in which the rows lie by them. */
  overwrite(name: string, rows: readonly Row[]): Promise<Table>
  /** What our row changes and maintenance work with. */
  context(): Promise<RowChangeContext>
  /** Deletes rows by our own means; the table's properties say which. */
  deleteRows(name: string, where: Expression): Promise<RowChangeResult>
  /** Merges rows into a table by key by our own means; the table's properties say which. */
  mergeInto(name: string, rows: readonly Row[], keys: readonly string[]): Promise<RowChangeResult>
  newSnapshotId(): bigint
  read(reader: Reader, name: string, selector?: Selector): Promise<Row[]>
  /** All readers but those left out see the same rows, which are returned. */
  agreedRows(name: string, options?: Selector & { readonly without?: readonly Reader[] }): Promise<Row[]>
}

/** @param options.catalogFile name of a catalog file that is not there yet, for others to make; ours is opened when first used */
export async function lakehouse(options: { readonly catalogFile?: string } = {}): Promise<Lakehouse> {
  const warehouse = await testWarehouse()
  const { db, io } = warehouse
  const session = randomUUID()
  const file = options.catalogFile === undefined ? warehouse.catalogFile : join(warehouse.dir, options.catalogFile)
  let ours: Promise<Catalog> | undefined
  const openOurs = (): Promise<Catalog> => (ours ??= warehouse.openCatalog(file))
  const opened = { session, catalog: warehouse.catalog.name, file, warehouse: warehouse.warehouse }
  const opening = new Map<string, Promise<unknown>>()
  const counterpart = async <T>(to: 'jvm' | 'python', op: string, args: Row): Promise<T> => {
    const open = opening.get(to) ?? ask(to, 'open', opened)
    opening.set(to, open)
    await open
    return ask<T>(to, op, { session, ...args })
  }
  const load = async (name: string): Promise<Table> => (await openOurs()).loadTable(identifierOf(name))
  let lastSnapshotId = 5_000_000_000_000_000n

  const writeQuery = (table: Table, query: string): Promise<DataFile[]> =>
    writePartitions(db, {
      query,
      schema: currentSchema(table),
      spec: currentSpec(table),
      ...sortOrderSql(table.metadata, currentSchema(table)),
      properties: table.metadata.properties,
      scratchDir: warehouse.scratchDir,
      place: (_, path) => `${table.metadata.location}/data/${path === '' ? '' : `${path}/`}${randomUUID()}.parquet`,
      io,
    })
  const write = (table: Table, rows: readonly Row[]): Promise<DataFile[]> =>
    writeQuery(table, selectOf(currentSchema(table).fields, rows))
  const commit = async (table: Table, change: TableChange): Promise<Table> => {
    const outcome = await (await openOurs()).commit(table, change)
    if (outcome.status !== 'committed') throw new Error(`the commit ended as ${JSON.stringify(outcome)}`)
    return outcome.table
  }
  const newSnapshotId = (): bigint => ++lastSnapshotId

  const context = async (): Promise<RowChangeContext> => ({
    catalog: await openOurs(),
    tableFiles: () => io,
    now: Date.now,
    withEngine: (work) => work(db, warehouse.scratchDir),
  })

  const appendTo = async (table: Table, files: readonly DataFile[], branch?: string): Promise<Table> => {
    const { change } = await appendFiles({
      table,
      io,
      files,
      specId: table.metadata.defaultSpecId,
      snapshotId: newSnapshotId(),
      nowMs: Date.now(),
      ...(branch === undefined ? {} : { branch }),
    })
    return commit(table, change)
  }

  const readOurs = async (name: string, { ref, snapshot }: Selector): Promise<Row[]> => {
    const table = await load(name)
    const { metadata } = table
    const named = ref === undefined ? undefined : metadata.refs[ref]
    const snapshotId = snapshot === undefined ? (named?.snapshotId ?? null) : BigInt(snapshot)
    // A branch goes on and is read in the table's schema; a snapshot is what it was.
    const isPast = snapshot !== undefined || named?.type === 'tag'
    const { fields } = isPast ? schemaOf(table, snapshotId) : currentSchema(table)
    const { tasks } = await planScan({ table, io, snapshotId })
    await using relation = await tableRelation(db, { metadata, schema: { schemaId: 0, fields }, tasks, io })
    const rows = await db.rows<Row>(`FROM ${relation.sql}`)
    return rows.map((row) => plainRow(fields, row))
  }
  const read = async (reader: Reader, name: string, selector: Selector = {}): Promise<Row[]> => {
    const version = selector.ref ?? selector.snapshot
    switch (reader) {
      case 'ours':
        return readOurs(name, selector)
      case 'java':
        return counterpart('jvm', 'read', { table: name, ...selector })
      case 'python':
        return counterpart('python', 'read', { table: name, ...selector })
      case 'spark':
        return counterpart('jvm', 'sql', {
          sql: `SELECT * FROM ${name} ${version === undefined ? '' : `VERSION AS OF '${version}'`}`,
        })
    }
  }

  return {
    ...warehouse,
    spark: (sql) => counterpart('jvm', 'sql', { sql }),
    java: (op, args) => counterpart('jvm', op, args),
    python: (op, args) => counterpart('python', op, args),
    load,
    create: async (name, definition) => (await openOurs()).createTable(identifierOf(name), definition),
    write,
    commit,
    newSnapshotId,
    append: async (name, rows, branch) => {
      const table = await load(name)
      return appendTo(table, await write(table, rows), branch)
    },
    appendQuery: async (name, query) => {
      const table = await load(name)
      return appendTo(table, await writeQuery(table, query))
    },
    select: async (name, expressions) => {
      const table = await load(name)
      const { tasks, schema } = await planScan({ table, io })
      await using relation = await tableRelation(db, { metadata: table.metadata, schema, tasks, io })
      return await db.rows<Row>(`SELECT ${expressions} FROM ${relation.sql}`)
    },
    overwrite: async (name, rows) => {
      const table = await load(name)
      const files = await write(table, rows)
      const { change } = await overwritePartitions({
        table,
        io,
        base: table.metadata.currentSnapshotId,
        branch: 'main',
        specId: table.metadata.defaultSpecId,
        partitions: files.map(({ partition }) => partition),
        files,
        snapshotId: newSnapshotId(),
        nowMs: Date.now(),
      })
      return commit(table, change)
    },
    context,
    deleteRows: async (name, where) =>
      deleteRows(await context(), { table: identifierOf(name), where, snapshotId: newSnapshotId() }),
    mergeInto: async (name, rows, keys) => {
      const source = selectOf(currentSchema(await load(name)).fields, rows)
      return mergeInto(await context(), { table: identifierOf(name), source, keys, snapshotId: newSnapshotId() })
    },
    read,
    agreedRows: async (name, { without = [], ...selector } = {}) => {
      const [first, ...others] = readers.filter((reader) => !without.includes(reader))
      const expected = inOrder(await read(first ?? 'ours', name, selector))
      for (const reader of others) {
        const rows = inOrder(await read(reader, name, selector))
        expect(rows, `${reader} reads what ${first} reads`).toEqual(expected)
        expect(Object.keys(rows[0] ?? {}), `columns as ${reader} orders them`).toEqual(Object.keys(expected[0] ?? {}))
      }
      return expected
    },
    [Symbol.asyncDispose]: async () => {
      for (const to of opening.keys()) await ask(to as 'jvm', 'close', { session })
      await warehouse[Symbol.asyncDispose]()
    },
  }
}

function identifierOf(name: string): TableIdentifier {
  const parts = name.split('.')
  return { namespace: parts.slice(0, -1), name: parts.at(-1) ?? '' }
}

function schemaOf({ metadata }: Table, snapshotId: bigint | null): Schema {
  const snapshot = metadata.snapshots.find((each) => each.snapshotId === snapshotId)
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === snapshot?.schemaId)
  if (schema === undefined) throw new Error(`no schema of snapshot ${snapshotId}`)
  return schema
}

export function currentSchema({ metadata }: Table): Schema {
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
  if (schema === undefined) throw new Error('the table has no current schema')
  return schema
}

function currentSpec({ metadata }: Table): PartitionSpec {
  const spec = metadata.partitionSpecs.find(({ specId }) => specId === metadata.defaultSpecId)
  if (spec === undefined) throw new Error('the table has no default spec')
  return spec
}
