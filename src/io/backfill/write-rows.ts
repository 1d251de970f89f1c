import { rowOrder, type Spans } from '../../compile/index.ts'
import type { ViewDefinition } from '../../definition/index.ts'
import type { DataFile } from '../../iceberg/index.ts'
import { partitionAt } from '../../plan/index.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import { writePartitionQueries, writePartitions, type WriteRequest } from '../parquet-write.ts'

export interface RowsRequest extends Omit<WriteRequest, 'query' | 'sortBy'> {
  readonly definition: ViewDefinition
  /** Ascending. */
  readonly ordinals: readonly number[]
}

/** Writes the rows of partitions as their files, by spans where there are any, else sorted. The files are the same either way. */
export async function writeComputedRows(
  db: DuckDb,
  { select, spans }: { readonly select: string; readonly spans: Spans | null },
  { definition, ordinals, ...request }: RowsRequest,
): Promise<DataFile[]> {
  if (spans === null) return writePartitions(db, { ...request, query: select, sortBy: rowOrder(definition) })
  const written: DataFile[] = []
  let rowsWritten = 0n
  for (let first = 0; first < ordinals.length; first += stretchPartitions) {
    const stretch = ordinals.slice(first, first + stretchPartitions)
    const files = await writeStretch(db, spans, stretch, {
      definition,
      ...request,
      onProgress: (rows) => request.onProgress?.(rowsWritten + rows),
    })
    for (const file of files) rowsWritten += file.recordCount
    written.push(...files)
  }
  return written
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
  const { signal, otherwise } = request
  const options: QueryOptions = {
    ...(signal === undefined ? {} : { signal }),
    ...(otherwise === undefined ? {} : { otherwise }),
  }
  const rangeOf = (ordinal: number) => partitionAt(definition.partitionBy, ordinal)
  const ranges = ordinals.map(rangeOf)
  const rowsOf = (first: number, last: number): string => spans.rows('spans', rangeOf(first).from, rangeOf(last).to)
  const [first, last] = [ranges[0], ranges.at(-1)]
  if (first === undefined || last === undefined) return []
  await db.run(`CREATE OR REPLACE TABLE spans AS ${spans.between(first.from, last.to)}`, options)
  const counted = await db.rows<{ range: number; count: bigint }>(spans.counts('spans', ranges), options)
  const counts = new Map(counted.map(({ range, count }) => [range, count]))
  return writePartitionQueries(db, {
    ...request,
    partitions: ordinals.map((ordinal, index) => ({
      key: ordinal,
      query: rowsOf(ordinal, ordinal),
      count: counts.get(index) ?? 0n,
    })),
    together: rowsOf,
  })
}
