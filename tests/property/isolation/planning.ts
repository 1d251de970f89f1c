/** What every operation begins with: the table as one writer read it, and where it puts what it writes. */
import {
  DataContent,
  type DataFile,
  type Isolation,
  type LiveFile,
  type NewFile,
  type PartitionSpec,
  type SnapshotRequest,
  type SnapshotResult,
  type Table,
  type Validation,
} from '../../../src/iceberg/index.ts'
import { branchHead } from '../../../src/iceberg/actions/write-snapshot.ts'
import type { Seen, SeenFile, SeenRow } from './read-snapshot.ts'
import type { RowOperation } from './reference.ts'
import { dataFileOf, tupleOf, vectorKey, type DeletedPosition, type StoredRow } from './rows.ts'
import type { SharedTable } from './shared-table.ts'

/** One step of a writer's program; what the numbers mean depends on the kind. */
export interface Step {
  readonly kind: string
  readonly branch: string
  readonly part: number
  readonly keys: readonly number[]
  readonly style: number
}

export interface Planned {
  readonly operation: RowOperation
  readonly attempt: (table: Table) => Promise<SnapshotResult>
}

export class Planning {
  readonly shared: SharedTable
  readonly table: Table
  readonly seen: Seen
  readonly step: Step
  readonly name: string
  readonly snapshotId: bigint
  readonly isolation: Isolation
  /** Paths of what was written for it. */
  readonly written: string[] = []
  #files = 0

  constructor(facts: {
    readonly shared: SharedTable
    readonly table: Table
    readonly seen: Seen
    readonly step: Step
    readonly name: string
    readonly snapshotId: bigint
    readonly isolation: Isolation
  }) {
    this.shared = facts.shared
    this.table = facts.table
    this.seen = facts.seen
    this.step = facts.step
    this.name = facts.name
    this.snapshotId = facts.snapshotId
    this.isolation = facts.isolation
  }

  /** One bit of the step's style. */
  is(bit: number): boolean {
    return ((this.step.style >> bit) & 1) === 1
  }

  get validation(): Validation {
    return { startingSnapshotId: this.seen.snapshot?.snapshotId ?? null, isolation: this.isolation }
  }

  get spec(): PartitionSpec {
    const { partitionSpecs, defaultSpecId } = this.table.metadata
    return partitionSpecs.find(({ specId }) => specId === defaultSpecId) as PartitionSpec
  }

  request(table: Table): SnapshotRequest & { readonly branch: string } {
    const { shared, snapshotId, step } = this
    return { table, io: shared.files, snapshotId, nowMs: shared.nowMs, branch: step.branch }
  }

  /** New rows of this operation, one a key. */
  newRows(part: number, keys: readonly number[], value = 0): StoredRow[] {
    return keys.map((key) => ({
      uid: `${this.name}:${part}/${key}`,
      key,
      part,
      value,
      version: 0,
      rowId: null,
    }))
  }

  /** Writes rows as data files of the default spec, one a partition. */
  writeRows(rows: readonly StoredRow[], dataSequenceNumber?: bigint): NewFile[] {
    const { spec } = this
    const byTuple = Map.groupBy(rows, ({ part }) => JSON.stringify(tupleOf(spec, part)))
    return [...byTuple.values()].map((group) => {
      const path = this.#newPath('parquet')
      this.shared.contents.set(path, { kind: 'rows', rows: group })
      const dataFile = dataFileOf(path, tupleOf(spec, (group[0] as StoredRow).part), group)
      return { dataFile, specId: spec.specId, ...(dataSequenceNumber === undefined ? {} : { dataSequenceNumber }) }
    })
  }

  /** Position deletes of version 2, of these data files together, which lie in one partition. */
  writePositions(files: readonly { readonly file: LiveFile; readonly positions: Iterable<number> }[]): NewFile {
    const path = this.#newPath('deletes.parquet')
    const deleted = files.flatMap(({ file, positions }) =>
      [...positions].map((position): DeletedPosition => ({ path: file.dataFile.filePath, position })),
    )
    this.shared.contents.set(path, { kind: 'positions', deleted })
    const [first] = files
    if (first === undefined) throw new Error('no file to delete from')
    const dataFile: DataFile = {
      content: DataContent.positionDeletes,
      filePath: path,
      fileFormat: 'PARQUET',
      partition: first.file.dataFile.partition,
      recordCount: BigInt(deleted.length),
      fileSizeInBytes: 50n + BigInt(deleted.length),
      ...(files.length === 1 ? { referencedDataFile: first.file.dataFile.filePath } : {}),
    }
    return { dataFile, specId: first.file.specId }
  }

  /** Deletion vectors of version 3, one a data file, in one Puffin file. */
  writeVectors(files: readonly { readonly file: LiveFile; readonly positions: Iterable<number> }[]): NewFile[] {
    const path = this.#newPath('puffin')
    return files.map(({ file, positions }, index) => {
      const target = file.dataFile.filePath
      const deleted = [...positions].map((position): DeletedPosition => ({ path: target, position }))
      this.shared.contents.set(vectorKey(path, target), { kind: 'positions', deleted })
      const dataFile: DataFile = {
        content: DataContent.positionDeletes,
        filePath: path,
        fileFormat: 'PUFFIN',
        partition: file.dataFile.partition,
        recordCount: BigInt(deleted.length),
        fileSizeInBytes: 1000n,
        referencedDataFile: target,
        contentOffset: BigInt(4 + index * 40),
        contentSizeInBytes: 40n,
      }
      return { dataFile, specId: file.specId }
    })
  }

  /** Equality deletes in all partitions. */
  writeKeys(keys: readonly number[]): NewFile {
    const path = this.#newPath('keys.parquet')
    this.shared.contents.set(path, { kind: 'keys', keys: new Set(keys) })
    const dataFile: DataFile = {
      content: DataContent.equalityDeletes,
      filePath: path,
      fileFormat: 'PARQUET',
      partition: [],
      recordCount: BigInt(new Set(keys).size),
      fileSizeInBytes: 30n,
      equalityIds: [1],
    }
    return { dataFile, specId: 1 }
  }

  #newPath(ending: string): string {
    const path = `${this.table.metadata.location}/data/${this.name}-${this.#files++}.${ending}`
    this.written.push(path)
    return path
  }

  headOf(table: Table): bigint | null {
    return branchHead(table.metadata, this.step.branch)?.snapshotId ?? null
  }
}

export interface Hit {
  readonly seen: SeenFile
  readonly rows: readonly SeenRow[]
}

/** The files with rows that an operation is about, and those rows. */
export const hits = ({ files }: Seen, matches: (row: SeenRow) => boolean): Hit[] =>
  files.map((seen): Hit => ({ seen, rows: seen.rows.filter(matches) })).filter(({ rows }) => rows.length > 0)
