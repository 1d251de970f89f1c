/**
 * The portable serialization of 64-bit Roaring bitmaps: the number of 32-bit bitmaps, then each behind the high half of its positions.
 * https://github.com/RoaringBitmap/RoaringFormatSpec
 */
import { BITMAP_WORDS, MAX_LIST_LENGTH, type Container, type ContainerBody, type PositionSet } from './position-set.ts'

/** Thrown by the reader; the caller, who knows the file, gives it a code and a place. */
export class RoaringError extends Error {}

const fail = (message: string): never => {
  throw new RoaringError(message)
}

const cookieWithoutRuns = 12_346
const cookieWithRuns = 12_347
/** Bitmaps with runs of fewer containers carry no offsets. */
const noOffsetThreshold = 4
const bitmapBytes = BITMAP_WORDS * 4
const containersPerBitmap = 1 << 16

export function encodeRoaring({ containers }: PositionSet): Uint8Array {
  const bitmaps = new Map<number, Container[]>()
  for (const container of containers) {
    const high = Math.floor(container.key / containersPerBitmap)
    const members = bitmaps.get(high) ?? []
    members.push(container)
    bitmaps.set(high, members)
  }
  const size = Array.from(bitmaps.values(), (members) => 4 + bitmapSize(members)).reduce((sum, part) => sum + part, 8)
  const output = new DataView(new ArrayBuffer(size))
  output.setBigUint64(0, BigInt(bitmaps.size), true)
  let position = 8
  for (const [high, members] of bitmaps) {
    output.setUint32(position, high, true)
    position = writeBitmap(output, position + 4, members)
  }
  return new Uint8Array(output.buffer)
}

const bodySize = (body: ContainerBody): number => {
  switch (body.kind) {
    case 'list':
      return body.values.length * 2
    case 'bitmap':
      return bitmapBytes
    case 'runs':
      return 2 + body.pairs.length * 2
  }
}

const hasRuns = (members: readonly Container[]): boolean => members.some(({ body }) => body.kind === 'runs')

const headerSize = (runs: boolean, count: number): number =>
  (runs ? 4 + Math.ceil(count / 8) : 8) + count * 4 + (runs && count < noOffsetThreshold ? 0 : count * 4)

const bitmapSize = (members: readonly Container[]): number =>
  members.reduce((sum, { body }) => sum + bodySize(body), headerSize(hasRuns(members), members.length))

function writeBitmap(output: DataView, start: number, members: readonly Container[]): number {
  let position = start
  const short = (value: number): void => {
    output.setUint16(position, value, true)
    position += 2
  }
  const word = (value: number): void => {
    output.setUint32(position, value, true)
    position += 4
  }
  const runs = hasRuns(members)
  if (runs) {
    word(cookieWithRuns | ((members.length - 1) << 16))
    for (const [index, { body }] of members.entries()) {
      const byte = position + (index >>> 3)
      if (body.kind === 'runs') output.setUint8(byte, output.getUint8(byte) | (1 << (index & 7)))
    }
    position += Math.ceil(members.length / 8)
  } else {
    word(cookieWithoutRuns)
    word(members.length)
  }
  for (const { key, count } of members) {
    short(key % containersPerBitmap)
    short(count - 1)
  }
  if (!runs || members.length >= noOffsetThreshold) {
    let offset = headerSize(runs, members.length)
    for (const { body } of members) {
      word(offset)
      offset += bodySize(body)
    }
  }
  for (const { body } of members) {
    switch (body.kind) {
      case 'list':
        body.values.forEach(short)
        break
      case 'bitmap':
        body.words.forEach(word)
        break
      case 'runs':
        short(body.pairs.length / 2)
        body.pairs.forEach(short)
    }
  }
  return position
}

/**
 * Reads what `encodeRoaring`, or another implementation, wrote. Every count is checked against the bytes that are there before it is
 * believed, so memory is bounded by the input's size.
 * @throws RoaringError
 */
export function decodeRoaring(bytes: Uint8Array): PositionSet {
  const input = new RoaringInput(bytes)
  const bitmaps = input.long()
  // Each takes its key and a header of two words at least.
  if (bitmaps > BigInt(input.left) / 8n) return fail(`${bitmaps} bitmaps are claimed in ${bytes.length} bytes`)
  const containers: Container[] = []
  let previous = -1
  for (let index = 0n; index < bitmaps; index++) {
    const high = input.word()
    if (high <= previous || high >= 2 ** 31) return fail(`bitmap key ${high} follows ${previous}`)
    previous = high
    readBitmap(input, high, containers)
  }
  if (input.left > 0) return fail(`${input.left} bytes follow the bitmaps`)
  return { containers }
}

class RoaringInput {
  readonly #view: DataView
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.#view.byteLength - this.#position
  }

  /** Position of the next `length` bytes. */
  take(length: number): number {
    if (length > this.left) return fail(`${length} bytes are wanted where ${this.left} are left`)
    const start = this.#position
    this.#position += length
    return start
  }

  byteAt(position: number): number {
    return this.#view.getUint8(position)
  }

  short(): number {
    return this.#view.getUint16(this.take(2), true)
  }

  word(): number {
    return this.#view.getUint32(this.take(4), true)
  }

  long(): bigint {
    return this.#view.getBigUint64(this.take(8), true)
  }

  shorts(count: number): Uint16Array {
    const start = this.take(count * 2)
    return Uint16Array.from({ length: count }, (_, index) => this.#view.getUint16(start + index * 2, true))
  }

  words(count: number): Uint32Array {
    const start = this.take(count * 4)
    return Uint32Array.from({ length: count }, (_, index) => this.#view.getUint32(start + index * 4, true))
  }
}

function readBitmap(input: RoaringInput, high: number, containers: Container[]): void {
  const cookie = input.word()
  const runs = (cookie & 0xffff) === cookieWithRuns
  if (!runs && cookie !== cookieWithoutRuns) return fail(`${cookie} begins no Roaring bitmap`)
  const count = runs ? (cookie >>> 16) + 1 : input.word()
  if (count > containersPerBitmap) return fail(`${count} containers are claimed in one bitmap`)
  const flags = runs ? input.take(Math.ceil(count / 8)) : 0
  const isRun = (index: number): boolean => runs && ((input.byteAt(flags + (index >>> 3)) >>> (index & 7)) & 1) === 1
  const header = input.shorts(count * 2)
  // Containers follow one another without gaps, so their offsets say nothing new.
  if (!runs || count >= noOffsetThreshold) input.take(count * 4)
  for (let index = 0; index < count; index++) {
    const key = header[index * 2] as number
    if (index > 0 && key <= (header[index * 2 - 2] as number))
      return fail('containers are not in the order of their keys')
    const claimed = (header[index * 2 + 1] as number) + 1
    const body = isRun(index)
      ? readRuns(input)
      : claimed > MAX_LIST_LENGTH
        ? ({ kind: 'bitmap', words: input.words(BITMAP_WORDS) } as const)
        : readList(input, claimed)
    const counted = countOf(body)
    if (counted !== claimed) return fail(`a container of ${counted} positions claims ${claimed}`)
    containers.push({ key: high * containersPerBitmap + key, count: counted, body })
  }
}

function readList(input: RoaringInput, length: number): ContainerBody {
  const values = input.shorts(length)
  for (let index = 1; index < length; index++) {
    if ((values[index] as number) <= (values[index - 1] as number)) return fail('a list of positions does not ascend')
  }
  return { kind: 'list', values }
}

function readRuns(input: RoaringInput): ContainerBody {
  const pairs = input.shorts(input.short() * 2)
  let next = 0
  for (let index = 0; index < pairs.length; index += 2) {
    const first = pairs[index] as number
    if (first < next) return fail('runs of positions overlap')
    next = first + (pairs[index + 1] as number) + 1
  }
  return next > 1 << 16 ? fail('a run of positions leaves its container') : { kind: 'runs', pairs }
}

function countOf(body: ContainerBody): number {
  switch (body.kind) {
    case 'list':
      return body.values.length
    case 'bitmap':
      return body.words.reduce((sum, word) => sum + bitsIn(word), 0)
    case 'runs':
      return body.pairs.reduce((sum, value, index) => (index % 2 === 1 ? sum + value + 1 : sum), 0)
  }
}

function bitsIn(word: number): number {
  let count = word - ((word >>> 1) & 0x5555_5555)
  count = (count & 0x3333_3333) + ((count >>> 2) & 0x3333_3333)
  return Math.imul((count + (count >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24
}
