import { addedUp, auditColumns, auditQuery, keyOrderQuery, needsBaseline, type Measurement } from '../../audit/index.ts'
import { HindcastError } from '../../contract/index.ts'
import type { AuditDefinition, ViewDefinition } from '../../definition/index.ts'
import type { DataFile, Schema, TableMetadata } from '../../iceberg/index.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import type { ReadableFiles } from '../readable-paths.ts'
import { tableRelation } from '../table-read.ts'

/** As long as a query runs the engine has its files open, whatever its memory limit says: some 10 KB each. */
const filesAtOnce = 4_000

export interface MeasureRequest {
  readonly audit: AuditDefinition
  readonly view: ViewDefinition
  readonly metadata: TableMetadata
  readonly schema: Schema
  readonly io: ReadableFiles
  readonly options: QueryOptions
  readonly filesAtOnce?: number
}

export interface AuditedFiles {
  readonly staged: readonly DataFile[]
  /** Whether no partition has two, so that no key is in two of them. */
  readonly isOneFileEach: boolean
  readonly baseline: readonly DataFile[]
}

/** Measures what an audit is about on some files; many of them a part at a time, where the parts add up. */
export async function measureAudit(db: DuckDb, request: MeasureRequest, files: AuditedFiles): Promise<Measurement> {
  const { audit } = request
  const { staged, baseline, isOneFileEach } = files
  if (needsBaseline(audit) && baseline.length === 0) {
    const rows = staged.reduce((sum, { recordCount }) => sum + recordCount, 0n)
    return { value: null, rows: Number(rows), baselineRows: 0 }
  }
  const parts = partsOf(staged, request.filesAtOnce ?? filesAtOnce)
  if (audit.kind === 'unique' && isOneFileEach) {
    const rows = await rowsInOrder(db, request, parts)
    if (rows !== null) return { value: rows === 0 ? null : 0, rows, baselineRows: 0 }
  }
  if (audit.kind !== 'null_rate') return measureWhole(db, request, staged, baseline)
  const measured: Measurement[] = []
  for (const part of parts) measured.push(await measureWhole(db, request, part, []))
  return addedUp(audit, measured)
}

/** How many rows there are, if all follow the one before them in their file by their keys; else null. */
async function rowsInOrder(
  db: DuckDb,
  request: MeasureRequest,
  parts: readonly (readonly DataFile[])[],
): Promise<number | null> {
  let rows = 0
  for (const part of parts) {
    await using _ = await relations(db, request, part, [])
    const [keys] = await db.rows<{ rows: bigint; descents: bigint }>(keyOrderQuery(request.view), request.options)
    if (keys?.descents !== 0n) return null
    rows += Number(keys.rows)
  }
  return rows
}

async function measureWhole(
  db: DuckDb,
  request: MeasureRequest,
  staged: readonly DataFile[],
  baseline: readonly DataFile[],
): Promise<Measurement> {
  await using _ = await relations(db, request, staged, baseline)
  const [row] = await db.rows<{ value: number | null; rows: bigint | number; baseline_rows: bigint | number }>(
    auditQuery(request.audit, request.view),
    request.options,
  )
  if (row === undefined) throw new HindcastError('INVARIANT_VIOLATED', 'an audit query gave no row')
  return { value: row.value, rows: Number(row.rows), baselineRows: Number(row.baseline_rows) }
}

/** Makes the relations `staged` and `baseline`, good until they are disposed of. */
async function relations(
  db: DuckDb,
  { audit, view, metadata, schema, io, options }: MeasureRequest,
  staged: readonly DataFile[],
  baseline: readonly DataFile[],
): Promise<AsyncDisposable> {
  const stack = new AsyncDisposableStack()
  try {
    for (const [name, files] of Object.entries({ staged, baseline })) {
      const relation = await tableRelation(db, {
        metadata,
        schema,
        tasks: files.map((dataFile) => ({ dataFile, specId: 0, sequenceNumber: 0n, deletes: [] })),
        columns: auditColumns(audit, view),
        io,
        options,
      })
      stack.use(relation)
      await db.run(`CREATE OR REPLACE TEMP VIEW ${name} AS FROM ${relation.sql}`, options)
    }
    return stack
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** At least one part, for an audit of no files has its answer too. */
function partsOf<T>(items: readonly T[], size: number): (readonly T[])[] {
  const parts: (readonly T[])[] = []
  for (let first = 0; first < Math.max(1, items.length); first += size) parts.push(items.slice(first, first + size))
  return parts
}
