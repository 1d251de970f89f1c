/** Manifest lists as bytes, written in format versions 2 and 3, read in all: https://iceberg.apache.org/spec/#manifest-lists */
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
import type { AvroCompression } from '../avro/compression.ts'
import type { FormatVersion } from '../metadata/table-metadata.ts'
import { manifestListSchema } from './avro-schemas.ts'
import { checkFormatVersion, writtenVersion } from './format-version.ts'

export interface ManifestListHeader {
  readonly snapshotId: bigint
  readonly parentSnapshotId: bigint | null
  readonly sequenceNumber: bigint
  /** The table's. */
  readonly formatVersion: FormatVersion
  /** Version 3: the snapshot's. */
  readonly firstRowId?: bigint
  /** As the table's properties have it, see `avroCompression`; deflate unless given. */
  readonly compression?: AvroCompression
}

/**
 * Encodes the manifest list of one snapshot; the same manifests give the same bytes.
 * @throws FEATURE_UNSUPPORTED for version 1; INVARIANT_VIOLATED for a data manifest of version 3 without row ids: give it one by
 *   `assignFirstRowIds`
 */
export function encodeManifestList(manifests: readonly ManifestFile[], header: ManifestListHeader): Uint8Array {
  const version = writtenVersion(header.formatVersion)
  const attributes = {
    'snapshot-id': header.snapshotId.toString(),
    'parent-snapshot-id': header.parentSnapshotId?.toString() ?? 'null',
    'sequence-number': header.sequenceNumber.toString(),
    ...(header.firstRowId === undefined ? {} : { 'first-row-id': header.firstRowId.toString() }),
    'format-version': version.toString(),
  }
  const rows = manifests.map((manifest) => {
    if (version === 3 && manifest.content === 'data' && manifest.firstRowId === undefined) {
      throw new HindcastError('INVARIANT_VIOLATED', `manifest ${manifest.manifestPath} was given no first row id`)
    }
    return manifestToRow(manifest)
  })
  return writeAvroContainer(manifestListSchema(version), rows, attributes, header.compression)
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
  f520: manifest.content === 'data' ? (manifest.firstRowId ?? null) : null,
})

/** A manifest as lists of version 1 may name it: without counts, which must be had from the manifest itself. */
export type UncountedManifest = Omit<ManifestFile, keyof ManifestCounts>

export type ManifestCounts = Pick<
  ManifestFile,
  | 'addedFilesCount'
  | 'existingFilesCount'
  | 'deletedFilesCount'
  | 'addedRowsCount'
  | 'existingRowsCount'
  | 'deletedRowsCount'
>

export const isCounted = (manifest: ManifestFile | UncountedManifest): manifest is ManifestFile =>
  'addedFilesCount' in manifest

/**
 * Decodes a manifest list whose manifests are counted, as all but some of version 1 are: `readManifests` reads those too.
 * @throws MANIFEST_INVALID with the file and the reason; FEATURE_UNSUPPORTED for lists that don't count their files
 */
export function decodeManifestList(bytes: Uint8Array, path: string): ManifestFile[] {
  return decodeAnyManifestList(bytes, path).map((manifest) => {
    if (isCounted(manifest)) return manifest
    // Taking a missing count for 0 would hide the manifest's rows.
    throw new HindcastError('FEATURE_UNSUPPORTED', `${path} names manifests without counting their files`, {
      hint: 'It was written for format version 1. Rewrite the manifests once (Spark: CALL system.rewrite_manifests).',
      context: { path },
    })
  })
}

/** As `decodeManifestList`, whether the manifests are counted or not. @throws MANIFEST_INVALID */
export function decodeAnyManifestList(bytes: Uint8Array, path: string): (ManifestFile | UncountedManifest)[] {
  const { header, rows } = readAvroContainer(bytes, path)
  checkFormatVersion(header, path)
  return rows.map((row, index) => {
    try {
      return rowToManifest(row)
    } catch (error) {
      throw error instanceof AvroError ? manifestInvalid(path, `manifest ${index}: ${error.message}`, error) : error
    }
  })
}

function rowToManifest(row: AvroRow): ManifestFile | UncountedManifest {
  const content = optionalInt(row, 'f517') ?? 0
  if (content !== 0 && content !== 1) throw new AvroError(`its content is ${content}`)
  const manifestLength = requiredLong(row, 'f501')
  if (manifestLength < 0n) throw new AvroError(`its length is ${manifestLength}`)
  const summaries = optionalList(row, 'f507')
  const keyMetadata = optionalBytes(row, 'f519')
  const firstRowId = content === 0 ? optionalLong(row, 'f520') : null
  if (firstRowId !== null && firstRowId < 0n) throw new AvroError(`its first row id is ${firstRowId}`)
  return {
    manifestPath: requiredString(row, 'f500'),
    manifestLength,
    partitionSpecId: requiredInt(row, 'f502'),
    content: content === 0 ? 'data' : 'deletes',
    sequenceNumber: optionalLong(row, 'f515') ?? 0n,
    minSequenceNumber: optionalLong(row, 'f516') ?? 0n,
    addedSnapshotId: requiredLong(row, 'f503'),
    ...countsOf(row),
    ...(summaries === null ? {} : { partitions: summaries.map((summary) => rowToSummary(asRow(summary, 'f507'))) }),
    ...(keyMetadata === null ? {} : { keyMetadata }),
    ...(firstRowId === null ? {} : { firstRowId }),
  }
}

/** All six counts, or none where one is missing. */
function countsOf(row: AvroRow): ManifestCounts | undefined {
  const files = (['f504', 'f505', 'f506'] as const).map((id) => optionalInt(row, id))
  const rows = (['f512', 'f513', 'f514'] as const).map((id) => optionalLong(row, id))
  if ([...files, ...rows].includes(null)) return undefined
  const negative = [...files, ...rows].find((count) => (count as number | bigint) < 0)
  if (negative !== undefined) throw new AvroError(`it counts ${negative} files or rows`)
  return {
    addedFilesCount: files[0] as number,
    existingFilesCount: files[1] as number,
    deletedFilesCount: files[2] as number,
    addedRowsCount: rows[0] as bigint,
    existingRowsCount: rows[1] as bigint,
    deletedRowsCount: rows[2] as bigint,
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
