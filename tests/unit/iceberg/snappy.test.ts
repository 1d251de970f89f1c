import fc from 'fast-check'
import { compress, uncompress } from 'snappyjs'
import { expect, test } from 'vitest'
import { AvroError } from '../../../src/iceberg/avro/schema.ts'
import { snappyPack, snappyUnpack } from '../../../src/iceberg/avro/snappy.ts'

/** Bytes that repeat themselves, near and far, as those of manifests do. */
const repeating = fc
  .tuple(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 }), fc.array(fc.nat(5)))
  .map(([pieces, order]) => Uint8Array.from(order.flatMap((at) => Array.from(pieces[at % pieces.length] ?? []))))
const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), repeating)

test('what we pack another library unpacks, and the other way round', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      expect(uncompress(snappyPack(bytes))).toEqual(bytes)
      expect(snappyUnpack(compress(bytes), bytes.length)).toEqual(bytes)
      expect(snappyUnpack(snappyPack(bytes), bytes.length)).toEqual(bytes)
    }),
  )
})

test('long literals, runs and far copies', () => {
  const random = Uint8Array.from(
    { length: 200_000 },
    (_, index) => Math.imul(index ^ (index >>> 3), 0x9e37_79b1) >>> 13,
  )
  for (const bytes of [random, new Uint8Array(100_000), Uint8Array.from([...random, ...random.subarray(150_000)])]) {
    expect(uncompress(snappyPack(bytes))).toEqual(bytes)
    expect(snappyUnpack(compress(bytes), bytes.length)).toEqual(bytes)
  }
  expect(snappyPack(new Uint8Array(100_000)).length).toBeLessThan(6000)
})

test('damage ends in an error, and claims are checked before anything is allocated', () => {
  const whole = snappyPack(new TextEncoder().encode('a text, and the same text, and the same text again'))
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
      const bytes = whole.slice()
      bytes[at] = value
      try {
        expect(snappyUnpack(bytes, 1000).length).toBeLessThanOrEqual(1000)
      } catch (error) {
        if (!(error instanceof AvroError)) throw error
      }
    }),
  )
  expect(() => snappyUnpack(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), 1000)).toThrow('unpacks to 4294967295 bytes')
  expect(() => snappyUnpack(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 1000)).toThrow('more than 32 bits')
  expect(() => snappyUnpack(Uint8Array.of(4, 0x01, 0x01), 1000)).toThrow('a copy that leaves it')
  expect(() => snappyUnpack(Uint8Array.of(4, 0x10, 1), 1000)).toThrow('a literal that leaves it')
  expect(() => snappyUnpack(Uint8Array.of(4, 0x00, 1), 1000)).toThrow('claims 4 bytes and has 1')
})
