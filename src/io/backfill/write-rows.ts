import { rowOrder, type Spans, type Stretch } from '../../compile/index.ts'
import type { ComputedSlice } from '../slice-session.ts'
import type { ViewDefinition } from '../../definition/index.ts'
import type { DataFile } from '../../iceberg/index.ts'
import { partitionAt } from '../../plan/index.ts'
import type { DuckDb } from '../duckdb.ts'
import { queryOptions, writePartitionRows, writePartitions, type WriteRequest } from '../parquet-write.ts'

export interface RowsRequest extends Omit<WriteRequest, 'query' | 'sortBy'> {
  readonly definition: ViewDefinition
  /** Ascending. */
  readonly ordinals: readonly number[]
}

/** Writes the rows of partitions as their files, by spans where there are any, else sorted. The files are the same either way. */
export async function writeComputedRows(
  db: DuckDb,
  { select, spans, inParts }: Pick<ComputedSlice, 'select' | 'spans' | 'inParts'>,
  { definition, ordinals, ...request }: RowsRequest,
): Promise<DataFile[]> {
  if (spans === null) return writePartitions(db, { ...request, query: select, sortBy: rowOrder(definition) })
  const written: DataFile[] = []
  let rowsWritten = 0n
  const length = Math.ceil(ordinals.length / (inParts?.count ?? 1))
  const ofStretch = inParts?.isView === true ? Math.min(length, stretchPartitions) : length
  for (const part of cut(ordinals, ofStretch)) {
    await inParts?.make(rangeOf(definition, part))
    for (const stretch of cut(part, stretchPartitions)) {
      const files = await writeStretch(db, spans, stretch, {
        definition,
        ...request,
        onProgress: (rows) => request.onProgress?.(rowsWritten + rows),
      })
      for (const file of files) rowsWritten += file.recordCount
      written.push(...files)
    }
  }
  return written
}

const cut = <T>(items: readonly T[], length: number): (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / length) }, (_, n) => items.slice(n * length, (n + 1) * length))

/** The feature times of neighbouring partitions. */
function rangeOf({ partitionBy }: ViewDefinition, ordinals: readonly number[]): Stretch {
  const [first = 0, last = first] = [ordinals[0], ordinals.at(-1)]
  return { from: partitionAt(partitionBy, first).from, to: partitionAt(partitionBy, last).to }
}

/** Partitions whose rows come from one table of spans: each scans all of it. */
const stretchPartitions = 32

/** Neighbouring partitions, from a table of their spans. */
async function writeStretch(
  db: DuckDb,
  spans: Spans,
  ordinals: readonly number[],
  { definition, ...request }: Omit<RowsRequest, 'ordinals'>,
): Promise<DataFile[]> {
  const options = queryOptions(request)
  const ranges = ordinals.map((ordinal) => rangeOf(definition, [ordinal]))
  const whole = rangeOf(definition, ordinals)
  await db.run(`CREATE OR REPLACE TABLE spans AS ${spans.between(whole.from, whole.to)}`, options)
  const [counted] = await db.rows<{ counts: readonly bigint[] }>(spans.counts('spans', ranges), options)
  return writePartitionRows(db, {
    ...request,
    partitions: ordinals.map((key, index) => ({ key, count: counted?.counts[index] ?? 0n })),
    rows: (keys) =>
      spans.rows(
        'spans',
        keys.map((key) => rangeOf(definition, [key])),
      ),
  })
}
