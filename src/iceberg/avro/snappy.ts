/** Snappy blocks: https://github.com/google/snappy/blob/main/format_description.txt */
import { AvroError } from './schema.ts'

const maxOffset = 0xffff

/**
 * @param most bytes that the block may have unpacked
 * @throws AvroError
 */
export function snappyUnpack(block: Uint8Array, most: number): Uint8Array {
  const fail = (reason: string): never => {
    throw new AvroError(`a Snappy block ${reason}`)
  }
  let at = 0
  const byte = (): number => block[at++] ?? fail('ends early')
  const little = (count: number): number => {
    let value = 0
    for (let index = 0; index < count; index++) value += byte() * 2 ** (8 * index)
    return value
  }
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const next = byte()
    length += (next & 0x7f) * 2 ** shift
    if (next < 0x80) break
    if (shift > 28) return fail('has a length of more than 32 bits')
  }
  if (length > most) return fail(`unpacks to ${length} bytes`)
  const result = new Uint8Array(length)
  let end = 0
  while (at < block.length) {
    const tag = byte()
    if ((tag & 3) === 0) {
      const size = (tag >> 2 < 60 ? tag >> 2 : little((tag >> 2) - 59)) + 1
      if (size > block.length - at || size > length - end) return fail('has a literal that leaves it')
      result.set(block.subarray(at, at + size), end)
      at += size
      end += size
      continue
    }
    const size = (tag & 3) === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    const offset = (tag & 3) === 1 ? (tag >> 5) * 256 + byte() : little((tag & 3) === 2 ? 2 : 4)
    if (offset === 0 || offset > end || size > length - end) return fail('has a copy that leaves it')
    // Byte by byte: a copy may overlap itself, which repeats its beginning.
    for (const stop = end + size; end < stop; end++) result[end] = result[end - offset] as number
  }
  return end === length ? result : fail(`claims ${length} bytes and has ${end}`)
}

const tableBits = 14

/** Packs greedily: of equal beginnings of four bytes, the one seen last is copied as far as it goes. */
export function snappyPack(bytes: Uint8Array): Uint8Array {
  const output = new Uint8Array(32 + bytes.length + Math.ceil(bytes.length / 6))
  let end = 0
  const put = (...values: readonly number[]): void => {
    for (const value of values) output[end++] = value
  }
  let rest = bytes.length
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) put((rest % 128) | 0x80)
  put(rest)
  const literal = (from: number, to: number): void => {
    if (from === to) return
    const size = to - from - 1
    if (size < 60) put(size << 2)
    else if (size < 0x100) put(60 << 2, size)
    else if (size < 0x1_0000) put(61 << 2, size & 0xff, size >> 8)
    else put(63 << 2, size & 0xff, (size >> 8) & 0xff, (size >> 16) & 0xff, size >>> 24)
    output.set(bytes.subarray(from, to), end)
    end += to - from
  }
  const seen = new Int32Array(1 << tableBits).fill(-1)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let written = 0
  for (let at = 0; at + 4 <= bytes.length;) {
    const four = view.getUint32(at, true)
    const slot = Math.imul(four, 0x1e35_a7bd) >>> (32 - tableBits)
    const before = seen[slot] as number
    seen[slot] = at
    if (before < 0 || at - before > maxOffset || view.getUint32(before, true) !== four) {
      at++
      continue
    }
    literal(written, at)
    let size = 4
    while (at + size < bytes.length && bytes[before + size] === bytes[at + size]) size++
    const offset = at - before
    for (let left = size; left > 0; left -= 64) {
      put(((Math.min(left, 64) - 1) << 2) | 2, offset & 0xff, offset >> 8)
    }
    at += size
    written = at
  }
  literal(written, bytes.length)
  return output.slice(0, end)
}
