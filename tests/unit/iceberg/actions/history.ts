import {
  appendFiles,
  DataContent,
  decodeManifest,
  decodeManifestList,
  EntryStatus,
  type DataFile,
  type LiveFile,
  type ManifestEntry,
  type ManifestFile,
  type PartitionSpec,
  type Snapshot,
  type SnapshotRequest,
  type SnapshotResult,
  type TableChange,
} from '../../../../src/iceberg/index.ts'
import { dataFile, location, MemoryIO, TestTable } from '../support.ts'

export const data = (name: string, day: number, rows = 10n): DataFile =>
  dataFile(`${location}/data/${name}.parquet`, [day], rows)

const deleting = (name: string, day: number, content: DataFile['content'], rows: bigint): DataFile => ({
  content,
  filePath: `${location}/data/${name}.parquet`,
  fileFormat: 'PARQUET',
  partition: [day],
  recordCount: rows,
  fileSizeInBytes: 20n,
})

/** Position deletes of version 2: of one data file, or of any in the partition. */
export const positions = (name: string, day: number, of?: DataFile, rows = 1n): DataFile => ({
  ...deleting(name, day, DataContent.positionDeletes, rows),
  ...(of === undefined ? {} : { referencedDataFile: of.filePath }),
})

export const equality = (name: string, day: number): DataFile => ({
  ...deleting(name, day, DataContent.equalityDeletes, 1n),
  equalityIds: [1],
})

export const vector = (name: string, of: DataFile, offset = 4n): DataFile => ({
  ...deleting(name, 0, DataContent.positionDeletes, 1n),
  filePath: `${location}/data/${name}.puffin`,
  fileFormat: 'PUFFIN',
  partition: of.partition,
  referencedDataFile: of.filePath,
  contentOffset: offset,
  contentSizeInBytes: 40n,
})

export const added = (file: DataFile, dataSequenceNumber?: bigint) => ({
  dataFile: file,
  specId: 0,
  ...(dataSequenceNumber === undefined ? {} : { dataSequenceNumber }),
})

/** A table and what is committed to it, one snapshot after the other, numbered from 1. */
export class History {
  readonly io = new MemoryIO()
  readonly target: TestTable
  #lastId = 0n

  constructor(
    options: {
      readonly formatVersion?: 2 | 3
      readonly properties?: Readonly<Record<string, string>>
      readonly spec?: PartitionSpec
    } = {},
  ) {
    this.target = new TestTable(options.spec)
    if (options.formatVersion === 3)
      this.change({ requirements: [], updates: [{ action: 'upgrade-format-version', formatVersion: 3 }] })
    if (options.properties !== undefined) {
      this.change({ requirements: [], updates: [{ action: 'set-properties', updates: options.properties }] })
    }
  }

  get head(): bigint | null {
    return this.target.metadata.currentSnapshotId
  }

  change(change: TableChange): void {
    this.target.commit(change)
  }

  /** For an attempt on the table as it is now. */
  request(branch = 'main'): SnapshotRequest & { readonly branch: string } {
    this.#lastId++
    return { table: this.target.table, io: this.io, snapshotId: this.#lastId, nowMs: this.target.nowMs, branch }
  }

  async commit<R extends SnapshotResult>(
    attempt: (request: SnapshotRequest & { readonly branch: string }) => Promise<R>,
    branch?: string,
  ): Promise<R> {
    const result = await attempt(this.request(branch))
    this.change(result.change)
    return result
  }

  async append(files: readonly DataFile[], branch?: string): Promise<Snapshot> {
    const { snapshot } = await this.commit(
      (request) => appendFiles({ ...request, files, specId: this.target.metadata.defaultSpecId }),
      branch,
    )
    return snapshot
  }

  snapshot(snapshotId: bigint | null = this.head): Snapshot {
    const found = this.target.metadata.snapshots.find((snapshot) => snapshot.snapshotId === snapshotId)
    if (found === undefined) throw new Error(`no snapshot ${snapshotId}`)
    return found
  }

  async manifests(snapshotId?: bigint | null): Promise<ManifestFile[]> {
    const { manifestList } = this.snapshot(snapshotId)
    return decodeManifestList(await this.io.read(manifestList), manifestList)
  }

  async entries(snapshotId?: bigint | null): Promise<(ManifestEntry & { readonly specId: number })[]> {
    const entries = []
    for (const manifest of await this.manifests(snapshotId)) {
      const read = decodeManifest(await this.io.read(manifest.manifestPath), manifest, this.target.metadata)
      entries.push(...read.map((entry) => ({ ...entry, specId: manifest.partitionSpecId })))
    }
    return entries
  }

  async live(snapshotId?: bigint | null): Promise<LiveFile[]> {
    return (await this.entries(snapshotId))
      .filter(({ status }) => status !== EntryStatus.deleted)
      .map(({ dataFile: file, specId, sequenceNumber }) => ({
        dataFile: file,
        specId,
        sequenceNumber: sequenceNumber as bigint,
      }))
  }

  /** The live file of that name, to be replaced or deleted from. */
  async find(name: string): Promise<LiveFile> {
    const found = (await this.live()).find(({ dataFile: { filePath } }) => nameOf(filePath) === name)
    if (found === undefined) throw new Error(`no live file ${name}`)
    return found
  }

  async names(snapshotId?: bigint | null): Promise<string[]> {
    return (await this.live(snapshotId)).map(({ dataFile: { filePath } }) => nameOf(filePath)).sort()
  }
}

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1, path.lastIndexOf('.'))
