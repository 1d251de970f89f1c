/** Bytes that grow as they are written. */
export class AvroOutput {
  #bytes = Buffer.allocUnsafeSlow(4096)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** A copy of what was written. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer.slice(0, this.#length))
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  long(value: bigint | number): void {
    this.#reserve(10)
    const number = Number(value)
    // Twice the number must still be exact in a double.
    if (number < -(2 ** 51) || number > 2 ** 51) return this.#large(BigInt(value))
    let rest = number < 0 ? -2 * number - 1 : 2 * number
    for (; rest >= 2 ** 31; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 0x80
    for (; rest >= 0x80; rest >>>= 7) this.#bytes[this.#length++] = (rest & 0x7f) | 0x80
    this.#bytes[this.#length++] = rest
  }

  sized(bytes: Uint8Array): void {
    this.long(bytes.length)
    this.raw(bytes)
  }

  text(text: string): void {
    const length = Buffer.byteLength(text)
    this.long(length)
    this.#reserve(length)
    this.#bytes.write(text, this.#length)
    this.#length += length
  }

  float(value: number): void {
    this.#reserve(4)
    this.#view.setFloat32(this.#length, value, true)
    this.#length += 4
  }

  double(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.#length, value, true)
    this.#length += 8
  }

  #large(value: bigint): void {
    let rest = BigInt.asUintN(64, value >= 0n ? value << 1n : (-value << 1n) - 1n)
    for (; rest >= 0x80n; rest >>= 7n) this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80
    this.#bytes[this.#length++] = Number(rest)
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + more))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}
