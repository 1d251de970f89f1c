/** A table of metadata only, as wide and as measured as real ones: no data file of it exists. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  applyUpdates,
  DataContent,
  encodeManifest,
  encodeManifestList,
  encodeSingleValue,
  EntryStatus,
  newTableMetadata,
  serializeTableMetadata,
  type DataFile,
  type Literal,
  type ManifestFile,
  type NestedField,
  type PartitionSpec,
  type PrimitiveType,
  type Schema,
  type TableMetadata,
} from '../src/iceberg/index.ts'
import { mulberry32 } from './mulberry32.ts'

const types: readonly PrimitiveType[] = [
  'long',
  'timestamptz',
  'string',
  'string',
  'string',
  'string',
  'int',
  'int',
  'long',
  'long',
  'double',
  'double',
  'double',
  'date',
  'boolean',
  'decimal(18, 2)',
]

/** 16 columns: `id` grows from file to file, `ts` from day to day. */
export const benchSchema: Schema = {
  schemaId: 0,
  fields: types.map((type, index): NestedField => ({
    id: index + 1,
    name: index === 0 ? 'id' : index === 1 ? 'ts' : `c${index + 1}`,
    required: index < 2,
    type,
  })),
}

export const benchSpec: PartitionSpec = {
  specId: 0,
  fields: [{ sourceId: 2, fieldId: 1000, name: 'ts_day', transform: 'day' }],
}

const microsPerDay = 86_400_000_000n
export const firstDay = 15_000
export const rowsPerFile = 100_000n

function bounds(type: PrimitiveType, next: () => number): readonly [Literal, Literal] {
  const number = Math.floor(next() * 1e6)
  switch (type) {
    case 'string': {
      const text = (): string => `${Math.floor(next() * 2 ** 40).toString(36)}-abcdefgh`.slice(0, 16)
      const pair = [text(), text()].sort()
      return [pair[0] as string, pair[1] as string]
    }
    case 'boolean':
      return [false, true]
    case 'long':
    case 'decimal(18, 2)':
      return [BigInt(number), BigInt(number) + 1_000_000n]
    case 'double':
      return [next() * 1e3, 1e3 + next() * 1e6]
    default:
      return [number, number + 1000]
  }
}

/** The `index`th file of the `day`th day. */
export function benchFile(location: string, day: number, index: number, ordinal: number): DataFile {
  const next = mulberry32(ordinal)
  const at = BigInt(firstDay + day) * microsPerDay
  const from = BigInt(ordinal) * rowsPerFile
  const [lower, upper] = [new Map<number, Uint8Array>(), new Map<number, Uint8Array>()]
  for (const { id, type } of benchSchema.fields) {
    const [low, high] =
      id === 1
        ? [from, from + rowsPerFile - 1n]
        : id === 2
          ? [at, at + microsPerDay - 1n]
          : bounds(type as PrimitiveType, next)
    lower.set(id, encodeSingleValue(type as PrimitiveType, low))
    upper.set(id, encodeSingleValue(type as PrimitiveType, high))
  }
  const perColumn = (count: (id: number) => number): Map<number, bigint> =>
    new Map(benchSchema.fields.map(({ id }) => [id, BigInt(count(id))]))
  return {
    content: DataContent.data,
    filePath: `${location}/data/ts_day=${day}/${String(ordinal).padStart(9, '0')}-5f8a4c1e-7b0d-4a52-9f0e-${String(index).padStart(12, '0')}.parquet`,
    fileFormat: 'PARQUET',
    partition: [firstDay + day],
    recordCount: rowsPerFile,
    fileSizeInBytes: BigInt(8_000_000 + Math.floor(next() * 1e6)),
    columnSizes: perColumn(() => Math.floor(next() * 1e6)),
    valueCounts: perColumn(() => Number(rowsPerFile)),
    nullValueCounts: perColumn((id) => (id < 3 ? 0 : Math.floor(next() * 1000))),
    nanValueCounts: new Map([11, 12, 13].map((id) => [id, 0n])),
    lowerBounds: lower,
    upperBounds: upper,
    splitOffsets: [4n, 134_217_728n],
    sortOrderId: 0,
  }
}

/** An empty table at the location. */
export const emptyMetadata = (location: string): TableMetadata =>
  newTableMetadata(
    { schema: benchSchema, spec: benchSpec },
    { uuid: 'a1b2c3d4-0000-4000-8000-000000000001', location, nowMs: 1_700_000_000_000 },
  )

/**
 * Writes a table of `manifests` manifests of `files` files each below a local folder; returns the path of its metadata file.
 * @param days over which the files are spread evenly; each manifest is a day unless given
 */
export async function writePlanningTable(
  folder: string,
  manifests: number,
  files: number,
  days = manifests,
): Promise<string> {
  const location = `file://${folder}`
  await mkdir(join(folder, 'metadata'), { recursive: true })
  const listed: ManifestFile[] = []
  for (let number = 0; number < manifests; number++) {
    const { bytes, manifest } = encodeManifest({
      formatVersion: 2,
      schema: benchSchema,
      spec: benchSpec,
      content: 'data',
      entries: Array.from({ length: files }, (_, index) => {
        const ordinal = number * files + index
        const day = Math.floor((ordinal * days) / (manifests * files))
        return {
          status: EntryStatus.added,
          snapshotId: 1n,
          sequenceNumber: null,
          fileSequenceNumber: null,
          dataFile: benchFile(location, day, index, ordinal),
        }
      }),
    })
    const name = `metadata/${String(number).padStart(6, '0')}-m0.avro`
    await writeFile(join(folder, name), bytes)
    const manifestPath = `${location}/${name}`
    listed.push({ ...manifest, manifestPath, sequenceNumber: 1n, minSequenceNumber: 1n, addedSnapshotId: 1n })
  }
  const identity = { snapshotId: 1n, parentSnapshotId: null, sequenceNumber: 1n, formatVersion: 2 as const }
  const list = 'metadata/snap-1.avro'
  await writeFile(join(folder, list), encodeManifestList(listed, identity))
  const metadata = applyUpdates(
    emptyMetadata(location),
    [
      {
        action: 'add-snapshot',
        snapshot: {
          snapshotId: 1n,
          sequenceNumber: 1n,
          timestampMs: 1_700_000_000_001,
          manifestList: `${location}/${list}`,
          summary: { operation: 'append' },
          schemaId: 0,
        },
      },
      { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId: 1n } },
    ],
    { nowMs: 1_700_000_000_001 },
  )
  const file = join(folder, 'metadata/v1.metadata.json')
  await writeFile(file, serializeTableMetadata(metadata))
  return file
}
