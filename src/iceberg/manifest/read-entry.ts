/** What a row of a manifest says, checked: https://iceberg.apache.org/spec/#manifests */
import type { AvroValue, FieldKey } from '../avro/codec.ts'
import {
  asBytes,
  asInt,
  asList,
  asLong,
  asMap,
  asRow,
  intOf,
  longOf,
  optionalBytes,
  requiredLong,
  textOf,
} from '../avro/rows.ts'
import { AvroError } from '../avro/schema.ts'
import { literalFromAvro } from '../types/partition-values.ts'
import type { PrimitiveType } from '../types/schema.ts'
import { fileOf, type EntryRow, type FileRow } from './entry-row.ts'
import {
  EntryStatus,
  type DataContent,
  type DataFile,
  type ManifestEntry,
  type ManifestFile,
  type PartitionTuple,
} from './model.ts'

/** One field of a partition: where it stands in a row, and its type where that is known. */
export interface PartitionPart {
  readonly key: FieldKey
  readonly type: PrimitiveType | null
}

const formats: ReadonlySet<string> = new Set(['PARQUET', 'AVRO', 'ORC', 'PUFFIN'])

/**
 * The entry of a row, with what it inherits of the manifest.
 * @throws AvroError
 */
export function rowToEntry(row: EntryRow, manifest: ManifestFile, parts: readonly PartitionPart[]): ManifestEntry {
  const status = intOf(row.f0, 'f0')
  if (status !== EntryStatus.existing && status !== EntryStatus.added && status !== EntryStatus.deleted)
    throw new AvroError(`its status is ${status}`)
  const snapshotId = asLong(row.f1, 'f1') ?? manifest.addedSnapshotId
  // Manifests of version 1 carry no numbers: in a table raised to version 2 theirs are 0.
  const inherited = status === EntryStatus.added || manifest.sequenceNumber === 0n ? manifest.sequenceNumber : null
  const sequenceNumber = asLong(row.f3, 'f3') ?? inherited
  const fileSequenceNumber = asLong(row.f4, 'f4') ?? inherited
  const dataFile = rowToDataFile(fileOf(row), parts)
  if (sequenceNumber === null) throw new AvroError('it is not ADDED and has no sequence number')
  return { status, snapshotId, sequenceNumber, fileSequenceNumber, dataFile }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function rowToDataFile(row: FileRow, parts: readonly PartitionPart[]): DataFile {
  const content = asInt(row.f134, 'f134') ?? 0
  if (content < 0 || content > 2) throw new AvroError(`its file content is ${content}`)
  const recordCount = longOf(row.f103, 'f103')
  const fileSizeInBytes = longOf(row.f104, 'f104')
  if (recordCount < 0n || fileSizeInBytes < 0n) throw new AvroError('it has a negative count or size')
  const file: Mutable<DataFile> = {
    content: content as DataContent,
    filePath: textOf(row.f100, 'f100'),
    fileFormat: formatOf(textOf(row.f101, 'f101')),
    partition: tupleOf(row.f102, parts),
    recordCount,
    fileSizeInBytes,
  }
  const columnSizes = longs(row.f108, 'f108', 'f117', 'f118')
  if (columnSizes !== null) file.columnSizes = columnSizes
  const valueCounts = longs(row.f109, 'f109', 'f119', 'f120')
  if (valueCounts !== null) file.valueCounts = valueCounts
  const nullValueCounts = longs(row.f110, 'f110', 'f121', 'f122')
  if (nullValueCounts !== null) file.nullValueCounts = nullValueCounts
  const nanValueCounts = longs(row.f137, 'f137', 'f138', 'f139')
  if (nanValueCounts !== null) file.nanValueCounts = nanValueCounts
  const lowerBounds = bounds(row.f125, 'f125', 'f126', 'f127')
  if (lowerBounds !== null) file.lowerBounds = lowerBounds
  const upperBounds = bounds(row.f128, 'f128', 'f129', 'f130')
  if (upperBounds !== null) file.upperBounds = upperBounds
  const keyMetadata = asBytes(row.f131, 'f131')
  if (keyMetadata !== null) file.keyMetadata = keyMetadata
  const splitOffsets = asList(row.f132, 'f132')
  if (splitOffsets !== null) file.splitOffsets = splitOffsets.map((offset) => longOf(offset, 'f133'))
  const equalityIds = asList(row.f135, 'f135')
  if (equalityIds !== null) file.equalityIds = equalityIds.map((id) => intOf(id, 'f136'))
  const sortOrderId = asInt(row.f140, 'f140')
  if (sortOrderId !== null) file.sortOrderId = sortOrderId
  const firstRowId = position(row.f142, 'f142')
  if (firstRowId !== null) file.firstRowId = firstRowId
  if (typeof row.f143 === 'string') file.referencedDataFile = row.f143
  const contentOffset = position(row.f144, 'f144')
  if (contentOffset !== null) file.contentOffset = contentOffset
  const contentSizeInBytes = position(row.f145, 'f145')
  if (contentSizeInBytes !== null) file.contentSizeInBytes = contentSizeInBytes
  return file
}

function formatOf(text: string): DataFile['fileFormat'] {
  if (text === 'PARQUET') return text
  const format = text.toUpperCase()
  if (!formats.has(format)) throw new AvroError(`its file format is ${format}`)
  return format as DataFile['fileFormat']
}

function tupleOf(value: AvroValue | undefined, parts: readonly PartitionPart[]): PartitionTuple {
  const row = asRow(value, 'f102')
  return parts.map(({ key, type }) => {
    const part = row[key] ?? null
    return part === null ? null : literalFromAvro(type, part)
  })
}

/** A row id, offset or size. */
function position(value: AvroValue | undefined, id: FieldKey): bigint | null {
  const found = asLong(value, id)
  if (found !== null && found < 0n) throw new AvroError('it has a negative row id, offset or size')
  return found
}

const longs = (
  value: AvroValue | undefined,
  id: FieldKey,
  keyId: FieldKey,
  valueId: FieldKey,
): ReadonlyMap<number, bigint> | null => asMap(value, id, keyId, (pair) => requiredLong(pair, valueId))

const bounds = (
  value: AvroValue | undefined,
  id: FieldKey,
  keyId: FieldKey,
  valueId: FieldKey,
): ReadonlyMap<number, Uint8Array> | null =>
  asMap(value, id, keyId, (pair) => optionalBytes(pair, valueId) ?? new Uint8Array())
