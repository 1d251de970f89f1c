import { HindcastError } from '../contract/index.ts'
import { fixedLength, type IcebergType, type NestedField, type PrimitiveType } from '../iceberg/index.ts'

/**
 * The fields as a file has them: without those of type `unknown`, which hold nothing but nulls and are not written.
 * @throws FEATURE_UNSUPPORTED naming the first column whose type DuckDB does not write as Iceberg has it
 */
export const writtenFields = (fields: readonly NestedField[]): readonly NestedField[] => structFields(fields, '')

function structFields(fields: readonly NestedField[], parent: string): readonly NestedField[] {
  return fields
    .filter(({ type }) => type !== 'unknown')
    .map((field) => ({ ...field, type: writtenType(field.type, `${parent}${field.name}`) }))
}

function writtenType(type: IcebergType, name: string): IcebergType {
  if (typeof type === 'string') {
    const why = notWritten(type, name.includes('.'))
    return why === null ? type : refuse(name, type, why)
  }
  switch (type.type) {
    case 'struct': {
      const fields = structFields(type.fields, `${name}.`)
      return fields.length === 0 ? refuse(name, 'struct', 'it has no field that is written') : { ...type, fields }
    }
    case 'list':
      return { ...type, element: partType(type.element, `${name}.element`) }
    case 'map':
      return { ...type, key: partType(type.key, `${name}.key`), value: partType(type.value, `${name}.value`) }
  }
}

const partType = (type: IcebergType, name: string): IcebergType =>
  type === 'unknown' ? refuse(name, type, 'only whole columns and struct fields may be of it') : writtenType(type, name)

/** Why a type is not written, null when it is. */
function notWritten(type: PrimitiveType, nested: boolean): string | null {
  if (fixedLength(type) !== null) return 'DuckDB writes bytes of any length only'
  if (type === 'timestamptz_ns') return 'DuckDB has no nanoseconds with a zone'
  if (type === 'variant' && nested) return 'DuckDB writes it as a whole column only'
  if (type.startsWith('geography')) return 'DuckDB has planar geometries only'
  if (type.startsWith('geometry') && !/^geometry(\(\s*(OGC:CRS84)?\s*\))?$/.test(type))
    return 'DuckDB writes the default coordinate system only'
  return null
}

function refuse(name: string, type: string, why: string): never {
  throw new HindcastError('FEATURE_UNSUPPORTED', `column ${name} is of type ${type}, which is not written: ${why}`, {
    hint: 'Write the table by another engine, or give the column another type.',
    context: { column: name, type },
  })
}
