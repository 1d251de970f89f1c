import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { HindcastError, nearest } from '../contract/index.ts'
import type { DataFile, NestedField, Schema } from '../iceberg/index.ts'
import { pathList } from './duckdb.ts'
import { duckDbType } from './duckdb-types.ts'
import { toPath } from './files/index.ts'

/**
 * SQL text of a relation to put behind FROM: the named columns of the files' rows, in that order, in the files' order. Columns are
 * found by field id, so a file written before a column was added or renamed reads as the schema has it now; a column that a file
 * lacks is null. Without files it is an empty relation of the same types.
 * @throws FEATURE_UNSUPPORTED for files that are not Parquet; DEFINITION_INVALID for a column that the schema lacks
 */
export function sourceRelation(files: readonly DataFile[], schema: Schema, columns: readonly string[]): string {
  const fields = columns.map((name) => fieldNamed(schema, name))
  const other = files.find((file) => file.fileFormat !== 'PARQUET')
  if (other !== undefined) {
    throw new HindcastError('FEATURE_UNSUPPORTED', `${other.filePath} is ${other.fileFormat}; only Parquet is read`, {
      hint: 'Rewrite the table as Parquet.',
      context: { path: other.filePath },
    })
  }
  if (files.length === 0) {
    const nulls = fields.map(({ name, type }) => `CAST(NULL AS ${duckDbType(type)}) AS ${quoteIdentifier(name)}`)
    return `(SELECT ${nulls.length === 0 ? '1' : nulls.join(', ')} WHERE false)`
  }
  // DuckDB takes no empty map: counting rows reads any one column.
  const read = fields.length === 0 ? schema.fields.slice(0, 1) : fields
  const map = read.map(
    ({ id, name, type }) =>
      `${id}: {name: ${quoteString(name)}, type: ${quoteString(duckDbType(type))}, default_value: NULL}`,
  )
  const paths = pathList(files.map((file) => toPath(file.filePath)))
  const names = read.map(({ name }) => quoteIdentifier(name)).join(', ')
  return `(SELECT ${names} FROM read_parquet(${paths}, hive_partitioning = false, schema = MAP {${map.join(', ')}}))`
}

function fieldNamed(schema: Schema, name: string): NestedField {
  const field = schema.fields.find((candidate) => candidate.name === name)
  if (field !== undefined) return field
  const names = schema.fields.map((candidate) => candidate.name)
  const near = nearest(name, names)
  throw new HindcastError('DEFINITION_INVALID', `the source has no column "${name}"`, {
    hint: near.length === 0 ? `Its columns are ${names.join(', ')}.` : `Did you mean ${near.join(' or ')}?`,
    context: { column: name },
  })
}
