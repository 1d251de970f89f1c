import { openDuckDb, pathList } from '../../src/io/duckdb.ts'

/** Columns of the events that `customer_orders` reads. */
const columns = ['customer', 'ordered', 'supplier', 'quantity', 'price']

/** Bytes of the column chunks that hold these columns in the row groups whose days reach into `[from, to)`, as the files' footers have them. */
export async function bytesNeeded(
  files: readonly string[],
  from: string,
  to: string,
  scratch: string,
): Promise<number> {
  await using db = await openDuckDb({ threads: 1, memoryLimit: '1GB', tempDirectory: scratch })
  const [row] = await db.rows<{ bytes: bigint | null }>(
    `WITH chunks AS (FROM parquet_metadata(${pathList(files)})),
    wanted AS (
      SELECT file_name, row_group_id FROM chunks
      WHERE path_in_schema = 'ordered' AND CAST(stats_min AS DATE) < DATE '${to}' AND CAST(stats_max AS DATE) >= DATE '${from}'
    )
    SELECT CAST(sum(total_compressed_size) AS BIGINT) AS bytes FROM chunks JOIN wanted USING (file_name, row_group_id)
    WHERE path_in_schema IN (${columns.map((column) => `'${column}'`).join(', ')})`,
  )
  return Number(row?.bytes ?? 0n)
}
