/** Avro schemas with Iceberg's attributes: https://iceberg.apache.org/spec/#avro, https://avro.apache.org/docs/current/specification/ */

/** Thrown for bytes or a schema that are not what they should be; the caller, who knows the file, gives it a code and a place. */
export class AvroError extends Error {}

export type AvroSchema =
  | { readonly kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string' }
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'enum'; readonly symbols: readonly string[] }
  | { readonly kind: 'array'; readonly items: AvroSchema }
  | { readonly kind: 'map'; readonly values: AvroSchema }
  | { readonly kind: 'union'; readonly branches: readonly AvroSchema[] }
  | AvroRecord

export interface AvroRecord {
  readonly kind: 'record'
  readonly fields: readonly AvroField[]
}

export interface AvroField {
  readonly name: string
  /** Iceberg's `field-id`, null where the writer gave none. */
  readonly id: number | null
  readonly schema: AvroSchema
}

const primitives: ReadonlySet<string> = new Set([
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
])

const maxTextLength = 1 << 22
const maxDepth = 64
/** Types in a schema, one that is named again counted again: a few names that each name the one before twice make billions. */
const maxTypes = 20_000

/** A type, with how many types it holds and how deep they go. */
interface Measured {
  readonly schema: AvroSchema
  readonly types: number
  readonly depth: number
}

/** The schemas met last, by their text: thousands of manifests of a table share one. */
const recent = new Map<string, AvroSchema>()
const maxRecent = 32
const maxRecentLength = 1 << 16

/** Parses the JSON text of a schema. Recursive types, which Iceberg never writes, are refused. @throws AvroError */
export function parseAvroSchema(text: string): AvroSchema {
  const known = recent.get(text)
  if (known !== undefined) return known
  const schema = parseText(text)
  if (text.length > maxRecentLength) return schema
  recent.set(text, schema)
  const [oldest] = recent.keys()
  if (recent.size > maxRecent && oldest !== undefined) recent.delete(oldest)
  return schema
}

function parseText(text: string): AvroSchema {
  if (text.length > maxTextLength) throw new AvroError(`its schema has ${text.length} letters`)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new AvroError('its schema is not JSON', { cause: error })
  }
  return new SchemaParser().parse(json, 0).schema
}

class SchemaParser {
  /** Null while the type is being defined. */
  readonly #named = new Map<string, Measured | null>()
  #types = 0

  parse(json: unknown, depth: number): Measured {
    const measured = this.#parse(json, depth)
    if (depth + measured.depth > maxDepth) throw new AvroError(`its schema is nested deeper than ${maxDepth}`)
    return measured
  }

  #count(types: number): void {
    this.#types += types
    if (this.#types > maxTypes) throw new AvroError(`its schema has more than ${maxTypes} types`)
  }

  #parse(json: unknown, depth: number): Measured {
    if (depth > maxDepth) throw new AvroError(`its schema is nested deeper than ${maxDepth}`)
    if (typeof json === 'string') return this.#byName(json)
    this.#count(1)
    if (Array.isArray(json)) {
      const branches = json.map((branch: unknown) => this.parse(branch, depth + 1))
      return around({ kind: 'union', branches: branches.map(({ schema }) => schema) }, branches)
    }
    if (typeof json !== 'object' || json === null) throw new AvroError('its schema has a type that is no type')
    const attributes = json as Readonly<Record<string, unknown>>
    switch (attributes['type']) {
      case 'record':
      case 'error':
        return this.#define(attributes, () => this.#record(attributes['fields'], depth))
      case 'fixed':
        return this.#define(attributes, () => around({ kind: 'fixed', size: sizeOf(attributes['size']) }, []))
      case 'enum': {
        const { symbols } = attributes
        if (!Array.isArray(symbols)) throw new AvroError('its schema has an enum without symbols')
        return this.#define(attributes, () => around({ kind: 'enum', symbols: symbols.map(String) }, []))
      }
      case 'array': {
        const items = this.parse(attributes['items'], depth + 1)
        if (leastBytes(items.schema) === 0) throw new AvroError('its schema has an array of things that take no bytes')
        return around({ kind: 'array', items: items.schema }, [items])
      }
      case 'map': {
        const values = this.parse(attributes['values'], depth + 1)
        return around({ kind: 'map', values: values.schema }, [values])
      }
      default:
        return this.parse(attributes['type'], depth + 1)
    }
  }

  #byName(name: string): Measured {
    if (primitives.has(name)) {
      this.#count(1)
      return { schema: { kind: name as 'null' }, types: 1, depth: 0 }
    }
    const known = this.#named.get(name)
    if (known === undefined)
      throw new AvroError(`its schema names an unknown type ${JSON.stringify(name.slice(0, 60))}`)
    if (known === null) throw new AvroError(`its schema has a type ${JSON.stringify(name.slice(0, 60))} within itself`)
    this.#count(known.types)
    return known
  }

  #define({ name, namespace }: Readonly<Record<string, unknown>>, define: () => Measured): Measured {
    if (typeof name !== 'string') return define()
    const names = typeof namespace === 'string' ? [name, `${namespace}.${name}`] : [name]
    for (const each of names) this.#named.set(each, null)
    const defined = define()
    for (const each of names) this.#named.set(each, defined)
    return defined
  }

  #record(json: unknown, depth: number): Measured {
    if (!Array.isArray(json)) throw new AvroError('its schema has a record without fields')
    const ids = new Set<number>()
    const types: Measured[] = []
    const fields = json.map((field: unknown): AvroField => {
      const { name, type, 'field-id': id } = (field ?? {}) as Readonly<Record<string, unknown>>
      if (typeof name !== 'string') throw new AvroError('its schema has a field without a name')
      const measured = this.parse(type, depth + 1)
      types.push(measured)
      return { name, id: fieldId(id, ids), schema: measured.schema }
    })
    return around({ kind: 'record', fields }, types)
  }
}

const around = (schema: AvroSchema, parts: readonly Measured[]): Measured => ({
  schema,
  types: parts.reduce((sum, { types }) => sum + types, 1),
  depth: parts.reduce((deepest, { depth }) => Math.max(deepest, depth + 1), 0),
})

function sizeOf(size: unknown): number {
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size
  throw new AvroError('its schema has a fixed type without a size')
}

function fieldId(id: unknown, seen: Set<number>): number | null {
  if (id === undefined || id === null) return null
  if (typeof id !== 'number' || (id | 0) !== id) throw new AvroError('its schema has a field id that is none')
  if (seen.has(id)) throw new AvroError(`its schema gives the field id ${id} twice in one record`)
  seen.add(id)
  return id
}

/** The fewest bytes that a value takes. */
export function leastBytes(schema: AvroSchema): number {
  switch (schema.kind) {
    case 'null':
      return 0
    case 'fixed':
      return schema.size
    case 'float':
      return 4
    case 'double':
      return 8
    case 'record':
      return schema.fields.reduce((sum, field) => sum + leastBytes(field.schema), 0)
    default:
      return 1
  }
}

/** How many values one value of the schema holds in memory at most; the items of arrays and maps count apart. */
export function valuesIn(schema: AvroSchema): number {
  switch (schema.kind) {
    case 'record':
      return schema.fields.reduce((sum, field) => sum + valuesIn(field.schema), 1)
    case 'union':
      return schema.branches.reduce((most, branch) => Math.max(most, valuesIn(branch)), 1)
    default:
      return 1
  }
}
