/**
 * Rule: whatever a store or the network does, a write is told truly (created by us, by another, or not known), a read is whole, and nothing
 * says a secret. Damage otherwise: a commit is lost or doubled, half a file is read, keys lie in a log.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openFiles, openStorage, within, type WarehouseFiles } from '../../src/io/files/index.ts'
import type { HindcastError } from '../../src/contract/index.ts'
import type { TableMetadata } from '../../src/iceberg/index.ts'
import { listAll } from '../support/file-stores.ts'
import { spoilingProxy, type Handler } from '../support/s3/proxy.ts'
import { startTestS3, takesAnyKey, type TestS3 } from '../support/s3/server.ts'
import { tempDir, type TempDir } from '../support/temp-dir.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (read: Uint8Array) => new TextDecoder().decode(read)

let server: TestS3
let scratch: TempDir
let root: string
beforeAll(async () => {
  server = await startTestS3()
  scratch = await tempDir()
  root = `s3://${server.bucket}/w`
})
afterAll(async () => {
  await scratch[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** The store behind a proxy. */
async function through(handler: Handler) {
  const proxy = await spoilingProxy(server.settings.endpoint, handler)
  const io = openFiles({ s3: { ...server.settings, endpoint: proxy.endpoint } })
  return { io, proxy, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() }
}

const pass: Handler = async ({ ask, answer }) => answer(await ask())

/** Passes everything but the first request that `spoils` picks, and each one after it while `times` lasts. */
const spoiling = (spoils: (method: string, url: string) => boolean, spoil: Handler, times = 1): Handler => {
  let left = times
  return async (exchange) => {
    const { method = '', url = '' } = exchange.request
    if (left > 0 && spoils(method, url)) {
      left -= 1
      await spoil(exchange)
    } else await pass(exchange)
  }
}

const finished = async (content: Uint8Array): Promise<string> => {
  const path = join(scratch.path, randomBytes(8).toString('hex'))
  await writeFile(path, content)
  return path
}

const put = (key: string, body: string | Uint8Array) =>
  server.client.send(new PutObjectCommand({ Bucket: server.bucket, Key: `w/${key}`, Body: body }))

const content = async (key: string): Promise<string> => {
  const { Body } = await server.client.send(new GetObjectCommand({ Bucket: server.bucket, Key: `w/${key}` }))
  return (await Body?.transformToString()) ?? ''
}

/** All that a log could print of an error, with what it came from. */
const printed = (error: unknown): string =>
  inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error) + String(error)

const ignoring =
  (ignores: (method: string, url: string) => boolean): Handler =>
  async ({ request, ask, answer }) => {
    const { 'if-none-match': _, ...headers } = request.headers
    answer(await ask(ignores(request.method ?? '', request.url ?? '') ? headers : request.headers))
  }

test.runIf(takesAnyKey)(
  'a store that ignores If-None-Match is found out once, and nothing is created in it',
  async () => {
    await using store = await through(ignoring(() => true))
    await put('kept', 'as it was')
    const refused = {
      code: 'FEATURE_UNSUPPORTED',
      message: expect.stringContaining('ignores If-None-Match'),
      hint: expect.stringContaining('conditional writes'),
    }
    await expect(store.io.create(`${root}/kept`, bytes('lost'))).rejects.toMatchObject(refused)
    const asked = store.proxy.seen.length
    expect(asked).toBeGreaterThan(1)
    await expect(store.io.create(`${root}/fresh`, bytes('x'))).rejects.toMatchObject(refused)
    await expect(store.io.adopt(await finished(bytes('x')), `${root}/fresh`)).rejects.toMatchObject(refused)
    expect(store.proxy.seen).toHaveLength(asked)
    await expect(store.io.adopt(await finished(new Uint8Array(20 << 20)), `${root}/fresh`)).rejects.toMatchObject(
      refused,
    )
    expect(await content('kept')).toBe('as it was')
    expect(await store.io.size(`${root}/fresh`)).toBeNull()
    expect(await listAll(store.io, root)).toHaveLength(1)
    // What needs no condition works.
    await store.io.replace(`${root}/kept`, bytes('replaced'))
    expect(text(await store.io.read(`${root}/kept`))).toBe('replaced')
    await store.io.delete(`${root}/kept`)
  },
)

test.runIf(takesAnyKey)(
  'a store that honours it for small files alone is found out when the first large one comes',
  async () => {
    await using store = await through(ignoring((method) => method === 'POST'))
    expect(await store.io.create(`${root}/small`, bytes('x'))).toBe('created')
    await expect(store.io.adopt(await finished(new Uint8Array(20 << 20)), `${root}/large`)).rejects.toMatchObject({
      code: 'FEATURE_UNSUPPORTED',
      message: expect.stringContaining('multipart'),
    })
    expect(await store.io.size(`${root}/large`)).toBeNull()
  },
)

const lostAnswer: Handler = async ({ ask, response }) => {
  await ask()
  response.destroy()
}

test('a write whose answer is lost is known as ours when it is sent again', async () => {
  await using store = await through(spoiling((method, url) => method === 'PUT' && url.includes('/lost'), lostAnswer, 2))
  expect(await store.io.create(`${root}/lost-1`, bytes('ours'))).toBe('created')
  expect(await store.io.create(`${root}/lost-1`, bytes('ours'))).toBe('exists')
  expect(await content('lost-1')).toBe('ours')
})

test('a large file whose last answer is lost is known as ours', async () => {
  await using store = await through(
    spoiling((method, url) => method === 'POST' && url.includes('lost-2?uploadId'), lostAnswer),
  )
  expect(await store.io.adopt(await finished(new Uint8Array(20 << 20)), `${root}/lost-2`)).toBe('created')
  expect(await store.io.size(`${root}/lost-2`)).toBe(BigInt(20 << 20))
})

test('of two writers, both of whose answers are lost, one is told that it created the file', async () => {
  for (let round = 0; round < 5; round++) {
    const handler = () => spoiling((method, url) => method === 'PUT' && url.includes('/race'), lostAnswer)
    await using one = await through(handler())
    await using other = await through(handler())
    const name = `race-${round}`
    const outcomes = await Promise.all(
      [one, other].map(({ io }, i) => io.create(`${root}/${name}`, bytes(`writer ${i}`))),
    )
    expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1)
    expect(await content(name)).toBe(`writer ${outcomes.indexOf('created')}`)
  }
})

const says = (status: number, code: string, more = '', headers: Record<string, string> = {}): Handler => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code} it is</Message>${more}</Error>`
  return ({ answer, request }) =>
    answer({
      status,
      headers: { 'content-type': 'application/xml', ...headers },
      body: Buffer.from(request.method === 'HEAD' ? '' : xml),
    })
}

test('a store that asks to go slower, fails or drops connections for a while is tried again', async () => {
  await put('patience', 'worth it')
  for (const spoil of [
    says(503, 'SlowDown'),
    says(500, 'InternalError'),
    (({ response }) => void response.destroy()) as Handler,
  ]) {
    await using store = await through(spoiling((_, url) => url.includes('/patience'), spoil, 2))
    const name = `${root}/patience-${new URL(store.proxy.endpoint).port}`
    expect(await store.io.create(name, bytes('x'))).toBe('created')
    expect(text(await store.io.read(`${root}/patience`))).toBe('worth it')
  }
  await using conflicting = await through(
    spoiling((method, url) => method === 'PUT' && url.includes('/met'), says(409, 'ConditionalRequestConflict'), 3),
  )
  expect(await conflicting.io.create(`${root}/met`, bytes('x'))).toBe('created')
})

test('a connection that breaks within a file is taken up where it broke', async () => {
  const whole = randomBytes(3 << 20)
  await put('broken', whole)
  let breaks = 0
  const breaking: Handler = async ({ request, response, ask, answer }) => {
    const full = await ask()
    if (request.method !== 'GET' || full.body.length < 1 << 20) return answer(full)
    breaks += 1
    response.writeHead(full.status, full.headers)
    response.write(full.body.subarray(0, 1 << 20), () => response.destroy())
  }
  await using store = await through(breaking)
  expect(Buffer.compare(await store.io.read(`${root}/broken`), whole)).toBe(0)
  expect(breaks).toBe(3)
  const part = await store.io.readRange(`${root}/broken`, 100n, BigInt(2 << 20))
  expect(Buffer.compare(part, whole.subarray(100, 100 + (2 << 20)))).toBe(0)
  expect(await store.io.adopt(await finished(whole), `${root}/broken`)).toBe('exists')
})

test('a file that never comes whole is an error, not half a file', async () => {
  await put('torn', randomBytes(100_000))
  await using store = await through(async ({ request, response, ask, answer }) => {
    const full = await ask()
    if (request.method !== 'GET') return answer(full)
    response.writeHead(full.status, full.headers)
    response.write(full.body.subarray(0, 10), () => response.destroy())
  })
  await expect(store.io.read(`${root}/torn`)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  await expect(store.io.download(`${root}/torn`, join(scratch.path, 'torn'))).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
  })
})

test('a file replaced between two halves of its reading is an error, not a mixture', async () => {
  await put('swapped', new Uint8Array(1 << 20).fill(1))
  await using store = await through(
    spoiling(
      (method) => method === 'GET',
      async ({ response, ask }) => {
        const full = await ask()
        await put('swapped', new Uint8Array(1 << 20).fill(2))
        response.writeHead(full.status, full.headers)
        response.write(full.body.subarray(0, 1000), () => response.destroy())
      },
    ),
  )
  await expect(store.io.read(`${root}/swapped`)).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringContaining('replaced while it was read'),
  })
})

test('a file too large for memory is refused before it is read', async () => {
  await using store = await through(({ response }) => {
    response.writeHead(200, { 'content-length': String(2 ** 40), etag: '"x"' })
    response.write('only the beginning')
  })
  await expect(store.io.read(`${root}/huge`)).rejects.toMatchObject({
    code: 'DATA_FILE_INVALID',
    message: expect.stringContaining('1099511627776 bytes'),
  })
})

test('a listing that goes round in circles ends', async () => {
  const page = `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></ListBucketResult>`
  await using store = await through(({ answer }) =>
    answer({ status: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.from(page) }),
  )
  await expect(listAll(store.io, root)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
})

test('where many deletes in one request are unknown, files are deleted one by one', async () => {
  for (const name of ['one', 'two', 'three']) await put(`batch/${name}`, name)
  await using store = await through(spoiling((method) => method === 'POST', says(501, 'NotImplemented'), 100))
  await store.io.deleteAll(['one', 'two', 'three'].map((name) => `${root}/batch/${name}`))
  expect(await listAll(store.io, `${root}/batch`)).toEqual([])
})

test('a delete that fails within a batch is not passed over', async () => {
  const result = `<DeleteResult><Error><Key>w/locked</Key><Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>`
  await using store = await through(({ answer }) =>
    answer({ status: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.from(result) }),
  )
  await expect(store.io.deleteAll([`${root}/free`, `${root}/locked`])).rejects.toMatchObject({
    message: expect.stringContaining(`${root}/locked: access denied`),
  })
})

const secret = 'wJalrXUtnFEMI/K7MDENG'
const token = 'FwoGZXIvYXdzEXAMPLE'

test.each([
  ['a missing bucket', says(404, 'NoSuchBucket'), 'there is no such bucket', 'Create the bucket'],
  ['access denied', says(403, 'AccessDenied'), 'access denied', 's3:GetObject'],
  ['an unknown key', says(403, 'InvalidAccessKeyId'), 'does not know the access key', 'storage.s3.accessKeyId'],
  [
    'a wrong secret',
    says(
      403,
      'SignatureDoesNotMatch',
      `<StringToSign>${secret}</StringToSign><CanonicalRequest>x-amz-security-token:${token}</CanonicalRequest>`,
    ),
    'the secret key is not the access key’s',
    'storage.s3.accessKeyId',
  ],
  ['expired keys', says(400, 'ExpiredToken', `<Token-0>${token}</Token-0>`), 'have expired', 'loading the table again'],
  ['a wrong token', says(400, 'InvalidToken', `<Token-0>${token}</Token-0>`), 'session token', 'together'],
  ['a wrong clock', says(403, 'RequestTimeTooSkewed'), 'clock', 'Set the clock'],
  [
    'another region',
    says(301, 'PermanentRedirect', '', { 'x-amz-bucket-region': 'eu-west-1' }),
    'region eu-west-1',
    'storage.s3.region',
  ],
  [
    'another region, said by name',
    says(400, 'AuthorizationHeaderMalformed', '<Region>eu-west-2</Region>'),
    'region eu-west-2',
    'storage.s3.region',
  ],
  ['a store that is too busy', says(503, 'SlowDown'), 'go slower', 'limits.concurrency'],
  ['a store that fails', says(500, 'InternalError'), 'the store failed (500 InternalError)', 'storage.s3.endpoint'],
  [
    'what is not S3',
    (({ answer }) => answer({ status: 200, headers: {}, body: Buffer.from('<html><body>Welcome</body>') })) as Handler,
    'is not S3',
    'storage.s3.endpoint',
  ],
] as const)('%s is said by name, with a way to mend it and without a secret', async (_, handler, message, hint) => {
  const proxy = await spoilingProxy(server.settings.endpoint, handler)
  await using _proxy = proxy
  const s3 = {
    endpoint: proxy.endpoint,
    region: 'us-east-1',
    accessKeyId: 'AKIA',
    secretAccessKey: secret,
    sessionToken: token,
  }
  const io = openFiles({ s3 })
  const error = await listAll(io, root).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  })
  expect((error as HindcastError).message).toContain(root)
  expect(printed(error)).not.toContain(secret)
  expect(printed(error)).not.toContain(token)
})

test('a store that nobody answers for', async () => {
  const nobody = openFiles({ s3: { ...server.settings, endpoint: 'http://127.0.0.1:1' } })
  await expect(nobody.read(`${root}/x`)).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringContaining('no connection to http://127.0.0.1:1 (ECONNREFUSED)'),
  })
})

test('a writer killed while it sends a large file leaves no file of that name', async () => {
  const local = await finished(new Uint8Array())
  await truncate(local, 100 << 20)
  let writer: ReturnType<typeof spawn> | undefined
  let parts = 0
  const handler: Handler = async ({ request, ask, answer }) => {
    if (request.url?.includes('partNumber') === true && request.url.includes('killed') && ++parts === 3)
      writer?.kill('SIGKILL')
    answer(await ask())
  }
  await using store = await through(handler)
  const script = `
    import { openFiles } from ${JSON.stringify(new URL('../../src/io/files/index.ts', import.meta.url).href)}
    const io = openFiles(${JSON.stringify({ s3: { ...server.settings, endpoint: store.proxy.endpoint } })})
    await io.adopt(${JSON.stringify(local)}, ${JSON.stringify(`${root}/killed`)})
  `
  writer = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'ignore' })
  const signal = await new Promise((resolve) => writer?.once('exit', (_, by) => resolve(by)))
  expect(signal).toBe('SIGKILL')
  expect(await store.io.size(`${root}/killed`)).toBeNull()
  expect(await store.io.adopt(await finished(bytes('again')), `${root}/killed`)).toBe('created')
})

test('s3a and s3n name the same files; other schemes are refused by name', async () => {
  const io = openFiles({ s3: server.settings })
  const spelled = (scheme: string) => `${scheme}://${server.bucket}/w/spelled`
  expect(await io.create(spelled('s3a'), bytes('x'))).toBe('created')
  expect(await io.create(spelled('s3n'), bytes('y'))).toBe('exists')
  expect(text(await io.read(spelled('s3')))).toBe('x')
  const [found] = await listAll(io, spelled('s3a').replace('/spelled', ''))
  expect(found?.path.startsWith('s3://')).toBe(true)
  for (const uri of ['gs://bucket/x', 'hdfs://host/x', 'http://host/x', 's3:/bucket/x', 's3://', 's3://b@d/x']) {
    await expect(io.read(uri)).rejects.toMatchObject({
      code: 'FEATURE_UNSUPPORTED',
      message: expect.stringContaining(uri),
    })
  }
})

/** The key and token that each request was signed with. */
async function recording(): Promise<
  {
    io(table: Parameters<ReturnType<typeof openStorage>['tableFiles']>[0]): WarehouseFiles
    signed: string[]
  } & AsyncDisposable
> {
  const signed: string[] = []
  const proxy = await spoilingProxy(server.settings.endpoint, async (exchange) => {
    const { headers } = exchange.request
    const [, key] = /Credential=([^/]+)/.exec(headers.authorization ?? '') ?? []
    signed.push(`${key} ${String(headers['x-amz-security-token'] ?? '-')}`)
    await pass(exchange)
  })
  const s3 = { ...server.settings, accessKeyId: 'project', sessionToken: 'project-token', endpoint: proxy.endpoint }
  return {
    io: (table) => openStorage({ s3, roots: [root] }).tableFiles(table),
    signed,
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  }
}

test.runIf(takesAnyKey)(
  'of the credentials that a catalog vends the longest prefix counts, and keys are never mixed',
  async () => {
    await using store = await recording()
    const metadata = { location: `${root}/t` } as TableMetadata
    const keys = (name: string, sessionToken?: string) => ({
      's3.access-key-id': name,
      's3.secret-access-key': 'testsecret',
      ...(sessionToken === undefined ? {} : { 's3.session-token': sessionToken }),
    })
    const used = async (table: Parameters<typeof store.io>[0], path: string): Promise<string | undefined> => {
      await store.io(table).size(path)
      return store.signed.at(-1)
    }
    expect(await used({ metadata }, `${root}/t/x`)).toBe('project project-token')
    const table = {
      metadata,
      config: keys('table', 'table-token'),
      storageCredentials: [
        { prefix: 's3', config: keys('any') },
        { prefix: `s3a://${server.bucket}/w/t/data`, config: keys('data', 'data-token') },
        { prefix: `${root}/t/`, config: keys('inner', 'inner-token') },
      ],
    }
    expect(await used(table, `${root}/t/metadata/x`)).toBe('inner inner-token')
    expect(await used(table, `s3n://${server.bucket}/w/t/data/x`)).toBe('data data-token')
    expect(await used(table, `${root}/elsewhere/x`)).toBe('any -')
    expect(await used({ metadata, config: keys('table') }, `${root}/t/x`)).toBe('table -')
    expect(await used({ metadata, config: { 'client.region': 'us-east-1' } }, `${root}/t/x`)).toBe(
      'project project-token',
    )
    expect(
      await used({ metadata, storageCredentials: [{ prefix: `${root}/u`, config: keys('u') }] }, `${root}/t/x`),
    ).toBe('project project-token')
    expect(() => store.io({ metadata, config: { 's3.access-key-id': 'half' } })).toThrow(
      expect.objectContaining({ code: 'CATALOG_INVALID' }),
    )
    const access = await store.io(table).accessTo(`${root}/t/data/x`)
    expect(access).toMatchObject({
      accessKeyId: 'data',
      sessionToken: 'data-token',
      scope: `${root}/t/data`,
      pathStyle: true,
    })
  },
)

test('objects outside the roots are read but neither written nor deleted', async () => {
  const io = within(openFiles({ s3: server.settings }), [`s3a://${server.bucket}/w/inside/`])
  await put('outside', 'kept')
  await put('inside-out', 'kept')
  const local = await finished(bytes('x'))
  const outside = [
    `${root}/outside`,
    `${root}/inside-out`,
    `${root}/inside`,
    `${root}/inside/`,
    `${root}/inside/../outside`,
    `${root}/inside/%2e%2e/outside`,
    `${root}/inside/%252e%252E/outside`,
    `${root}/inside/..%2foutside`,
    `${root}/inside/a%2f..%2f..%2foutside`,
    `${root}/inside/..\\outside`,
    `${root}/inside/./x`,
    `s3://other-bucket/w/inside/x`,
    `s3a://${server.bucket}/w/outside`,
    `s3://${server.bucket}//w/inside/x`,
    `file:///w/inside/x`,
    `/w/inside/x`,
  ]
  for (const uri of outside) {
    const refused = { code: 'REQUEST_INVALID', message: expect.stringContaining(uri) }
    await expect(io.create(uri, bytes('x')), uri).rejects.toMatchObject(refused)
    await expect(io.replace(uri, bytes('x')), uri).rejects.toMatchObject(refused)
    await expect(io.adopt(local, uri), uri).rejects.toMatchObject(refused)
    await expect(io.delete(uri), uri).rejects.toMatchObject(refused)
    await expect(io.deleteAll([`${root}/inside/kept`, uri]), uri).rejects.toMatchObject(refused)
  }
  expect(text(await io.read(`${root}/outside`))).toBe('kept')
  const inside = [
    'x',
    'a/b c',
    'origin=..%2F..%2Fetc/x',
    'a..b/..c/x',
    'day=2024-01-01%2F/x',
    'my%20column=%2e%2e/x',
    '%',
  ]
  for (const name of inside) {
    expect(await io.create(`s3n://${server.bucket}/w/inside/${name}`, bytes(name)), name).toBe('created')
    expect(await content(`inside/${name}`)).toBe(name)
  }
  await io.deleteAll(inside.map((name) => `${root}/inside/${name}`))
  expect(await listAll(io, `${root}/inside`)).toEqual([])
})
