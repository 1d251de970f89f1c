import { HindcastError } from '../../contract/index.ts'
import type { FieldKey } from '../avro/codec.ts'
import { readAvroContainer, rewriteAvroContainer } from '../avro/container.ts'
import { valueOf } from '../avro/rows.ts'
import { checkLength, entryReader, partitionParts, type EncodedManifest, type ManifestContext } from './manifest.ts'
import { EntryStatus, type ManifestEntry, type ManifestFile } from './model.ts'
import { metricFieldIds } from './metric-readers.ts'

/**
 * A copy of a manifest of ADDED entries in which each names the snapshot that adds it; everything else stays as it is, and sequence
 * numbers are still inherited.
 * @param manifest as the manifest list will have it, except for length and path
 * @returns the copy, and its entries without metrics
 * @throws INVARIANT_VIOLATED for an entry that is not ADDED or has numbers of its own; MANIFEST_INVALID
 */
export function stampManifest(
  bytes: Uint8Array,
  manifest: ManifestFile,
  context: ManifestContext,
): { readonly encoded: EncodedManifest; readonly entries: readonly ManifestEntry[] } {
  checkLength(bytes, manifest)
  const container = readAvroContainer(bytes, manifest.manifestPath)
  const toEntry = entryReader(manifest, partitionParts(context))
  const withoutMetrics: Readonly<Record<FieldKey, null>> = Object.fromEntries(
    [...metricFieldIds].map((id) => [`f${id}`, null]),
  )
  const entries = container.rows.map((row, index) => {
    const file = valueOf(row, 'f2')
    const entry = toEntry({ ...row, f2: { ...(file as object), ...withoutMetrics } }, index)
    const refuse = (reason: string): never => {
      throw new HindcastError(
        'INVARIANT_VIOLATED',
        `the new manifest ${manifest.manifestPath} holds ${entry.dataFile.filePath} ${reason}`,
      )
    }
    if (entry.status !== EntryStatus.added) refuse('as not ADDED')
    if ((['f1', 'f3', 'f4'] as const).some((id) => valueOf(row, id) !== null))
      refuse('with numbers of its own, where they must be inherited')
    return entry
  })
  const stamped = rewriteAvroContainer(
    container,
    container.rows.map((row) => ({ ...row, f1: manifest.addedSnapshotId })),
    manifest.manifestPath,
  )
  const { manifestPath: _path, sequenceNumber: _, minSequenceNumber: _min, addedSnapshotId: _id, ...facts } = manifest
  return { encoded: { bytes: stamped, manifest: { ...facts, manifestLength: BigInt(stamped.length) } }, entries }
}
