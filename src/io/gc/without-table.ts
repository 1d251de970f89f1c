import type { ListedFile } from '../../iceberg/index.ts'
import { tableIdentifier } from '../catalog-names.ts'
import { ownTemporary } from '../maintenance/index.ts'
import type { Runtime } from '../runtime.ts'

/** Names that slices give their files: a hash, and for a part of one what tells it from the others. */
const ofSlices = /\/[0-9a-f]{32}[^/]*\.(parquet|avro)$/

export interface WithoutTableRequest {
  /** Epoch ms: what was written since stays. */
  readonly sinceMs: number
  readonly isKept: (path: string) => boolean
  readonly remove: (files: readonly ListedFile[]) => Promise<void>
}

/**
 * Removes what slices have written for a feature table that was never made, because no run got as far. Where a table was once, and was
 * only dropped from the catalog, everything stays, for it can be registered again.
 * @returns what is worth saying; null when nothing is
 */
export async function removeWithoutTable(
  runtime: Runtime,
  table: string,
  { sinceMs, isKept, remove }: WithoutTableRequest,
): Promise<string | null> {
  const { namespace, name } = tableIdentifier(table)
  const location = [runtime.warehouse, ...namespace, name].join('/')
  const garbage: ListedFile[] = []
  for await (const file of runtime.io.list(location)) {
    if (file.path.endsWith('.metadata.json')) {
      return `left alone: ${location} has the files of a table that the catalog does not have`
    }
    const isOurs = ofSlices.test(file.path) || ownTemporary.test(file.path.slice(file.path.lastIndexOf('/') + 1))
    if (isOurs && file.modifiedMs < sinceMs && !isKept(file.path)) garbage.push(file)
  }
  await remove(garbage)
  return null
}
