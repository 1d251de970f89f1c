/** Manifest lists as bytes, format version 2: https://iceberg.apache.org/spec/#manifest-lists */
import { HindcastError } from '../../contract/index.ts'
import type { AvroRow } from '../avro/codec.ts'
import { manifestInvalid, readAvroContainer, writeAvroContainer } from '../avro/container.ts'
import {
  asRow,
  optionalBytes,
  optionalInt,
  optionalList,
  optionalLong,
  requiredBoolean,
  requiredInt,
  requiredLong,
  requiredString,
  valueOf,
} from '../avro/rows.ts'
import { AvroError } from '../avro/schema.ts'
import type { ManifestFile, PartitionFieldSummary } from './model.ts'
import { manifestListSchema } from './avro-schemas.ts'

export interface ManifestListHeader {
  readonly snapshotId: bigint
  readonly parentSnapshotId: bigint | null
  readonly sequenceNumber: bigint
}

/** Encodes the manifest list of one snapshot; the same manifests give the same bytes. */
export function encodeManifestList(manifests: readonly ManifestFile[], header: ManifestListHeader): Uint8Array {
  return writeAvroContainer(manifestListSchema, manifests.map(manifestToRow), {
    'snapshot-id': header.snapshotId.toString(),
    'parent-snapshot-id': header.parentSnapshotId?.toString() ?? 'null',
    'sequence-number': header.sequenceNumber.toString(),
    'format-version': '2',
  })
}

const manifestToRow = (manifest: ManifestFile): AvroRow => ({
  f500: manifest.manifestPath,
  f501: manifest.manifestLength,
  f502: manifest.partitionSpecId,
  f517: manifest.content === 'data' ? 0 : 1,
  f515: manifest.sequenceNumber,
  f516: manifest.minSequenceNumber,
  f503: manifest.addedSnapshotId,
  f504: manifest.addedFilesCount,
  f505: manifest.existingFilesCount,
  f506: manifest.deletedFilesCount,
  f512: manifest.addedRowsCount,
  f513: manifest.existingRowsCount,
  f514: manifest.deletedRowsCount,
  f507:
    manifest.partitions?.map((summary) => ({
      f509: summary.containsNull,
      f518: summary.containsNaN ?? null,
      f510: summary.lowerBound ?? null,
      f511: summary.upperBound ?? null,
    })) ?? null,
  f519: manifest.keyMetadata ?? null,
})

/**
 * Decodes a manifest list.
 * @throws MANIFEST_INVALID with the file and the reason; FEATURE_UNSUPPORTED for lists of version 1 that don't count their files
 */
export function decodeManifestList(bytes: Uint8Array, path: string): ManifestFile[] {
  const { rows } = readAvroContainer(bytes, path)
  return rows.map((row, index) => {
    try {
      return rowToManifest(row, path)
    } catch (error) {
      throw error instanceof AvroError ? manifestInvalid(path, `manifest ${index}: ${error.message}`, error) : error
    }
  })
}

function rowToManifest(row: AvroRow, path: string): ManifestFile {
  const content = optionalInt(row, 'f517') ?? 0
  if (content !== 0 && content !== 1) throw new AvroError(`its content is ${content}`)
  const counts = (['f504', 'f505', 'f506'] as const).map((id) => optionalInt(row, id))
  const rowCounts = (['f512', 'f513', 'f514'] as const).map((id) => optionalLong(row, id))
  // Optional in version 1. Taking a missing count for 0 would hide the manifest's rows.
  if ([...counts, ...rowCounts].includes(null)) {
    throw new HindcastError('FEATURE_UNSUPPORTED', `${path} names manifests without counting their files`, {
      hint: 'It was written for format version 1. Rewrite the manifests once (Spark: CALL system.rewrite_manifests).',
      context: { path },
    })
  }
  const summaries = optionalList(row, 'f507')
  const keyMetadata = optionalBytes(row, 'f519')
  return {
    manifestPath: requiredString(row, 'f500'),
    manifestLength: requiredLong(row, 'f501'),
    partitionSpecId: requiredInt(row, 'f502'),
    content: content === 0 ? 'data' : 'deletes',
    sequenceNumber: optionalLong(row, 'f515') ?? 0n,
    minSequenceNumber: optionalLong(row, 'f516') ?? 0n,
    addedSnapshotId: requiredLong(row, 'f503'),
    addedFilesCount: counts[0] as number,
    existingFilesCount: counts[1] as number,
    deletedFilesCount: counts[2] as number,
    addedRowsCount: rowCounts[0] as bigint,
    existingRowsCount: rowCounts[1] as bigint,
    deletedRowsCount: rowCounts[2] as bigint,
    ...(summaries === null ? {} : { partitions: summaries.map((summary) => rowToSummary(asRow(summary, 'f507'))) }),
    ...(keyMetadata === null ? {} : { keyMetadata }),
  }
}

function rowToSummary(row: AvroRow): PartitionFieldSummary {
  const lowerBound = optionalBytes(row, 'f510')
  const upperBound = optionalBytes(row, 'f511')
  return {
    containsNull: requiredBoolean(row, 'f509'),
    ...(valueOf(row, 'f518') === null ? {} : { containsNaN: requiredBoolean(row, 'f518') }),
    ...(lowerBound === null ? {} : { lowerBound }),
    ...(upperBound === null ? {} : { upperBound }),
  }
}
