import type { FormatVersion } from '../metadata/table-metadata.ts'
import type { NestedField, Schema } from './schema.ts'
import { allFields } from './types.ts'

const since3 = /^(?:unknown|variant|timestamp_ns|timestamptz_ns|geometry\b.*|geography\b.*)$/

/** Why a table of this version cannot have the schema, naming the column, or null when it can. */
export function schemaFault(schema: Schema, formatVersion: FormatVersion): string | null {
  for (const field of allFields(schema)) {
    const fault = fieldFault(field, formatVersion)
    if (fault !== null) return `column ${field.name} ${fault}`
  }
  return null
}

function fieldFault(
  { type, required, initialDefault, writeDefault }: NestedField,
  version: FormatVersion,
): string | null {
  if (version < 3) {
    if (typeof type === 'string' && since3.test(type)) return `is of type ${type}, which needs format version 3`
    if (initialDefault !== undefined || writeDefault !== undefined) return 'has a default, which needs format version 3'
  }
  return type === 'unknown' && required ? 'is of type unknown, so it cannot be required' : null
}
