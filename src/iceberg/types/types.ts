/** Types and schemas as JSON, and finding one's way in them: https://iceberg.apache.org/spec/#appendix-c-json-serialization */
import { TypeSyntaxError, fail, parsePrimitiveType, shown } from './primitive-types.ts'
import { valueFromJson } from './json-value.ts'
import { isJsonObject, optionalField, unknownIn, type JsonObject } from '../metadata/json-fields.ts'
export { decimalShape, fixedLength, TypeSyntaxError } from './primitive-types.ts'
import type { IcebergType, ListType, MapType, NestedField, Schema, StructType } from './schema.ts'

/** Types nest in what people write; beyond this depth it is a mistake or an attack on the stack. */
const maxDepth = 64

/** Above are the ids of metadata columns, such as `_file`: https://iceberg.apache.org/spec/#reserved-field-ids */
export const MAX_FIELD_ID = 2_147_483_447

const isFieldId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_FIELD_ID

function idOf(json: Readonly<Record<string, unknown>>, key: string): number {
  const value = json[key]
  return isFieldId(value) ? value : fail(`"${key}" must be a whole number from 0 to ${MAX_FIELD_ID}`)
}

/** A type from its parsed JSON form: a string, or an object for struct, list and map. @throws TypeSyntaxError */
export function parseType(json: unknown, depth = 0): IcebergType {
  if (depth > maxDepth) return fail(`types are nested deeper than ${maxDepth}`)
  if (typeof json === 'string') return parsePrimitiveType(json)
  if (!isJsonObject(json)) return fail('a type must be a string or an object')
  switch (json['type']) {
    case 'struct':
      return { type: 'struct', fields: parseFields(json['fields'], depth + 1) }
    case 'list':
      return {
        type: 'list',
        elementId: idOf(json, 'element-id'),
        elementRequired: json['element-required'] === true,
        element: parseType(json['element'], depth + 1),
      }
    case 'map':
      return {
        type: 'map',
        keyId: idOf(json, 'key-id'),
        key: parseType(json['key'], depth + 1),
        valueId: idOf(json, 'value-id'),
        valueRequired: json['value-required'] === true,
        value: parseType(json['value'], depth + 1),
      }
    default:
      return fail(`${shown(json['type'])} is no Iceberg type`)
  }
}

const schemaKeys = new Set(['type', 'schema-id', 'identifier-field-ids', 'fields'])
const fieldKeys = new Set(['id', 'name', 'required', 'type', 'doc', 'initial-default', 'write-default'])

function parseFields(json: unknown, depth: number): NestedField[] {
  if (!Array.isArray(json)) return fail('"fields" must be a list')
  const names = new Set<string>()
  return json.map((field: unknown): NestedField => {
    if (!isJsonObject(field)) return fail('a field must be an object')
    const { name, required, doc } = field
    if (typeof name !== 'string') return fail('a field has no name')
    if (names.has(name)) return fail(`two fields of one struct have the name ${shown(name)}`)
    names.add(name)
    try {
      if (typeof required !== 'boolean') return fail('"required" must be true or false')
      const type = parseType(field['type'], depth)
      // Kept as they came; only whether they are values of the type is looked at.
      valueFromJson(type, field['initial-default'])
      valueFromJson(type, field['write-default'])
      return {
        id: idOf(field, 'id'),
        name,
        required,
        type,
        ...(typeof doc === 'string' ? { doc } : {}),
        ...optionalField('initialDefault', field['initial-default'], (value) => value),
        ...optionalField('writeDefault', field['write-default'], (value) => value),
        ...unknownIn(field, fieldKeys),
      }
    } catch (error) {
      throw error instanceof TypeSyntaxError
        ? new TypeSyntaxError(`field ${name.slice(0, 100)}: ${error.message}`)
        : error
    }
  })
}

/** The JSON form of a type, as `parseType` reads it. */
export function typeToJson(type: IcebergType): unknown {
  if (typeof type === 'string') return type
  switch (type.type) {
    case 'struct':
      return { type: 'struct', fields: type.fields.map(fieldToJson) }
    case 'list':
      return {
        type: 'list',
        'element-id': type.elementId,
        element: typeToJson(type.element),
        'element-required': type.elementRequired,
      }
    case 'map':
      return {
        type: 'map',
        'key-id': type.keyId,
        key: typeToJson(type.key),
        'value-id': type.valueId,
        value: typeToJson(type.value),
        'value-required': type.valueRequired,
      }
  }
}

const fieldToJson = (field: NestedField): unknown => ({
  id: field.id,
  name: field.name,
  required: field.required,
  type: typeToJson(field.type),
  ...(field.doc === undefined ? {} : { doc: field.doc }),
  ...(field.initialDefault === undefined ? {} : { 'initial-default': field.initialDefault }),
  ...(field.writeDefault === undefined ? {} : { 'write-default': field.writeDefault }),
  ...field.unknownFields,
})

/** A schema from its parsed JSON form. @throws TypeSyntaxError, also when two fields share an id */
export function parseSchema(json: unknown): Schema {
  if (!isJsonObject(json) || json['type'] !== 'struct') return fail('a schema must be a struct')
  const identifiers: unknown = json['identifier-field-ids']
  const schemaId = json['schema-id'] === undefined ? 0 : idOf(json, 'schema-id')
  if (
    identifiers !== undefined &&
    identifiers !== null &&
    !(Array.isArray(identifiers) && identifiers.every(isFieldId))
  ) {
    return fail('"identifier-field-ids" must be a list of field ids')
  }
  const schema: Schema = {
    schemaId,
    fields: parseFields(json['fields'], 0),
    ...optionalField('identifierFieldIds', identifiers, (ids) => ids as readonly number[]),
    ...unknownIn(json, schemaKeys),
  }
  const seen = new Set<number>()
  for (const id of fieldIds(schema)) {
    if (seen.has(id)) return fail(`field id ${id} is given twice`)
    seen.add(id)
  }
  return schema
}

/** The JSON form of a schema, as `parseSchema` reads it: for a lossless writer, as defaults may hold numbers of 64 bits. */
export const schemaToJson = (schema: Schema): JsonObject => ({
  type: 'struct',
  'schema-id': schema.schemaId,
  ...(schema.identifierFieldIds === undefined ? {} : { 'identifier-field-ids': schema.identifierFieldIds }),
  fields: schema.fields.map(fieldToJson),
  ...schema.unknownFields,
})

/** Fields directly inside a type; the elements of a list and the keys and values of a map count as fields of those names. */
export function childFields(type: IcebergType): readonly NestedField[] {
  if (typeof type === 'string') return []
  switch (type.type) {
    case 'struct':
      return type.fields
    case 'list':
      return [{ id: type.elementId, name: 'element', required: type.elementRequired, type: type.element }]
    case 'map':
      return [
        { id: type.keyId, name: 'key', required: true, type: type.key },
        { id: type.valueId, name: 'value', required: type.valueRequired, type: type.value },
      ]
  }
}

function* walk(fields: readonly NestedField[]): Generator<NestedField> {
  for (const field of fields) {
    yield field
    yield* walk(childFields(field.type))
  }
}

/** Every field of a schema in document order, nested ones, elements, keys and values included. */
export const allFields = (schema: Schema): Generator<NestedField> => walk(schema.fields)

/** Every field id of a schema, nested ones included, in document order. */
export const fieldIds = (schema: Schema): number[] => [...allFields(schema)].map(({ id }) => id)

/** The field of that id, at any depth. */
export function findFieldById(schema: Schema, id: number): NestedField | undefined {
  for (const field of walk(schema.fields)) if (field.id === id) return field
  return undefined
}

/** The dotted name of the field of that id, as `findFieldByName` takes it. */
export function fieldPath(schema: Schema, id: number): string | undefined {
  const search = (fields: readonly NestedField[], prefix: string): string | undefined => {
    for (const field of fields) {
      const path = `${prefix}${field.name}`
      const found = field.id === id ? path : search(childFields(field.type), `${path}.`)
      if (found !== undefined) return found
    }
    return undefined
  }
  return search(schema.fields, '')
}

/** A field by its dotted name (`location.lat`, `tags.element`). A name that itself holds dots is found too. */
export function findFieldByName(schema: Schema, name: string): NestedField | undefined {
  const search = (fields: readonly NestedField[], rest: string): NestedField | undefined => {
    for (const field of fields) {
      if (field.name === rest) return field
      if (!rest.startsWith(`${field.name}.`)) continue
      const found = search(childFields(field.type), rest.slice(field.name.length + 1))
      if (found !== undefined) return found
    }
    return undefined
  }
  return search(schema.fields, name)
}

/** The highest field id in use, 0 for an empty schema. */
export const highestFieldId = (schema: Schema): number =>
  fieldIds(schema).reduce((highest, id) => Math.max(highest, id), 0)

/** The type with the ids inside it given anew, level by level: all fields of a struct first, then what lies inside them. */
export function assignTypeIds(type: IcebergType, fresh: (old: number) => number): IcebergType {
  if (typeof type === 'string') return type
  switch (type.type) {
    case 'struct': {
      const ids = type.fields.map(({ id }) => fresh(id))
      const fields = type.fields.map((field, index) => ({
        ...field,
        id: ids[index] as number,
        type: assignTypeIds(field.type, fresh),
      }))
      return { type: 'struct', fields } satisfies StructType
    }
    case 'list': {
      const elementId = fresh(type.elementId)
      return { ...type, elementId, element: assignTypeIds(type.element, fresh) } satisfies ListType
    }
    case 'map': {
      const [keyId, valueId] = [fresh(type.keyId), fresh(type.valueId)]
      return {
        ...type,
        keyId,
        valueId,
        key: assignTypeIds(type.key, fresh),
        value: assignTypeIds(type.value, fresh),
      } satisfies MapType
    }
  }
}

/**
 * The schema with fresh field ids, counted level by level from `firstId` as Iceberg's Java library does it for a new table: all fields
 * of a struct first, then what lies inside them. Identifier field ids follow their fields.
 */
export function assignFieldIds(schema: Schema, firstId = 1): Schema {
  let next = firstId
  const renamed = new Map<number, number>()
  const fresh = (old: number): number => {
    const id = next++
    renamed.set(old, id)
    return id
  }
  const { fields } = assignTypeIds({ type: 'struct', fields: schema.fields }, fresh) as StructType
  const identifiers = schema.identifierFieldIds?.map((id) => renamed.get(id) ?? id)
  return {
    ...schema,
    fields,
    ...(identifiers === undefined ? {} : { identifierFieldIds: identifiers }),
  }
}
