/** The data files that a slice writes, one a partition, and the manifest that names them. */
import { HindcastError } from '../../contract/index.ts'
import {
  encodeManifest,
  EntryStatus,
  mapConcurrently,
  type DataFile,
  type FileIO,
  type PartitionSpec,
  type PartitionTuple,
  type Schema,
} from '../../iceberg/index.ts'
import { encodeManifestFacts, type SliceResult } from './slice-result.ts'

/** Files looked at at once. */
const sizeRequests = 8

/** Gives each partition's file the place that was planned for it. */
export function placedByOrdinal(
  partitions: readonly { readonly ordinal: number; readonly path: string }[],
): (tuple: PartitionTuple) => string {
  const places = new Map(partitions.map(({ ordinal, path }) => [ordinal, path]))
  return ([ordinal]) => {
    const path = typeof ordinal === 'number' ? places.get(ordinal) : undefined
    if (path !== undefined) return path
    throw new HindcastError('INVARIANT_VIOLATED', `a row fell outside its partitions: ${String(ordinal)}`)
  }
}

/** Writes a manifest of new files, which a later commit takes in as it is. */
export async function writeManifest(
  io: Pick<FileIO, 'create'>,
  manifestPath: string,
  {
    schema,
    spec,
    files,
  }: { readonly schema: Schema; readonly spec: PartitionSpec; readonly files: readonly DataFile[] },
): Promise<NonNullable<SliceResult['manifest']>> {
  const { bytes, manifest } = encodeManifest({
    // Good in a table of version 3 too: its files inherit their row ids from the manifest list.
    formatVersion: 2,
    schema,
    spec,
    content: 'data',
    entries: files.map((dataFile) => ({
      status: EntryStatus.added,
      snapshotId: null,
      sequenceNumber: null,
      fileSequenceNumber: null,
      dataFile,
    })),
  })
  await io.create(manifestPath, bytes)
  return encodeManifestFacts({ ...manifest, manifestPath })
}

/** Whether files, and the manifest that names them, are there in their length. */
export async function areWhole(
  io: Pick<FileIO, 'size'>,
  files: readonly { readonly path: string; readonly bytes: number }[],
  manifest: SliceResult['manifest'] = null,
): Promise<boolean> {
  const sizes = await mapConcurrently(files, sizeRequests, ({ path }) => io.size(path))
  if (files.some(({ bytes }, index) => sizes[index] !== BigInt(bytes))) return false
  return manifest === null || (await io.size(manifest.manifestPath)) === BigInt(manifest.manifestLength)
}
