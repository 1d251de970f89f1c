/** Avro object container files: https://avro.apache.org/docs/current/specification/#object-container-files */
import { createHash } from 'node:crypto'
import { HindcastError } from '../../contract/index.ts'
import { blockUnpacker, packBlock, type AvroCodec, type AvroCompression } from './compression.ts'
import { avroWriter, recordReader, type AvroReader, type AvroRow, type FieldReaders } from './codec.ts'
import { AvroInput } from './input.ts'
import { AvroOutput } from './output.ts'
import { AvroError, leastBytes, parseAvroSchema, valuesIn, type AvroRecord } from './schema.ts'

const magic = Uint8Array.of(0x4f, 0x62, 0x6a, 0x01)
const syncLength = 16

/** Uncompressed bytes of one block; readers decode block by block. */
const blockBytes = 1 << 20

/**
 * What a file may hold once it is unpacked, by its size: several times what any writer's manifests do, and far below what would take
 * the process down. A bomb packs a thousand to one.
 */
const unpackedBytes = (fileBytes: number): number => Math.min(2 ** 24 + 128 * fileBytes, 2 ** 30)
const unpackedValues = (fileBytes: number): number => 2 ** 20 + 32 * fileBytes

/**
 * Writes rows as one file. The same rows give the same bytes: the sync marker, random by custom, is a hash of the content.
 * @param schema the Avro schema as JSON, with Iceberg's `field-id` attributes
 * @param header further attributes of the file's header
 * @throws INVARIANT_VIOLATED for a row that is not of the schema
 */
export function writeAvroContainer(
  schema: object,
  rows: Iterable<AvroRow>,
  header: Readonly<Record<string, string>>,
  compression: AvroCompression = { codec: 'deflate' },
): Uint8Array {
  try {
    return packRows(JSON.stringify(schema), rows, header, compression)
  } catch (error) {
    if (!(error instanceof AvroError)) throw error
    throw new HindcastError('INVARIANT_VIOLATED', `an Avro file cannot be written: ${error.message}`, { cause: error })
  }
}

/**
 * The file that `container` was read from, with other rows of its schema.
 * @param path names that file in errors
 * @throws MANIFEST_INVALID when the schema cannot be written, as one with fields that have no ids
 */
export function rewriteAvroContainer(container: AvroContainer, rows: Iterable<AvroRow>, path: string): Uint8Array {
  const { 'avro.schema': schema = '', 'avro.codec': codec = 'null', ...header } = Object.fromEntries(container.header)
  try {
    return packRows(schema, rows, header, { codec: codec as AvroCodec })
  } catch (error) {
    throw error instanceof AvroError ? manifestInvalid(path, error.message, error) : error
  }
}

function packRows(
  schemaText: string,
  rows: Iterable<AvroRow>,
  header: Readonly<Record<string, string>>,
  compression: AvroCompression,
): Uint8Array {
  const write = avroWriter(parseAvroSchema(schemaText))
  const head = new AvroOutput()
  const attributes = Object.entries({ ...header, 'avro.schema': schemaText, 'avro.codec': compression.codec })
  head.raw(magic)
  head.long(attributes.length)
  for (const [key, value] of attributes) {
    head.sized(new TextEncoder().encode(key))
    head.sized(new TextEncoder().encode(value))
  }
  head.byte(0)

  const blocks: { readonly count: number; readonly body: Uint8Array }[] = []
  let block = new AvroOutput()
  let count = 0
  const flush = (): void => {
    if (count === 0) return
    blocks.push({ count, body: packBlock(block.bytes(), compression) })
    block = new AvroOutput()
    count = 0
  }
  for (const row of rows) {
    write(block, row)
    count++
    if (block.length >= blockBytes) flush()
  }
  flush()

  const hash = createHash('sha256').update(head.bytes())
  for (const { body } of blocks) hash.update(body)
  const sync = hash.digest().subarray(0, syncLength)
  const file = new AvroOutput()
  file.raw(head.bytes())
  file.raw(sync)
  for (const { count: rowCount, body } of blocks) {
    file.long(rowCount)
    file.sized(body)
    file.raw(sync)
  }
  return file.bytes()
}

export interface AvroContainer {
  /** The attributes of the header, decoded as text. */
  readonly header: ReadonlyMap<string, string>
  readonly rows: readonly AvroRow[]
}

/**
 * Reads a whole file.
 * @param path names the file in errors
 * @param readers of fields that are not wanted, or not as the schema has them
 * @throws MANIFEST_INVALID with the file and the reason when the bytes are damaged; FEATURE_UNSUPPORTED for an unknown codec
 */
export function readAvroContainer(bytes: Uint8Array, path: string, readers?: FieldReaders): AvroContainer {
  return readAvroRows(bytes, path, (schema) => recordReader(schema, readers))
}

/**
 * As `readAvroContainer`, with rows as the caller makes them.
 * @param readerOf makes a reader of one row; an AvroError of it is one of the file's bytes
 */
export function readAvroRows<T>(
  bytes: Uint8Array,
  path: string,
  readerOf: (schema: AvroRecord, header: ReadonlyMap<string, string>) => AvroReader<T>,
): { readonly header: ReadonlyMap<string, string>; readonly rows: T[] } {
  try {
    return readContainer(bytes, path, readerOf)
  } catch (error) {
    throw error instanceof AvroError ? manifestInvalid(path, error.message, error) : error
  }
}

/** MANIFEST_INVALID for a manifest or manifest list. */
export function manifestInvalid(path: string, reason: string, cause?: unknown): HindcastError {
  return new HindcastError('MANIFEST_INVALID', `${path} cannot be read: ${reason}`, {
    hint: 'The file was damaged or cut off. Restore it from a backup, or roll the table back to a snapshot before it.',
    context: { path },
    cause,
  })
}

function readContainer<T>(
  bytes: Uint8Array,
  path: string,
  readerOf: (schema: AvroRecord, header: ReadonlyMap<string, string>) => AvroReader<T>,
): { readonly header: ReadonlyMap<string, string>; readonly rows: T[] } {
  const input = new AvroInput(bytes)
  const header = readHeader(input, bytes)
  const schema = parseAvroSchema(header.get('avro.schema') ?? '')
  if (schema.kind !== 'record') throw new AvroError('its rows are no records')
  const unpack = blockUnpacker(header.get('avro.codec') ?? 'null', path)
  const sync = input.take(syncLength)
  const read = readerOf(schema, header)
  const rows: T[] = []
  const least = Math.max(leastBytes(schema), 1)
  const values = valuesIn(schema)
  const budget = { left: unpackedValues(bytes.length) }
  let bytesLeft = unpackedBytes(bytes.length)
  while (input.left > 0) {
    const count = input.long()
    const block = unpack(input.take(input.size()), bytesLeft)
    bytesLeft -= block.length
    const body = new AvroInput(block, budget)
    if (count < 0n || count * BigInt(least) > BigInt(body.left)) {
      throw new AvroError(`a block claims ${count} rows in ${body.left} bytes`)
    }
    body.spend(Number(count) * values)
    for (let left = Number(count); left > 0; left--) rows.push(read(body))
    if (body.left !== 0) throw new AvroError(`a block has ${body.left} bytes behind its last row`)
    if (!sameBytes(input.take(syncLength), sync)) {
      throw new AvroError(`the block that ends at byte ${input.position} is not closed by the file’s sync marker`)
    }
  }
  return { header, rows }
}

/** The header met last, by its bytes: thousands of manifests of a table share one. */
let recent: { readonly bytes: Uint8Array; readonly header: ReadonlyMap<string, string> } | null = null
const maxRecentBytes = 1 << 16

function readHeader(input: AvroInput, bytes: Uint8Array): ReadonlyMap<string, string> {
  // Where a header ends, it says itself: a file that begins with the same bytes has the same one.
  if (recent !== null && Buffer.compare(bytes.subarray(0, recent.bytes.length), recent.bytes) === 0) {
    input.skip(recent.bytes.length)
    return recent.header
  }
  if (magic.some((byte) => input.left === 0 || input.byte() !== byte)) throw new AvroError('it is no Avro file')
  const header = new Map<string, string>()
  for (let count = input.blockCount(); count > 0; count = input.blockCount()) {
    for (let index = 0; index < count; index++) {
      const key = input.text()
      header.set(key, input.text())
    }
  }
  // A copy: a view would keep the whole file in memory.
  if (input.position <= maxRecentBytes) recent = { bytes: new Uint8Array(bytes.subarray(0, input.position)), header }
  return header
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, index) => byte === b[index])
