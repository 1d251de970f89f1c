/** Field ids for the columns of data files that carry none: https://iceberg.apache.org/spec/#name-mapping-serialization */
import { HindcastError } from '../../contract/index.ts'
import {
  FieldError,
  intAt,
  listAt,
  objectsAt,
  optionalField,
  textAt,
  type JsonObject,
} from '../metadata/json-fields.ts'
import { jsonText, parseJsonText } from '../metadata/json-text.ts'
import type { NestedField, Schema } from './schema.ts'
import { childFields, MAX_FIELD_ID } from './types.ts'

/** The table property that holds a name mapping. */
export const NAME_MAPPING_PROPERTY = 'schema.name-mapping.default'

export interface MappedField {
  /** Whole names of one level: a dot in them is a dot. */
  readonly names: readonly string[]
  /** Without one, the column is known to be of no field. */
  readonly fieldId?: number
  readonly fields?: readonly MappedField[]
}

export type NameMapping = readonly MappedField[]

/** The table's name mapping, null when it has none. @throws METADATA_INVALID for one that cannot be read */
export function nameMappingOf(properties: Readonly<Record<string, string>>): NameMapping | null {
  const text = Object.hasOwn(properties, NAME_MAPPING_PROPERTY) ? properties[NAME_MAPPING_PROPERTY] : undefined
  return text === undefined ? null : parseNameMapping(text)
}

/** @throws METADATA_INVALID with the reason, also when a name is given twice in one level, or an id anywhere */
export function parseNameMapping(text: string): NameMapping {
  try {
    return readFields(listAt(parseJsonText(text), 'it'), 'mapping', new Set())
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    const reason = error.message.length <= 500 ? error.message : `${error.message.slice(0, 500)}…`
    throw new HindcastError(
      'METADATA_INVALID',
      `the table property ${NAME_MAPPING_PROPERTY} cannot be read: ${reason}`,
      {
        hint: 'Set the property to a name mapping as the Iceberg spec has it, or remove it.',
        context: { property: NAME_MAPPING_PROPERTY },
        cause: error,
      },
    )
  }
}

/** @param ids those given so far, at any level */
function readFields(json: readonly unknown[], where: string, ids: Set<number>): MappedField[] {
  const names = new Set<string>()
  return objectsAt(json, where, (field, at): MappedField => {
    const mapped: MappedField = {
      names: listAt(field['names'], `${at}."names"`).map((name) => textAt(name, `${at}."names"`)),
      ...optionalField('fieldId', field['field-id'], (id) => fieldIdAt(id, `${at}."field-id"`)),
      ...optionalField('fields', field['fields'], (fields) =>
        readFields(listAt(fields, `${at}."fields"`), `${at}.fields`, ids),
      ),
    }
    for (const name of mapped.names) once(names, name, at)
    if (mapped.fieldId !== undefined) once(ids, mapped.fieldId, at)
    return mapped
  })
}

function once<T>(seen: Set<T>, value: T, where: string): void {
  if (seen.has(value)) throw new FieldError(`${where} gives ${JSON.stringify(value)} a second time`)
  seen.add(value)
}

function fieldIdAt(value: unknown, where: string): number {
  const id = intAt(value, where)
  if (id < 0 || id > MAX_FIELD_ID) throw new FieldError(`${where} must be a field id`)
  return id
}

/** The mapping as the text of the table property, as `parseNameMapping` reads it. */
export const nameMappingText = (mapping: NameMapping): string => jsonText(mapping.map(fieldToJson))

const fieldToJson = ({ names, fieldId, fields }: MappedField): JsonObject => ({
  'field-id': fieldId,
  names,
  fields: fields?.map(fieldToJson),
})

/** The mapping of every column by its present name, for a table that takes over files without field ids. */
export const nameMappingFor = (schema: Schema): NameMapping => schema.fields.map(mappedField)

function mappedField({ id, name, type }: NestedField): MappedField {
  const children = childFields(type)
  return { names: [name], fieldId: id, ...(children.length === 0 ? {} : { fields: children.map(mappedField) }) }
}

/**
 * The field id of a column of a file, by its path: names of structs' fields, `element` for those of lists, `key` and `value` for
 * those of maps. Null when the mapping has none for it.
 */
export function mappedFieldId(mapping: NameMapping, path: readonly string[]): number | null {
  let level: NameMapping | undefined = mapping
  let found: MappedField | undefined
  for (const name of path) {
    found = level?.find(({ names }) => names.includes(name))
    level = found?.fields
  }
  return found?.fieldId ?? null
}
