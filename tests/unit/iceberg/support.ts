import { HindcastError } from '../../../src/contract/errors.ts'
import {
  applyUpdates,
  conflictIn,
  DataContent,
  encodeManifest,
  encodeSingleValue,
  EntryStatus,
  newTableMetadata,
  parseTableMetadata,
  serializeTableMetadata,
  withMetadataLog,
  type DataFile,
  type DetachedManifest,
  type FileIO,
  type PartitionSpec,
  type PartitionTuple,
  type Schema,
  type Table,
  type TableChange,
  type TableMetadata,
} from '../../../src/iceberg/index.ts'

export const location = 'file:///warehouse/ns/t'
export const microsPerDay = 86_400_000_000n

/** Storage in memory that counts reads. */
export class MemoryIO implements FileIO {
  readonly files = new Map<string, Uint8Array>()
  readonly reads: string[] = []

  async read(path: string): Promise<Uint8Array> {
    this.reads.push(path)
    const bytes = this.files.get(path)
    if (bytes === undefined) throw new HindcastError('DATA_FILE_INVALID', `${path} is not there`)
    return bytes
  }

  async readRange(path: string, offset: bigint, length: bigint): Promise<Uint8Array> {
    const bytes = await this.read(path)
    if (offset + length > BigInt(bytes.length)) throw new HindcastError('DATA_FILE_INVALID', `${path} ends before`)
    return bytes.subarray(Number(offset), Number(offset + length))
  }

  async create(path: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    if (this.files.has(path)) return 'exists'
    this.files.set(path, bytes)
    return 'created'
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.files.set(path, bytes)
  }

  async size(path: string): Promise<bigint | null> {
    const bytes = this.files.get(path)
    return bytes === undefined ? null : BigInt(bytes.length)
  }

  async delete(path: string): Promise<void> {
    this.files.delete(path)
  }

  async *list(): AsyncIterable<never> {}
}

export const schema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'origin', required: true, type: 'string' },
    { id: 2, name: 'feature_time', required: true, type: 'timestamptz' },
    { id: 3, name: 'delay', required: false, type: 'double' },
  ],
}

export const daySpec: PartitionSpec = {
  specId: 0,
  fields: [{ sourceId: 2, fieldId: 1000, name: 'feature_time_day', transform: 'day' }],
}

/** A table that commits as a catalog does, by way of bytes. */
export class TestTable {
  metadata: TableMetadata
  nowMs = 1_700_000_000_000
  #version = 0

  constructor(spec: PartitionSpec = daySpec, tableSchema: Schema = schema) {
    this.metadata = newTableMetadata(
      { schema: tableSchema, spec },
      { uuid: '9c12d441-03fe-4693-9a96-a0705ddf69c1', location, nowMs: this.nowMs },
    )
  }

  get table(): Table {
    return {
      identifier: { namespace: ['ns'], name: 't' },
      metadata: this.metadata,
      metadataLocation: `${location}/metadata/v${this.#version}.metadata.json`,
    }
  }

  commit(change: TableChange): void {
    const reason = conflictIn(this.metadata, change)
    if (reason !== null) throw new HindcastError('CONFLICT', reason)
    this.nowMs += 1000
    const updated = applyUpdates(this.metadata, change.updates, { nowMs: this.nowMs })
    const bytes = serializeTableMetadata(withMetadataLog(updated, this.table))
    this.#version++
    this.metadata = parseTableMetadata(bytes, this.table.metadataLocation)
  }
}

export function dataFile(filePath: string, partition: PartitionTuple, rows = 10n): DataFile {
  const [day] = partition
  const bound = (micros: bigint): Uint8Array => encodeSingleValue('timestamptz', micros)
  return {
    content: DataContent.data,
    filePath,
    fileFormat: 'PARQUET',
    partition,
    recordCount: rows,
    fileSizeInBytes: rows * 8n,
    ...(typeof day === 'number'
      ? {
          valueCounts: new Map([[2, rows]]),
          nullValueCounts: new Map([[2, 0n]]),
          lowerBounds: new Map([[2, bound(BigInt(day) * microsPerDay)]]),
          upperBounds: new Map([[2, bound(BigInt(day) * microsPerDay + 3_600_000_000n)]]),
        }
      : {}),
  }
}

/** Writes a manifest as a slice does: ADDED entries that inherit their numbers. */
export async function detachedManifest(
  io: MemoryIO,
  name: string,
  files: readonly DataFile[],
  spec: PartitionSpec = daySpec,
): Promise<DetachedManifest> {
  const { bytes, manifest } = encodeManifest({
    formatVersion: 2,
    schema,
    spec,
    content: 'data',
    entries: files.map((file) => ({
      status: EntryStatus.added,
      snapshotId: null,
      sequenceNumber: null,
      fileSequenceNumber: null,
      dataFile: file,
    })),
  })
  const manifestPath = `${location}/slices/${name}.avro`
  await io.create(manifestPath, bytes)
  return { ...manifest, manifestPath }
}
