import { openDuckDb } from '../../src/io/duckdb.ts'

/** Rows of either folder's Parquet files that the other has not, and all rows of the first. */
export async function differences(
  left: string,
  right: string,
  scratch: string,
): Promise<{ readonly rows: number; readonly onlyLeft: number; readonly onlyRight: number }> {
  await using db = await openDuckDb({ threads: 2, memoryLimit: '6GB', tempDirectory: scratch })
  const relation = (folder: string): string =>
    `(SELECT COLUMNS(c -> c NOT LIKE '%\\_\\_partition%') FROM read_parquet('${folder}/**/*.parquet', hive_partitioning = false))`
  const columns = (await db.describe(`FROM ${relation(left)}`)).map(({ name }) => `"${name}"`).join(', ')
  const missing = (from: string, other: string): string =>
    `(SELECT count(*) FROM (SELECT ${columns} FROM ${relation(from)} EXCEPT ALL SELECT ${columns} FROM ${relation(other)}))`
  const [row] = await db.rows<{ rows: bigint; left_only: bigint; right_only: bigint }>(
    `SELECT (SELECT count(*) FROM ${relation(left)}) AS rows, ${missing(left, right)} AS left_only, ${missing(right, left)} AS right_only`,
  )
  return { rows: Number(row?.rows), onlyLeft: Number(row?.left_only), onlyRight: Number(row?.right_only) }
}
