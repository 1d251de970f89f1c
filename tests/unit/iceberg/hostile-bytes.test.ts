// Rule: bytes that were made to do harm are refused with the file and the reason, before they cost time or memory.
// Damage: one file in a shared warehouse takes every reader's process down.
import { deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { isHindcastError } from '../../../src/contract/errors.ts'
import {
  ancestorsOf,
  newTableMetadata,
  parseTableMetadata,
  readAvroContainer,
  serializeTableMetadata,
  snapshotFor,
} from '../../../src/iceberg/index.ts'
import { AvroOutput } from '../../../src/iceberg/avro/output.ts'
import { daySpec, location, schema } from './support.ts'

/** Fails when it takes more of the processor than any honest file of that size could need. */
function refused(attempt: () => unknown, reason: string): void {
  const before = process.cpuUsage()
  expect(attempt).toThrow(expect.toSatisfy((error) => isHindcastError(error) && error.message.includes(reason)))
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1e6).toBeLessThan(5)
}

describe('Avro', () => {
  const sync = new Uint8Array(16).fill(7)
  const container = (avroSchema: unknown, codec: string, blocks: readonly { count: bigint; body: Uint8Array }[]) => {
    const output = new AvroOutput()
    output.raw(Uint8Array.of(0x4f, 0x62, 0x6a, 1))
    const header = {
      'avro.schema': typeof avroSchema === 'string' ? avroSchema : JSON.stringify(avroSchema),
      'avro.codec': codec,
    }
    output.long(2)
    for (const text of Object.entries(header).flat()) output.sized(new TextEncoder().encode(text))
    output.byte(0)
    output.raw(sync)
    for (const { count, body } of blocks) {
      output.long(count)
      output.sized(body)
      output.raw(sync)
    }
    return output.bytes()
  }
  const read = (bytes: Uint8Array) => (): unknown => readAvroContainer(bytes, 'f.avro').rows
  const record = (type: unknown): object => ({
    type: 'record',
    name: 'r',
    fields: [{ name: 'a', type, 'field-id': 1 }],
  })

  test('a schema whose names stand for each other twice over makes billions of types', () => {
    const fields = Array.from({ length: 50 }, (_, index) => ({
      name: `f${index}`,
      type: {
        type: 'record',
        name: `t${index}`,
        fields: ['a', 'b'].map((name) => ({ name, type: index === 0 ? 'int' : `t${index - 1}` })),
      },
    }))
    refused(read(container({ type: 'record', name: 'r', fields }, 'null', [])), 'types')
  })

  test('a schema that names itself never ends', () => {
    refused(read(container(record(['null', 'r']), 'null', [])), 'within itself')
    refused(read(container(record({ type: 'array', items: 'r' }), 'null', [])), 'within itself')
  })

  test('a schema nested beyond the stack, by brackets or by names', () => {
    refused(read(container('{"type":'.repeat(200_000), 'null', [])), 'not JSON')
    refused(
      read(container(`${'{"type":"array","items":'.repeat(5000)}"int"${'}'.repeat(5000)}`, 'null', [])),
      'nested deeper',
    )
    const chain = Array.from({ length: 100 }, (_, index) => ({
      name: `f${index}`,
      type: {
        type: 'record',
        name: `t${index}`,
        fields: [{ name: 'a', type: index === 0 ? 'int' : `t${index - 1}` }],
      },
    }))
    refused(read(container({ type: 'record', name: 'r', fields: chain }, 'null', [])), 'nested deeper')
  })

  test('items and rows that take no bytes can be as many as anybody likes', () => {
    refused(read(container(record({ type: 'array', items: 'null' }), 'null', [])), 'take no bytes')
    const empty = { type: 'record', name: 'e', fields: [] }
    refused(read(container(record({ type: 'array', items: empty }), 'null', [])), 'take no bytes')
    refused(read(container(empty, 'null', [{ count: 2n ** 62n, body: new Uint8Array(9) }])), 'claims')
  })

  test('a bomb that unpacks to gigabytes, and one that unpacks to millions of rows', () => {
    const zeros = deflateRawSync(new Uint8Array(40 << 20), { level: 1 })
    refused(read(container(record('bytes'), 'deflate', [{ count: 1n, body: zeros }])), 'cannot be unpacked')
    const rows = deflateRawSync(new Uint8Array(16 << 20), { level: 1 })
    refused(read(container(record('long'), 'deflate', [{ count: 16n << 20n, body: rows }])), 'more values')
    // Every row is one byte, and a thousand values.
    const wide = Array.from({ length: 1000 }, (_, index) => ({ name: `f${index}`, type: 'null', 'field-id': index }))
    const schemaOfNulls = { type: 'record', name: 'r', fields: [...wide, { name: 'l', type: 'long' }] }
    refused(read(container(schemaOfNulls, 'null', [{ count: 50_000n, body: new Uint8Array(50_000) }])), 'more values')
    const lists = deflateRawSync(new Uint8Array(16 << 20), { level: 1 })
    refused(
      read(container(record({ type: 'array', items: 'int' }), 'deflate', [{ count: 16n << 20n, body: lists }])),
      'more values',
    )
  })

  test('text that is not UTF-8, where a replaced letter would be another path', () => {
    refused(read(container(record('string'), 'null', [{ count: 1n, body: Uint8Array.of(4, 0xc3, 0x28) }])), 'not UTF-8')
  })

  test('a field id given twice, where one value would hide the other', () => {
    const twice = {
      type: 'record',
      name: 'r',
      fields: ['a', 'b'].map((name) => ({ name, type: 'int', 'field-id': 1 })),
    }
    refused(read(container(twice, 'null', [])), 'field id 1 twice')
  })
})

describe('table metadata', () => {
  const empty = newTableMetadata({ schema, spec: daySpec }, { uuid: 'u', location, nowMs: 5 })
  const json = new TextDecoder().decode(serializeTableMetadata(empty))
  const read = (text: string | Uint8Array) => (): unknown =>
    parseTableMetadata(typeof text === 'string' ? new TextEncoder().encode(text) : text, 'f.json')
  const withMember = (member: string): string => `${json.slice(0, -1)},${member}}`

  test('a bomb, zipped', () => {
    refused(read(gzipSync(new Uint8Array(136 << 20), { level: 1 })), 'cannot be unzipped')
    refused(read(gzipSync(withMember(`"x":[${'[],'.repeat(5 << 20)}[]]`), { level: 1 })), 'values')
  })

  test('nesting beyond the stack, numbers of a million digits, keys of every object', () => {
    refused(read('['.repeat(1_000_000)), 'nested deeper')
    refused(read(withMember(`"x":${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`)), 'nested deeper')
    refused(read(json.replace('"last-updated-ms":5', `"last-updated-ms":${'9'.repeat(1_000_000)}`)), 'last-updated-ms')
    refused(read(json.replace('"last-updated-ms":5', '"last-updated-ms":1e999999')), 'last-updated-ms')
    refused(read(json.replace('"last-updated-ms":5', '"last-updated-ms":9000000000000000')), 'a time')
    const odd = withMember(`"x":${'8'.repeat(1_000_000)},"__proto__":{"location":"file:///elsewhere"}`)
    const metadata = parseTableMetadata(new TextEncoder().encode(odd), 'f')
    expect(metadata.location).toBe(location)
    expect(Object.getPrototypeOf(metadata.unknownFields)).toBe(Object.prototype)
    expect(new TextDecoder().decode(serializeTableMetadata(metadata))).toBe(odd)
    expect(() => snapshotFor(metadata, { ref: 'constructor' })).toThrow('no branch or tag constructor')
  })

  test('a key given twice with two values: which of them counts, readers would disagree', () => {
    refused(read(withMember('"location":"file:///elsewhere"')), "Duplicate key 'location'")
  })

  test('bytes that are not UTF-8', () => {
    const bytes = Buffer.from(json)
    bytes[bytes.indexOf('origin')] = 0xff
    refused(read(bytes), 'no JSON document')
  })

  test('ids given twice', () => {
    const doubled = JSON.stringify((JSON.parse(json) as { schemas: unknown[] }).schemas[0])
    refused(
      read(json.replace(`"schemas":[${doubled}]`, `"schemas":[${doubled},${doubled}]`)),
      'schema id 0 is given twice',
    )
  })

  test('a schema nested beyond the stack, with a name as long as the file', () => {
    const deep = `${'{"type":"list","element-id":1,"element-required":true,"element":'.repeat(5000)}"int"${'}'.repeat(5000)}`
    refused(read(json.replace('"type":"string"', `"type":${deep}`)), 'nested deeper')
    const named = json.replace('"name":"origin"', `"name":"${'x'.repeat(1_000_000)}"`).replace('"string"', '"strin"')
    expect(() => read(named)()).toThrow(expect.toSatisfy((error: Error) => error.message.length < 1000))
  })

  test('snapshots that are each other’s parents end a walk along them', () => {
    const snapshot = (snapshotId: bigint, parentSnapshotId: bigint) => ({
      snapshotId,
      parentSnapshotId,
      sequenceNumber: 0n,
      timestampMs: 1,
      manifestList: 'l',
      summary: { operation: 'append' },
    })
    const metadata = { ...empty, snapshots: [snapshot(1n, 2n), snapshot(2n, 1n)] }
    expect(ancestorsOf(metadata, 1n).map(({ snapshotId }) => snapshotId)).toEqual([1n, 2n])
  })
})
