import type { ViewDefinition } from '../../src/definition/index.ts'
import type { Schema } from '../../src/iceberg/index.ts'
import { openDuckDb, type DuckDb } from '../../src/io/duckdb.ts'
import { computeInSession } from '../../src/io/slice-session.ts'
import { tempDir } from '../support/temp-dir.ts'
import type { Event } from './oracle.ts'

export interface Shape {
  readonly source: Schema
  readonly output: Schema
}

export interface Range {
  readonly from: bigint
  readonly to: bigint
}

/** Rows of a view as the compiled SQL has them, in its order; each slice in an engine of its own. */
export async function computeRows(
  view: ViewDefinition,
  shape: Shape,
  events: readonly Event[],
  slices: readonly Range[],
  threads = 1,
): Promise<{ readonly rows: Readonly<Record<string, unknown>>[]; readonly rejected: bigint }> {
  await using scratch = await tempDir()
  const rows: Readonly<Record<string, unknown>>[] = []
  let rejected = 0n
  for (const slice of slices) {
    await using db = await openDuckDb({ threads, memoryLimit: '500MB', tempDirectory: scratch.path })
    await createSource(db, shape.source, events)
    const compiled = await computeInSession(db, view, {
      ...slice,
      sourceSchema: shape.source,
      outputSchema: shape.output,
    })
    rows.push(...(await db.rows(`FROM (${compiled.select}) ORDER BY ${compiled.orderBy}`)))
    const [counted] = await db.rows<{ rejected: bigint }>(compiled.rejected)
    rejected += counted?.rejected ?? 0n
  }
  return { rows, rejected }
}

const timeSql: Readonly<Record<string, (at: bigint) => string>> = {
  timestamp: (at) => `make_timestamp(${at})`,
  timestamptz: (at) => `make_timestamptz(${at})`,
  timestamp_ns: (at) => `make_timestamp_ns(${at} * 1000)`,
  date: (at) => `DATE '1970-01-01' + ${at / 86_400_000_000n}`,
}
const duckDbTypes: Readonly<Record<string, string>> = {
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMPTZ',
  timestamp_ns: 'TIMESTAMP_NS',
  date: 'DATE',
  string: 'VARCHAR',
  long: 'BIGINT',
  double: 'DOUBLE',
  'decimal(9, 2)': 'DECIMAL(9, 2)',
}

async function createSource(db: DuckDb, source: Schema, events: readonly Event[]): Promise<void> {
  const time = source.fields.find(({ name }) => name === 'instant')?.type as string
  const columns = source.fields.map(({ name, type }) => `"${name}" ${duckDbTypes[type as string]}`)
  await db.run(`CREATE TABLE source_rows (${columns.join(', ')})`)
  const text = (value: string | null): string => (value === null ? 'NULL' : `'${value}'`)
  const rows = events.map(({ key, shard, at, i, x, s, d }) => {
    const instant = at === null ? 'NULL' : timeSql[time]?.(at)
    const double = x === null ? 'NULL' : `'${Object.is(x, -0) ? '-0.0' : x}'::DOUBLE`
    const decimal = d === null ? 'NULL' : `'${d}e-2'::DECIMAL(9, 2)`
    return `(${text(key)}, ${shard ?? 'NULL'}, ${instant}, ${i ?? 'NULL'}, ${double}, ${text(s)}, ${decimal})`
  })
  if (rows.length > 0) await db.run(`INSERT INTO source_rows VALUES ${rows.join(', ')}`)
}
