/** Puffin files: https://iceberg.apache.org/puffin-spec/ */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { HindcastError } from '../../contract/index.ts'
import {
  FieldError,
  listAt,
  longAt,
  numberAt,
  objectAt,
  optionalField,
  textAt,
  textsAt,
} from '../metadata/json-fields.ts'
import { jsonText, parseJsonBytes } from '../metadata/json-text.ts'

export const DELETION_VECTOR_BLOB = 'deletion-vector-v1'

export interface PuffinBlob {
  readonly type: string
  /** Ids of the fields that the blob was computed for. */
  readonly fields: readonly number[]
  readonly snapshotId: bigint
  readonly sequenceNumber: bigint
  /** Where its bytes lie in the file. */
  readonly offset: bigint
  readonly length: bigint
  readonly compressionCodec?: string
  readonly properties?: Readonly<Record<string, string>>
}

export interface PuffinFooter {
  readonly blobs: readonly PuffinBlob[]
  readonly properties: Readonly<Record<string, string>>
}

export type NewPuffinBlob = Omit<PuffinBlob, 'offset' | 'length' | 'compressionCodec'> & {
  /** Uncompressed. */
  readonly content: Uint8Array
  readonly compressionCodec?: 'zstd'
}

const magic = Uint8Array.of(0x50, 0x46, 0x41, 0x31)
/** Footer payload's size, flags and magic. */
const trailerLength = 12
const compressedFooterFlag = 1

/** What a compressed blob may unpack to: statistics are kilobytes; more is a fault or a bomb. */
const maxUnpackedBytes = 1 << 28

/** A file of these blobs, and its footer. The same blobs give the same bytes. */
export function encodePuffin(
  blobs: readonly NewPuffinBlob[],
  properties: Readonly<Record<string, string>>,
): { readonly bytes: Uint8Array; readonly footer: PuffinFooter } {
  const parts: Uint8Array[] = [magic]
  let offset = BigInt(magic.length)
  const written = blobs.map(({ content, ...blob }): PuffinBlob => {
    const stored = blob.compressionCodec === 'zstd' ? zstdCompressSync(content) : content
    const placed = { ...blob, offset, length: BigInt(stored.length) }
    parts.push(stored)
    offset += placed.length
    return placed
  })
  const footer = { blobs: written, properties }
  const payload = new TextEncoder().encode(footerJson(footer))
  const trailer = new DataView(new ArrayBuffer(8))
  trailer.setInt32(0, payload.length, true)
  parts.push(magic, payload, new Uint8Array(trailer.buffer), magic)
  return { bytes: joined(parts), footer }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let position = 0
  for (const part of parts) {
    bytes.set(part, position)
    position += part.length
  }
  return bytes
}

function footerJson({ blobs, properties }: PuffinFooter): string {
  const json = {
    blobs: blobs.map((blob) => ({
      type: blob.type,
      fields: blob.fields,
      'snapshot-id': blob.snapshotId,
      'sequence-number': blob.sequenceNumber,
      offset: blob.offset,
      length: blob.length,
      ...(blob.compressionCodec === undefined ? {} : { 'compression-codec': blob.compressionCodec }),
      ...(blob.properties === undefined ? {} : { properties: blob.properties }),
    })),
    properties,
  }
  return jsonText(json)
}

/**
 * The footer of a Puffin file.
 * @param location names the file in errors
 * @throws DATA_FILE_INVALID with the file and the reason; FEATURE_UNSUPPORTED for a footer compressed by LZ4
 */
export function decodePuffinFooter(bytes: Uint8Array, location: string): PuffinFooter {
  const fail = invalid(location)
  const [start, end] = [magic.length, bytes.length - magic.length]
  if (end < start + magic.length + 8 || !isMagic(bytes, 0) || !isMagic(bytes, end)) return fail('it is no Puffin file')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const size = view.getInt32(bytes.length - trailerLength, true)
  const payloadStart = bytes.length - trailerLength - size
  if (size < 0 || payloadStart < start + magic.length) return fail(`a footer of ${size} bytes does not fit in it`)
  if (!isMagic(bytes, payloadStart - magic.length)) return fail('no footer begins where one should')
  const flags = view.getUint32(bytes.length - trailerLength + 4, true)
  if (flags === compressedFooterFlag) throw unsupported(location, 'its footer is compressed by lz4')
  if (flags !== 0) throw unsupported(location, `its footer has the flags ${flags}`)
  try {
    const footer = readFooter(parseJsonBytes(bytes.subarray(payloadStart, payloadStart + size)))
    for (const { offset, length, type } of footer.blobs) {
      if (offset < BigInt(start) || length < 0n || offset + length > BigInt(payloadStart - magic.length))
        return fail(`the ${type} blob at ${offset}, of ${length} bytes, does not lie in it`)
    }
    return footer
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    return fail(error.message, error)
  }
}

const invalid =
  (location: string) =>
  (reason: string, cause?: unknown): never => {
    throw new HindcastError('DATA_FILE_INVALID', `Puffin file ${location}: ${reason}`, {
      hint: 'The file was damaged: restore it, or roll the table back to a snapshot without it.',
      context: { path: location },
      ...(cause === undefined ? {} : { cause }),
    })
  }

const unsupported = (location: string, reason: string): HindcastError =>
  new HindcastError('FEATURE_UNSUPPORTED', `Puffin file ${location}: ${reason}, which is not read`, {
    hint: 'Have its writer leave Puffin files uncompressed, or compress them by zstd.',
    context: { path: location },
  })

const isMagic = (bytes: Uint8Array, position: number): boolean =>
  magic.every((byte, index) => bytes[position + index] === byte)

function readFooter(json: unknown): PuffinFooter {
  const document = objectAt(json, 'its footer')
  const blobs = listAt(document['blobs'], '"blobs"').map((item, index): PuffinBlob => {
    const where = `blob ${index}`
    const blob = objectAt(item, where)
    return {
      type: textAt(blob['type'], `${where}: "type"`),
      fields: listAt(blob['fields'], `${where}: "fields"`).map((id) => numberAt(id, `${where}: "fields"`)),
      snapshotId: longAt(blob['snapshot-id'], `${where}: "snapshot-id"`),
      sequenceNumber: longAt(blob['sequence-number'], `${where}: "sequence-number"`),
      offset: longAt(blob['offset'], `${where}: "offset"`),
      length: longAt(blob['length'], `${where}: "length"`),
      ...optionalField('compressionCodec', blob['compression-codec'], (value) =>
        textAt(value, `${where}: "compression-codec"`),
      ),
      ...optionalField('properties', blob['properties'], (value) => textsAt(value, `${where}: "properties"`)),
    }
  })
  const properties = document['properties']
  return {
    blobs,
    properties: properties === undefined || properties === null ? {} : textsAt(properties, '"properties"'),
  }
}

/**
 * The content of one blob, unpacked.
 * @throws DATA_FILE_INVALID when it cannot be unpacked; FEATURE_UNSUPPORTED for another compression than zstd
 */
export function puffinBlobContent(bytes: Uint8Array, blob: PuffinBlob, location: string): Uint8Array {
  const stored = bytes.subarray(Number(blob.offset), Number(blob.offset + blob.length))
  if (BigInt(stored.length) !== blob.length) return invalid(location)(`the ${blob.type} blob does not lie in it`)
  if (blob.compressionCodec === undefined) return stored
  if (blob.compressionCodec !== 'zstd')
    throw unsupported(location, `its ${blob.type} blob is compressed by ${blob.compressionCodec}`)
  try {
    return zstdDecompressSync(stored, { maxOutputLength: maxUnpackedBytes })
  } catch (error) {
    return invalid(location)(`its ${blob.type} blob cannot be unpacked`, error)
  }
}
