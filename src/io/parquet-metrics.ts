import {
  bytesToBigint,
  bigintToFixed,
  encodeSingleValue,
  truncateLowerBound,
  truncateUpperBound,
  type DataFile,
  type Literal,
  type MetricsMode,
  type PrimitiveType,
} from '../iceberg/index.ts'
import { parseStatistic } from './bound-text.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'
import type { LeafColumn } from './leaf-columns.ts'
import { blobPrefix, uuidBytes } from './partition-sql.ts'

/** What COPY's RETURN_STATS says of a file: for every leaf column its quoted path and its statistics, all as text. */
export type ColumnStatistics = readonly (readonly [path: string, statistics: readonly (readonly [string, string])[]])[]

type Metrics = Pick<
  DataFile,
  'columnSizes' | 'valueCounts' | 'nullValueCounts' | 'nanValueCounts' | 'lowerBounds' | 'upperBounds'
>

/** What is known of the values of one column of a file. */
interface ValueRange {
  readonly low: Literal | null
  readonly high: Literal | null
  /** Null where the column has none by its type. */
  readonly nans: bigint | null
}

/**
 * Iceberg's metrics of a file, as its leaves' modes ask for. They come from the statistics that DuckDB returns where these are certain, and by a
 * query on the rows where not: for NaN, long text and bytes, and values that DuckDB prints in a way of its own. Columns inside of lists and
 * maps have sizes only, as Iceberg's Java library has it.
 * @param rows a relation of the file's rows
 */
export async function fileMetrics(
  db: DuckDb,
  leaves: readonly LeafColumn[],
  modes: ReadonlyMap<number, MetricsMode>,
  statistics: ColumnStatistics,
  rows: string,
  options: QueryOptions,
): Promise<Metrics> {
  const columnSizes = new Map<number, bigint>()
  const valueCounts = new Map<number, bigint>()
  const nullValueCounts = new Map<number, bigint>()
  const nanValueCounts = new Map<number, bigint>()
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  const byPath = new Map(statistics.map(([path, values]) => [path, new Map(values)]))
  const ranges = new Map<LeafColumn, ValueRange>()
  const asked: LeafColumn[] = []
  for (const leaf of leaves) {
    const mode = modes.get(leaf.id)
    if (mode === undefined || mode.kind === 'none') continue
    // A variant is several Parquet columns, and a missing one of no size tells nothing.
    const values = byPath.get(leaf.type === 'variant' ? `${leaf.path}."metadata"` : leaf.path)
    if (values === undefined) continue
    if (leaf.type !== 'variant') setCount(columnSizes, leaf.id, values.get('column_size_bytes'))
    if (leaf.sql === null) continue
    setCount(valueCounts, leaf.id, values.get('num_values'))
    if (leaf.type === 'variant') continue
    setCount(nullValueCounts, leaf.id, values.get('null_count'))
    const range = rangeOf(leaf.type, values, mode)
    if (range === null) asked.push(leaf)
    else ranges.set(leaf, range)
  }
  for (const [leaf, range] of await askedRanges(db, asked, modes, rows, options)) ranges.set(leaf, range)
  for (const [{ id, type }, { low, high, nans }] of ranges) {
    const mode = modes.get(id) ?? { kind: 'none' }
    if (nans !== null) nanValueCounts.set(id, nans)
    const [lower, upper] =
      type === 'uuid'
        ? uuidBounds(low, high)
        : [low === null ? null : lowerBound(type, low, mode), high === null ? null : upperBound(type, high, mode)]
    if (lower !== null) lowerBounds.set(id, lower)
    if (upper !== null) upperBounds.set(id, upper)
  }
  return { columnSizes, valueCounts, nullValueCounts, nanValueCounts, lowerBounds, upperBounds }
}

function setCount(counts: Map<number, bigint>, id: number, text: string | undefined): void {
  if (text !== undefined) counts.set(id, BigInt(text))
}

const isFloating = (type: PrimitiveType): boolean => type === 'float' || type === 'double'

/** Whether values of the type, compared byte by byte or number by number, order as Iceberg's readers order them. */
const hasBounds = (type: PrimitiveType): boolean => type !== 'variant' && !type.startsWith('geo')

const nothing: ValueRange = { low: null, high: null, nans: null }

/** The range as a file's statistics say it, null where they leave it open. */
function rangeOf(type: PrimitiveType, values: ReadonlyMap<string, string>, mode: MetricsMode): ValueRange | null {
  if (isFloating(type) && values.get('has_nan') !== 'false') return null
  const nans = isFloating(type) ? 0n : null
  if (!hasBounds(type) || mode.kind === 'counts' || values.get('null_count') === values.get('num_values'))
    return { ...nothing, nans }
  const [min, max] = [values.get('min'), values.get('max')]
  const low = min === undefined ? null : parseStatistic(type, min)
  const high = max === undefined ? null : parseStatistic(type, max)
  return low === null || high === null ? null : { low, high, nans }
}

/** One query for all columns that the statistics leave open. */
async function askedRanges(
  db: DuckDb,
  leaves: readonly LeafColumn[],
  modes: ReadonlyMap<number, MetricsMode>,
  rows: string,
  options: QueryOptions,
): Promise<readonly (readonly [LeafColumn, ValueRange])[]> {
  if (leaves.length === 0) return []
  const columns = leaves.flatMap(({ id, type, sql }, index) => {
    const mode = modes.get(id) ?? { kind: 'none' }
    const value = comparable(sql ?? 'NULL', type, mode)
    const where = isFloating(type) ? ` FILTER (WHERE NOT isnan(${sql}))` : ''
    const bounds =
      mode.kind === 'counts'
        ? [`NULL AS low${index}`, `NULL AS high${index}`]
        : [`min(${value})${where} AS low${index}`, `max(${value})${where} AS high${index}`]
    return [...bounds, `${isFloating(type) ? `count(*) FILTER (WHERE isnan(${sql}))` : 'NULL'} AS nans${index}`]
  })
  const [row] = await db.rows<Record<string, Literal | null>>(`SELECT ${columns.join(', ')} FROM ${rows}`, options)
  return leaves.map((leaf, index) => [
    leaf,
    {
      low: row?.[`low${index}`] ?? null,
      high: row?.[`high${index}`] ?? null,
      nans: isFloating(leaf.type) ? ((row?.[`nans${index}`] as bigint | null | undefined) ?? null) : null,
    },
  ])
}

/** The part of a value that its bounds are made of, one longer than they may be, so that it shows whether more follows. */
function comparable(sql: string, type: PrimitiveType, mode: MetricsMode): string {
  if (type === 'uuid') return uuidBytes(sql)
  if (mode.kind !== 'truncate') return sql
  if (type === 'string') return `left(${sql}, ${mode.length + 1})`
  return type === 'binary' ? blobPrefix(sql, mode.length + 1) : sql
}

function lowerBound(type: PrimitiveType, value: Literal, mode: MetricsMode): Uint8Array | null {
  // Parquet's statistics may hold either zero for both: the spec wants the outer one.
  if (value === 0 && isFloating(type)) return encodeSingleValue(type, -0)
  if (mode.kind !== 'truncate') return encodeSingleValue(type, value)
  if (typeof value === 'string') return encodeSingleValue(type, truncateLowerBound(value, mode.length))
  return encodeSingleValue(type, value instanceof Uint8Array ? truncateLowerBound(value, mode.length) : value)
}

function upperBound(type: PrimitiveType, value: Literal, mode: MetricsMode): Uint8Array | null {
  if (value === 0 && isFloating(type)) return encodeSingleValue(type, 0)
  if (mode.kind !== 'truncate') return encodeSingleValue(type, value)
  const short =
    typeof value === 'string'
      ? truncateUpperBound(value, mode.length)
      : value instanceof Uint8Array
        ? truncateUpperBound(value, mode.length)
        : value
  return short === null ? null : encodeSingleValue(type, short)
}

/**
 * Iceberg's Java library orders uuids by their halves as signed numbers, others by their bytes. The bounds are ones that hold in both orders: the
 * first half of the least and greatest value, widened by one; none where both signs occur.
 */
function uuidBounds(low: Literal | null, high: Literal | null): readonly [Uint8Array | null, Uint8Array | null] {
  if (!(low instanceof Uint8Array) || !(high instanceof Uint8Array)) return [null, null]
  const [least, greatest] = [bytesToBigint(low.subarray(0, 8)), bytesToBigint(high.subarray(0, 8))]
  const sameSign = (a: bigint, b: bigint): boolean => a < 0n === b < 0n && BigInt.asIntN(64, b) === b
  const bound = (half: bigint): Uint8Array => Uint8Array.from([...bigintToFixed(half, 8), ...new Uint8Array(8)])
  if (!sameSign(least, greatest)) return [null, null]
  return [
    sameSign(least, least - 1n) ? bound(least - 1n) : null,
    sameSign(greatest, greatest + 1n) ? bound(greatest + 1n) : null,
  ]
}
