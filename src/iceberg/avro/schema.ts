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
const maxDepth = 64

/** Parses the JSON text of a schema. Recursive types, which Iceberg never writes, are refused. @throws AvroError */
export function parseAvroSchema(text: string): AvroSchema {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new AvroError('its schema is not JSON', { cause: error })
  }
  return parse(json, new Map(), 0)
}

function parse(json: unknown, named: Map<string, AvroSchema>, depth: number): AvroSchema {
  if (depth > maxDepth) throw new AvroError(`its schema is nested deeper than ${maxDepth}`)
  if (typeof json === 'string') {
    if (primitives.has(json)) return { kind: json as 'null' }
    const known = named.get(json)
    if (known !== undefined) return known
    throw new AvroError(`its schema names an unknown type ${JSON.stringify(json)}`)
  }
  if (Array.isArray(json)) {
    return { kind: 'union', branches: json.map((branch: unknown) => parse(branch, named, depth + 1)) }
  }
  if (typeof json !== 'object' || json === null) throw new AvroError('its schema has a type that is no type')
  const { type, name, namespace } = json as Readonly<Record<string, unknown>>
  const remember = (schema: AvroSchema): AvroSchema => {
    if (typeof name !== 'string') return schema
    named.set(name, schema)
    if (typeof namespace === 'string') named.set(`${namespace}.${name}`, schema)
    return schema
  }
  switch (type) {
    case 'record':
    case 'error':
      return remember({ kind: 'record', fields: parseFields(json, named, depth) })
    case 'fixed': {
      const size = (json as { size?: unknown }).size
      if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
        throw new AvroError('its schema has a fixed type without a size')
      }
      return remember({ kind: 'fixed', size })
    }
    case 'enum': {
      const symbols = (json as { symbols?: unknown }).symbols
      if (!Array.isArray(symbols)) throw new AvroError('its schema has an enum without symbols')
      return remember({ kind: 'enum', symbols: symbols.map(String) })
    }
    case 'array':
      return { kind: 'array', items: parse((json as { items?: unknown }).items, named, depth + 1) }
    case 'map':
      return { kind: 'map', values: parse((json as { values?: unknown }).values, named, depth + 1) }
    default:
      return parse(type, named, depth + 1)
  }
}

function parseFields(json: object, named: Map<string, AvroSchema>, depth: number): AvroField[] {
  const fields = (json as { fields?: unknown }).fields
  if (!Array.isArray(fields)) throw new AvroError('its schema has a record without fields')
  return fields.map((field: unknown): AvroField => {
    const { name, type, 'field-id': id } = (field ?? {}) as Readonly<Record<string, unknown>>
    if (typeof name !== 'string') throw new AvroError('its schema has a field without a name')
    return {
      name,
      id: typeof id === 'number' && Number.isSafeInteger(id) ? id : null,
      schema: parse(type, named, depth + 1),
    }
  })
}
