import { HindcastError } from '../../contract/index.ts'
import { MANIFEST_READS, mapConcurrently } from '../concurrent.ts'
import { bindExpression } from '../expression/bind.ts'
import { or } from '../expression/expression.ts'
import { partitionRows } from '../expression/partition-rows.ts'
import { tableFilter, type TableFilter } from '../expression/table-filter.ts'
import type { DataFile, DetachedManifest, ManifestFile, PartitionTuple } from '../manifest/model.ts'
import { stampManifest } from '../manifest/stamp-manifest.ts'
import { REPLACE_PARTITIONS } from '../metadata/snapshot-summary.ts'
import type { PartitionSpec, TableMetadata } from '../metadata/table-metadata.ts'
import { partitionKey } from '../types/partition-values.ts'
import { changeFiles, type AttachedManifest, type ChangeResult } from './change-files.ts'
import { selectCovered, selectMatching, selectPartitions, type FileSelection } from './file-selection.ts'
import { validateReplacement, type Validation } from './validate-history.ts'
import {
  baseSnapshot,
  currentSchema,
  snapshotWriter,
  specOf,
  writeEncodedManifest,
  type SnapshotRequest,
  type SnapshotWriter,
} from './write-snapshot.ts'

export interface OverwritePartitionsRequest extends SnapshotRequest {
  /** The snapshot to build on; null builds on nothing. For branch `main` it must be its head. */
  readonly base: bigint | null
  readonly branch: string
  /** Of the tuples, and of the new files. */
  readonly specId: number
  /** Every file that the base has in them is replaced, also where nothing new comes. */
  readonly partitions: readonly PartitionTuple[]
  /** New data files in those partitions. */
  readonly files?: readonly DataFile[]
  /** Written manifests of ADDED entries in those partitions. They are read, and can be used again for another snapshot. */
  readonly manifests?: readonly DetachedManifest[]
  /** What to check of commits since the partitions were read; nothing unless given. */
  readonly validation?: Validation
  /** Schema of the new files; the table's current one unless given. It may be one that the same commit adds. */
  readonly schemaId?: number
}

/**
 * Writes what a snapshot needs that shows the base with the given partitions replaced. Only manifests whose partition summaries
 * overlap are read, and only those that hold a replaced file are rewritten; new manifests are copied with the snapshot's id set.
 * Nothing is changed until the result is committed; on a conflict, load the table and call it again.
 * @throws FEATURE_UNSUPPORTED for a file of another spec that may hold rows of these partitions beside others; CONFLICT when `main` is not at `base`;
 *   INVARIANT_VIOLATED when a new manifest holds what it must not; MANIFEST_INVALID; what `FileIO` throws
 */
export async function overwritePartitions(request: OverwritePartitionsRequest): Promise<ChangeResult> {
  const { table, branch, partitions, validation } = request
  const { metadata } = table
  const writer = snapshotWriter(request)
  const spec = specOf(metadata, request.specId)
  const base = baseSnapshot(metadata, request.base, branch)
  const { covered: removal, touched } = selectionsOf(metadata, spec, partitions)
  await validateReplacement({ io: request.io, metadata, base, selection: touched, validation })
  const files = request.files ?? []
  const attached = await mapConcurrently(request.manifests ?? [], MANIFEST_READS, (manifest) =>
    attach(writer, spec, manifest),
  )
  const keys = new Set(partitions.map(partitionKey))
  for (const { filePath, partition } of [...files, ...attached.flatMap((manifest) => manifest.files)]) {
    if (keys.has(partitionKey(partition))) continue
    throw new HindcastError('INVARIANT_VIOLATED', `${filePath} is to be added outside the partitions to be replaced`)
  }
  const target = { base, branch, ...(request.schemaId === undefined ? {} : { schemaId: request.schemaId }) }
  return changeFiles(
    writer,
    target,
    { operation: 'overwrite', added: files.map((dataFile) => ({ dataFile, specId: spec.specId })), attached, removal },
    { ...request, summary: { ...request.summary, [REPLACE_PARTITIONS]: 'true' } },
  )
}

/** The files in the partitions: those of the spec by their partition, those of other specs by the rows they hold. */
function selectionsOf(
  metadata: TableMetadata,
  spec: PartitionSpec,
  tuples: readonly PartitionTuple[],
): { readonly covered: FileSelection; readonly touched: FileSelection } {
  const same = selectPartitions(metadata, spec.specId, tuples)
  // Made when the first file of a former spec turns up: for many partitions it is costly, and for some specs there is none.
  let rows: TableFilter | undefined
  const either = (select: (filter: TableFilter) => FileSelection): FileSelection => {
    const former = (): FileSelection => select((rows ??= rowsOf(metadata, spec, tuples)))
    return {
      mayHold: (manifest) => (manifest.partitionSpecId === spec.specId ? same : former()).mayHold(manifest),
      takes: (file) => (file.specId === spec.specId ? same : former()).takes(file),
    }
  }
  return { covered: either(selectCovered), touched: either(selectMatching) }
}

function rowsOf(metadata: TableMetadata, spec: PartitionSpec, tuples: readonly PartitionTuple[]): TableFilter {
  const schema = currentSchema(metadata)
  const rows = tuples.map((tuple) => partitionRows(spec, schema, tuple))
  const known = rows.filter((filter) => filter !== null)
  if (known.length === rows.length) return tableFilter(bindExpression(or(...known), schema), metadata)
  const transforms = spec.fields.map(({ transform }) => transform).join(', ')
  throw new HindcastError(
    'FEATURE_UNSUPPORTED',
    `the table has files of former partition specs, and its present one (${transforms}) does not tell which of their rows a partition has`,
    { hint: 'Rewrite its data files into the present spec first: compaction does.' },
  )
}

/** The manifest's promises about itself, which the rest relies on. */
function checkDetached(manifest: DetachedManifest, spec: PartitionSpec): void {
  const { manifestPath, partitionSpecId, content, existingFilesCount, deletedFilesCount } = manifest
  const refuse = (reason: string): never => {
    throw new HindcastError('INVARIANT_VIOLATED', `the new manifest ${manifestPath} ${reason}`)
  }
  if (partitionSpecId !== spec.specId) refuse(`is of partition spec ${partitionSpecId}, not ${spec.specId}`)
  if (content !== 'data') refuse('holds delete files')
  if (existingFilesCount !== 0 || deletedFilesCount !== 0) refuse('holds entries that are not ADDED')
}

/**
 * Makes a new manifest part of this snapshot: a copy whose entries name the snapshot. By the spec they could inherit it, and the file be
 * used as it is; but PyIceberg (0.11) takes an inherited snapshot id for the entry's status, so that it then inherits no sequence
 * number, and writes entries without one when it rewrites the manifest, which no reader takes.
 */
async function attach(
  writer: SnapshotWriter,
  spec: PartitionSpec,
  detached: DetachedManifest,
): Promise<AttachedManifest> {
  checkDetached(detached, spec)
  const numbered: ManifestFile = {
    ...detached,
    sequenceNumber: writer.sequenceNumber,
    minSequenceNumber: writer.sequenceNumber,
    addedSnapshotId: writer.snapshotId,
  }
  const { encoded, entries } = stampManifest(await writer.io.read(detached.manifestPath), numbered, writer.metadata)
  if (entries.length !== detached.addedFilesCount) {
    throw new HindcastError(
      'INVARIANT_VIOLATED',
      `the new manifest ${detached.manifestPath} has ${entries.length} entries, not ${detached.addedFilesCount}`,
    )
  }
  return {
    manifest: await writeEncodedManifest(writer, encoded, entries),
    files: entries.map(({ dataFile }) => dataFile),
  }
}
