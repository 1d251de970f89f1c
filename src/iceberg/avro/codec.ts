/**
 * Avro's binary encoding. Record values are keyed by Iceberg's field ids, so that a reader finds a field whatever a writer called it.
 * A schema is compiled once into a closure per node. Every length and count is checked against the bytes that are left before
 * anything is allocated: damaged input ends in an AvroError, not in a hang.
 */
import type { AvroInput } from './input.ts'
import type { AvroOutput } from './output.ts'
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
  | FieldMap
  | AvroRow

/** A map by field id, which Iceberg stores as an array of pairs; the codec writes either. */
export type FieldMap = ReadonlyMap<number, bigint | Uint8Array>

/** Key of a field in a row. Bare numbers would make V8 lay out every row as a sparse array, several times slower. */
export type FieldKey = `f${number}`

/** A record's values by field id; a field without an id is not read. */
export interface AvroRow {
  readonly [field: FieldKey]: AvroValue
}

export type AvroReader<V = AvroValue> = (input: AvroInput) => V

/**
 * How a record's field of that id is to be read, at any depth: null passes over it, to save time; undefined reads it as the schema says.
 */
export type FieldReaders = (id: number, schema: AvroSchema) => AvroReader | null | undefined

export const asInSchema: FieldReaders = () => undefined

/** A reader of values of the schema. */
export function avroReader(schema: AvroSchema, readers: FieldReaders = asInSchema): AvroReader {
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
      return (input) => input.copy(input.size())
    case 'string':
      return (input) => input.text()
    case 'fixed':
      return (input) => input.copy(schema.size)
    case 'enum':
      return (input) => {
        const index = input.int()
        const symbol = schema.symbols[index]
        if (symbol === undefined)
          throw new AvroError(`it chooses symbol ${index} of an enum of ${schema.symbols.length}`)
        return symbol
      }
    case 'array': {
      const item = avroReader(schema.items, readers)
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
      const value = avroReader(schema.values, readers)
      const values = valuesIn(schema.values) + 1
      return (input) => {
        const entries = new Map<string, AvroValue>()
        for (let count = input.blockCount(); count > 0; count = input.blockCount()) {
          input.spend(count * values)
          for (let index = 0; index < count; index++) entries.set(input.text(), value(input))
        }
        return entries
      }
    }
    case 'union':
      return unionReader(schema.branches.map((branch) => avroReader(branch, readers)))
    case 'record':
      return recordReader(schema, readers)
  }
}

/** A reader of records of the schema. */
export function recordReader(schema: AvroRecord, readers: FieldReaders = asInSchema): AvroReader<AvroRow> {
  const fields = schema.fields.map(
    ({ id, schema: type }): ((input: AvroInput, row: Record<FieldKey, AvroValue>) => void) => {
      const own = id === null ? null : readers(id, type)
      if (own === null) return avroSkipper(type)
      const key: FieldKey = `f${id as number}`
      const read = own ?? avroReader(type, readers)
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

function unionReader<V>(branches: readonly AvroReader<V>[]): AvroReader<V> {
  const [first, second] = branches
  return (input) => {
    const index = input.int()
    // Nearly all unions are of null and one other type.
    const branch = index === 0 ? first : index === 1 ? second : branches[index]
    if (branch === undefined) throw new AvroError(`it chooses branch ${index} of a union of ${branches.length}`)
    return branch(input)
  }
}

/** Passes over the items of a block at once, where they are numbers, or pairs of a number and text or bytes: most of a manifest is. */
function blockSkipper(items: AvroSchema): (input: AvroInput, count: number) => void {
  const kinds = items.kind === 'record' ? items.fields.map(({ schema }) => schema.kind) : [items.kind]
  const isNumber = (kind: string | undefined): boolean => kind === 'int' || kind === 'long' || kind === 'enum'
  if (kinds.every(isNumber)) return (input, count) => input.skipNumbers(count * kinds.length)
  const [first, second] = kinds
  if (kinds.length === 2 && isNumber(first) && (second === 'bytes' || second === 'string')) {
    return (input, count) => input.skipNumbersWithSized(count)
  }
  const item = avroSkipper(items)
  return (input, count) => {
    for (let index = 0; index < count; index++) item(input)
  }
}

/** Passes over a value without building it. */
export function avroSkipper(schema: AvroSchema): (input: AvroInput) => void {
  switch (schema.kind) {
    case 'int':
    case 'long':
    case 'enum':
      return (input) => input.skipNumbers(1)
    case 'bytes':
    case 'string':
      return (input) => input.skip(input.size())
    case 'fixed':
      return (input) => input.skip(schema.size)
    case 'array': {
      const skip = blockSkipper(schema.items)
      return (input) => {
        for (let count = input.blockCount(); count > 0; count = input.blockCount()) skip(input, count)
      }
    }
    case 'union':
      return unionReader(schema.branches.map(avroSkipper))
    case 'record': {
      const fields = schema.fields.map((field) => avroSkipper(field.schema))
      return (input) => {
        for (const skip of fields) skip(input)
      }
    }
    default:
      return avroReader(schema, asInSchema)
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
        typeof value === 'string' && value.isWellFormed() ? output.text(value) : wrong(value)
    case 'fixed':
      return (output, value) =>
        value instanceof Uint8Array && value.length === schema.size ? output.raw(value) : wrong(value)
    case 'array': {
      const item = avroWriter(schema.items)
      const pairs = pairsWriter(schema.items)
      return (output, value) => {
        if (value instanceof Map && pairs !== null) return pairs(output, value as FieldMap)
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
        let at = 0
        try {
          for (const { key, write } of fields) {
            write(output, (value as AvroRow)[key])
            at++
          }
        } catch (error) {
          throw error instanceof AvroError ? new AvroError(`${fields[at]?.name}: ${error.message}`) : error
        }
      }
    }
    case 'enum':
    case 'map':
      throw new AvroError(`Avro ${schema.kind} is not written here`)
  }
}

/** A writer of maps as arrays of pairs, in the order of the field ids, whatever the map's. */
function pairsWriter(items: AvroSchema): ((output: AvroOutput, map: FieldMap) => void) | null {
  if (items.kind !== 'record' || items.fields.length !== 2) return null
  const [key, value] = items.fields.map((field) => avroWriter(field.schema)) as [AvroWriter, AvroWriter]
  return (output, map) => {
    if (map.size > 0) output.long(map.size)
    for (const id of [...map.keys()].sort((a, b) => a - b)) {
      key(output, id)
      value(output, map.get(id))
    }
    output.byte(0)
  }
}
