// The server that matters stands behind TLS, client certificates or API keys, and what is wrong with them is found out on the first day, by
// people who did not make them: each fault must say which side it is on and what to set.
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { HindcastError } from '../../src/contract/index.ts'
import { loadSettings } from '../../src/io/project-config.ts'
import { connectClient } from '../../workers/connection.ts'
import { findTemporal } from '../../workers/temporal-target.ts'
import { findServer } from '../../workers/temporal-server/index.ts'
import { connectWorker } from '../../workers/worker-connection.ts'
import { certificateAuthority, type Authority, type Credentials } from '../support/certificates.ts'
import { testProject, type TestProject } from '../support/project.ts'
import { apiKeyProxy, tlsProxy, type SecureProxy } from '../support/secure-proxy.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import '../support/workflow-worker.ts'

let temporal: TestTemporal
let project: TestProject
let authority: Authority
let server: Credentials
let plain: SecureProxy
let mutual: SecureProxy
let keyed: SecureProxy
const files: Record<string, string> = {}

beforeAll(async () => {
  temporal = await startTestTemporal()
  authority = await certificateAuthority('server authority')
  const clients = await certificateAuthority('client authority')
  const stranger = await certificateAuthority('somebody else')
  server = await authority.issue()
  const client = await clients.issue()
  const other = await stranger.issue()
  plain = await tlsProxy(temporal.address, server)
  mutual = await tlsProxy(temporal.address, server, clients.cert)
  keyed = await apiKeyProxy(temporal.address, server, 'the key')
  project = await testProject()
  for (const [name, text] of Object.entries({
    ca: authority.cert,
    strangerCa: stranger.cert,
    clientCert: client.cert,
    clientKey: client.key,
    otherCert: other.cert,
    otherKey: other.key,
  })) {
    files[name] = join(project.dir, `${name}.pem`)
    await writeFile(files[name], text)
  }
})

afterAll(async () => {
  for (const resource of [project, plain, mutual, keyed, temporal]) await resource[Symbol.asyncDispose]()
})

const file = (name: string): string => files[name] ?? ''
const trusting = (): Record<string, string> => ({ TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('ca') })
const certificate = (whose: 'client' | 'other'): Record<string, string> => ({
  TEMPORAL_TLS_CLIENT_CERT_PATH: file(`${whose}Cert`),
  TEMPORAL_TLS_CLIENT_KEY_PATH: file(`${whose}Key`),
})

/** A worker polls, and a command sees it. */
async function works(env: Readonly<Record<string, string>>): Promise<void> {
  const commands = project.withEnv(env)
  const worker = await commands.startWorker()
  const ready = await fetch(`${worker.healthAddress}/readyz`)
  expect(ready.status, await ready.text()).toBe(200)
  const listed = await commands.hindcast('status', '--json')
  expect(listed.json()).toEqual({ runs: [] })
  worker.process.kill('SIGTERM')
  expect(await worker.ended).toBe(0)
}

/** What one who connects with this environment is told. */
async function refusal(env: Readonly<Record<string, string>>, connect: typeof connectClient | typeof connectWorker) {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  try {
    const settings = await loadSettings(project.dir)
    await connect(await findTemporal(settings))
  } catch (error) {
    if (error instanceof HindcastError) return error
    throw error
  } finally {
    vi.unstubAllEnvs()
  }
  throw new Error('it connects')
}

test('TLS', () => works({ TEMPORAL_ADDRESS: plain.address, ...trusting() }))

test('client certificates', () => works({ TEMPORAL_ADDRESS: mutual.address, ...trusting(), ...certificate('client') }))

test('an API key, which says by itself that there is TLS', () =>
  works({ TEMPORAL_ADDRESS: keyed.address, ...trusting(), TEMPORAL_API_KEY: 'the key' }))

test('the address from the project, who asks from the environment', async () => {
  await using named = await testProject({
    config: `export default { temporal: { address: '${mutual.address}' } }\n`,
    env: { ...trusting(), ...certificate('client') },
  })
  const listed = await named.hindcast('status', '--json')
  expect(listed.json()).toEqual({ runs: [] })
})

test('a profile, as the temporal command reads it', async () => {
  const config = join(project.dir, 'temporal.toml')
  await writeFile(
    config,
    `[profile.production]
address = "${mutual.address}"
namespace = "default"
[profile.production.tls]
server_ca_cert_path = "${file('ca')}"
client_cert_path = "${file('clientCert')}"
client_key_path = "${file('clientKey')}"
`,
  )
  const env = { TEMPORAL_CONFIG_FILE: config, TEMPORAL_PROFILE: 'production' }
  const cli = spawn(await findServer(), ['workflow', 'list'], { env: { ...process.env, ...env }, stdio: 'ignore' })
  expect(await new Promise((resolve) => cli.once('exit', resolve))).toBe(0)
  await works(env)
})

test('a command says it too', async () => {
  const refused = await project
    .withEnv({ TEMPORAL_ADDRESS: mutual.address, ...trusting() })
    .hindcast('status', '--json')
  expect(refused.code).toBe(1)
  expect(refused.json()).toMatchObject({ error: { code: 'ACCESS_DENIED' } })
})

describe.each([
  ['a client', connectClient],
  ['a worker', connectWorker],
] as const)('%s', (_, connect) => {
  test.each<[string, () => Record<string, string>, string, RegExp, RegExp]>([
    [
      'an authority that is not trusted',
      () => ({ TEMPORAL_ADDRESS: plain.address, TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('strangerCa') }),
      'CONFIG_INVALID',
      /certificate that is not trusted/,
      /TEMPORAL_TLS_SERVER_CA_CERT_PATH/,
    ],
    [
      'a certificate of another name',
      () => ({ TEMPORAL_ADDRESS: plain.address, ...trusting(), TEMPORAL_TLS_SERVER_NAME: 'temporal.example' }),
      'CONFIG_INVALID',
      /certificate for another name/,
      /TEMPORAL_TLS_SERVER_NAME/,
    ],
    [
      'no TLS where the server has it',
      () => ({ TEMPORAL_ADDRESS: plain.address }),
      'CONFIG_INVALID',
      /asks for TLS/,
      /TEMPORAL_TLS=true/,
    ],
    [
      'TLS where the server has none',
      () => ({ TEMPORAL_ADDRESS: temporal.address, ...trusting() }),
      'CONFIG_INVALID',
      /does not speak TLS/,
      /TEMPORAL_TLS=false/,
    ],
    [
      'no client certificate',
      () => ({ TEMPORAL_ADDRESS: mutual.address, ...trusting() }),
      'ACCESS_DENIED',
      /asks for a client certificate/,
      /TEMPORAL_TLS_CLIENT_CERT_PATH/,
    ],
    [
      'the client certificate of another authority',
      () => ({ TEMPORAL_ADDRESS: mutual.address, ...trusting(), ...certificate('other') }),
      'ACCESS_DENIED',
      /refuses the client certificate/,
      /TEMPORAL_TLS_CLIENT_CERT_PATH/,
    ],
    [
      'the key of another certificate',
      () => ({
        TEMPORAL_ADDRESS: mutual.address,
        ...trusting(),
        ...certificate('client'),
        TEMPORAL_TLS_CLIENT_KEY_PATH: file('otherKey'),
      }),
      'CONFIG_INVALID',
      /certificate or key .* cannot be used/,
      /PEM/,
    ],
    [
      'a certificate without its key',
      () => ({ TEMPORAL_ADDRESS: mutual.address, TEMPORAL_TLS_CLIENT_CERT_PATH: file('clientCert') }),
      'CONFIG_INVALID',
      /client certificate but no key/,
      /TEMPORAL_TLS_CLIENT_KEY_PATH/,
    ],
    [
      'a wrong API key',
      () => ({ TEMPORAL_ADDRESS: keyed.address, ...trusting(), TEMPORAL_API_KEY: 'another' }),
      'ACCESS_DENIED',
      /refuses the API key/,
      /TEMPORAL_API_KEY/,
    ],
    [
      'no API key',
      () => ({ TEMPORAL_ADDRESS: keyed.address, ...trusting() }),
      'ACCESS_DENIED',
      /asks for credentials/,
      /TEMPORAL_API_KEY/,
    ],
    [
      'a configuration file that is not there',
      () => ({ TEMPORAL_CONFIG_FILE: '/nowhere/temporal.toml' }),
      'CONFIG_INVALID',
      /\/nowhere\/temporal\.toml/,
      /path/,
    ],
    [
      'a certificate file that is not there',
      () => ({ TEMPORAL_ADDRESS: plain.address, TEMPORAL_TLS_SERVER_CA_CERT_PATH: '/nowhere/ca.pem' }),
      'CONFIG_INVALID',
      /\/nowhere\/ca\.pem/,
      /TEMPORAL_/,
    ],
  ])('%s', async (_case, env, code, message, hint) => {
    const refused = await refusal(env(), connect)
    expect(refused.message).toMatch(message)
    expect(refused.code).toBe(code)
    expect(refused.hint).toMatch(hint)
  })
})
