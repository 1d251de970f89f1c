/** What creating a table and changing its partitioning or sort order share: fields said by column name. */
import { HindcastError, nearest } from '../../contract/index.ts'
import type { NestedField, PrimitiveType, Schema } from '../types/schema.ts'
import { parseTransform } from '../types/transforms.ts'
import { decimalShape, findFieldByName, fixedLength } from '../types/types.ts'

/** A column and what is made of it, as in `PARTITIONED BY (day(ts), bucket(16, id))`. */
export interface TransformedColumn {
  /** Dotted name. */
  readonly column: string
  /** `identity` unless given. */
  readonly transform?: string
}

/**
 * The column of that name, if its values can be partitioned or sorted by.
 * @throws DEFINITION_INVALID naming the nearest columns; FEATURE_UNSUPPORTED when the transform does not apply to its type
 */
export function sourceColumn(
  schema: Schema,
  { column, transform = 'identity' }: TransformedColumn,
): NestedField & { readonly type: PrimitiveType } {
  const field = findFieldByName(schema, column)
  if (field === undefined) {
    const names = schema.fields.map(({ name }) => name)
    const near = nearest(column, names)
    throw new HindcastError('DEFINITION_INVALID', `there is no column ${column}`, {
      hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `The columns are ${names.join(', ')}.`,
      context: { column },
    })
  }
  const { type } = field
  if (typeof type !== 'string' || !transformApplies(transform, type)) {
    const shown = typeof type === 'string' ? type : type.type
    throw new HindcastError(
      'FEATURE_UNSUPPORTED',
      `transform ${transform} does not apply to column ${column} of type ${shown}`,
      {
        hint: 'Choose a transform that the Iceberg spec allows for this type.',
        context: { column, transform, type: shown },
      },
    )
  }
  return { ...field, type }
}

const dateTypes: ReadonlySet<string> = new Set(['date', 'timestamp', 'timestamptz', 'timestamp_ns', 'timestamptz_ns'])
const hashedTypes: ReadonlySet<string> = new Set([...dateTypes, 'int', 'long', 'time', 'string', 'uuid', 'binary'])
const truncatedTypes: ReadonlySet<string> = new Set(['int', 'long', 'string', 'binary'])
const unordered: ReadonlySet<string> = new Set(['unknown', 'variant', 'geometry', 'geography'])

/** The source types of each transform: https://iceberg.apache.org/spec/#partition-transforms */
export function transformApplies(transform: string, type: PrimitiveType): boolean {
  switch (parseTransform(transform).kind) {
    case 'identity':
      return !unordered.has(type) && !type.startsWith('geo')
    case 'void':
      return true
    case 'year':
    case 'month':
    case 'day':
      return dateTypes.has(type)
    case 'hour':
      return dateTypes.has(type) && type !== 'date'
    case 'bucket':
      return hashedTypes.has(type) || decimalShape(type) !== null || fixedLength(type) !== null
    case 'truncate':
      return truncatedTypes.has(type) || decimalShape(type) !== null
  }
}

/** The name that Iceberg's Java library gives a partition field: `ts_day`, `id_bucket_16`, `name_trunc_4`; the column's for identity. */
export function partitionFieldName(column: string, transform: string, withArgument: boolean): string {
  const parsed = parseTransform(transform)
  switch (parsed.kind) {
    case 'identity':
      return column
    case 'void':
      return `${column}_null`
    case 'bucket':
      return withArgument ? `${column}_bucket_${parsed.buckets}` : `${column}_bucket`
    case 'truncate':
      return withArgument ? `${column}_trunc_${parsed.width}` : `${column}_trunc`
    default:
      return `${column}_${parsed.kind}`
  }
}

/** A partition field is a column of metadata tables: only an identity field may be named as the schema's own column. */
export function checkPartitionName(schema: Schema, name: string, sourceId: number, transform: string): void {
  const column = schema.fields.find((field) => field.name === name)
  if (column === undefined || (transform === 'identity' && column.id === sourceId)) return
  throw new HindcastError('REQUEST_INVALID', `partition field ${name} has the name of another column`, {
    hint: 'Give the partition field a name of its own.',
    context: { partitionField: name },
  })
}
