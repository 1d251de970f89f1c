/** Row lineage, version 3: https://iceberg.apache.org/spec/#first-row-id-assignment, https://iceberg.apache.org/spec/#first-row-id-inheritance */
import { EntryStatus, type ManifestEntry, type ManifestFile } from './model.ts'

/**
 * Gives every data manifest that has none its first row id, in the order of the list. The space of ids that a manifest takes is that
 * of its added and existing rows: after a table was raised to version 3, files that exist already have no ids of their own.
 * @param nextRowId the table's, which is also the snapshot's `firstRowId`
 * @returns the manifests, and the table's next row id after them: the difference is the snapshot's `addedRows`
 */
export function assignFirstRowIds(
  manifests: readonly ManifestFile[],
  nextRowId: bigint,
): { readonly manifests: readonly ManifestFile[]; readonly nextRowId: bigint } {
  let next = nextRowId
  const assigned = manifests.map((manifest): ManifestFile => {
    if (manifest.content !== 'data' || manifest.firstRowId !== undefined) return manifest
    const firstRowId = next
    next += manifest.addedRowsCount + manifest.existingRowsCount
    return { ...manifest, firstRowId }
  })
  return { manifests: assigned, nextRowId: next }
}

/**
 * Passes on a manifest's entries, in their order, with the row ids that they inherit. Entries of a manifest without a first row id
 * have none: it belongs to a snapshot from before version 3, as deletes do to none.
 */
export function rowIdInheritance(manifest: ManifestFile): (entry: ManifestEntry) => ManifestEntry {
  let next = manifest.content === 'data' ? manifest.firstRowId : undefined
  return (entry) => {
    const { dataFile } = entry
    if (next === undefined) {
      if (dataFile.firstRowId === undefined) return entry
      const { firstRowId: _, ...file } = dataFile
      return { ...entry, dataFile: file }
    }
    // As in Iceberg's Java library: what is deleted takes no ids, and keeps those that it was written with.
    if (dataFile.firstRowId !== undefined || entry.status === EntryStatus.deleted) return entry
    const firstRowId = next
    next += dataFile.recordCount
    return { ...entry, dataFile: { ...dataFile, firstRowId } }
  }
}
