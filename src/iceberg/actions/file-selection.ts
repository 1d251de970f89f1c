/** Saying which files of a snapshot are meant, so that few manifests need be read to find them. */
import { HindcastError } from '../../contract/index.ts'
import type { TableFilter } from '../expression/table-filter.ts'
import { schemasNewestFirst } from '../manifest/manifest.ts'
import { DataContent, type DataFile, type ManifestFile, type PartitionTuple } from '../manifest/model.ts'
import { PartitionSearch } from '../manifest/partition-summary.ts'
import type { TableMetadata } from '../metadata/table-metadata.ts'
import { partitionKey } from '../types/partition-values.ts'
import { partitionTypes } from '../types/transforms.ts'
import { specOf } from './write-snapshot.ts'

/** A data or delete file as a snapshot shows it. */
export interface LiveFile {
  readonly dataFile: DataFile
  readonly specId: number
  readonly sequenceNumber: bigint
}

export interface FileSelection {
  /** Whether a manifest may hold one of the files; erring towards true costs a read. */
  mayHold(manifest: ManifestFile): boolean
  takes(file: LiveFile): boolean
}

export const everyFile: FileSelection = { mayHold: () => true, takes: () => true }

/** Exactly these files, told apart by path (and, of deletion vectors that share a Puffin file, by data file). */
export function selectFiles(
  metadata: TableMetadata,
  files: readonly Omit<LiveFile, 'sequenceNumber'>[],
): FileSelection {
  const keys = new Set(files.map(({ dataFile }) => fileKey(dataFile)))
  const isData = ({ dataFile }: Omit<LiveFile, 'sequenceNumber'>): boolean => dataFile.content === DataContent.data
  const ofData = inPartitionsOf(metadata, files.filter(isData))
  const ofDeletes = inPartitionsOf(
    metadata,
    files.filter((file) => !isData(file)),
  )
  return {
    mayHold: (manifest) => (manifest.content === 'data' ? ofData : ofDeletes)(manifest),
    takes: ({ dataFile }) => keys.has(fileKey(dataFile)),
  }
}

/** Whether a manifest may hold files, of either content, that lie in the same partitions as these. */
export function inPartitionsOf(
  metadata: TableMetadata,
  files: readonly Omit<LiveFile, 'sequenceNumber'>[],
): (manifest: ManifestFile) => boolean {
  const bySpec = Map.groupBy(files, ({ specId }) => specId)
  return partitionsOf(
    metadata,
    new Map([...bySpec].map(([specId, of]) => [specId, of.map(({ dataFile }) => dataFile.partition)])),
  )
}

/** Whether a manifest may hold files in these partitions, given by the id of their spec. */
function partitionsOf(
  metadata: TableMetadata,
  bySpec: ReadonlyMap<number, readonly PartitionTuple[]>,
): (manifest: ManifestFile) => boolean {
  const schemas = schemasNewestFirst(metadata)
  const searches = new Map(
    [...bySpec].map(([specId, tuples]) => [
      specId,
      new PartitionSearch(partitionTypes(specOf(metadata, specId), schemas), tuples),
    ]),
  )
  return ({ partitionSpecId, partitions }) => searches.get(partitionSpecId)?.mayOccurIn(partitions) ?? false
}

/** What tells a live file from every other of the snapshot. */
export const fileKey = ({ content, filePath, fileFormat, referencedDataFile }: DataFile): string =>
  content === DataContent.positionDeletes && fileFormat === 'PUFFIN'
    ? `${filePath}#${referencedDataFile ?? ''}`
    : filePath

/** Every file in these partitions of one spec. */
export function selectPartitions(
  metadata: TableMetadata,
  specId: number,
  tuples: readonly PartitionTuple[],
): FileSelection {
  const keys = new Set(tuples.map(partitionKey))
  return {
    mayHold: partitionsOf(metadata, new Map([[specId, tuples]])),
    takes: (file) => file.specId === specId && keys.has(partitionKey(file.dataFile.partition)),
  }
}

/** Every data file that may hold a row which matches the filter, and every delete file that may concern one. */
export const selectMatching = (filter: TableFilter): FileSelection => ({
  mayHold: (manifest) => filter.manifestMayMatch(manifest),
  takes: ({ dataFile, specId }) =>
    dataFile.content === DataContent.data
      ? filter.fileMayMatch(dataFile, specId)
      : filter.partitionMayMatch(specId, dataFile.partition),
})

/**
 * Every data file all of whose rows match the filter.
 * @throws FEATURE_UNSUPPORTED, when it comes to a file of which only some rows may match
 */
export const selectCovered = (filter: TableFilter): FileSelection => ({
  mayHold: (manifest) => manifest.content === 'data' && filter.manifestMayMatch(manifest),
  takes: ({ dataFile, specId }) => {
    if (dataFile.content !== DataContent.data || !filter.fileMayMatch(dataFile, specId)) return false
    if (filter.fileMustMatch(dataFile, specId)) return true
    throw new HindcastError(
      'FEATURE_UNSUPPORTED',
      `${dataFile.filePath} may hold rows that are to be replaced beside others that are not`,
      {
        hint: 'Delete by rows instead of by files, or rewrite the table’s files into its present partitioning first.',
        context: { path: dataFile.filePath, specId },
      },
    )
  },
})
