/** Views as the compiled SQL computes them, in one engine that serves many cases. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { expect } from 'vitest'
import { dimensionRelation, joinReads, requiredColumns } from '../../../src/compile/index.ts'
import type { ViewDefinition } from '../../../src/definition/index.ts'
import type { DataFile, IcebergType, PartitionSpec, PrimitiveType, Schema } from '../../../src/iceberg/index.ts'
import { duckDbType } from '../../../src/io/duckdb-types.ts'
import { openDuckDb, type DuckDb } from '../../../src/io/duckdb.ts'
import { localFiles, toUri } from '../../../src/io/files/index.ts'
import { writeComputedRows } from '../../../src/io/backfill/write-rows.ts'
import { computeInSession, type ComputedSlice } from '../../../src/io/slice-session.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { decimalScale, type Row, type Value } from './oracle/values.ts'
import type { PlainTable, Table } from './outcome.ts'

const day = 86_400_000_000n

export interface Range {
  readonly from: bigint
  readonly to: bigint
}

export interface Computed {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly rejected: bigint
}

export interface Engine extends AsyncDisposable {
  /** @param output Iceberg's types of the view's columns */
  compute(
    view: ViewDefinition,
    table: Table,
    output: Readonly<Record<string, IcebergType>>,
    range: Range,
  ): Promise<Computed>
  /** Writes the rows as a slice's, one file for each day of the feature time, into a folder that is gone afterwards; SHA-256 by day. @param range of whole days */
  hashes(
    view: ViewDefinition,
    table: Table,
    output: Readonly<Record<string, IcebergType>>,
    range: Range,
  ): Promise<ReadonlyMap<string, string>>
}

export interface EngineOptions {
  readonly threads?: number
  /** Whether all events are held in a table, however few times they are read. */
  readonly holdsEvents?: boolean
  /** Whether files are written from sorted rows even where there are spans. */
  readonly sortsRows?: boolean
  /** Whether few events are joined as of their times as many are; else the engine looks all rows of the dimension up for each. */
  readonly sortsToJoin?: boolean
  /** Whether windows are made in the ways that are for keys with very many events. */
  readonly takesKeysForBusy?: boolean
}

/** The session of an engine that counts more tiles and values of each key than there are. */
const countingMore = (db: DuckDb): DuckDb => ({
  ...db,
  rows: async <Row>(...of: Parameters<DuckDb['rows']>) => {
    const rows = await db.rows<Row>(...of)
    return rows.map((row) =>
      typeof row === 'object' && row !== null && 'areAlike' in row
        ? { ...row, squares: Infinity, products: Infinity, copied: Infinity }
        : row,
    )
  },
})

export async function openEngine({
  threads = 1,
  holdsEvents = false,
  sortsRows = false,
  sortsToJoin = false,
  takesKeysForBusy = false,
}: EngineOptions = {}): Promise<Engine> {
  const scratch = await tempDir()
  const db = await openDuckDb({ threads, memoryLimit: '1GB', tempDirectory: scratch.path })
  if (sortsToJoin) await db.run('SET asof_loop_join_threshold = 0')
  const start: (...of: [...Parameters<Engine['compute']>, partBytes?: number]) => Promise<ComputedSlice> = async (
    view,
    table,
    output,
    range,
    partBytes = Infinity,
  ) => {
    const names = requiredColumns(view, Object.keys(table.types))
    const types = Object.fromEntries(names.map((name) => [name, table.types[name] as PrimitiveType]))
    await dropTables(db)
    await createTable(db, 'source_rows', types, table.rows)
    for (const { name, table: joined, columns } of joinReads(view)) {
      const { types: all, rows } = (table.dimensions ?? {})[joined] as PlainTable
      const read = Object.fromEntries(columns.map((column) => [column, all[column] as PrimitiveType]))
      await createTable(db, dimensionRelation(name), read, rows)
    }
    const dimensions = new Map(
      Object.entries(table.dimensions ?? {}).map(([name, joined]) => [
        name,
        schemaOf(joined.types as Record<string, PrimitiveType>),
      ]),
    )
    const shapes = { sourceSchema: schemaOf(types), dimensions, outputSchema: schemaOf(output) }
    return computeInSession(
      takesKeysForBusy ? countingMore(db) : db,
      view,
      { ...range, ...shapes, rereads: !holdsEvents },
      {},
      { partBytes },
    )
  }
  return {
    compute: async (view, table, output, range) => {
      const compiled = await start(view, table, output, range)
      // As it is written to files.
      const casts = Object.entries(output).map(
        ([name, type]) => `CAST(${quoted(name)} AS ${duckDbType(type)}) AS ${quoted(name)}`,
      )
      const rows = await db.rows<Readonly<Record<string, unknown>>>(
        `SELECT ${casts.join(', ')} FROM (${compiled.select}) ORDER BY ${compiled.orderBy}`,
      )
      await requireSameBySpans(db, compiled, casts, rows, range)
      const [rejected] = await db.rows<{ rejected: bigint }>(compiled.rejected)
      return { rows, rejected: rejected?.rejected ?? 0n }
    },
    hashes: async (view, table, output, range) => {
      const compiled = await start(view, table, output, range, sortsRows ? Infinity : 1)
      await using folder = await tempDir()
      const schema = schemaOf(output)
      const { select, spans, inParts } = compiled
      const files = await writeComputedRows(
        db,
        { select, spans: sortsRows ? null : spans, inParts },
        {
          definition: { ...view, partitionBy: 'day' },
          ordinals: Array.from(
            { length: Number((range.to - range.from) / day) },
            (_, n) => Number(range.from / day) + n,
          ),
          schema,
          spec: dayOf(schema),
          scratchDir: join(folder.path, 'scratch'),
          place: (_, path) => toUri(join(folder.path, 'data', `${path.replaceAll('/', '_')}.parquet`)),
          io,
        },
      )
      return await hashesOf(files)
    },
    [Symbol.asyncDispose]: async () => {
      await db.close()
      await scratch[Symbol.asyncDispose]()
    },
  }
}

/** sha256 of data files by their partitions, which have one each. */
export async function hashesOf(files: readonly DataFile[]): Promise<ReadonlyMap<string, string>> {
  const hashed = files.map(async ({ filePath, partition }): Promise<[string, string]> => [
    String(partition[0]),
    createHash('sha256')
      .update(await io.read(filePath))
      .digest('hex'),
  ])
  return new Map(await Promise.all(hashed))
}

/** Spans give the rows of any part of a slice, in order, to a connection that sees nothing temporary. */
async function requireSameBySpans(
  db: DuckDb,
  { spans }: ComputedSlice,
  casts: readonly string[],
  rows: readonly Readonly<Record<string, unknown>>[],
  { from, to }: Range,
): Promise<void> {
  if (spans === null) return
  await using sibling = await db.sibling()
  const cut = from + (to - from) / 3n
  await db.run(`CREATE OR REPLACE TABLE spans AS ${spans.between(from, to)}`)
  const ranges = [
    { from, to: cut },
    { from: cut, to },
  ]
  const [counted] = await sibling.rows<{ counts: readonly bigint[] }>(spans.counts('spans', ranges))
  for (const [index, { from: low, to: high }] of ranges.entries()) {
    const found = await sibling.rows(
      `SELECT ${casts.join(', ')} FROM (${spans.rows('spans', [{ from: low, to: high }])})`,
    )
    const wanted = rows.filter(({ feature_time: at }) => typeof at === 'bigint' && at >= low && at < high)
    expect(found).toEqual(wanted)
    expect(counted?.counts[index]).toBe(BigInt(wanted.length))
  }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Another slice's tables would be in the way of the next. */
export async function dropTables(db: DuckDb): Promise<void> {
  const tables = await db.rows<{ table_name: string }>('SELECT table_name FROM duckdb_tables()')
  for (const { table_name } of tables) await db.run(`DROP TABLE ${quoted(table_name)}`)
  await db.run('DROP VIEW IF EXISTS events')
  await db.run('DROP VIEW IF EXISTS windowed')
}

const io = localFiles()

export const dayOf = (schema: Schema): PartitionSpec => ({
  specId: 0,
  fields: [
    {
      sourceId: schema.fields.find(({ name }) => name === 'feature_time')?.id as number,
      fieldId: 1000,
      name: 'feature_time_day',
      transform: 'day',
    },
  ],
})

export const schemaOf = (types: Readonly<Record<string, IcebergType>>): Schema => ({
  schemaId: 0,
  fields: Object.entries(types).map(([name, type], index) => ({
    id: index + 1,
    name,
    required: false,
    type: withIds(type, 100 * (index + 1)),
  })),
})

/** Every list and map of a schema has ids of its own. */
function withIds(type: IcebergType, from: number): IcebergType {
  if (typeof type === 'string' || type.type === 'struct') return type
  if (type.type === 'list') return { ...type, elementId: from, element: withIds(type.element, from + 1) }
  return { ...type, keyId: from, valueId: from + 1, value: withIds(type.value, from + 2) }
}

export async function createTable(
  db: DuckDb,
  name: string,
  types: Readonly<Record<string, PrimitiveType>>,
  rows: readonly Row[],
): Promise<void> {
  const columns = Object.entries(types)
  await db.run(
    `CREATE TABLE ${name} (${columns.map(([column, type]) => `${quoted(column)} ${duckDbType(type)}`).join(', ')})`,
  )
  const tuples = rows.map(
    (row) => `(${columns.map(([column, type]) => literal(row[column] as Value, type)).join(', ')})`,
  )
  if (tuples.length > 0) await db.run(`INSERT INTO ${name} VALUES ${tuples.join(', ')}`)
}

function literal(value: Value, type: PrimitiveType): string {
  if (value === null) return 'NULL'
  const scale = decimalScale(type)
  if (scale !== null) return `'${decimalText(value as bigint, scale)}'`
  switch (type) {
    case 'float':
    case 'double':
      return `'${Object.is(value, -0) ? '-0.0' : String(value)}'::${duckDbType(type)}`
    case 'date':
      return `DATE '1970-01-01' + ${String(value)}::INTEGER`
    case 'time':
      return `TIME '00:00:00' + to_microseconds(${String(value)})`
    case 'timestamp':
      return `make_timestamp(${String(value)})`
    case 'timestamptz':
      return `make_timestamptz(${String(value)})`
    case 'timestamp_ns':
      return `make_timestamp_ns(${String(value)})`
    case 'binary':
      return `unhex('${Buffer.from(value as Uint8Array).toString('hex')}')`
    case 'string':
    case 'uuid':
      return `'${String(value).replaceAll("'", "''")}'`
    default:
      return String(value)
  }
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const sign = unscaled < 0n ? '-' : ''
  return scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
