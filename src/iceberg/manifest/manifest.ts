/** Manifests as bytes, written in format versions 2 and 3, read in all: https://iceberg.apache.org/spec/#manifests */
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
import { checkEntry } from './entry-check.ts'
import { checkFormatVersion, writtenVersion } from './format-version.ts'
import {
  DataContent,
  EntryStatus,
  type DataFile,
  type DetachedManifest,
  type ManifestEntry,
  type ManifestFile,
  type PartitionTuple,
} from './model.ts'
import { manifestEntrySchema } from './avro-schemas.ts'
import { metricReaders } from './metric-readers.ts'
import { literalFromAvro, literalToAvro } from '../types/partition-values.ts'
import { summarizePartitions } from './partition-summary.ts'
import { rowIdInheritance } from './row-ids.ts'
import type { PrimitiveType, Schema } from '../types/schema.ts'
import type { AvroCompression } from '../avro/compression.ts'
import { jsonText } from '../metadata/json-text.ts'
import { partitionFieldToJson } from '../metadata/spec-json.ts'
import type { FormatVersion, PartitionField, PartitionSpec, TableMetadata } from '../metadata/table-metadata.ts'
import { isKnownTransform, partitionTypes } from '../types/transforms.ts'
import { schemaToJson } from '../types/types.ts'

export interface EncodeManifestRequest {
  /** The table's. */
  readonly formatVersion: FormatVersion
  readonly schema: Schema
  readonly spec: PartitionSpec
  readonly entries: readonly ManifestEntry[]
  readonly content: 'data' | 'deletes'
  /** Where the spec's source columns are looked up when `schema` has lost them. */
  readonly otherSchemas?: readonly Schema[]
  /** As the table's properties have it, see `avroCompression`; deflate unless given. */
  readonly compression?: AvroCompression
}

export interface EncodedManifest {
  readonly bytes: Uint8Array
  readonly manifest: Omit<DetachedManifest, 'manifestPath'>
}

/**
 * Encodes a manifest; the same entries give the same bytes.
 * @throws INVARIANT_VIOLATED for an entry that no reader could make sense of, such as an EXISTING one without sequence numbers;
 *   FEATURE_UNSUPPORTED for version 1, and for a spec with a transform that is not known here
 */
export function encodeManifest(request: EncodeManifestRequest): EncodedManifest {
  const { schema, spec, entries, content } = request
  const version = writtenVersion(request.formatVersion)
  const types = knownPartitionTypes(spec, [schema, ...(request.otherSchemas ?? [])])
  entries.forEach((entry) => checkEntry(entry, request, version))
  const header = {
    schema: jsonText(schemaToJson(schema)),
    'schema-id': schema.schemaId.toString(),
    'partition-spec': jsonText(spec.fields.map(partitionFieldToJson)),
    'partition-spec-id': spec.specId.toString(),
    'format-version': version.toString(),
    content,
  }
  const avroSchema = manifestEntrySchema(version, spec, types)
  const bytes = writeAvroContainer(avroSchema, toRows(entries, spec, types), header, request.compression)
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
    const { name, sourceId, sourceIds, transform } = spec.fields[index] as PartitionField
    if (sourceIds !== undefined || !isKnownTransform(transform)) {
      throw new HindcastError(
        'FEATURE_UNSUPPORTED',
        `partition field ${name} has transform ${transform}, which is not known here`,
        {
          hint: 'Files can be added only under a partition spec whose transforms are known: write to the table with a newer program.',
          context: { transform },
        },
      )
    }
    throw new HindcastError('INVARIANT_VIOLATED', `partition field ${name}: no schema has column ${sourceId}`)
  })
}

function* toRows(
  entries: readonly ManifestEntry[],
  spec: PartitionSpec,
  types: readonly PrimitiveType[],
): Generator<AvroRow> {
  for (const entry of entries) yield entryToRow(entry, spec, types)
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
      f108: file.columnSizes ?? null,
      f109: file.valueCounts ?? null,
      f110: file.nullValueCounts ?? null,
      f137: file.nanValueCounts ?? null,
      f125: file.lowerBounds ?? null,
      f128: file.upperBounds ?? null,
      f131: file.keyMetadata ?? null,
      f132: file.splitOffsets ?? null,
      f135: file.equalityIds ?? null,
      f140: file.sortOrderId ?? null,
      f142: file.content === DataContent.data ? (file.firstRowId ?? null) : null,
      f143: file.referencedDataFile ?? null,
      f144: file.contentOffset ?? null,
      f145: file.contentSizeInBytes ?? null,
    },
  }
}

/** Where a manifest's partition spec and the types of its fields are looked up. */
export type ManifestContext = Pick<TableMetadata, 'schemas' | 'currentSchemaId' | 'partitionSpecs'>

export interface DecodeManifestOptions {
  /** The field ids of columns whose sizes, counts and bounds are wanted, all unless given; with it, split offsets are left out. */
  readonly columns?: ReadonlySet<number>
  /** Only null counts and bounds of them are wanted. */
  readonly boundsOnly?: boolean
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
  const { header, rows } = readAvroContainer(
    bytes,
    manifestFile.manifestPath,
    metricReaders(options.columns, options.boundsOnly),
  )
  checkFormatVersion(header, manifestFile.manifestPath)
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
 * Turns a manifest's rows into entries. All of them, and in their order: row ids are counted up from one to the next.
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
  const withRowIds = rowIdInheritance(manifestFile)
  return (row, index) => {
    try {
      const entry = rowToEntry(row, spec, types)
      if ((entry.dataFile.content === DataContent.data) !== (manifestFile.content === 'data')) {
        throw new AvroError(`it is of content ${entry.dataFile.content} in a manifest of ${manifestFile.content}`)
      }
      return withRowIds(inherit(entry, manifestFile))
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
  const firstRowId = optionalLong(row, 'f142')
  const contentOffset = optionalLong(row, 'f144')
  const contentSizeInBytes = optionalLong(row, 'f145')
  if ([firstRowId, contentOffset, contentSizeInBytes].some((value) => value !== null && value < 0n)) {
    throw new AvroError('it has a negative row id, offset or size')
  }
  const referenced = valueOf(row, 'f143')
  const file: Mutable<DataFile> = {
    content: content as DataContent,
    filePath: requiredString(row, 'f100'),
    fileFormat: fileFormat as DataFile['fileFormat'],
    partition,
    recordCount,
    fileSizeInBytes,
  }
  give(file, 'columnSizes', longs(row, 'f108', 'f117', 'f118'))
  give(file, 'valueCounts', longs(row, 'f109', 'f119', 'f120'))
  give(file, 'nullValueCounts', longs(row, 'f110', 'f121', 'f122'))
  give(file, 'nanValueCounts', longs(row, 'f137', 'f138', 'f139'))
  give(file, 'lowerBounds', bounds(row, 'f125', 'f126', 'f127'))
  give(file, 'upperBounds', bounds(row, 'f128', 'f129', 'f130'))
  give(file, 'keyMetadata', optionalBytes(row, 'f131'))
  give(file, 'splitOffsets', optionalList(row, 'f132')?.map((offset) => requiredLong({ f133: offset }, 'f133')) ?? null)
  give(file, 'equalityIds', optionalList(row, 'f135')?.map((id) => requiredInt({ f136: id }, 'f136')) ?? null)
  give(file, 'sortOrderId', optionalInt(row, 'f140'))
  give(file, 'firstRowId', firstRowId)
  give(file, 'referencedDataFile', typeof referenced === 'string' ? referenced : null)
  give(file, 'contentOffset', contentOffset)
  give(file, 'contentSizeInBytes', contentSizeInBytes)
  return file
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const longs = (row: AvroRow, id: FieldKey, keyId: FieldKey, valueId: FieldKey): ReadonlyMap<number, bigint> | null =>
  optionalMap(row, id, keyId, (pair) => requiredLong(pair, valueId))

const bounds = (
  row: AvroRow,
  id: FieldKey,
  keyId: FieldKey,
  valueId: FieldKey,
): ReadonlyMap<number, Uint8Array> | null =>
  optionalMap(row, id, keyId, (pair) => optionalBytes(pair, valueId) ?? new Uint8Array())

function give<K extends keyof DataFile>(file: Mutable<DataFile>, key: K, value: DataFile[K] | null): void {
  if (value !== null && value !== undefined) file[key] = value
}
