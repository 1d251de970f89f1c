/** The Avro schemas of manifests and manifest lists, format versions 2 and 3: https://iceberg.apache.org/spec/#manifests */
import type { PrimitiveType } from '../types/schema.ts'
import type { FormatVersion, PartitionSpec } from '../metadata/table-metadata.ts'
import { decimalShape, fixedLength } from '../types/primitive-types.ts'

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

const required = (id: number, name: string, type: Json): Json => ({ name, type, 'field-id': id })
const optional = (id: number, name: string, type: Json): Json => ({
  name,
  type: ['null', type],
  default: null,
  'field-id': id,
})

/** Avro's own maps have text keys only: a map by field id is an array of pairs. */
const mapOf = (keyId: number, valueId: number, value: Json): Json => ({
  type: 'array',
  items: {
    type: 'record',
    name: `k${keyId}_v${valueId}`,
    fields: [required(keyId, 'key', 'int'), required(valueId, 'value', value)],
  },
  logicalType: 'map',
})

const listOf = (elementId: number, items: Json): Json => ({ type: 'array', items, 'element-id': elementId })

/** The versions that are written; version 1 is only read. */
export type WrittenVersion = Exclude<FormatVersion, 1>

/** Schema of the rows of a manifest whose partition tuples have these types. */
export const manifestEntrySchema = (
  version: WrittenVersion,
  spec: PartitionSpec,
  types: readonly PrimitiveType[],
): Record<string, Json> => ({
  type: 'record',
  name: 'manifest_entry',
  fields: [
    required(0, 'status', 'int'),
    optional(1, 'snapshot_id', 'long'),
    optional(3, 'sequence_number', 'long'),
    optional(4, 'file_sequence_number', 'long'),
    required(2, 'data_file', {
      type: 'record',
      name: 'r2',
      fields: [
        required(134, 'content', 'int'),
        required(100, 'file_path', 'string'),
        required(101, 'file_format', 'string'),
        required(102, 'partition', partitionSchema(spec, types)),
        required(103, 'record_count', 'long'),
        required(104, 'file_size_in_bytes', 'long'),
        optional(108, 'column_sizes', mapOf(117, 118, 'long')),
        optional(109, 'value_counts', mapOf(119, 120, 'long')),
        optional(110, 'null_value_counts', mapOf(121, 122, 'long')),
        optional(137, 'nan_value_counts', mapOf(138, 139, 'long')),
        optional(125, 'lower_bounds', mapOf(126, 127, 'bytes')),
        optional(128, 'upper_bounds', mapOf(129, 130, 'bytes')),
        optional(131, 'key_metadata', 'bytes'),
        optional(132, 'split_offsets', listOf(133, 'long')),
        optional(135, 'equality_ids', listOf(136, 'int')),
        optional(140, 'sort_order_id', 'int'),
        ...(version === 2 ? [] : [optional(142, 'first_row_id', 'long')]),
        optional(143, 'referenced_data_file', 'string'),
        ...(version === 2
          ? []
          : [optional(144, 'content_offset', 'long'), optional(145, 'content_size_in_bytes', 'long')]),
      ],
    }),
  ],
})

function partitionSchema(spec: PartitionSpec, types: readonly PrimitiveType[]): Json {
  const named = new Set<string>()
  return {
    type: 'record',
    name: 'r102',
    fields: spec.fields.map((field, index) => {
      const name = avroName(field.name)
      const type = types[index] as PrimitiveType
      // An unknown column holds nothing but nulls, and a union may not have the same type twice.
      const base: Json =
        type === 'unknown'
          ? { ...(required(field.fieldId, name, 'null') as object), default: null }
          : optional(field.fieldId, name, avroType(type, named))
      return name === field.name ? base : { ...(base as object), 'iceberg-field-name': field.name }
    }),
  }
}

/** Avro allows letters, digits and underscores: others are written as Iceberg's Java library does, `_x2D` for `-`. */
function avroName(name: string): string {
  const escaped = Array.from(name, (character, index) => {
    if (/[A-Za-z_]/.test(character) || (index > 0 && /\d/.test(character))) return character
    if (/\d/.test(character)) return `_${character}`
    return `_x${(character.codePointAt(0) as number).toString(16).toUpperCase()}`
  })
  return escaped.join('')
}

/** A named type may be defined once in a schema; afterwards its name stands for it. */
function avroType(type: PrimitiveType, named: Set<string>): Json {
  const fixed = (name: string, size: number, attributes: { readonly [key: string]: Json } = {}): Json => {
    if (named.has(name)) return name
    named.add(name)
    return { type: 'fixed', name, size, ...attributes }
  }
  const decimal = decimalShape(type)
  if (decimal !== null) {
    const { precision, scale } = decimal
    return fixed(`decimal_${precision}_${scale}`, decimalBytes(precision), { logicalType: 'decimal', precision, scale })
  }
  const length = fixedLength(type)
  if (length !== null) return fixed(`fixed_${length}`, length)
  switch (type) {
    case 'date':
      return { type: 'int', logicalType: 'date' }
    case 'time':
      return { type: 'long', logicalType: 'time-micros' }
    case 'timestamp':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': false }
    case 'timestamptz':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true }
    case 'timestamp_ns':
      return { type: 'long', logicalType: 'timestamp-nanos', 'adjust-to-utc': false }
    case 'timestamptz_ns':
      return { type: 'long', logicalType: 'timestamp-nanos', 'adjust-to-utc': true }
    case 'uuid':
      return fixed('uuid_fixed', 16, { logicalType: 'uuid' })
    case 'binary':
      return 'bytes'
    default:
      return type
  }
}

/** The fewest bytes that hold every number of that many decimal digits, with its sign. */
export function decimalBytes(precision: number): number {
  const largest = 10n ** BigInt(precision) - 1n
  let bytes = 1
  while (BigInt.asIntN(bytes * 8, largest) !== largest) bytes++
  return bytes
}

/** Schema of the rows of a manifest list. */
export const manifestListSchema = (version: WrittenVersion): Record<string, Json> => ({
  type: 'record',
  name: 'manifest_file',
  fields: [
    required(500, 'manifest_path', 'string'),
    required(501, 'manifest_length', 'long'),
    required(502, 'partition_spec_id', 'int'),
    required(517, 'content', 'int'),
    required(515, 'sequence_number', 'long'),
    required(516, 'min_sequence_number', 'long'),
    required(503, 'added_snapshot_id', 'long'),
    required(504, 'added_files_count', 'int'),
    required(505, 'existing_files_count', 'int'),
    required(506, 'deleted_files_count', 'int'),
    required(512, 'added_rows_count', 'long'),
    required(513, 'existing_rows_count', 'long'),
    required(514, 'deleted_rows_count', 'long'),
    optional(
      507,
      'partitions',
      listOf(508, {
        type: 'record',
        name: 'r508',
        fields: [
          required(509, 'contains_null', 'boolean'),
          optional(518, 'contains_nan', 'boolean'),
          optional(510, 'lower_bound', 'bytes'),
          optional(511, 'upper_bound', 'bytes'),
        ],
      }),
    ),
    optional(519, 'key_metadata', 'bytes'),
    ...(version === 2 ? [] : [optional(520, 'first_row_id', 'long')]),
  ],
})
