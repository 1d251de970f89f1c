/**
 * Avro's binary encoding. Record values are keyed by Iceberg's field ids, so that a reader finds a field whatever a writer called it.
 * A schema is compiled once into a closure per node. Every length and count is checked against the bytes that are left before
 * anything is allocated: damaged input ends in an AvroError, not in a hang.
 */
import { AvroError, valuesIn, type AvroRecord, type AvroSchema } from './schema.ts'

/** int, float and double are numbers; long is a bigint; bytes and fixed are Uint8Arrays; records map field ids to values. */
export type AvroValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroValue[]
  | ReadonlyMap<string, AvroValue>
  | AvroRow

/** Key of a field in a row. Bare numbers would make V8 lay out every row as a sparse array, several times slower. */
export type FieldKey = `f${number}`

/** A record's values by field id; a field without an id is not read. */
export interface AvroRow {
  readonly [field: FieldKey]: AvroValue
}

/** How many values may still be made of a file: packed, a few bytes may claim to be millions of rows. */
export interface ValueBudget {
  left: number
}

/** A strict cursor over bytes. */
export class AvroInput {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #budget: ValueBudget
  #position = 0

  constructor(bytes: Uint8Array, budget: ValueBudget = { left: Number.POSITIVE_INFINITY }) {
    this.#budget = budget
    // A Node Buffer is a Uint8Array whose slices share its memory; only a plain one copies.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
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

  take(length: number): Uint8Array {
    if (length < 0 || length > this.left) {
      throw new AvroError(`it ends early: ${length} bytes are wanted at byte ${this.#position}, ${this.left} are left`)
    }
    this.#position += length
    return this.#bytes.subarray(this.#position - length, this.#position)
  }

  byte(): number {
    const value = this.#bytes[this.#position]
    if (value === undefined) throw new AvroError(`it ends early, at byte ${this.#position}`)
    this.#position++
    return value
  }

  long(): bigint {
    // Most numbers take few bytes: stay in doubles as long as they are exact.
    let low = 0
    for (let shift = 0; shift < 42; shift += 7) {
      const byte = this.byte()
      low += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return BigInt(low % 2 === 0 ? low / 2 : -(low + 1) / 2)
    }
    let value = BigInt(low)
    for (let shift = 42n; shift < 70n; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        value = BigInt.asUintN(64, value)
        return (value & 1n) === 0n ? value >> 1n : -((value + 1n) >> 1n)
      }
    }
    throw new AvroError(`a number at byte ${this.#position} is longer than 64 bits`)
  }

  int(): number {
    const byte = this.#bytes[this.#position]
    if (byte !== undefined && byte < 0x80) {
      this.#position++
      return (byte & 1) === 0 ? byte >> 1 : -((byte + 1) >> 1)
    }
    const value = this.long()
    if (BigInt.asIntN(32, value) !== value)
      throw new AvroError(`a number at byte ${this.#position} is longer than 32 bits`)
    return Number(value)
  }

  /** A length or count that must fit into what is left. */
  size(): number {
    const byte = this.#bytes[this.#position]
    // One byte and even: a length below 64.
    if (byte !== undefined && byte < 0x80 && (byte & 1) === 0 && byte >> 1 < this.left) {
      this.#position++
      return byte >> 1
    }
    const value = this.long()
    if (value < 0n || value > BigInt(this.left)) {
      throw new AvroError(`it has a length of ${value} at byte ${this.#position}, with ${this.left} bytes left`)
    }
    return Number(value)
  }

  /** The count of the next block of an array or map; every item is taken to have a byte at least, as all of Iceberg's have. */
  blockCount(): number {
    const value = this.long()
    if (value >= 0n) {
      if (value > BigInt(this.left)) throw new AvroError(`it has a count of ${value} with ${this.left} bytes left`)
      return Number(value)
    }
    this.size()
    if (-value > BigInt(this.left)) throw new AvroError(`it has a count of ${-value} with ${this.left} bytes left`)
    return Number(-value)
  }

  float(): number {
    const at = this.#position
    this.take(4)
    return this.#view.getFloat32(at, true)
  }

  double(): number {
    const at = this.#position
    this.take(8)
    return this.#view.getFloat64(at, true)
  }
}

export type AvroReader<V = AvroValue> = (input: AvroInput) => V

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

function text(input: AvroInput): string {
  const bytes = input.take(input.size())
  try {
    return utf8.decode(bytes)
  } catch (error) {
    // Replaced letters would make another path or partition of it.
    throw new AvroError(`the text that ends at byte ${input.position} is not UTF-8`, { cause: error })
  }
}

/**
 * A reader of values of the schema.
 * @param skipped field ids that are passed over at any depth, to save time
 */
export function avroReader(schema: AvroSchema, skipped: ReadonlySet<number> = new Set()): AvroReader {
  switch (schema.kind) {
    case 'null':
      return () => null
    case 'boolean':
      return (input) => {
        const byte = input.byte()
        if (byte > 1) throw new AvroError(`a boolean at byte ${input.position - 1} is ${byte}`)
        return byte === 1
      }
    case 'int':
      return (input) => input.int()
    case 'long':
      return (input) => input.long()
    case 'float':
      return (input) => input.float()
    case 'double':
      return (input) => input.double()
    case 'bytes':
      // A copy: a view would keep the whole file in memory for as long as one bound is held.
      return (input) => input.take(input.size()).slice()
    case 'string':
      return text
    case 'fixed':
      return (input) => input.take(schema.size).slice()
    case 'enum':
      return (input) => {
        const index = input.int()
        const symbol = schema.symbols[index]
        if (symbol === undefined)
          throw new AvroError(`it chooses symbol ${index} of an enum of ${schema.symbols.length}`)
        return symbol
      }
    case 'array': {
      const item = avroReader(schema.items, skipped)
      const values = valuesIn(schema.items)
      return (input) => {
        const items: AvroValue[] = []
        for (let count = input.blockCount(); count > 0; count = input.blockCount()) {
          input.spend(count * values)
          for (let index = 0; index < count; index++) items.push(item(input))
        }
        return items
      }
    }
    case 'map': {
      const value = avroReader(schema.values, skipped)
      const values = valuesIn(schema.values) + 1
      return (input) => {
        const entries = new Map<string, AvroValue>()
        for (let count = input.blockCount(); count > 0; count = input.blockCount()) {
          input.spend(count * values)
          for (let index = 0; index < count; index++) entries.set(text(input), value(input))
        }
        return entries
      }
    }
    case 'union': {
      const branches = schema.branches.map((branch) => avroReader(branch, skipped))
      return (input) => {
        const index = input.int()
        const branch = branches[index]
        if (branch === undefined) throw new AvroError(`it chooses branch ${index} of a union of ${branches.length}`)
        return branch(input)
      }
    }
    case 'record':
      return recordReader(schema, skipped)
  }
}

/** As `avroReader`, for a record. */
export function recordReader(schema: AvroRecord, skipped: ReadonlySet<number> = new Set()): AvroReader<AvroRow> {
  const fields = schema.fields.map(
    ({ id, schema: type }): ((input: AvroInput, row: Record<FieldKey, AvroValue>) => void) => {
      if (id === null || skipped.has(id)) return avroSkipper(type)
      const key: FieldKey = `f${id}`
      const read = avroReader(type, skipped)
      return (input, row) => {
        row[key] = read(input)
      }
    },
  )
  return (input) => {
    const row: Record<FieldKey, AvroValue> = {}
    for (const field of fields) field(input, row)
    return row
  }
}

/** Passes over a value without building it. */
function avroSkipper(schema: AvroSchema): (input: AvroInput) => void {
  switch (schema.kind) {
    case 'bytes':
    case 'string':
      return (input) => void input.take(input.size())
    case 'fixed':
      return (input) => void input.take(schema.size)
    case 'array': {
      const item = avroSkipper(schema.items)
      return (input) => {
        for (let count = input.blockCount(); count > 0; count = input.blockCount()) {
          for (let index = 0; index < count; index++) item(input)
        }
      }
    }
    case 'union': {
      const branches = schema.branches.map(avroSkipper)
      return (input) => {
        const index = input.int()
        const branch = branches[index]
        if (branch === undefined) throw new AvroError(`it chooses branch ${index} of a union of ${branches.length}`)
        branch(input)
      }
    }
    case 'record': {
      const fields = schema.fields.map((field) => avroSkipper(field.schema))
      return (input) => {
        for (const skip of fields) skip(input)
      }
    }
    default:
      return avroReader(schema)
  }
}

const encoder = new TextEncoder()

/** Bytes that grow as they are written. */
export class AvroOutput {
  #bytes = new Uint8Array(4096)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  get length(): number {
    return this.#length
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
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
    const number = Number(value)
    // Twice the number must still be exact in a double.
    if (number >= -(2 ** 51) && number <= 2 ** 51) {
      let rest = number < 0 ? -2 * number - 1 : 2 * number
      for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 0x80)
      this.byte(rest)
      return
    }
    let rest = BigInt.asUintN(64, BigInt(value) >= 0n ? BigInt(value) << 1n : (-BigInt(value) << 1n) - 1n)
    while (rest >= 0x80n) {
      this.byte(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    this.byte(Number(rest))
  }

  sized(bytes: Uint8Array): void {
    this.long(bytes.length)
    this.raw(bytes)
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

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

export type AvroWriter = (output: AvroOutput, value: AvroValue | undefined) => void

/** A writer of values of the schema; of unions it knows those of null and one other type. A record's missing field is null. */
export function avroWriter(schema: AvroSchema): AvroWriter {
  const wrong = (value: unknown): never => {
    throw new AvroError(`a ${typeof value} cannot be written as Avro ${schema.kind}`)
  }
  switch (schema.kind) {
    case 'null':
      return (_output, value) => (value === null || value === undefined ? undefined : wrong(value))
    case 'boolean':
      return (output, value) => (typeof value === 'boolean' ? output.byte(value ? 1 : 0) : wrong(value))
    case 'int':
      return (output, value) => (typeof value === 'number' && (value | 0) === value ? output.long(value) : wrong(value))
    case 'long':
      return (output, value) =>
        typeof value === 'bigint' && BigInt.asIntN(64, value) === value ? output.long(value) : wrong(value)
    case 'float':
      return (output, value) => (typeof value === 'number' ? output.float(value) : wrong(value))
    case 'double':
      return (output, value) => (typeof value === 'number' ? output.double(value) : wrong(value))
    case 'bytes':
      return (output, value) => (value instanceof Uint8Array ? output.sized(value) : wrong(value))
    case 'string':
      return (output, value) =>
        // Half a surrogate pair would be written as another letter.
        typeof value === 'string' && value.isWellFormed() ? output.sized(encoder.encode(value)) : wrong(value)
    case 'fixed':
      return (output, value) =>
        value instanceof Uint8Array && value.length === schema.size ? output.raw(value) : wrong(value)
    case 'array': {
      const item = avroWriter(schema.items)
      return (output, value) => {
        if (!Array.isArray(value)) return wrong(value)
        if (value.length > 0) output.long(value.length)
        for (const element of value as AvroValue[]) item(output, element)
        output.byte(0)
      }
    }
    case 'union': {
      const nullAt = schema.branches.findIndex(({ kind }) => kind === 'null')
      const other = schema.branches[1 - nullAt]
      if (schema.branches.length !== 2 || other === undefined)
        throw new AvroError('only optional values can be written')
      const write = avroWriter(other)
      return (output, value) => {
        if (value === null || value === undefined) return output.long(nullAt)
        output.long(1 - nullAt)
        write(output, value)
      }
    }
    case 'record': {
      const fields = schema.fields.map((field) => ({
        key: `f${field.id ?? -1}` as const,
        name: field.name,
        write: avroWriter(field.schema),
      }))
      return (output, value) => {
        if (typeof value !== 'object' || value === null) return wrong(value)
        for (const { key, name, write } of fields) {
          try {
            write(output, (value as AvroRow)[key])
          } catch (error) {
            throw error instanceof AvroError ? new AvroError(`${name}: ${error.message}`) : error
          }
        }
      }
    }
    case 'enum':
    case 'map':
      throw new AvroError(`Avro ${schema.kind} is not written here`)
  }
}
