// Rule: a secret goes to its server alone, never into a message. Damage otherwise: it stands in logs and in Temporal's history.
import { createHash, createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { isHindcastError } from '../../../../src/contract/index.ts'
import { failure, identifier, openScripted, scriptedCatalog, table, tableBody } from './support.ts'
import type { SeenRequest } from '../../../support/scripted-server.ts'

const secret = 'very-secret-7f3a'

async function failureOf(action: Promise<unknown>): Promise<string> {
  const error: unknown = await action.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!isHindcastError(error)) throw new Error(`no HindcastError: ${String(error)}`)
  const causes: string[] = []
  for (let at: unknown = error; at instanceof Error; at = at.cause) causes.push(`${at.message} ${JSON.stringify(at)}`)
  return `${error.code} ${error.hint} ${causes.join(' ')}`
}

test('a bearer token that is refused is not told, though the server tells it', async () => {
  const auth = { type: 'bearer', token: secret }
  const told = failure(401, 'NotAuthorizedException', `token ${secret} has ended`)
  await using scripted = await scriptedCatalog(() => told, { catalog: { auth } as object })
  expect(scripted.server.seen[0]?.headers.authorization).toBe(`Bearer ${secret}`)
  const text = await failureOf(scripted.catalog.loadTable(identifier))
  expect(text).toContain('ACCESS_DENIED')
  expect(text).toContain('token *** has ended')
  expect(text).not.toContain(secret)
})

test.each(['user:pass@', ''])('credentials in the address are refused ("%s")', async (user) => {
  const opened = openScripted(`http://${user}127.0.0.1:1${user === '' ? '?token=x' : ''}`)
  await expect(opened).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

/** A server of tokens `token-1`, `token-2` …, each for a minute and a half; a catalog that takes only the newest ones. */
async function withTokens(
  options: { readonly now?: () => number; readonly expiresIn?: number; readonly accepts?: () => string } = {},
) {
  let tokens = 0
  const requests: SeenRequest[] = []
  const scripted = await scriptedCatalog(
    (request) => {
      if (request.path === '/v1/oauth/tokens') {
        requests.push(request)
        const body = { access_token: `token-${++tokens}`, token_type: 'bearer', expires_in: options.expiresIn ?? 90 }
        return { status: 200, body }
      }
      const wanted = options.accepts?.()
      if (wanted !== undefined && request.headers.authorization !== `Bearer ${wanted}`) return failure(401)
      return { status: 200, body: tableBody(table) }
    },
    {
      catalog: {
        auth: { type: 'oauth2', clientId: 'me', clientSecret: secret, scope: 'PRINCIPAL_ROLE:ALL' },
      } as object,
      ...(options.now === undefined ? {} : { now: options.now }),
    },
  )
  return { ...scripted, requests, [Symbol.asyncDispose]: () => scripted[Symbol.asyncDispose]() }
}

test('OAuth2: one token for many requests, asked for as Iceberg’s libraries do', async () => {
  await using tokens = await withTokens()
  await Promise.all(Array.from({ length: 5 }, () => tokens.catalog.loadTable(identifier)))
  expect(tokens.requests).toHaveLength(1)
  expect(Object.fromEntries(new URLSearchParams(tokens.requests[0]?.body))).toEqual({
    grant_type: 'client_credentials',
    client_id: 'me',
    client_secret: secret,
    scope: 'PRINCIPAL_ROLE:ALL',
  })
  expect(tokens.server.seen.at(-1)?.headers.authorization).toBe('Bearer token-1')
})

test('OAuth2: a token is renewed before it ends', async () => {
  let nowMs = 1_000_000
  await using tokens = await withTokens({ now: () => nowMs })
  nowMs += 80_000
  await tokens.catalog.loadTable(identifier)
  expect(tokens.requests).toHaveLength(1)
  nowMs += 2_000
  await tokens.catalog.loadTable(identifier)
  expect(tokens.requests).toHaveLength(2)
  expect(tokens.server.seen.at(-1)?.headers.authorization).toBe('Bearer token-2')
})

test('OAuth2: a token that is refused is renewed once, and a commit that it came with is sent again', async () => {
  await using tokens = await withTokens({ accepts: () => 'token-2' })
  const change = { requirements: [], updates: [] }
  expect(await tokens.catalog.commit(table, change)).toMatchObject({ status: 'committed' })
  expect(tokens.requests).toHaveLength(2)
  await using never = await withTokens({ accepts: () => 'another' })
  await expect(never.catalog.loadTable(identifier)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
  expect(never.requests).toHaveLength(2)
})

test('OAuth2: a client that is refused is told without its secret', async () => {
  const said = { status: 401, body: { error: 'invalid_client', error_description: `no ${secret}` } }
  await using scripted = await scriptedCatalog(() => said)
  const auth = { type: 'oauth2', clientId: 'me', clientSecret: secret }
  const text = await failureOf(openScripted(scripted.server.uri, { auth }))
  expect(text).toContain('ACCESS_DENIED')
  expect(text).toContain('invalid_client')
  expect(text).not.toContain(secret)
  const nobody = await failureOf(
    openScripted(scripted.server.uri, { auth: { ...auth, tokenUri: 'http://127.0.0.1:1/' } }),
  )
  expect(nobody).toContain('CATALOG_UNAVAILABLE')
  expect(nobody).not.toContain(secret)
})

test('SigV4: the signature is the one that AWS’s documents describe', async () => {
  const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5)
  const auth = {
    type: 'sigv4',
    region: 'eu-north-1',
    service: 's3tables',
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: secret,
    sessionToken: 'session',
  }
  const options = {
    catalog: { auth } as object,
    now: () => nowMs,
    config: { overrides: { prefix: 'arn%3Aaws%3As3tables' } },
  }
  await using scripted = await scriptedCatalog(() => ({ status: 200, body: tableBody(table) }), options)
  await scripted.catalog.commit(table, { requirements: [], updates: [] })
  await scripted.catalog.listTables(['raw'])
  for (const request of scripted.server.seen) {
    expect(request.headers['x-amz-date']).toBe('20260102T030405Z')
    expect(request.headers['x-amz-security-token']).toBe('session')
    expect(request.headers.authorization).toBe(expectedSignature(request, auth))
  }
})

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function expectedSignature(
  { method, path, headers, body }: SeenRequest,
  {
    region,
    service,
    accessKeyId,
    secretAccessKey,
  }: Readonly<Record<'region' | 'service' | 'accessKeyId' | 'secretAccessKey', string>>,
): string {
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
  const [rawPath = '', query = ''] = path.split('?')
  const encode = (text: string): string =>
    encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
  const canonicalQuery = query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => (part.includes('=') ? part : `${part}=`))
    .sort()
    .join('&')
  const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1] ?? ''
  const canonicalHeaders = signed
    .split(';')
    .map((name) => `${name}:${String(headers[name]).trim()}\n`)
    .join('')
  // Encoded once more, as for every service but S3.
  const canonicalPath = rawPath.split('/').map(encode).join('/')
  const canonical = [method, canonicalPath, canonicalQuery, canonicalHeaders, signed, sha256(body)].join('\n')
  const scope = `20260102/${region}/${service}/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', '20260102T030405Z', scope, sha256(canonical)].join('\n')
  const key = [region, service, 'aws4_request'].reduce<Buffer>(
    (at, part) => hmac(at, part),
    hmac(`AWS4${secretAccessKey}`, '20260102'),
  )
  const signature = hmac(key, toSign).toString('hex')
  for (const needed of ['host', 'x-amz-date', 'x-amz-security-token']) expect(signed.split(';')).toContain(needed)
  return `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
}
