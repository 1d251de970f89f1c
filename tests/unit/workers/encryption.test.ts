// Whoever has the histories and not the key must read nothing, and whoever has the wrong key must be told which one it takes: a payload that
// is passed through by mistake is a secret published, or a run that hangs on "unknown encoding".
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ApplicationFailure, defaultPayloadConverter, type Payload } from '@temporalio/common'
import {
  decodeOptionalFailureToOptionalError,
  encodeErrorToFailure,
  loadDataConverter,
} from '@temporalio/common/lib/internal-non-workflow/index.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { configSchema } from '../../../src/contract/index.ts'
import { codecServer, loadKeys, payloadCodec, type EncryptionKeys } from '../../../workers/encryption/index.ts'
import { failureConverter } from '../../../workflows/failure-converter.ts'
import { tempDir } from '../../support/temp-dir.ts'

const keysOf = (...ids: readonly string[]): EncryptionKeys => new Map(ids.map((id) => [id, randomBytes(32)]))
const bytesOf = (payloads: readonly Payload[]): string =>
  payloads.map(({ metadata, data }) => Buffer.concat([...Object.values(metadata ?? {}), data ?? Buffer.of()])).join('')

test('every payload comes back as it was, and no two encryptions are alike', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ kind: fc.string(), data: fc.uint8Array({ maxLength: 500 }) })),
      async (made) => {
        const payloads = made.map(({ kind, data }) => ({ metadata: { encoding: Buffer.from(kind) }, data }))
        const codec = payloadCodec(keysOf('a'))
        const [once, twice] = [await codec.encode(payloads), await codec.encode(payloads)]
        expect(bytesOf(await codec.decode(once))).toBe(bytesOf(payloads))
        if (payloads.length > 0) expect(bytesOf(once)).not.toBe(bytesOf(twice))
      },
    ),
    { numRuns: 50 },
  ))

test('keys rotate: the first one writes, each reads what it wrote', async () => {
  const [[, old] = ['', Buffer.of()]] = keysOf('old')
  const payload = defaultPayloadConverter.toPayload({ view: 'secret' })
  const written = await payloadCodec(new Map([['old', old]])).encode([payload])
  const both = payloadCodec(new Map([...keysOf('new'), ['old', old]]))
  expect(bytesOf(await both.decode(written))).toBe(bytesOf([payload]))
  expect(bytesOf(await both.encode([payload]))).toContain('new')
  expect(bytesOf(await both.decode([payload])), 'from before there were keys').toBe(bytesOf([payload]))
})

test('a key that is missing, another one of that id, and a byte that was changed', async () => {
  const keys = keysOf('ours')
  const written = await payloadCodec(keys).encode([defaultPayloadConverter.toPayload('secret')])
  const setting = expect.stringContaining('temporal.encryption.keys') as string
  await expect(payloadCodec(keysOf('b', 'c')).decode(written)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/"ours".*the keys here are b, c/) as string,
    hint: setting,
  })
  await expect(payloadCodec(new Map()).decode(written)).rejects.toMatchObject({
    message: expect.stringMatching(/"ours".*no key is configured/) as string,
    hint: setting,
  })
  await expect(payloadCodec(keysOf('ours')).decode(written)).rejects.toMatchObject({
    message: expect.stringContaining('key "ours"') as string,
    hint: setting,
  })
  for (const length of [0, 11, 27]) {
    const cut = written.map((payload) => ({ ...payload, data: payload.data?.subarray(0, length) ?? null }))
    await expect(payloadCodec(keys).decode(cut), `cut to ${length} bytes`).rejects.toThrow('key "ours"')
  }
  const changed = written.map(({ metadata, data }) => {
    const copy = Buffer.from(data ?? [])
    copy[20] = (copy[20] ?? 0) ^ 1
    return { ...(metadata === undefined ? {} : { metadata }), data: copy }
  })
  await expect(payloadCodec(keys).decode(changed)).rejects.toThrow('key "ours"')
})

test('failures keep their messages, stacks and details inside, also those of causes', async () => {
  const cause = ApplicationFailure.nonRetryable('row 7 holds "secret"', 'INPUT_INVALID', { file: 'secret.parquet' })
  const failure = ApplicationFailure.create({ message: 'secret file', type: 'DATA_FILE_INVALID', cause })
  const loaded = loadDataConverter({ payloadCodecs: [payloadCodec(keysOf('a'))] })
  const proto = await encodeErrorToFailure({ ...loaded, failureConverter }, failure)
  const stored = JSON.stringify(proto, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
  )
  expect(stored).not.toContain('secret')
  expect(stored).not.toContain('encryption.test')
  expect(stored, 'retry policies go by it').toContain('DATA_FILE_INVALID')
  // Clients have the usual converter.
  const read = await decodeOptionalFailureToOptionalError(loaded, proto)
  expect(read).toMatchObject({
    message: 'secret file',
    cause: { message: 'row 7 holds "secret"', details: [{ file: 'secret.parquet' }] },
  })
})

test('what is wrong with a key is said by its id, never by what it is', async () => {
  await using dir = await tempDir()
  const good = randomBytes(32).toString('base64')
  await writeFile(join(dir.path, 'good.key'), `${good}\n`)
  await writeFile(join(dir.path, 'hex.key'), randomBytes(32).toString('hex'))
  const load = (...keys: readonly object[]) => {
    const { encryption } = configSchema.parse({ temporal: { encryption: { keys } } }).temporal
    return loadKeys(encryption, dir.path)
  }
  expect([...load({ id: 'b', file: 'good.key' }, { id: 'a', key: good }).keys()]).toEqual(['b', 'a'])
  expect([...loadKeys(undefined, dir.path).keys()]).toEqual([])
  expect(() => load({ id: 'short', key: 'c2hvcnQ=' })).toThrow(/key "short" .* is not 32 bytes in base64/)
  expect(() => load({ id: 'short', key: 'c2hvcnQ=' })).not.toThrow(/c2hvcnQ/)
  expect(() => load({ id: 'hex', file: 'hex.key' })).toThrow(/key "hex" .*hex\.key is not 32 bytes/)
  expect(() => load({ id: 'gone', file: 'gone.key' })).toThrow(/key "gone" cannot be read: .*gone\.key/)
  expect(() => load({ id: 'x', key: good }, { id: 'x', key: good })).toThrow('two keys have one id')
  expect(() => load({ id: 'x' })).toThrow('give key or file')
  expect(() => load({ id: 'x', key: good, file: 'good.key' })).toThrow('give key or file')
  expect(() => load({ id: 'spaces in it', key: good })).toThrow('use up to 64 letters')
  expect(() => load()).toThrow()
})

test('the codec server serves its Web UI and programs, not the pages of others', async () => {
  const origin = 'http://127.0.0.1:8233'
  const server = await codecServer({ codec: payloadCodec(keysOf('a')), ip: '127.0.0.1', port: 0, origin })
  const ask = (path: string, headers: Readonly<Record<string, string>>, body?: string) =>
    fetch(`${server.address}${path}`, { method: 'POST', headers, ...(body === undefined ? {} : { body }) })
  const json = { 'content-type': 'application/json' }
  try {
    const payload = { metadata: { encoding: Buffer.from('json/plain').toString('base64') }, data: 'InNlY3JldCI=' }
    const encoded = await ask('/encode', json, JSON.stringify({ payloads: [payload] }))
    const text = await encoded.text()
    expect(text).not.toContain(payload.data)
    const decoded = await ask('/decode', { ...json, origin }, text)
    expect(await decoded.json()).toEqual({ payloads: [payload] })
    const preflight = await fetch(`${server.address}/decode`, { method: 'OPTIONS', headers: { origin } })
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin)
    expect((await ask('/decode', { ...json, origin: 'http://rebound.example' }, text)).status).toBe(403)
    expect((await ask('/decode', { 'content-type': 'text/plain' }, text)).status, 'as a form').toBe(404)
    expect((await ask('/decode', json, '{')).status).toBe(400)
    expect((await ask('/other', json, text)).status).toBe(404)
  } finally {
    await server.close()
  }
})
