/** Rows and what files hold of them; the bytes of data files are of no interest here. */
import {
  DataContent,
  encodeSingleValue,
  type DataFile,
  type PartitionSpec,
  type PartitionTuple,
  type Schema,
} from '../../../src/iceberg/index.ts'

export interface Row {
  /** Stays with a row through updates, whichever file it lies in. */
  readonly uid: string
  readonly key: number
  readonly part: number
  readonly value: number
  /** Counts the updates. */
  readonly version: number
}

export interface StoredRow extends Row {
  /** Written into a column for rows that were there before, as rewriting engines do in version 3. */
  readonly rowId: bigint | null
}

export interface DeletedPosition {
  readonly path: string
  readonly position: number
}

export type Content =
  | { readonly kind: 'rows'; readonly rows: readonly StoredRow[] }
  | { readonly kind: 'positions'; readonly deleted: readonly DeletedPosition[] }
  | { readonly kind: 'keys'; readonly keys: ReadonlySet<number> }

export type State = ReadonlyMap<string, Row>

export const schema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'key', required: true, type: 'int' },
    { id: 2, name: 'value', required: false, type: 'int' },
    { id: 3, name: 'part', required: true, type: 'int' },
  ],
}

export const byPart: PartitionSpec = {
  specId: 0,
  fields: [{ sourceId: 3, fieldId: 1000, name: 'part', transform: 'identity' }],
}

/** For equality deletes that hold in all partitions. */
export const unpartitioned: PartitionSpec = { specId: 1, fields: [] }

export function tupleOf({ fields }: PartitionSpec, part: number): PartitionTuple {
  return fields.map(({ transform }) => {
    if (transform === 'identity') return part
    if (transform === 'truncate[2]') return part - (part % 2)
    if (transform === 'void') return null
    throw new Error(`no row is partitioned by ${transform} here`)
  })
}

export function dataFileOf(filePath: string, partition: PartitionTuple, rows: readonly Row[]): DataFile {
  const count = BigInt(rows.length)
  const bounds = (pick: (...values: number[]) => number): ReadonlyMap<number, Uint8Array> =>
    new Map([
      [1, encodeSingleValue('int', pick(...rows.map(({ key }) => key)))],
      [3, encodeSingleValue('int', pick(...rows.map(({ part }) => part)))],
    ])
  const counted = (value: bigint): ReadonlyMap<number, bigint> =>
    new Map([
      [1, value],
      [3, value],
    ])
  return {
    content: DataContent.data,
    filePath,
    fileFormat: 'PARQUET',
    partition,
    recordCount: count,
    fileSizeInBytes: 100n + count * 10n,
    valueCounts: counted(count),
    nullValueCounts: counted(0n),
    lowerBounds: bounds(Math.min),
    upperBounds: bounds(Math.max),
  }
}

export const vectorKey = (path: string, target: string): string => `${path}#${target}`

/** The state with some rows changed, taken out (null) or added. */
export function edited(state: State, change: (row: Row) => Row | null, added: readonly Row[] = []): State {
  const next = new Map<string, Row>()
  for (const row of state.values()) {
    const changed = change(row)
    if (changed !== null) next.set(row.uid, changed)
  }
  for (const row of added) {
    if (next.has(row.uid)) throw new Error(`row ${row.uid} is added twice`)
    next.set(row.uid, row)
  }
  return next
}

export const textOf = (rows: Iterable<Row>): string[] =>
  [...rows].map(({ uid, key, part, value, version }) => `${uid} ${key}/${part}=${value} v${version}`).sort()
