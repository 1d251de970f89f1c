/** Blobs of type `deletion-vector-v1`: https://iceberg.apache.org/puffin-spec/#deletion-vector-v1-blob-type */
import { crc32 } from 'node:zlib'
import { HindcastError } from '../../contract/index.ts'
import { cardinality, type PositionSet } from './position-set.ts'
import { decodeRoaring, encodeRoaring, RoaringError } from './roaring.ts'

const magic = 0xd1d3_3964

export function encodeDeletionVector(positions: PositionSet): Uint8Array {
  const vector = encodeRoaring(positions)
  const bytes = new Uint8Array(vector.length + 12)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, vector.length + 4)
  view.setUint32(4, magic)
  bytes.set(vector, 8)
  view.setUint32(vector.length + 8, crc32(bytes.subarray(4, vector.length + 8)))
  return bytes
}

/**
 * The positions that a deletion vector deletes.
 * @param expected names the vector in errors, and says how many rows its manifest entry counts
 * @throws DATA_FILE_INVALID when the bytes are no such blob, were damaged, or hold another number of positions
 */
export function decodeDeletionVector(
  bytes: Uint8Array,
  expected: { readonly location: string; readonly recordCount: bigint },
): PositionSet {
  const fail = (reason: string, cause?: unknown): never => {
    throw new HindcastError('DATA_FILE_INVALID', `deletion vector in ${expected.location}: ${reason}`, {
      hint: 'The file was damaged: restore it, or roll the table back to a snapshot without it.',
      context: { path: expected.location },
      ...(cause === undefined ? {} : { cause }),
    })
  }
  if (bytes.length < 12) return fail(`${bytes.length} bytes are too few`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getUint32(0)
  if (length !== bytes.length - 8)
    return fail(`its length is given as ${length}, and ${bytes.length - 8} bytes are there`)
  if (view.getUint32(4) !== magic) return fail('its first bytes are those of no deletion vector')
  const checksum = crc32(bytes.subarray(4, bytes.length - 4))
  if (checksum !== view.getUint32(bytes.length - 4)) return fail('its checksum differs')
  let positions: PositionSet
  try {
    positions = decodeRoaring(bytes.subarray(8, bytes.length - 4))
  } catch (error) {
    if (!(error instanceof RoaringError)) throw error
    return fail(error.message, error)
  }
  const count = cardinality(positions)
  if (count !== expected.recordCount)
    return fail(`it deletes ${count} rows, and its manifest says ${expected.recordCount}`)
  return positions
}
