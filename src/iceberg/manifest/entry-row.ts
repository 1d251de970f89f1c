/**
 * Rows of manifests while they are read: one object of one shape for all entries of a manifest, each read over the one before. Keyed by
 * field id alone, rows would be made and looked up several times slower, and a plan reads a hundred thousand.
 */
import { avroReader, avroSkipper, type AvroReader, type AvroValue, type FieldReaders } from '../avro/codec.ts'
import type { AvroInput } from '../avro/input.ts'
import { asRow } from '../avro/rows.ts'
import type { AvroRecord, AvroSchema } from '../avro/schema.ts'

class ReusedFile {
  f100: AvroValue = null
  f101: AvroValue = null
  f102: AvroValue = null
  f103: AvroValue = null
  f104: AvroValue = null
  f108: AvroValue = null
  f109: AvroValue = null
  f110: AvroValue = null
  f125: AvroValue = null
  f128: AvroValue = null
  f131: AvroValue = null
  f132: AvroValue = null
  f134: AvroValue = null
  f135: AvroValue = null
  f137: AvroValue = null
  f140: AvroValue = null
  f142: AvroValue = null
  f143: AvroValue = null
  f144: AvroValue = null
  f145: AvroValue = null
}

class ReusedEntry {
  f0: AvroValue = null
  f1: AvroValue = null
  f2: AvroValue | FileRow = null
  f3: AvroValue = null
  f4: AvroValue = null
}

/** A manifest entry's fields as they stand in the file, by field id; what the file lacks is null, or not there. */
export type EntryRow = Partial<Readonly<ReusedEntry>>

/** A data file's. */
export type FileRow = Partial<Readonly<ReusedFile>>

type Put<Row> = (row: Row, value: AvroValue) => void

/** One function a field, so that each writes to one place of one shape. */
const entryFields: ReadonlyMap<number, Put<ReusedEntry>> = new Map<number, Put<ReusedEntry>>([
  [0, (row, value) => (row.f0 = value)],
  [1, (row, value) => (row.f1 = value)],
  [2, (row, value) => (row.f2 = value)],
  [3, (row, value) => (row.f3 = value)],
  [4, (row, value) => (row.f4 = value)],
])

const fileFields: ReadonlyMap<number, Put<ReusedFile>> = new Map<number, Put<ReusedFile>>([
  [100, (row, value) => (row.f100 = value)],
  [101, (row, value) => (row.f101 = value)],
  [102, (row, value) => (row.f102 = value)],
  [103, (row, value) => (row.f103 = value)],
  [104, (row, value) => (row.f104 = value)],
  [108, (row, value) => (row.f108 = value)],
  [109, (row, value) => (row.f109 = value)],
  [110, (row, value) => (row.f110 = value)],
  [125, (row, value) => (row.f125 = value)],
  [128, (row, value) => (row.f128 = value)],
  [131, (row, value) => (row.f131 = value)],
  [132, (row, value) => (row.f132 = value)],
  [134, (row, value) => (row.f134 = value)],
  [135, (row, value) => (row.f135 = value)],
  [137, (row, value) => (row.f137 = value)],
  [140, (row, value) => (row.f140 = value)],
  [142, (row, value) => (row.f142 = value)],
  [143, (row, value) => (row.f143 = value)],
  [144, (row, value) => (row.f144 = value)],
  [145, (row, value) => (row.f145 = value)],
])

const DATA_FILE = 2
const FILE_FORMAT = 101

/**
 * A reader of a manifest's rows by their schema, which the next row overwrites.
 * @param readers of fields that are not wanted, or not as the schema has them
 */
export function entryRowReader(schema: AvroRecord, readers: FieldReaders): AvroReader<EntryRow> {
  const entry = new ReusedEntry()
  const file = new ReusedFile()
  const fields = schema.fields.map(({ id, schema: type }): ((input: AvroInput) => void) => {
    if (id !== DATA_FILE || type.kind !== 'record') return fieldReader(id, type, entry, entryFields, readers)
    const parts = type.fields.map((field) => fieldReader(field.id, field.schema, file, fileFields, readers))
    return (input) => {
      for (let index = 0; index < parts.length; index++) (parts[index] as (input: AvroInput) => void)(input)
      entry.f2 = file
    }
  })
  return (input) => {
    for (let index = 0; index < fields.length; index++) (fields[index] as (input: AvroInput) => void)(input)
    return entry
  }
}

/** Reads one field into the row, or passes over it. */
function fieldReader<Row>(
  id: number | null,
  schema: AvroSchema,
  row: Row,
  known: ReadonlyMap<number, Put<Row>>,
  readers: FieldReaders,
): (input: AvroInput) => void {
  const put = id === null ? undefined : known.get(id)
  const own = id === null || put === undefined ? null : readers(id, schema)
  if (put === undefined || own === null) return avroSkipper(schema)
  if (id === FILE_FORMAT && schema.kind === 'string') {
    let last = ''
    return (input) => put(row, (last = input.repeatedText(last)))
  }
  const read = own ?? avroReader(schema, readers)
  return (input) => put(row, read(input))
}

/** @throws AvroError when the entry has no data file */
export const fileOf = ({ f2 }: EntryRow): FileRow => (f2 instanceof ReusedFile ? f2 : asRow(f2 as AvroValue, 'f2'))
