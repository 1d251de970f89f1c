/** Damage inside an Avro container whose frame stays whole: it gets past the magic, the lengths and the sync markers. */
import { deflateRawSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { blockUnpacker, packBlock } from '../../../src/iceberg/avro/compression.ts'
import { AvroInput } from '../../../src/iceberg/avro/input.ts'
import { AvroOutput } from '../../../src/iceberg/avro/output.ts'
import { damaged } from './mutate-bytes.ts'
import { damagedJson } from './mutate-json.ts'
import type { Random } from './random.ts'

interface Parts {
  readonly header: Map<string, string>
  readonly sync: Uint8Array
  readonly blocks: { count: bigint; body: Uint8Array }[]
}

const packers: Readonly<Record<string, (block: Uint8Array) => Uint8Array>> = {
  null: (block) => block,
  deflate: (block) => deflateRawSync(block),
  zstandard: (block) => zstdCompressSync(block),
  snappy: (block) => packBlock(block, { codec: 'snappy' }),
}
const unpackers: Readonly<Record<string, (block: Uint8Array) => Uint8Array>> = {
  null: (block) => block,
  deflate: (block) => inflateRawSync(block),
  zstandard: (block) => zstdDecompressSync(block),
  snappy: (block) => blockUnpacker('snappy', '')(block, block.length * 100),
}

function partsOf(bytes: Uint8Array): Parts {
  const input = new AvroInput(bytes)
  input.take(4)
  const header = new Map<string, string>()
  const text = (): string => new TextDecoder().decode(input.take(input.size()))
  for (let left = input.blockCount(); left > 0; left = input.blockCount()) {
    for (let index = 0; index < left; index++) header.set(text(), text())
  }
  const unpack = unpackers[header.get('avro.codec') ?? 'null'] as (block: Uint8Array) => Uint8Array
  const sync = input.take(16).slice()
  const blocks: { count: bigint; body: Uint8Array }[] = []
  while (input.left > 0) {
    blocks.push({ count: input.long(), body: unpack(input.take(input.size())).slice() })
    input.take(16)
  }
  return { header, sync, blocks }
}

function fileOf({ header, sync, blocks }: Parts): Uint8Array {
  const output = new AvroOutput()
  output.raw(Uint8Array.of(0x4f, 0x62, 0x6a, 1))
  output.long(header.size)
  for (const text of [...header].flat()) output.sized(new TextEncoder().encode(text))
  output.byte(0)
  output.raw(sync)
  const pack = packers[header.get('avro.codec') ?? 'null'] ?? packers['null']
  for (const { count, body } of blocks) {
    output.long(count)
    output.sized((pack as (block: Uint8Array) => Uint8Array)(body))
    output.raw(sync)
  }
  return output.bytes()
}

const odd = ['', '0', '1', '2', '3', '4', '-1', '99999999999999999999', 'null', 'snappy', 'data', 'deletes', '[]']

export function damagedAvro(bytes: Uint8Array, random: Random): Uint8Array {
  const parts = partsOf(bytes)
  const { header, blocks } = parts
  for (let changes = 1 + random.below(2); changes > 0; changes--) {
    const block = random.oneOf(blocks)
    switch (random.below(6)) {
      case 0:
        header.set('avro.schema', damagedJson(header.get('avro.schema') ?? '{}', random))
        break
      case 1: {
        const key = random.oneOf([...header.keys()])
        header.set(key, random.oneOf(odd))
        break
      }
      case 2:
        block.count = random.oneOf([0n, block.count + 1n, block.count - 1n, -1n, 2n ** 62n, 2n ** 31n])
        break
      case 3:
        blocks.push(structuredClone(block))
        break
      default:
        block.body = damaged(block.body, random)
    }
  }
  return fileOf(parts)
}
