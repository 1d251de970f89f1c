/** Manifests as bytes, format version 2: https://iceberg.apache.org/spec/#manifests */
import { HindcastError } from '../../contract/index.ts'
import type { AvroRow, AvroValue, FieldKey } from '../avro/codec.ts'
import { manifestInvalid, readAvroContainer, writeAvroContainer } from '../avro/container.ts'
import {
  optionalBytes,
  optionalInt,
  optionalList,
  optionalLong,
  optionalMap,
  requiredInt,
  requiredLong,
  requiredRow,
  requiredString,
  valueOf,
} from '../avro/rows.ts'
import { AvroError } from '../avro/schema.ts'
import {
  EntryStatus,
  type DataContent,
  type DataFile,
  type DetachedManifest,
  type ManifestEntry,
  type ManifestFile,
  type PartitionTuple,
} from './model.ts'
import { manifestEntrySchema, metricFieldIds } from './avro-schemas.ts'
import { literalFromAvro, literalToAvro } from '../types/partition-values.ts'
import { summarizePartitions } from './partition-summary.ts'
import type { PrimitiveType, Schema } from '../types/schema.ts'
import type { PartitionSpec, TableMetadata } from '../metadata/table-metadata.ts'
import { partitionTypes } from '../types/transforms.ts'
import { schemaToJson } from '../types/types.ts'

export interface EncodeManifestRequest {
  readonly schema: Schema
  readonly spec: PartitionSpec
  readonly entries: readonly ManifestEntry[]
  readonly content: 'data' | 'deletes'
  /** Where the spec's source columns are looked up when `schema` has lost them. */
  readonly otherSchemas?: readonly Schema[]
}

export interface EncodedManifest {
  readonly bytes: Uint8Array
  readonly manifest: Omit<DetachedManifest, 'manifestPath'>
}

/**
 * Encodes a manifest; the same entries give the same bytes.
 * @throws INVARIANT_VIOLATED for an entry that no reader could make sense of, such as an EXISTING one without sequence numbers
 */
export function encodeManifest(request: EncodeManifestRequest): EncodedManifest {
  const { schema, spec, entries, content } = request
  const types = knownPartitionTypes(spec, [schema, ...(request.otherSchemas ?? [])])
  entries.forEach((entry) => checkEntry(entry, spec))
  const header = {
    schema: JSON.stringify(schemaToJson(schema)),
    'schema-id': schema.schemaId.toString(),
    'partition-spec': JSON.stringify(
      spec.fields.map(({ name, transform, sourceId, fieldId }) => ({
        name,
        transform,
        'source-id': sourceId,
        'field-id': fieldId,
      })),
    ),
    'partition-spec-id': spec.specId.toString(),
    'format-version': '2',
    content,
  }
  const rows = entries.map((entry) => entryToRow(entry, spec, types))
  const bytes = encoded(() => writeAvroContainer(manifestEntrySchema(spec, types), rows, header))
  const counted = (status: EntryStatus): { readonly files: number; readonly rows: bigint } => {
    const chosen = entries.filter((entry) => entry.status === status)
    return { files: chosen.length, rows: chosen.reduce((sum, { dataFile }) => sum + dataFile.recordCount, 0n) }
  }
  const added = counted(EntryStatus.added)
  const existing = counted(EntryStatus.existing)
  const deleted = counted(EntryStatus.deleted)
  return {
    bytes,
    manifest: {
      manifestLength: BigInt(bytes.length),
      partitionSpecId: spec.specId,
      content,
      addedFilesCount: added.files,
      existingFilesCount: existing.files,
      deletedFilesCount: deleted.files,
      addedRowsCount: added.rows,
      existingRowsCount: existing.rows,
      deletedRowsCount: deleted.rows,
      partitions: summarizePartitions(
        types,
        entries.map(({ dataFile }) => dataFile.partition),
      ),
    },
  }
}

function knownPartitionTypes(spec: PartitionSpec, schemas: readonly Schema[]): PrimitiveType[] {
  return partitionTypes(spec, schemas).map((type, index) => {
    if (type !== null) return type
    const field = spec.fields[index]
    throw new HindcastError(
      'INVARIANT_VIOLATED',
      `partition field ${field?.name}: no schema has column ${field?.sourceId}`,
    )
  })
}

function checkEntry(entry: ManifestEntry, spec: PartitionSpec): void {
  const refuse = (reason: string): never => {
    throw new HindcastError('INVARIANT_VIOLATED', `manifest entry of ${entry.dataFile.filePath}: ${reason}`)
  }
  const { status, snapshotId, sequenceNumber, fileSequenceNumber, dataFile } = entry
  if (dataFile.partition.length !== spec.fields.length) {
    refuse(`${dataFile.partition.length} partition values for ${spec.fields.length} fields`)
  }
  if (status === EntryStatus.added) return
  // Inheritance is for ADDED entries: Spark fails on a null elsewhere.
  if (snapshotId === null || sequenceNumber === null || fileSequenceNumber === null) {
    refuse('only an ADDED entry may leave snapshot id and sequence numbers to inheritance')
  }
}

function encoded<T>(encode: () => T): T {
  try {
    return encode()
  } catch (error) {
    if (!(error instanceof AvroError)) throw error
    throw new HindcastError('INVARIANT_VIOLATED', `a manifest cannot be written: ${error.message}`, { cause: error })
  }
}

function entryToRow(entry: ManifestEntry, spec: PartitionSpec, types: readonly PrimitiveType[]): AvroRow {
  const { dataFile: file } = entry
  const partition: Record<FieldKey, AvroValue> = {}
  spec.fields.forEach(({ fieldId }, index) => {
    const value = file.partition[index] ?? null
    partition[`f${fieldId}`] = value === null ? null : literalToAvro(types[index] as PrimitiveType, value)
  })
  return {
    f0: entry.status,
    f1: entry.snapshotId,
    f3: entry.sequenceNumber,
    f4: entry.fileSequenceNumber,
    f2: {
      f134: file.content,
      f100: file.filePath,
      f101: file.fileFormat,
      f102: partition,
      f103: file.recordCount,
      f104: file.fileSizeInBytes,
      f108: pairs(file.columnSizes, 'f117', 'f118'),
      f109: pairs(file.valueCounts, 'f119', 'f120'),
      f110: pairs(file.nullValueCounts, 'f121', 'f122'),
      f137: pairs(file.nanValueCounts, 'f138', 'f139'),
      f125: pairs(file.lowerBounds, 'f126', 'f127'),
      f128: pairs(file.upperBounds, 'f129', 'f130'),
      f131: file.keyMetadata ?? null,
      f132: file.splitOffsets ?? null,
      f135: file.equalityIds ?? null,
      f140: file.sortOrderId ?? null,
      f143: file.referencedDataFile ?? null,
    },
  }
}

/** In the order of the field ids, whatever the map's. */
function pairs<V extends AvroValue>(
  map: ReadonlyMap<number, V> | undefined,
  keyId: FieldKey,
  valueId: FieldKey,
): AvroValue {
  if (map === undefined) return null
  return [...map].sort(([a], [b]) => a - b).map(([key, value]) => ({ [keyId]: key, [valueId]: value }))
}

/** Where a manifest's partition spec and the types of its fields are looked up. */
export type ManifestContext = Pick<TableMetadata, 'schemas' | 'currentSchemaId' | 'partitionSpecs'>

export interface DecodeManifestOptions {
  /** False leaves out sizes, counts, bounds and split offsets, for callers that need paths and partitions only. */
  readonly withMetrics?: boolean
}

/**
 * Decodes a manifest, deleted entries included, with snapshot ids and sequence numbers inherited from the manifest list's entry.
 * @throws MANIFEST_INVALID with the file and the reason
 */
export function decodeManifest(
  bytes: Uint8Array,
  manifestFile: ManifestFile,
  context: ManifestContext,
  options: DecodeManifestOptions = {},
): ManifestEntry[] {
  checkLength(bytes, manifestFile)
  const skipped = options.withMetrics === false ? metricFieldIds : undefined
  const { rows } = readAvroContainer(bytes, manifestFile.manifestPath, skipped)
  return rows.map(entryReader(manifestFile, context))
}

/**
 * A file cut between two blocks is still a whole Avro file, with fewer rows: only its length gives it away.
 * @throws MANIFEST_INVALID
 */
export function checkLength(bytes: Uint8Array, { manifestPath, manifestLength }: ManifestFile): void {
  if (BigInt(bytes.length) === manifestLength) return
  throw manifestInvalid(manifestPath, `it has ${bytes.length} bytes, where the manifest list says ${manifestLength}`)
}

/**
 * Turns a manifest's rows into entries.
 * @throws MANIFEST_INVALID, the reader too, naming the entry
 */
export function entryReader(
  manifestFile: ManifestFile,
  context: ManifestContext,
): (row: AvroRow, index: number) => ManifestEntry {
  const { manifestPath, partitionSpecId } = manifestFile
  const spec = context.partitionSpecs.find(({ specId }) => specId === partitionSpecId)
  if (spec === undefined) throw manifestInvalid(manifestPath, `the table has no partition spec ${partitionSpecId}`)
  const types = partitionTypes(spec, schemasNewestFirst(context))
  return (row, index) => {
    try {
      return inherit(rowToEntry(row, spec, types), manifestFile)
    } catch (error) {
      if (!(error instanceof AvroError)) throw error
      throw manifestInvalid(manifestPath, `entry ${index}: ${error.message}`, error)
    }
  }
}

/** The current schema, then the others: a spec's column may have been dropped since. */
export function schemasNewestFirst(context: ManifestContext): Schema[] {
  const { schemas, currentSchemaId } = context
  const isCurrent = ({ schemaId }: Schema): boolean => schemaId === currentSchemaId
  return [...schemas.filter(isCurrent), ...schemas.filter((schema) => !isCurrent(schema)).reverse()]
}

function inherit(entry: ManifestEntry, manifest: ManifestFile): ManifestEntry {
  // Manifests of version 1 carry no numbers: in a table raised to version 2 theirs are 0.
  const inherits = entry.status === EntryStatus.added || manifest.sequenceNumber === 0n
  const sequenceNumber = entry.sequenceNumber ?? (inherits ? manifest.sequenceNumber : null)
  if (sequenceNumber === null) throw new AvroError('it is not ADDED and has no sequence number')
  return {
    ...entry,
    snapshotId: entry.snapshotId ?? manifest.addedSnapshotId,
    sequenceNumber,
    fileSequenceNumber: entry.fileSequenceNumber ?? (inherits ? manifest.sequenceNumber : null),
  }
}

const statuses: ReadonlySet<number> = new Set(Object.values(EntryStatus))
const formats: ReadonlySet<string> = new Set(['PARQUET', 'AVRO', 'ORC', 'PUFFIN'])

function rowToEntry(row: AvroRow, spec: PartitionSpec, types: readonly (PrimitiveType | null)[]): ManifestEntry {
  const status = requiredInt(row, 'f0')
  if (!statuses.has(status)) throw new AvroError(`its status is ${status}`)
  return {
    status: status as EntryStatus,
    snapshotId: optionalLong(row, 'f1'),
    sequenceNumber: optionalLong(row, 'f3'),
    fileSequenceNumber: optionalLong(row, 'f4'),
    dataFile: rowToDataFile(requiredRow(row, 'f2'), spec, types),
  }
}

function rowToDataFile(row: AvroRow, spec: PartitionSpec, types: readonly (PrimitiveType | null)[]): DataFile {
  const content = optionalInt(row, 'f134') ?? 0
  if (content < 0 || content > 2) throw new AvroError(`its file content is ${content}`)
  const fileFormat = requiredString(row, 'f101').toUpperCase()
  if (!formats.has(fileFormat)) throw new AvroError(`its file format is ${fileFormat}`)
  const recordCount = requiredLong(row, 'f103')
  const fileSizeInBytes = requiredLong(row, 'f104')
  if (recordCount < 0n || fileSizeInBytes < 0n) throw new AvroError('it has a negative count or size')
  const tuple = requiredRow(row, 'f102')
  const partition: PartitionTuple = spec.fields.map(({ fieldId }, index) => {
    const value = valueOf(tuple, `f${fieldId}`)
    return value === null ? null : literalFromAvro(types[index] ?? null, value)
  })
  const long = (valueId: FieldKey) => (pair: AvroRow) => requiredLong(pair, valueId)
  const bytes = (valueId: FieldKey) => (pair: AvroRow) => optionalBytes(pair, valueId) ?? new Uint8Array()
  const offsets = optionalList(row, 'f132')
  const equalityIds = optionalList(row, 'f135')
  const referenced = valueOf(row, 'f143')
  return {
    content: content as DataContent,
    filePath: requiredString(row, 'f100'),
    fileFormat: fileFormat as DataFile['fileFormat'],
    partition,
    recordCount,
    fileSizeInBytes,
    ...given('columnSizes', optionalMap(row, 'f108', 'f117', long('f118'))),
    ...given('valueCounts', optionalMap(row, 'f109', 'f119', long('f120'))),
    ...given('nullValueCounts', optionalMap(row, 'f110', 'f121', long('f122'))),
    ...given('nanValueCounts', optionalMap(row, 'f137', 'f138', long('f139'))),
    ...given('lowerBounds', optionalMap(row, 'f125', 'f126', bytes('f127'))),
    ...given('upperBounds', optionalMap(row, 'f128', 'f129', bytes('f130'))),
    ...given('keyMetadata', optionalBytes(row, 'f131')),
    ...given('splitOffsets', offsets === null ? null : offsets.map((offset) => requiredLong({ f133: offset }, 'f133'))),
    ...given('equalityIds', equalityIds === null ? null : equalityIds.map((id) => requiredInt({ f136: id }, 'f136'))),
    ...given('sortOrderId', optionalInt(row, 'f140')),
    ...given('referencedDataFile', typeof referenced === 'string' ? referenced : null),
  }
}

function given<K extends keyof DataFile>(
  key: K,
  value: DataFile[K] | null,
): Partial<Record<K, NonNullable<DataFile[K]>>> {
  return value === null || value === undefined ? {} : ({ [key]: value } as Record<K, NonNullable<DataFile[K]>>)
}
