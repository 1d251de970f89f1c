import { HindcastError } from '../../contract/index.ts'
import { shown } from '../types/primitive-types.ts'
import type { IcebergType, NestedField, Schema } from '../types/schema.ts'
import { jsonText } from '../metadata/json-text.ts'
import type { TableMetadata } from '../metadata/table-metadata.ts'
import { assignTypeIds } from '../types/types.ts'

/** Whatever the ids inside. Defaults may hold numbers of 64 bits, which JSON.stringify does not take. */
const sameType = (a: IcebergType, b: IcebergType): boolean =>
  jsonText([assignTypeIds(a, () => 0)]) === jsonText([assignTypeIds(b, () => 0)])

/**
 * The schema that a table must have to hold rows of `desired`: a column that keeps its name and type keeps its field id, any other is
 * given a fresh one, so that old files never show old values under a new meaning. Gives the table's own schema (with its schema id)
 * when nothing differs, also when one of its former schemas is the one.
 * @throws SCHEMA_INCOMPATIBLE when a required column would have to be added to, or change in, a table that has rows without it
 */
export function evolveSchema(metadata: TableMetadata, desired: Schema): Schema {
  const current = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
  const known = new Map((current?.fields ?? []).map((field) => [field.name, field]))
  let nextId = metadata.lastColumnId + 1
  const fields = desired.fields.map((field): NestedField => {
    const old = known.get(field.name)
    if (old !== undefined && sameType(old.type, field.type) && (old.required || !field.required))
      return { ...field, id: old.id, type: old.type }
    if (field.required) {
      throw new HindcastError(
        'SCHEMA_INCOMPATIBLE',
        `the table's key column ${field.name} ${old === undefined ? 'is missing' : `is ${shown(old.type)}, not ${shown(field.type)}`}`,
        { hint: 'A view whose keys change is another view: give it a new name.', context: { column: field.name } },
      )
    }
    const id = nextId++
    return { ...field, id, type: assignTypeIds(field.type, () => nextId++) }
  })
  const identifiers = fields.filter(({ required }) => required).map(({ id }) => id)
  const same = metadata.schemas.find((schema) => jsonText(schema.fields) === jsonText(fields))
  if (same !== undefined) return same
  const schemaId = Math.max(...metadata.schemas.map((schema) => schema.schemaId)) + 1
  return { schemaId, fields, ...(desired.identifierFieldIds === undefined ? {} : { identifierFieldIds: identifiers }) }
}
