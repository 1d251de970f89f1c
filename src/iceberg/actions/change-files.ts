import { HindcastError } from '../../contract/index.ts'
import { DataContent, EntryStatus, type DataFile, type ManifestEntry, type ManifestFile } from '../manifest/model.ts'
import { numberProperty } from '../metadata/properties.ts'
import { snapshotSummary, type FileFacts, type SnapshotOperation } from '../metadata/snapshot-summary.ts'
import type { Snapshot } from '../metadata/table-metadata.ts'
import { mergeManifests } from './merge-manifests.ts'
import { fileKey, type FileSelection, type LiveFile } from './file-selection.ts'
import { removeFiles } from './remove-files.ts'
import {
  liveManifests,
  specOf,
  writeManifest,
  writeSnapshot,
  type SnapshotRequest,
  type SnapshotResult,
  type SnapshotWriter,
} from './write-snapshot.ts'

/** A file to be added. */
export interface NewFile {
  readonly dataFile: DataFile
  /** The spec of its partition tuple. */
  readonly specId: number
  /** For rewritten rows: the data sequence number that they keep, so that later deletes still fall on them and earlier don't. */
  readonly dataSequenceNumber?: bigint
}

/** Manifests of this snapshot, already written, with the files they add. */
export interface AttachedManifest {
  readonly manifest: ManifestFile
  readonly files: readonly DataFile[]
}

export interface FileChanges {
  readonly operation: SnapshotOperation
  readonly added: readonly NewFile[]
  readonly attached?: readonly AttachedManifest[]
  readonly removal?: FileSelection
}

export interface ChangeResult extends SnapshotResult {
  readonly removed: readonly LiveFile[]
}

/**
 * Writes what a snapshot needs that shows `base` without the removed and with the added files: one manifest per partition spec and
 * content (several when large), the rewritten ones, merged as the table's properties say, and the list of them all.
 */
export async function changeFiles(
  writer: SnapshotWriter,
  target: { readonly base: Snapshot | null; readonly branch: string; readonly schemaId?: number },
  changes: FileChanges,
  request: SnapshotRequest,
): Promise<ChangeResult> {
  const { io } = writer
  const { base, branch } = target
  const { operation, added, attached = [], removal } = changes
  checkAdded(writer, added)
  const carried = await liveManifests(io, base)
  // Rewritten rows may be older than all that is carried over, and deletes that still fall on them must stay.
  const oldestAdded = added.reduce(
    (least, { dataFile, dataSequenceNumber = writer.sequenceNumber }) =>
      dataFile.content === DataContent.data && dataSequenceNumber < least ? dataSequenceNumber : least,
    writer.sequenceNumber,
  )
  const { manifests: kept, removed } =
    removal === undefined
      ? { manifests: carried, removed: [] }
      : await removeFiles(writer, carried, removal, oldestAdded)
  refuseReuse(removed, [...added.map(({ dataFile }) => dataFile), ...attached.flatMap(({ files }) => files)])
  const created = [...attached.map(({ manifest }) => manifest), ...(await writeAdded(writer, added))]
  const manifests = await mergeManifests(writer, [...created, ...kept])
  const facts = (files: readonly { readonly dataFile: DataFile; readonly specId: number }[]): FileFacts[] =>
    files.map(({ dataFile, specId }) => ({ ...dataFile, specId }))
  const attachedFiles = attached.flatMap(({ manifest, files }) =>
    files.map((dataFile) => ({ dataFile, specId: manifest.partitionSpecId })),
  )
  const carriedPaths = new Set(carried.map(({ manifestPath }) => manifestPath))
  const keptCount = manifests.filter(({ manifestPath }) => carriedPaths.has(manifestPath)).length
  const result = await writeSnapshot(writer, {
    base,
    branch,
    manifests,
    summary: snapshotSummary(
      operation,
      base?.summary ?? null,
      [...facts(added), ...facts(attachedFiles)],
      facts(removed),
      {
        ...request.summary,
        'manifests-created': String(manifests.length - keptCount),
        'manifests-kept': String(keptCount),
        'manifests-replaced': String(carried.length - keptCount),
      },
    ),
    nowMs: request.nowMs,
    retention: request.refRetention,
    ...(target.schemaId === undefined ? {} : { schemaId: target.schemaId }),
  })
  return { ...result, removed }
}

function checkAdded({ metadata }: SnapshotWriter, added: readonly NewFile[]): void {
  for (const { dataFile } of added) {
    const { content, filePath, fileFormat } = dataFile
    const refuse = (reason: string): never => {
      throw new HindcastError('INVARIANT_VIOLATED', `the new file ${filePath} ${reason}`, {
        context: { path: filePath },
      })
    }
    if (content !== DataContent.positionDeletes) continue
    const isVector = fileFormat === 'PUFFIN'
    // Version 3 forbids new position delete files, version 2 knows no deletion vectors.
    if (metadata.formatVersion === 3 && !isVector) {
      // Often the table was raised to version 3 since the file was written.
      throw new HindcastError(
        'CONFLICT',
        `${filePath} is a position delete file, and the table has version 3: it takes deletion vectors`,
        { hint: 'Read the table again and make the change anew.', context: { path: filePath } },
      )
    }
    if (metadata.formatVersion < 3 && isVector) refuse('is a deletion vector, which only a version 3 table takes')
    if (isVector && (dataFile.referencedDataFile === undefined || dataFile.contentOffset === undefined))
      refuse('is a deletion vector without its data file or offset')
  }
}

/** Deleted and added in one snapshot, a file would be taken for garbage once the base expires. Added twice, its rows would double. */
function refuseReuse(removed: readonly LiveFile[], added: readonly DataFile[]): void {
  const taken = new Set(removed.map(({ dataFile }) => fileKey(dataFile)))
  for (const file of added) {
    if (taken.has(fileKey(file))) {
      throw new HindcastError('INVARIANT_VIOLATED', `${file.filePath} is added, but replaced or added already`, {
        context: { path: file.filePath },
      })
    }
    taken.add(fileKey(file))
  }
}

async function writeAdded(writer: SnapshotWriter, added: readonly NewFile[]): Promise<ManifestFile[]> {
  const groups = Map.groupBy(
    added,
    ({ dataFile, specId }) => `${dataFile.content === DataContent.data ? 'data' : 'deletes'} ${specId}`,
  )
  const written: ManifestFile[] = []
  for (const [key, files] of groups) {
    const [content, specId] = key.split(' ')
    const spec = specOf(writer.metadata, Number(specId))
    const entries = files.map(({ dataFile, dataSequenceNumber }): ManifestEntry => ({
      status: EntryStatus.added,
      snapshotId: writer.snapshotId,
      sequenceNumber: dataSequenceNumber ?? null,
      fileSequenceNumber: null,
      dataFile: withoutRowIds(dataFile),
    }))
    for (const part of inParts(entries, writer)) {
      written.push(await writeManifest(writer, spec, content as 'data' | 'deletes', part))
    }
  }
  return written
}

/** Row ids are given anew when a file is added; rows that must keep theirs carry them in a column. */
function withoutRowIds(file: DataFile): DataFile {
  const { firstRowId: _, ...dataFile } = file
  return dataFile
}

/** Packed bytes of an entry with metrics of some columns; a guess that only decides where manifests are cut. */
const bytesPerMetric = 12
const bytesPerEntry = 120

/** Runs of entries whose manifests come to about the target size. */
function inParts(
  entries: readonly ManifestEntry[],
  { metadata }: SnapshotWriter,
): readonly (readonly ManifestEntry[])[] {
  const target = numberProperty(metadata.properties, 'commit.manifest.target-size-bytes')
  const sizeOf = ({ dataFile }: ManifestEntry): number =>
    bytesPerEntry +
    bytesPerMetric * ((dataFile.valueCounts?.size ?? 0) * 2 + (dataFile.lowerBounds?.size ?? 0) * 2) +
    (dataFile.splitOffsets?.length ?? 0)
  const parts: ManifestEntry[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const entry of entries) {
    size += sizeOf(entry)
    if (size > target) {
      parts.push([])
      size = sizeOf(entry)
    }
    parts.at(-1)?.push(entry)
  }
  return parts
}
