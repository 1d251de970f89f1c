import { AvroError } from './schema.ts'

/** How many values may still be made of a file: packed, a few bytes may claim to be millions of rows. */
export interface ValueBudget {
  left: number
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })
const scratch = new DataView(new ArrayBuffer(8))

/** A strict cursor over bytes. */
export class AvroInput {
  readonly #bytes: Buffer
  readonly #view: DataView
  readonly #budget: ValueBudget
  #position = 0
  /** The two halves of the number that was read last. */
  #low = 0
  #high = 0

  constructor(bytes: Uint8Array, budget: ValueBudget = { left: Number.POSITIVE_INFINITY }) {
    this.#budget = budget
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get position(): number {
    return this.#position
  }

  get left(): number {
    return this.#bytes.length - this.#position
  }

  /** Call before values are made. */
  spend(values: number): void {
    this.#budget.left -= values
    if (this.#budget.left < 0) throw new AvroError('it unpacks to more values than a file of its size may hold')
  }

  skip(length: number): void {
    if (length < 0 || length > this.left) {
      throw new AvroError(`it ends early: ${length} bytes are wanted at byte ${this.#position}, ${this.left} are left`)
    }
    this.#position += length
  }

  /** A view of the bytes: it keeps the whole file in memory for as long as it is held. */
  take(length: number): Uint8Array {
    this.skip(length)
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + this.#position - length, length)
  }

  byte(): number {
    const value = this.#bytes[this.#position]
    if (value === undefined) throw new AvroError(`it ends early, at byte ${this.#position}`)
    this.#position++
    return value
  }

  long(): bigint {
    const byte = this.#bytes[this.#position] as number
    if (byte < 0x80) {
      this.#position++
      return BigInt((byte >>> 1) ^ -(byte & 1))
    }
    this.#number()
    const [low, high] = [this.#low, this.#high]
    if (high === low >> 31) return BigInt(low)
    scratch.setInt32(0, high)
    scratch.setInt32(4, low)
    return scratch.getBigInt64(0)
  }

  int(): number {
    const byte = this.#bytes[this.#position] as number
    // Most numbers have one byte.
    if (byte < 0x80) {
      this.#position++
      return (byte >>> 1) ^ -(byte & 1)
    }
    this.#number()
    if (this.#high !== this.#low >> 31) throw new AvroError(`a number at byte ${this.#position} is longer than 32 bits`)
    return this.#low
  }

  /** Passes over this many ints or longs. */
  skipNumbers(count: number): void {
    const bytes = this.#bytes
    let at = this.#position
    for (let index = 0; index < count; index++) {
      const start = at
      while ((bytes[at] as number) >= 0x80) at++
      if (at >= bytes.length) throw new AvroError(`it ends early, at byte ${at}`)
      if (at - start >= 10) throw new AvroError(`a number at byte ${at} is longer than 64 bits`)
      at++
    }
    this.#position = at
  }

  /** Passes over this many pairs of a number and a text, or bytes. */
  skipNumbersWithSized(count: number): void {
    for (let index = 0; index < count; index++) {
      this.skipNumbers(1)
      const length = this.size()
      this.#position += length
    }
  }

  /**
   * Looks for a key among this many pairs of a key and a number, or a key and bytes. Stands before its value and says how many pairs are left,
   * this one included; zero when all were passed over.
   */
  seekPair(key: number, count: number, hasBytes: boolean): number {
    const bytes = this.#bytes
    for (let left = count; left > 0; left--) {
      if (this.int() === key) return left
      const byte = bytes[this.#position] as number
      // Of one byte, as nearly all sizes and many counts are.
      if (byte < 0x80) {
        if (!hasBytes) this.#position++
        else if ((byte & 1) === 0 && this.#position + (byte >>> 1) < bytes.length) this.#position += 1 + (byte >>> 1)
        else this.skip(this.size())
      } else if (hasBytes) this.skip(this.size())
      else this.skipNumbers(1)
    }
    return 0
  }

  /** A length or count that must fit into what is left. */
  size(): number {
    const value = this.#count()
    if (value < 0 || value > this.left) {
      throw new AvroError(`it has a length of ${value} at byte ${this.#position}, with ${this.left} bytes left`)
    }
    return value
  }

  /** The count of the next block of an array or map; every item is taken to have a byte at least, as all of Iceberg's have. */
  blockCount(): number {
    const value = this.#count()
    if (value < 0) this.size()
    const count = Math.abs(value)
    if (count > this.left) throw new AvroError(`it has a count of ${count} with ${this.left} bytes left`)
    return count
  }

  /** A copy of the bytes, which keeps nothing else in memory. */
  copy(length: number): Uint8Array {
    if (length > 64) return this.take(length).slice()
    this.skip(length)
    const bytes = this.#bytes
    const start = this.#position - length
    // Of few bytes, a loop is faster than anything of the platform's.
    const result = new Uint8Array(length)
    for (let index = 0; index < length; index++) result[index] = bytes[start + index] as number
    return result
  }

  text(): string {
    const length = this.size()
    const start = this.#position
    this.#position += length
    const text = this.#bytes.toString('utf8', start, this.#position)
    // What is not UTF-8 comes with replaced letters, which would make another path or partition of it.
    return text.includes('\ufffd') ? this.#strictText(start) : text
  }

  /** As `text`, for one that is likely to be the last one again: that is given back without being made anew. */
  repeatedText(last: string): string {
    const length = last.length
    const bytes = this.#bytes
    // Its length and its letters, in the encoding that short texts of ASCII have.
    if (length < 64 && bytes[this.#position] === length << 1) {
      const start = this.#position + 1
      let at = 0
      while (at < length && bytes[start + at] === last.charCodeAt(at) && last.charCodeAt(at) < 0x80) at++
      if (at === length) {
        this.#position = start + length
        return last
      }
    }
    return this.text()
  }

  float(): number {
    this.skip(4)
    return this.#view.getFloat32(this.#position - 4, true)
  }

  double(): number {
    this.skip(8)
    return this.#view.getFloat64(this.#position - 8, true)
  }

  #strictText(start: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(start, this.#position))
    } catch (error) {
      throw new AvroError(`the text that ends at byte ${this.#position} is not UTF-8`, { cause: error })
    }
  }

  /** As a double, which is inexact for numbers that are no count anyway. */
  #count(): number {
    const byte = this.#bytes[this.#position] as number
    if (byte < 0x80) {
      this.#position++
      return (byte >>> 1) ^ -(byte & 1)
    }
    this.#number()
    return this.#high * 2 ** 32 + (this.#low >>> 0)
  }

  /**
   * Reads a number into its two halves: groups of seven bits, the lowest first, zigzag-encoded. Put together by BigInts, numbers would cost
   * more than all else in a manifest.
   */
  #number(): void {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.#low = (low >>> 1) ^ -(low & 1)
        this.#high = -(low & 1)
        return
      }
    }
    let middle = 0
    let top = 0
    let byte = 0x80
    for (let shift = 0; shift < 28 && byte >= 0x80; shift += 7) {
      byte = this.byte()
      middle |= (byte & 0x7f) << shift
    }
    for (let shift = 0; shift < 14 && byte >= 0x80; shift += 7) {
      byte = this.byte()
      top |= (byte & 0x7f) << shift
    }
    if (byte >= 0x80) throw new AvroError(`a number at byte ${this.#position} is longer than 64 bits`)
    const bottom = low | (middle << 28)
    const above = (middle >>> 4) | (top << 24)
    const sign = -(bottom & 1)
    this.#low = ((bottom >>> 1) | (above << 31)) ^ sign
    this.#high = (above >>> 1) ^ sign
  }
}
