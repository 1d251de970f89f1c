/** Damage inside of Puffin files and deletion vectors: lengths and checksums are made right again, so that it gets deeper. */
import { crc32 } from 'node:zlib'
import { damaged, joined } from './mutate-bytes.ts'
import { damagedJson } from './mutate-json.ts'
import type { Random } from './random.ts'

const magic = new TextEncoder().encode('PFA1')

export function damagedPuffin(bytes: Uint8Array, random: Random): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const payloadStart = bytes.length - 12 - view.getInt32(bytes.length - 12, true)
  const footer = new TextDecoder().decode(bytes.subarray(payloadStart, bytes.length - 12))
  const payload = new TextEncoder().encode(damagedJson(footer, random))
  const trailer = new Uint8Array(8)
  new DataView(trailer.buffer).setInt32(0, random.chance(10) ? -1 : payload.length, true)
  if (random.chance(10)) trailer[4] = random.below(256)
  return joined(bytes.subarray(0, payloadStart), payload, trailer, magic)
}

export function damagedVector(bytes: Uint8Array, random: Random): Uint8Array {
  const bitmap = damaged(bytes.subarray(8, bytes.length - 4), random)
  const result = joined(bytes.subarray(0, 8), bitmap, new Uint8Array(4))
  const view = new DataView(result.buffer)
  view.setUint32(0, bitmap.length + 4)
  view.setUint32(result.length - 4, crc32(result.subarray(4, result.length - 4)))
  return result
}
