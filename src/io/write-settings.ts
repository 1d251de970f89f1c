import { HindcastError } from '../contract/index.ts'
import { numberProperty } from '../iceberg/index.ts'

/** How a table wants its Parquet files: its `write.*` properties, as far as DuckDB can do them. */
export interface WriteSettings {
  /** Options of COPY that choose the codec. */
  readonly compression: string
  /** Null: a partition is one file, whatever its size. */
  readonly targetFileBytes: number | null
  /** Of uncompressed Parquet; null: a fixed number of rows. */
  readonly rowGroupBytes: number | null
}

const codecs: Readonly<Record<string, string>> = {
  zstd: 'zstd',
  gzip: 'gzip',
  snappy: 'snappy',
  brotli: 'brotli',
  lz4: 'lz4_raw',
  lz4_raw: 'lz4_raw',
  uncompressed: 'uncompressed',
  none: 'uncompressed',
}

/**
 * @param properties of the table; undefined for files whose form is not the table's to choose
 * @throws FEATURE_UNSUPPORTED for a codec that DuckDB lacks; METADATA_INVALID for a property that is no number
 */
export function writeSettings(properties: Readonly<Record<string, string>> | undefined): WriteSettings {
  if (properties === undefined) return { compression: 'COMPRESSION zstd', targetFileBytes: null, rowGroupBytes: null }
  const wanted = properties['write.parquet.compression-codec']?.trim().toLowerCase() ?? 'zstd'
  const codec = Object.hasOwn(codecs, wanted) ? codecs[wanted] : undefined
  if (codec === undefined) {
    throw new HindcastError('FEATURE_UNSUPPORTED', `Parquet is not written with the compression ${wanted}`, {
      hint: `Set the table property write.parquet.compression-codec to ${Object.keys(codecs).join(', ')}, or remove it.`,
      context: { property: 'write.parquet.compression-codec' },
    })
  }
  const level = properties['write.parquet.compression-level']?.trim()
  // The level counts differently in every codec; DuckDB has one for zstd only.
  const hasLevel = codec === 'zstd' && level !== undefined && /^-?\d{1,2}$/.test(level) && Number(level) <= 22
  return {
    compression: `COMPRESSION ${codec}${hasLevel ? `, COMPRESSION_LEVEL ${level}` : ''}`,
    targetFileBytes: numberProperty(properties, 'write.target-file-size-bytes'),
    // Unless somebody asked for it, not by bytes: finding out how many rows that is takes writing some.
    rowGroupBytes:
      properties['write.parquet.row-group-size-bytes'] === undefined
        ? null
        : numberProperty(properties, 'write.parquet.row-group-size-bytes'),
  }
}
