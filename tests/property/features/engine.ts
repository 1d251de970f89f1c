/** Views as the compiled SQL computes them, in one engine that serves many cases. */
import { expect } from 'vitest'
import { requiredColumns, type CompiledSlice } from '../../../src/compile/index.ts'
import type { ViewDefinition } from '../../../src/definition/index.ts'
import type { IcebergType, PrimitiveType, Schema } from '../../../src/iceberg/index.ts'
import { duckDbType } from '../../../src/io/duckdb-types.ts'
import { openDuckDb, type DuckDb } from '../../../src/io/duckdb.ts'
import { computeInSession } from '../../../src/io/slice-session.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { decimalScale, type Row, type Value } from './oracle/values.ts'

export interface Range {
  readonly from: bigint
  readonly to: bigint
}

export interface Computed {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly rejected: bigint
}

export interface Engine extends AsyncDisposable {
  /** @param types Iceberg's types of the source's columns @param output those of the view's */
  compute(
    view: ViewDefinition,
    table: { readonly types: Readonly<Record<string, string>>; readonly rows: readonly Row[] },
    output: Readonly<Record<string, IcebergType>>,
    range: Range,
  ): Promise<Computed>
}

export async function openEngine(threads = 1): Promise<Engine> {
  const scratch = await tempDir()
  const db = await openDuckDb({ threads, memoryLimit: '1GB', tempDirectory: scratch.path })
  return {
    compute: async (view, table, output, range) => {
      const names = requiredColumns(view, Object.keys(table.types))
      const types = Object.fromEntries(names.map((name) => [name, table.types[name] as PrimitiveType]))
      await dropTables(db)
      await createSource(db, types, table.rows)
      const shapes = { sourceSchema: schemaOf(types), outputSchema: schemaOf(output) }
      const compiled = await computeInSession(db, view, { ...range, ...shapes })
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
    [Symbol.asyncDispose]: async () => {
      await db.close()
      await scratch[Symbol.asyncDispose]()
    },
  }
}

/** Spans give the rows of any part of a slice, in order, to a connection that sees nothing temporary. */
async function requireSameBySpans(
  db: DuckDb,
  { spans }: CompiledSlice,
  casts: readonly string[],
  rows: readonly Readonly<Record<string, unknown>>[],
  { from, to }: Range,
): Promise<void> {
  if (spans === null) return
  await using sibling = await db.sibling()
  const cut = from + (to - from) / 3n
  await db.run(`CREATE OR REPLACE TABLE spans AS ${spans.between(from, to)}`)
  for (const [low, high] of [
    [from, cut],
    [cut, to],
  ] as const) {
    const found = await sibling.rows(`SELECT ${casts.join(', ')} FROM (${spans.rows('spans', low, high)})`)
    const wanted = rows.filter(({ feature_time: at }) => typeof at === 'bigint' && at >= low && at < high)
    expect(found).toEqual(wanted)
  }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Another slice's tables would be in the way of the next. */
async function dropTables(db: DuckDb): Promise<void> {
  const tables = await db.rows<{ table_name: string }>('SELECT table_name FROM duckdb_tables()')
  for (const { table_name } of tables) await db.run(`DROP TABLE ${quoted(table_name)}`)
}

const schemaOf = (types: Readonly<Record<string, IcebergType>>): Schema => ({
  schemaId: 0,
  fields: Object.entries(types).map(([name, type], index) => ({
    id: index + 1,
    name,
    required: false,
    type,
  })) as Schema['fields'],
})

async function createSource(
  db: DuckDb,
  types: Readonly<Record<string, PrimitiveType>>,
  rows: readonly Row[],
): Promise<void> {
  const columns = Object.entries(types)
  await db.run(
    `CREATE TABLE source_rows (${columns.map(([name, type]) => `${quoted(name)} ${duckDbType(type)}`).join(', ')})`,
  )
  const tuples = rows.map((row) => `(${columns.map(([name, type]) => literal(row[name] as Value, type)).join(', ')})`)
  if (tuples.length > 0) await db.run(`INSERT INTO source_rows VALUES ${tuples.join(', ')}`)
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
