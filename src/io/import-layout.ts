import { HindcastError, nearest } from '../contract/index.ts'
import type { IcebergType, NestedField, PartitionSpec, Schema, SortOrder, TableMetadata } from '../iceberg/index.ts'
import { duckDbType } from './duckdb-types.ts'
import { invalidInput } from './import-errors.ts'
import type { ImportInput, InputColumn } from './import-inputs.ts'
import { fitsInto, numberFields, textFitsInto } from './import-types.ts'

/** What a data file of the table looks like. */
export interface ImportLayout {
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** Set where the table is new. */
  readonly sortOrder?: SortOrder
  /** The order that rows sorted by event time are in, 0 where the table has no such order. */
  readonly sortOrderId: number
}

export const importPartitions = ['day', 'month', 'hour', 'none'] as const
export type ImportPartition = (typeof importPartitions)[number]

const eventTimeTypes: readonly IcebergType[] = ['timestamptz', 'timestamp', 'date']

/**
 * The columns of a new table that holds all the files.
 * @throws SCHEMA_INCOMPATIBLE when two files differ
 */
export function newFields(inputs: readonly ImportInput[]): readonly NestedField[] {
  const [first, ...others] = inputs
  if (first === undefined) return []
  const types = new Map(first.columns.map(({ name, type }) => [name, type]))
  for (const input of others) {
    checkNames(input, [...types.keys()], first.path)
    for (const column of input.columns) {
      const known = types.get(column.name) as IcebergType
      if (fits(input, column, known)) continue
      const sameColumn = first.columns.find(({ name }) => name === column.name) as InputColumn
      if (!fits(first, { ...sameColumn, type: known }, column.type)) throw differs(input, column, known, first.path)
      types.set(column.name, column.type)
    }
  }
  return numberFields(Array.from(types, ([name, type]) => ({ name, type })))
}

/**
 * The columns of an existing table, once every file is known to fit them; the order of a file's columns doesn't matter.
 * @throws SCHEMA_INCOMPATIBLE naming the column and both types
 */
export function checkedFields(
  metadata: TableMetadata,
  table: string,
  inputs: readonly ImportInput[],
): readonly NestedField[] {
  const { fields } = currentSchema(metadata)
  for (const input of inputs) {
    checkNames(
      input,
      fields.map(({ name }) => name),
      table,
    )
    for (const column of input.columns) {
      const { type } = fields.find(({ name }) => name === column.name) as NestedField
      if (!fits(input, column, type)) throw differs(input, column, type, table)
    }
  }
  return fields
}

/** @throws INPUT_INVALID when there is no such column, or it holds no time */
export function checkEventTime(fields: readonly NestedField[], eventTime: string, input: ImportInput): void {
  const field = fields.find(({ name }) => name === eventTime)
  if (field === undefined) {
    const names = fields.map(({ name }) => name)
    const near = nearest(eventTime, names)
    const hint = near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `Its columns are ${names.join(', ')}.`
    throw invalidInput(input.path, `has no column "${eventTime}" to take the event time from`, hint)
  }
  if (eventTimeTypes.includes(field.type)) return
  const times = fields.filter(({ type }) => eventTimeTypes.includes(type)).map(({ name }) => name)
  throw invalidInput(
    input.path,
    `has its event time "${eventTime}" as ${typeName(field.type)}, which is not a time`,
    times.length > 0
      ? `Columns that hold times: ${times.join(', ')}.`
      : 'Cast the column to a timestamp or date first.',
  )
}

/** @throws REQUEST_INVALID for dates by hour */
export function newLayout(
  fields: readonly NestedField[],
  eventTime: string,
  partitionBy: ImportPartition,
): ImportLayout {
  const source = fields.find(({ name }) => name === eventTime) as NestedField
  if (partitionBy === 'hour' && source.type === 'date') {
    throw new HindcastError('REQUEST_INVALID', `"${eventTime}" is a date, which has no hour to partition by`, {
      hint: 'Partition by day or month.',
      context: { column: eventTime },
    })
  }
  const name = unusedName(`${eventTime}_${partitionBy}`, fields)
  return {
    schema: { schemaId: 0, fields },
    spec: {
      specId: 0,
      fields: partitionBy === 'none' ? [] : [{ sourceId: source.id, fieldId: 1000, name, transform: partitionBy }],
    },
    sortOrder: {
      orderId: 1,
      fields: [{ transform: 'identity', sourceId: source.id, direction: 'asc', nullOrder: 'nulls-first' }],
    },
    sortOrderId: 1,
  }
}

/** The layout of an existing table; files claim its sort order only if that is the one they are written in. */
export function layoutOf(metadata: TableMetadata, eventTime: string): ImportLayout {
  const schema = currentSchema(metadata)
  const spec = metadata.partitionSpecs.find(({ specId }) => specId === metadata.defaultSpecId)
  if (spec === undefined)
    throw new HindcastError('METADATA_INVALID', `the table has no partition spec ${metadata.defaultSpecId}`)
  const order = metadata.sortOrders.find(({ orderId }) => orderId === metadata.defaultSortOrderId)
  const [field, ...further] = order?.fields ?? []
  const sourceId = schema.fields.find(({ name }) => name === eventTime)?.id
  const sorted =
    field?.sourceId === sourceId &&
    further.length === 0 &&
    field?.transform === 'identity' &&
    field.direction === 'asc' &&
    field.nullOrder === 'nulls-first'
  return { schema, spec, sortOrderId: sorted ? metadata.defaultSortOrderId : 0 }
}

/** `name`, with underscores added until no column has it. */
export function unusedName(name: string, fields: readonly NestedField[]): string {
  const taken = new Set(fields.map((field) => field.name.toLowerCase()))
  let free = name
  while (taken.has(free.toLowerCase())) free += '_'
  return free
}

export const typeName = (type: IcebergType): string => (typeof type === 'string' ? type : duckDbType(type))

export function currentSchema(metadata: TableMetadata): Schema {
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
  if (schema === undefined)
    throw new HindcastError('METADATA_INVALID', `the table has no schema ${metadata.currentSchemaId}`)
  return schema
}

const fits = (input: ImportInput, column: InputColumn, type: IcebergType): boolean =>
  column.empty || (input.csv !== null ? textFitsInto(column.type, type) : fitsInto(column.type, type))

function checkNames(input: ImportInput, expected: readonly string[], other: string): void {
  const names = input.columns.map(({ name }) => name)
  const missing = expected.filter((name) => !names.includes(name))
  const surplus = names.filter((name) => !expected.includes(name))
  if (missing.length === 0 && surplus.length === 0) return
  const parts = [
    ...(missing.length === 0 ? [] : [`lacks the column ${missing.map(quoted).join(', ')} of ${other}`]),
    ...(surplus.length === 0 ? [] : [`has the column ${surplus.map(quoted).join(', ')}, which ${other} lacks`]),
  ]
  throw incompatible(input, parts.join(' and '), { missing, surplus })
}

const differs = (input: ImportInput, column: InputColumn, type: IcebergType, other: string): HindcastError =>
  incompatible(input, `has column "${column.name}" as ${typeName(column.type)}, ${other} has it as ${typeName(type)}`, {
    column: column.name,
    fileType: typeName(column.type),
    tableType: typeName(type),
  })

const incompatible = (input: ImportInput, what: string, context: Readonly<Record<string, unknown>>): HindcastError =>
  new HindcastError('SCHEMA_INCOMPATIBLE', `${input.path} ${what}`, {
    hint: 'Bring the file to the same columns and types, or import it to a table of its own.',
    context: { file: input.path, ...context },
  })

const quoted = (name: string): string => `"${name}"`
