/** Manifests as bytes, written in format versions 2 and 3, read in all: https://iceberg.apache.org/spec/#manifests */
import { HindcastError } from '../../contract/index.ts'
import type { AvroReader, AvroRow, AvroValue, FieldKey } from '../avro/codec.ts'
import { manifestInvalid, readAvroRows, writeAvroContainer } from '../avro/container.ts'
import { AvroError, type AvroRecord } from '../avro/schema.ts'
import { checkEntry } from './entry-check.ts'
import { entryRowReader, type EntryRow } from './entry-row.ts'
import { checkFormatVersion, writtenVersion } from './format-version.ts'
import { DataContent, EntryStatus, type DetachedManifest, type ManifestEntry, type ManifestFile } from './model.ts'
import { manifestEntrySchema } from './avro-schemas.ts'
import { metricReaders } from './metric-readers.ts'
import { rowToEntry, type PartitionPart } from './read-entry.ts'
import { literalToAvro } from '../types/partition-values.ts'
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
export const decodeManifest = (
  bytes: Uint8Array,
  manifestFile: ManifestFile,
  context: ManifestContext,
  options: DecodeManifestOptions = {},
): ManifestEntry[] => manifestDecoder(context, options)(bytes, manifestFile)

/** As `decodeManifest`, for many manifests of a table: what they have in common is looked up and compiled once. */
export function manifestDecoder(
  context: ManifestContext,
  { columns, boundsOnly }: DecodeManifestOptions = {},
): (bytes: Uint8Array, manifestFile: ManifestFile) => ManifestEntry[] {
  const readers = metricReaders(columns, boundsOnly)
  const compiled = new WeakMap<AvroRecord, AvroReader<EntryRow>>()
  const partsOf = partitionParts(context)
  return (bytes, manifestFile) => {
    const { manifestPath } = manifestFile
    checkLength(bytes, manifestFile)
    return readAvroRows(bytes, manifestPath, (schema, header) => {
      checkFormatVersion(header, manifestPath)
      const read = compiled.get(schema) ?? entryRowReader(schema, readers)
      compiled.set(schema, read)
      const toEntry = entryReader(manifestFile, partsOf)
      let index = 0
      return (input) => toEntry(read(input), index++)
    }).rows
  }
}

/**
 * A file cut between two blocks is still a whole Avro file, with fewer rows: only its length gives it away.
 * @throws MANIFEST_INVALID
 */
export function checkLength(bytes: Uint8Array, { manifestPath, manifestLength }: ManifestFile): void {
  if (BigInt(bytes.length) === manifestLength) return
  throw manifestInvalid(manifestPath, `it has ${bytes.length} bytes, where the manifest list says ${manifestLength}`)
}

/** What the partitions of a manifest are made of, looked up once for every spec. */
export type PartitionParts = (manifest: ManifestFile) => readonly PartitionPart[]

/** @throws MANIFEST_INVALID, what it returns, for a spec that the table does not have */
export function partitionParts(context: ManifestContext): PartitionParts {
  const known = new Map<number, readonly PartitionPart[]>()
  return ({ manifestPath, partitionSpecId }) => {
    const found = known.get(partitionSpecId)
    if (found !== undefined) return found
    const spec = context.partitionSpecs.find(({ specId }) => specId === partitionSpecId)
    if (spec === undefined) throw manifestInvalid(manifestPath, `the table has no partition spec ${partitionSpecId}`)
    const types = partitionTypes(spec, schemasNewestFirst(context))
    const parts = spec.fields.map(({ fieldId }, index): PartitionPart => ({
      key: `f${fieldId}`,
      type: types[index] ?? null,
    }))
    known.set(partitionSpecId, parts)
    return parts
  }
}

/**
 * Turns a manifest's rows into entries. All of them, and in their order: row ids are counted up from one to the next.
 * @throws MANIFEST_INVALID, the reader too, naming the entry
 */
export function entryReader(
  manifestFile: ManifestFile,
  partsOf: PartitionParts,
): (row: EntryRow, index: number) => ManifestEntry {
  const parts = partsOf(manifestFile)
  const withRowIds = rowIdInheritance(manifestFile)
  return (row, index) => {
    try {
      const entry = rowToEntry(row, manifestFile, parts)
      if ((entry.dataFile.content === DataContent.data) !== (manifestFile.content === 'data')) {
        throw new AvroError(`it is of content ${entry.dataFile.content} in a manifest of ${manifestFile.content}`)
      }
      return withRowIds(entry)
    } catch (error) {
      if (!(error instanceof AvroError)) throw error
      throw manifestInvalid(manifestFile.manifestPath, `entry ${index}: ${error.message}`, error)
    }
  }
}

/** The current schema, then the others: a spec's column may have been dropped since. */
export function schemasNewestFirst(context: ManifestContext): Schema[] {
  const { schemas, currentSchemaId } = context
  const isCurrent = ({ schemaId }: Schema): boolean => schemaId === currentSchemaId
  return [...schemas.filter(isCurrent), ...schemas.filter((schema) => !isCurrent(schema)).reverse()]
}
