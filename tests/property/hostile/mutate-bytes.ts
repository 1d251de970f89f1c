/** Damage that knows nothing of the format. */
import type { Random } from './random.ts'

const numbers: readonly (readonly number[])[] = [
  // Zigzag varints of 2^62, -2^63, 2^31, -1, and one that never ends.
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0x01],
  Array.from({ length: 24 }, () => 0xff),
  // Fixed widths.
  [0xff, 0xff, 0xff, 0x7f],
  [0, 0, 0, 0x80],
  [0, 0, 0, 0, 0, 0, 0, 0x80],
  [0, 0, 0, 0],
  // Text that is no UTF-8, and half a surrogate pair.
  [0xc3, 0x28],
  [0xed, 0xa0, 0x80],
]

export function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  let result: Uint8Array = bytes
  for (let count = 1 + random.below(3); count > 0; count--) result = damagedOnce(result, random)
  return result
}

function damagedOnce(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1)
  const length = Math.min(1 + random.below(random.chance(4) ? 200 : 8), bytes.length - at)
  const [before, piece, after] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)]
  switch (random.below(9)) {
    case 0:
    case 1: {
      const copy = Uint8Array.from(bytes)
      if (at < copy.length) copy[at] = (copy[at] as number) ^ (1 << random.below(8))
      return copy
    }
    case 2: {
      const copy = Uint8Array.from(bytes)
      if (at < copy.length) copy[at] = random.oneOf([0, 1, 0x7f, 0x80, 0xff, random.below(256)])
      return copy
    }
    case 3:
      return Uint8Array.from(before)
    case 4:
      return joined(before, after)
    case 5:
      return joined(before, piece, piece, after)
    case 6:
      return joined(before, ...Array.from({ length: 1 + random.below(300) }, () => piece), after)
    case 7:
      return joined(before, Uint8Array.from(random.oneOf(numbers)), after)
    default: {
      const elsewhere = random.below(bytes.length + 1)
      return joined(before, bytes.subarray(elsewhere, elsewhere + length), after)
    }
  }
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let position = 0
  for (const part of parts) {
    bytes.set(part, position)
    position += part.length
  }
  return bytes
}
