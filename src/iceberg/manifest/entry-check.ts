/** What is wrong with a manifest entry before it is written: readers would stumble over it, or worse, would not. */
import { HindcastError } from '../../contract/index.ts'
import type { PartitionSpec } from '../metadata/table-metadata.ts'
import type { WrittenVersion } from './avro-schemas.ts'
import { DataContent, EntryStatus, type DataFile, type ManifestEntry } from './model.ts'

/** @throws INVARIANT_VIOLATED naming the file */
export function checkEntry(
  entry: ManifestEntry,
  manifest: { readonly spec: PartitionSpec; readonly content: 'data' | 'deletes' },
  version: WrittenVersion,
): void {
  const reason = faultOf(entry, manifest.spec) ?? faultOfFile(entry.dataFile, entry.status, manifest.content, version)
  if (reason === null) return
  throw new HindcastError('INVARIANT_VIOLATED', `manifest entry of ${entry.dataFile.filePath}: ${reason}`)
}

function faultOf(entry: ManifestEntry, spec: PartitionSpec): string | null {
  const { status, snapshotId, sequenceNumber, fileSequenceNumber, dataFile } = entry
  if (dataFile.partition.length !== spec.fields.length) {
    return `${dataFile.partition.length} partition values for ${spec.fields.length} fields`
  }
  // Inheritance is for ADDED entries: Spark fails on a null elsewhere.
  if (status !== EntryStatus.added && (snapshotId === null || sequenceNumber === null || fileSequenceNumber === null)) {
    return 'only an ADDED entry may leave snapshot id and sequence numbers to inheritance'
  }
  return null
}

function faultOfFile(
  file: DataFile,
  status: EntryStatus,
  content: 'data' | 'deletes',
  version: WrittenVersion,
): string | null {
  if ((file.content === DataContent.data) !== (content === 'data')) {
    return `content ${file.content} does not belong into a manifest of ${content}`
  }
  if (file.content !== DataContent.positionDeletes) return null
  if (file.fileFormat === 'PUFFIN') {
    if (version === 2) return 'deletion vectors begin with format version 3'
    const { referencedDataFile, contentOffset, contentSizeInBytes } = file
    if (referencedDataFile === undefined || contentOffset === undefined || contentSizeInBytes === undefined) {
      return 'a deletion vector names its data file, its offset and its size'
    }
    return null
  }
  return version === 3 && status === EntryStatus.added
    ? 'format version 3 adds deletion vectors, no position-delete files'
    : null
}
