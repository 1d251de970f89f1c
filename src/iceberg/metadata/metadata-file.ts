import { gzipSync } from 'node:zlib'
import { HindcastError } from '../../contract/index.ts'
import { serializeTableMetadata } from './table-metadata-json.ts'
import type { TableMetadata } from './table-metadata.ts'

export interface MetadataFile {
  readonly bytes: Uint8Array
  /** The end of the file's name, as Iceberg's Java library has it: it tells packed files by `.gz.metadata.json`. */
  readonly extension: '.metadata.json' | '.gz.metadata.json'
}

/**
 * A metadata file, packed as the table property `write.metadata.compression-codec` says (`none` unless set, or `gzip`).
 * @throws FEATURE_UNSUPPORTED for another codec, and for a table of version 1
 */
export function encodeMetadataFile(metadata: TableMetadata): MetadataFile {
  const codec = metadata.properties['write.metadata.compression-codec'] ?? 'none'
  switch (codec.toLowerCase()) {
    case 'none':
      return { bytes: serializeTableMetadata(metadata), extension: '.metadata.json' }
    case 'gzip':
      return { bytes: gzipSync(serializeTableMetadata(metadata)), extension: '.gz.metadata.json' }
    default:
      throw new HindcastError('FEATURE_UNSUPPORTED', `metadata cannot be packed with ${codec}`, {
        hint: 'Set the table property write.metadata.compression-codec to none or gzip.',
        context: { codec },
      })
  }
}
