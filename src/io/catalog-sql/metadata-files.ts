import { HindcastError, isHindcastError } from '../../contract/index.ts'
import {
  booleanProperty,
  encodeMetadataFile,
  type FileIO,
  metadataFolder,
  parseTableMetadata,
  qualifiedName,
  type TableIdentifier,
  type TableMetadata,
} from '../../iceberg/index.ts'

/** The number in a metadata file's name, as `00012-….metadata.json` or `v12.metadata.json`; 0 for other names. */
export const metadataVersion = (metadataLocation: string): number =>
  Number(/\/v?(\d+)[^/]*$/.exec(metadataLocation)?.[1] ?? 0)

/** Writes a metadata file of a new name where the table keeps them, and gives its location. */
export async function writeMetadata(
  io: FileIO,
  metadata: TableMetadata,
  name: { readonly version: number; readonly uuid: string },
): Promise<string> {
  const { bytes, extension } = encodeMetadataFile(metadata)
  const file = `${String(name.version).padStart(5, '0')}-${name.uuid}${extension}`
  const location = `${metadataFolder(metadata)}/${file}`
  if ((await io.create(location, bytes)) === 'exists') {
    throw new HindcastError('INVARIANT_VIOLATED', `the new metadata file ${location} already exists`)
  }
  return location
}

/** @throws METADATA_INVALID when the file is not there or is damaged, told from a table that is not there */
export async function readMetadata(
  io: FileIO,
  identifier: TableIdentifier,
  metadataLocation: string,
): Promise<TableMetadata> {
  let bytes: Uint8Array
  try {
    bytes = await io.read(metadataLocation)
  } catch (error) {
    if (!isHindcastError(error) || error.code !== 'DATA_FILE_INVALID') throw error
    throw new HindcastError(
      'METADATA_INVALID',
      `table ${qualifiedName(identifier)} cannot be loaded: ${error.message}`,
      {
        hint: 'Restore the metadata file the catalog points at, or register the table again from an older one.',
        context: { table: qualifiedName(identifier), path: metadataLocation },
        cause: error,
      },
    )
  }
  return parseTableMetadata(bytes, metadataLocation)
}

/**
 * The metadata files that a commit drops from the log and that go with it, if the table property
 * `write.metadata.delete-after-commit.enabled` says so.
 * @throws METADATA_INVALID when the property is neither true nor false
 */
export function forgottenFiles(base: TableMetadata, updated: TableMetadata): readonly string[] {
  if (!booleanProperty(updated.properties, 'write.metadata.delete-after-commit.enabled')) return []
  const kept = new Set(updated.metadataLog.map(({ metadataFile }) => metadataFile))
  return base.metadataLog.map(({ metadataFile }) => metadataFile).filter((path) => !kept.has(path))
}
