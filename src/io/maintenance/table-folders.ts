/** Where a table's files lie, and whether it has these places for itself. */
import { HindcastError, isHindcastError, isRetryable } from '../../contract/index.ts'
import {
  dataFolder,
  metadataFolder,
  qualifiedName,
  type Catalog,
  type Table,
  type TableIdentifier,
  type TableMetadata,
} from '../../iceberg/index.ts'
import { normalizeUri } from '../files/index.ts'

/** Whether a place is the folder, or lies in it; both in their one spelling. */
export const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`)

/** The folders with a table's files, none of them within another. */
export function foldersOf(metadata: TableMetadata): readonly string[] {
  const all = placesOf(metadata)
  return all.filter((folder) => !all.some((other) => other !== folder && isBelow(folder, other)))
}

const placesOf = (metadata: TableMetadata): string[] => {
  const { location } = metadata
  const places = [location, dataFolder(metadata), metadataFolder(metadata)]
  return [...new Set(places.map((place) => normalizeUri(place).replace(/\/+$/, '')))].sort()
}

/** @throws REQUEST_INVALID when another table of the catalog has files in these folders, or when that cannot be said */
export async function refuseOtherTables(
  catalog: Pick<Catalog, 'listTables' | 'loadTable'>,
  table: Table,
  folders: readonly string[],
): Promise<void> {
  const own = qualifiedName(table.identifier)
  for (const identifier of await catalog.listTables()) {
    const other = qualifiedName(identifier)
    if (other === own) continue
    const loaded = await load(catalog, identifier)
    const places = loaded === null ? [] : placesOf(loaded.metadata)
    const shared = places.find((place) => folders.some((folder) => isBelow(place, folder)))
    if (shared === undefined) continue
    throw new HindcastError('REQUEST_INVALID', `table ${other} has files in ${shared}, within the folders of ${own}`, {
      hint: `They would be taken for orphans of ${own}. Nothing is deleted: give each table a folder of its own.`,
      context: { table: own, other, place: shared },
    })
  }
}

/** Null for a table that was dropped since it was listed. */
async function load(catalog: Pick<Catalog, 'loadTable'>, identifier: TableIdentifier): Promise<Table | null> {
  try {
    return await catalog.loadTable(identifier)
  } catch (error) {
    if (!isHindcastError(error) || isRetryable(error.code)) throw error
    if (error.code === 'TABLE_NOT_FOUND') return null
    const name = qualifiedName(identifier)
    throw new HindcastError('REQUEST_INVALID', `where table ${name} lies cannot be said: ${error.message}`, {
      hint: 'Its files may lie in the same folder. Repair or drop the table first.',
      context: { table: name },
      cause: error,
    })
  }
}
