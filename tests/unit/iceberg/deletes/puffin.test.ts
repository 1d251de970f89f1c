/** Rule: what is written is read back, and damaged bytes are refused with the file's name. */
import fc from 'fast-check'
import { zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { decodeDeletionVector, encodeDeletionVector } from '../../../../src/iceberg/deletes/deletion-vector.ts'
import { positionSet } from '../../../../src/iceberg/deletes/position-set.ts'
import { decodePuffinFooter, encodePuffin, puffinBlobContent } from '../../../../src/iceberg/deletes/puffin.ts'

const location = 'file:///t/data/x.puffin'
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

test('a file of blobs is read back, ids of 64 bits whole', () => {
  const blobs = [
    { type: 'deletion-vector-v1', fields: [2147483645], snapshotId: -1n, sequenceNumber: -1n, content: text('one') },
    {
      type: 'some-blob',
      fields: [1, 2],
      snapshotId: 9_223_372_036_854_775_807n,
      sequenceNumber: 9_007_199_254_740_993n,
      compressionCodec: 'zstd' as const,
      properties: { ndv: '12' },
      content: text('two '.repeat(1000)),
    },
  ]
  const { bytes, footer } = encodePuffin(blobs, { 'created-by': 'a test' })
  expect(decodePuffinFooter(bytes, location)).toEqual(footer)
  expect(footer.blobs.map(({ offset }) => offset)).toEqual([4n, 7n])
  expect(footer.blobs.map((blob) => Buffer.from(puffinBlobContent(bytes, blob, location)).toString())).toEqual([
    'one',
    'two '.repeat(1000),
  ])
  expect(encodePuffin(blobs, { 'created-by': 'a test' }).bytes).toEqual(bytes)
})

test('an empty file has the bytes of the specification', () => {
  const { bytes } = encodePuffin([], {})
  expect(Buffer.from(bytes).toString('latin1')).toBe('PFA1PFA1{"blobs":[],"properties":{}}\x1c\0\0\0\0\0\0\0PFA1')
  expect(decodePuffinFooter(text('PFA1PFA1{"blobs":[]}\x0c\0\0\0\0\0\0\0PFA1'), location)).toEqual({
    blobs: [],
    properties: {},
  })
})

test('what the reader does not unpack is refused by name', () => {
  expect(() => decodePuffinFooter(text('PFA1PFA1{"blobs":[]}\x0c\0\0\0\x01\0\0\0PFA1'), location)).toThrow(
    expect.objectContaining({ code: 'FEATURE_UNSUPPORTED', message: expect.stringContaining('lz4') as string }),
  )
  const { bytes, footer } = encodePuffin(
    [{ type: 'b', fields: [], snapshotId: 1n, sequenceNumber: 1n, content: text('x') }],
    {},
  )
  const blob = footer.blobs[0]
  if (blob === undefined) throw new Error('no blob')
  expect(() => puffinBlobContent(bytes, { ...blob, compressionCodec: 'lz4' }, location)).toThrow(/lz4/)
  expect(() => puffinBlobContent(bytes, { ...blob, compressionCodec: 'zstd' }, location)).toThrow(
    expect.objectContaining({ code: 'DATA_FILE_INVALID' }),
  )
})

test('a blob that would unpack to gigabytes is refused', { timeout: 30_000 }, () => {
  const bomb = zstdCompressSync(new Uint8Array((1 << 28) + 1))
  const blob = { type: 'b', fields: [], snapshotId: 1n, sequenceNumber: 1n, offset: 0n, length: BigInt(bomb.length) }
  expect(() => puffinBlobContent(bomb, { ...blob, compressionCodec: 'zstd' }, location)).toThrow(location)
})

test('damaged footers are refused with the file and the reason', () => {
  const { bytes } = encodePuffin(
    [{ type: 'b', fields: [7], snapshotId: 1n, sequenceNumber: 1n, content: text('content') }],
    { key: 'value' },
  )
  const refused = (damaged: Uint8Array): void => {
    try {
      decodePuffinFooter(damaged, location)
    } catch (error) {
      expect(error).toMatchObject({
        code: expect.stringMatching(/^(DATA_FILE_INVALID|FEATURE_UNSUPPORTED)$/) as string,
      })
      expect(String(error)).toContain(location)
    }
  }
  for (let length = 0; length < bytes.length; length++)
    expect(() => decodePuffinFooter(bytes.subarray(0, length), location)).toThrow(location)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
      const damaged = Uint8Array.from(bytes)
      damaged[at] = byte
      refused(damaged)
    }),
    { numRuns: 1000 },
  )
  const footerOf = (json: string): Uint8Array => {
    const size = Buffer.alloc(8)
    size.writeInt32LE(Buffer.byteLength(json))
    return Buffer.concat([Buffer.from('PFA1PFA1'), Buffer.from(json), size, Buffer.from('PFA1')])
  }
  const blob = (fields: string): Uint8Array =>
    footerOf(`{"blobs":[{"type":"b","fields":[],"snapshot-id":1,"sequence-number":1,${fields}}]}`)
  expect(() => decodePuffinFooter(blob('"offset":4,"length":1'), location)).toThrow(/does not lie in it/)
  expect(() => decodePuffinFooter(blob('"offset":-4,"length":0'), location)).toThrow(/does not lie in it/)
  expect(() => decodePuffinFooter(blob('"offset":1e3,"length":0'), location)).toThrow(/"offset"/)
  expect(() => decodePuffinFooter(blob(`"offset":${'9'.repeat(100_000)},"length":0`), location)).toThrow(/"offset"/)
  expect(() => decodePuffinFooter(footerOf('['.repeat(100_000)), location)).toThrow(/nested deeper/)
  expect(() => decodePuffinFooter(footerOf('[]'), location)).toThrow(/must be an object/)
})

test('a deletion vector is framed as the specification says', () => {
  const positions = positionSet([0n, 3n, (1n << 40n) + 5n])
  const blob = encodeDeletionVector(positions)
  const view = new DataView(blob.buffer)
  expect(view.getUint32(0)).toBe(blob.length - 8)
  expect(Buffer.from(blob.subarray(4, 8)).toString('hex')).toBe('d1d33964')
  expect(decodeDeletionVector(blob, { location, recordCount: 3n })).toEqual(positions)
  expect(() => decodeDeletionVector(blob, { location, recordCount: 4n })).toThrow(/deletes 3 rows.*says 4/)
  for (let at = 0; at < blob.length; at++) {
    const damaged = Uint8Array.from(blob)
    damaged[at] = (damaged[at] as number) ^ 0x10
    expect(() => decodeDeletionVector(damaged, { location, recordCount: 3n })).toThrow(location)
    expect(() => decodeDeletionVector(blob.subarray(0, at), { location, recordCount: 3n })).toThrow(location)
  }
})
