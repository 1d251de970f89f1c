/** The codecs of Avro blocks: https://avro.apache.org/docs/current/specification/#required-codecs */
import { constants, crc32, deflateRawSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { HindcastError } from '../../contract/index.ts'
import { AvroError } from './schema.ts'
import { snappyPack, snappyUnpack } from './snappy.ts'

/** By Avro's own names. */
export type AvroCodec = 'null' | 'deflate' | 'zstandard' | 'snappy'

export interface AvroCompression {
  readonly codec: AvroCodec
  readonly level?: number
}

/**
 * How a table's manifests and manifest lists are packed: by its properties `write.avro.compression-codec` (`gzip` unless set) and
 * `write.avro.compression-level`.
 * @throws FEATURE_UNSUPPORTED for a codec that is not written here
 */
export function avroCompression(properties: Readonly<Record<string, string>>): AvroCompression {
  const name = (properties['write.avro.compression-codec'] ?? 'gzip').toLowerCase()
  const level = Number(properties['write.avro.compression-level'] ?? Number.NaN)
  const levelled = (codec: AvroCodec, least: number, most: number): AvroCompression =>
    Number.isInteger(level) ? { codec, level: Math.min(Math.max(level, least), most) } : { codec }
  switch (name) {
    case 'gzip':
      return levelled('deflate', -1, 9)
    case 'zstd':
      return levelled('zstandard', -5, 22)
    case 'snappy':
      return { codec: 'snappy' }
    case 'uncompressed':
      return { codec: 'null' }
    default:
      throw new HindcastError('FEATURE_UNSUPPORTED', `Avro files cannot be packed with ${name}`, {
        hint: 'Set the table property write.avro.compression-codec to gzip, zstd, snappy or uncompressed.',
        context: { codec: name },
      })
  }
}

export function packBlock(block: Uint8Array, { codec, level }: AvroCompression): Uint8Array {
  switch (codec) {
    case 'null':
      return block
    case 'deflate':
      return deflateRawSync(block, level === undefined ? {} : { level })
    case 'snappy': {
      const packed = snappyPack(block)
      const result = new Uint8Array(packed.length + 4)
      result.set(packed)
      new DataView(result.buffer).setUint32(packed.length, crc32(block))
      return result
    }
    case 'zstandard':
      return zstdCompressSync(
        block,
        level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } },
      )
  }
}

/**
 * @param most bytes that the block may have unpacked
 * @throws AvroError when it has more, or cannot be unpacked
 */
export type Unpack = (block: Uint8Array, most: number) => Uint8Array

/** Enough to unpack most blocks in one piece: several are copied together. */
const chunkFor = (block: Uint8Array): number => Math.min(Math.max(4 * block.length, 1 << 14), 1 << 22)

/** @throws FEATURE_UNSUPPORTED for a codec that is not read here */
export function blockUnpacker(codec: string, path: string): Unpack {
  const guarded =
    (unpack: Unpack): Unpack =>
    (block, most) => {
      try {
        return unpack(block, most)
      } catch (error) {
        if (error instanceof AvroError) throw error
        throw new AvroError(`a block cannot be unpacked (${error instanceof Error ? error.message : codec})`, {
          cause: error,
        })
      }
    }
  switch (codec) {
    case 'null':
      return (block) => block
    case 'deflate':
      return guarded((block, maxOutputLength) => inflateRawSync(block, { maxOutputLength, chunkSize: chunkFor(block) }))
    case 'zstandard':
      return guarded((block, maxOutputLength) => zstdDecompressSync(block, { maxOutputLength }))
    case 'snappy':
      return (block, most) => {
        if (block.length < 4) throw new AvroError('a Snappy block has no checksum')
        const body = snappyUnpack(block.subarray(0, -4), most)
        const checksum = new DataView(block.buffer, block.byteOffset, block.byteLength).getUint32(block.length - 4)
        if (crc32(body) !== checksum) throw new AvroError('the checksum of a Snappy block differs')
        return body
      }
    default:
      throw new HindcastError(
        'FEATURE_UNSUPPORTED',
        `${path} is packed with ${codec.slice(0, 40)}, which is not read here`,
        {
          hint: 'Set the table property write.avro.compression-codec to gzip and rewrite its manifests.',
          context: { path, codec: codec.slice(0, 40) },
        },
      )
  }
}
