import avro from 'avsc'
import fc from 'fast-check'
import { deflateRawSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { isHindcastError } from '../../../src/contract/errors.ts'
import { readAvroContainer, writeAvroContainer } from '../../../src/iceberg/index.ts'

const schema = {
  type: 'record',
  name: 'row',
  fields: [
    { name: 'a', type: 'long', 'field-id': 1 },
    { name: 'b', type: ['null', 'string'], default: null, 'field-id': 2 },
    { name: 'c', type: ['null', { type: 'array', items: 'bytes' }], default: null, 'field-id': 3 },
  ],
}

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const rows = fc.array(
  fc.record({
    f1: fc.oneof(long, fc.bigInt({ min: -300n, max: 300n })),
    f2: fc.option(fc.string({ unit: 'binary' })),
    f3: fc.option(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 3 })),
  }),
  { maxLength: 20 },
)

test('what is written is read, in every codec, and the same rows give the same bytes', () => {
  fc.assert(
    fc.property(
      rows,
      fc.constantFrom('null' as const, 'deflate' as const, 'zstandard' as const, 'snappy' as const),
      (given, codec) => {
        const bytes = writeAvroContainer(schema, given, { content: 'data' }, { codec })
        expect(writeAvroContainer(schema, given, { content: 'data' }, { codec })).toEqual(bytes)
        const read = readAvroContainer(bytes, 'f')
        expect(read.rows).toEqual(given)
        expect(read.header.get('content')).toBe('data')
      },
    ),
  )
})

test('another Avro library reads what we write', async () => {
  const bytes = writeAvroContainer(schema, [{ f1: -5n, f2: 'é', f3: [Uint8Array.of(1, 2)] }, { f1: 2n ** 40n }], {})
  const decoder = new avro.streams.BlockDecoder()
  const read: unknown[] = []
  const done = new Promise((resolve, reject) => decoder.on('end', resolve).on('error', reject))
  decoder.on('data', (row: object) => read.push({ ...row }))
  decoder.end(Buffer.from(bytes))
  await done
  expect(read).toEqual([
    { a: -5, b: 'é', c: [Buffer.of(1, 2)] },
    { a: 2 ** 40, b: null, c: null },
  ])
})

describe('damaged files', () => {
  const good = writeAvroContainer(
    schema,
    Array.from({ length: 50 }, (_, index) => ({ f1: BigInt(index), f2: `row ${index}`, f3: [new Uint8Array(index)] })),
    {},
    { codec: 'null' },
  )

  test('a file cut anywhere but between two blocks is refused by name', () => {
    const headerEnd = writeAvroContainer(schema, [], {}, { codec: 'null' }).length
    for (let length = 0; length < good.length; length++) {
      if (length === headerEnd) continue
      expect(() => readAvroContainer(good.subarray(0, length), 'cut.avro')).toThrow(/^cut\.avro cannot be read: /)
    }
  })

  test('no damage hangs, takes absurd memory or escapes as another error', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (damage) => {
          const bytes = good.slice()
          for (const [at, value] of damage) bytes[at] = value
          try {
            readAvroContainer(bytes, 'f')
          } catch (error) {
            if (!isHindcastError(error)) throw error
            expect(['MANIFEST_INVALID', 'FEATURE_UNSUPPORTED']).toContain(error.code)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test('counts beyond the bytes are refused before anything is allocated', () => {
    const huge = Buffer.from('feffffffffffffff7f', 'hex')
    const sync = Buffer.alloc(16, 7)
    const head = (codec: string): Buffer => {
      const text = (value: string): Buffer => Buffer.concat([varint(value.length), Buffer.from(value)])
      return Buffer.concat([
        Buffer.from('Obj\u0001'),
        varint(2),
        text('avro.schema'),
        text(JSON.stringify(schema)),
        text('avro.codec'),
        text(codec),
        Buffer.of(0),
        sync,
      ])
    }
    const block = (count: Buffer, body: Buffer): Buffer => Buffer.concat([count, varint(body.length), body, sync])
    const read = (file: Buffer): unknown => readAvroContainer(file, 'f').rows
    expect(() => read(Buffer.concat([head('null'), block(huge, Buffer.of(0))]))).toThrow('claims')
    // An array of 2^62 items, and a text of as many bytes.
    expect(() =>
      read(Buffer.concat([head('null'), block(varint(1), Buffer.concat([Buffer.of(2, 0, 2), huge]))])),
    ).toThrow('count')
    expect(() => read(Buffer.concat([head('null'), block(varint(1), Buffer.concat([Buffer.of(2, 2), huge]))]))).toThrow(
      'length',
    )
    expect(() => read(Buffer.concat([head('bzip2'), block(varint(1), Buffer.of(2, 0, 0))]))).toThrow(
      expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }),
    )
    const row = Buffer.of(2, 0, 0)
    expect(read(Buffer.concat([head('deflate'), block(varint(1), deflateRawSync(row))]))).toHaveLength(1)
    expect(read(Buffer.concat([head('zstandard'), block(varint(1), zstdCompressSync(row))]))).toHaveLength(1)
  })
})

/** Zigzag of a small number that is not negative. */
function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value * 2
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
