import type { ConnectionOptions } from '@temporalio/client'
import { createConnection } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import { HindcastError } from '../src/contract/index.ts'
import type { TemporalTarget } from './temporal-target.ts'

/** Local addresses answer in milliseconds, others in tenths of a second. */
const probeTimeoutMs = 2_000
/** In TLS 1.3 a server says what it thinks of the client's certificate after the handshake. */
const afterHandshakeMs = 1_000

/** What is wrong with a server's address or its TLS, found out at once: gRPC would try again until its time is up, and then not say why. */
export async function refusedBeforehand(target: TemporalTarget): Promise<HindcastError | null> {
  const place = placeOf(target.address)
  if (place === null) return null
  const refused = await tcpProblem(place)
  if (refused?.code === 'ECONNREFUSED') return unreachable(target, refused)
  const tls = tlsOf(target.options)
  if (refused !== null || tls === null) return null
  const problem = await tlsProblem(place, tls, 0)
  return problem === null ? null : tlsError(target, problem)
}

/** Why a connection could not be made, as far as it can be found out. */
export async function connectionProblem(target: TemporalTarget, cause: unknown): Promise<HindcastError> {
  const said = messagesOf(cause)
  if (/unauthenticated|permission.?denied|unauthorized/i.test(said)) return refusedKey(target, cause)
  const place = placeOf(target.address)
  if (place === null || (await tcpProblem(place)) !== null) return unreachable(target, cause)
  const tls = tlsOf(target.options)
  if (tls !== null) {
    const problem = await tlsProblem(place, tls, afterHandshakeMs)
    return problem === null ? unreachable(target, cause) : tlsError(target, problem)
  }
  const speaksTls = (await tlsProblem(place, { rejectUnauthorized: false }, 0)) === null
  if (!speaksTls) return unreachable(target, cause)
  return new HindcastError('CONFIG_INVALID', `the Temporal server at ${target.address} asks for TLS`, {
    hint: 'Set TEMPORAL_TLS=true, with TEMPORAL_TLS_SERVER_CA_CERT_PATH where its certificate is not of a public authority.',
    context: { address: target.address },
    cause,
  })
}

export function unreachable(target: TemporalTarget, cause: unknown): HindcastError {
  const named = {
    environment: 'which the environment names',
    config: 'which hindcast.config.ts names',
    dev: 'which hindcast dev started',
    default: 'which is where one runs if nothing says otherwise',
  }[target.origin]
  return new HindcastError('TEMPORAL_UNAVAILABLE', `no Temporal server answers at ${target.address}, ${named}`, {
    hint:
      target.origin === 'environment' || target.origin === 'config'
        ? 'Start that server, or take the address out to use the one of `hindcast dev`.'
        : 'Start one with `hindcast dev` in another terminal, or name a running one with TEMPORAL_ADDRESS.',
    context: { address: target.address },
    cause,
  })
}

function refusedKey({ address, options }: TemporalTarget, cause: unknown): HindcastError {
  const has = options.apiKey !== undefined
  const what = has ? 'refuses the API key' : 'asks for credentials, and none are configured'
  return new HindcastError('ACCESS_DENIED', `the Temporal server at ${address} ${what}`, {
    hint: has
      ? 'Mend TEMPORAL_API_KEY (or api_key of the profile): the key may have expired, or be another namespace’s.'
      : 'Set TEMPORAL_API_KEY (or api_key of the profile).',
    context: { address },
    cause,
  })
}

function tlsError({ address, options }: TemporalTarget, problem: NodeJS.ErrnoException): HindcastError {
  const { code, what, hint } = explain(problem, options)
  return new HindcastError(code, `the Temporal server at ${address} ${what}`, {
    hint,
    context: { address, tls: problem.code ?? problem.message },
    cause: problem,
  })
}

function explain(
  { code = '', message }: NodeJS.ErrnoException,
  options: ConnectionOptions,
): { readonly code: 'ACCESS_DENIED' | 'CONFIG_INVALID'; readonly what: string; readonly hint: string } {
  if (code.startsWith('ERR_OSSL'))
    return {
      code: 'CONFIG_INVALID',
      what: `cannot be asked: a certificate or key of the environment's configuration cannot be used (${message})`,
      hint: 'TEMPORAL_TLS_… (or the profile) must name files in PEM, a client key being that of its certificate.',
    }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|EPROTO/.test(code) || /before secure TLS/.test(message))
    return {
      code: 'CONFIG_INVALID',
      what: `does not speak TLS, which the environment asks for (${message})`,
      hint: 'Set TEMPORAL_TLS=false, or take the TLS settings and the API key out of the profile.',
    }
  if (/ALERT|HANDSHAKE_FAILURE|ECONNRESET/.test(code)) {
    return hasCertificate(options)
      ? {
          code: 'ACCESS_DENIED',
          what: `refuses the client certificate (${message})`,
          hint: 'Mend TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH: the server trusts another authority, or the certificate has expired.',
        }
      : {
          code: 'ACCESS_DENIED',
          what: `asks for a client certificate (${message})`,
          hint: 'Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH (or client_cert_path and client_key_path of the profile).',
        }
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return {
      code: 'CONFIG_INVALID',
      what: `shows a certificate for another name (${message})`,
      hint: 'Set TEMPORAL_TLS_SERVER_NAME to a name that the certificate has.',
    }
  return {
    code: 'CONFIG_INVALID',
    what: `shows a certificate that is not trusted (${message})`,
    hint: 'Set TEMPORAL_TLS_SERVER_CA_CERT_PATH (or server_ca_cert_path of the profile) to the certificate of the authority that signed it.',
  }
}

interface Place {
  readonly host: string
  readonly port: number
}

function placeOf(address: string): Place | null {
  const [, host = '', port = ''] = /^(?:\w+:\/\/)?\[?([^\]/]*?)\]?:(\d+)$/.exec(address) ?? []
  return host === '' ? null : { host, port: Number(port) }
}

const hasCertificate = ({ tls }: ConnectionOptions): boolean =>
  typeof tls === 'object' && tls?.clientCertPair !== undefined

/** Node's options for the TLS that the client would use; null where it uses none. */
function tlsOf({ tls, apiKey }: ConnectionOptions): TlsOptions | null {
  if (tls === false || (tls ?? apiKey ?? null) === null) return null
  if (typeof tls !== 'object' || tls === null) return {}
  const { serverRootCACertificate: ca, clientCertPair: pair, serverNameOverride: name } = tls
  return {
    ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
    ...(pair === undefined ? {} : { cert: Buffer.from(pair.crt), key: Buffer.from(pair.key) }),
    ...(name === undefined ? {} : { servername: name }),
  }
}

function tcpProblem(place: Place): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const socket = createConnection({ ...place, timeout: probeTimeoutMs })
    const end = (outcome: Error | null): void => {
      socket.destroy()
      resolve(outcome)
    }
    socket.once('connect', () => end(null))
    socket.once('timeout', () => end(new Error('no answer')))
    socket.once('error', end)
  })
}

/** The error of a handshake and of `waitMs` after it; null when there is none, or no answer at all. */
function tlsProblem(place: Place, tls: TlsOptions, waitMs: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const end = (outcome: Error | null): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(outcome)
    }
    let timer = setTimeout(() => end(null), probeTimeoutMs)
    let socket: ReturnType<typeof connectTls>
    try {
      socket = connectTls({ ...place, ALPNProtocols: ['h2'], ...tls })
    } catch (error) {
      // What is no certificate or key throws right here.
      clearTimeout(timer)
      resolve(error instanceof Error ? error : new Error(String(error)))
      return
    }
    socket.once('error', end)
    socket.once('secureConnect', () => {
      clearTimeout(timer)
      if (waitMs === 0) return end(null)
      timer = setTimeout(() => end(null), waitMs)
      // Some say nothing and hang up.
      socket.once('close', () => end(Object.assign(new Error('it closes the connection'), { code: 'ECONNRESET' })))
    })
  })
}

/** What an error and those that caused it say. */
function messagesOf(error: unknown): string {
  const messages: string[] = []
  for (let at: unknown = error; at instanceof Error; at = at.cause) messages.push(at.message)
  return messages.join('; ')
}
