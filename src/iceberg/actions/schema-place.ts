/** Finding a column in a schema so that it, or its siblings, can be replaced. */
import { HindcastError } from '../../contract/index.ts'
import type { IcebergType, NestedField, PrimitiveType, StructType } from '../types/schema.ts'

/** Where a column lies: the field itself, and how to put another list of siblings in the place of its own. */
export interface Place {
  readonly field: NestedField
  readonly siblings: readonly NestedField[]
  /** The whole schema's fields with the siblings replaced; null for a list's element and a map's key or value, which have none. */
  readonly withSiblings: ((siblings: readonly NestedField[]) => readonly NestedField[]) | null
  readonly withField: (field: NestedField) => readonly NestedField[]
}

/** The place of a column by its dotted path, null when there is none. */
export const findPlace = (fields: readonly NestedField[], path: string): Place | null =>
  findIn(fields, path, (changed) => changed)

/** Looks a dotted name up; `rebuild` puts another list of fields in the place of `fields`, up to the schema's root. */
function findIn(
  fields: readonly NestedField[],
  rest: string,
  rebuild: (fields: readonly NestedField[]) => readonly NestedField[],
): Place | null {
  for (const [index, field] of fields.entries()) {
    const withField = (changed: NestedField): readonly NestedField[] => rebuild(fields.with(index, changed))
    if (field.name === rest) return { field, siblings: fields, withSiblings: rebuild, withField }
    if (!rest.startsWith(`${field.name}.`)) continue
    const found = findInType(field.type, rest.slice(field.name.length + 1), (type) => withField({ ...field, type }))
    if (found !== null) return found
  }
  return null
}

function findInType(
  type: IcebergType,
  rest: string,
  rebuild: (type: IcebergType) => readonly NestedField[],
): Place | null {
  if (typeof type === 'string') return null
  if (type.type === 'struct') return findIn(type.fields, rest, (fields) => rebuild({ ...type, fields }))
  const part = type.type === 'list' ? 'element' : rest.split('.', 1)[0]
  if (part !== 'element' && part !== 'key' && part !== 'value') return null
  if (rest !== part && !rest.startsWith(`${part}.`)) {
    // `tags.name` for `tags.element.name`, as Iceberg's Java library takes it.
    return type.type === 'list' ? findInType(type.element, rest, (element) => rebuild({ ...type, element })) : null
  }
  const [field, put] = partOf(type, part, rebuild)
  if (rest === part) return { field, siblings: [], withSiblings: null, withField: put }
  return findInType(field.type, rest.slice(part.length + 1), (inner) => put({ ...field, type: inner }))
}

function partOf(
  type: Exclude<IcebergType, PrimitiveType | StructType>,
  part: 'element' | 'key' | 'value',
  rebuild: (type: IcebergType) => readonly NestedField[],
): readonly [NestedField, (field: NestedField) => readonly NestedField[]] {
  if (type.type === 'list') {
    return [
      { id: type.elementId, name: 'element', required: type.elementRequired, type: type.element },
      (field) => rebuild({ ...type, element: field.type, elementRequired: field.required }),
    ]
  }
  if (part === 'key') {
    return [
      { id: type.keyId, name: 'key', required: true, type: type.key },
      () => {
        throw new HindcastError('SCHEMA_INCOMPATIBLE', 'the key of a map cannot change', {
          hint: 'Add a new column instead.',
        })
      },
    ]
  }
  return [
    { id: type.valueId, name: 'value', required: type.valueRequired, type: type.value },
    (field) => rebuild({ ...type, value: field.type, valueRequired: field.required }),
  ]
}

/** The type with its struct, or that of its elements or values, changed; null when there is none. */
export function withStruct(type: IcebergType, change: (struct: StructType) => StructType): IcebergType | null {
  if (typeof type === 'string') return null
  if (type.type === 'struct') return change(type)
  const inner = withStruct(type.type === 'list' ? type.element : type.value, change)
  if (inner === null) return null
  return type.type === 'list' ? { ...type, element: inner } : { ...type, value: inner }
}
