import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer, type TLSSocket } from 'node:tls'
import { freePort } from '../../workers/temporal-server/index.ts'
import type { Credentials } from './certificates.ts'
import { answerOf, grpcProxy } from './grpc-proxy.ts'

export interface SecureProxy extends AsyncDisposable {
  readonly address: string
}

const localhost = '127.0.0.1'

/** TLS in front of a server without it, which asks clients for a certificate of `clientAuthority` where one is given. */
export async function tlsProxy(
  target: string,
  { cert, key }: Credentials,
  clientAuthority?: string,
): Promise<SecureProxy> {
  const [host = '', port = ''] = target.split(':')
  const sockets = new Set<Duplex>()
  const asks = clientAuthority === undefined ? {} : { ca: clientAuthority, requestCert: true, rejectUnauthorized: true }
  const server = createServer({ cert, key, ALPNProtocols: ['h2'], ...asks }, (client: TLSSocket) => {
    const upstream = connect(Number(port), host)
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', end).on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    client.pipe(upstream).pipe(client)
  })
  const proxyPort = await freePort()
  await new Promise<void>((resolve) => server.listen(proxyPort, localhost, resolve))
  return {
    address: `${localhost}:${proxyPort}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

const unauthenticated = 16

/** A Temporal server that takes only calls with an API key, in front of one that takes all. */
export const apiKeyProxy = (target: string, credentials: Credentials, apiKey: string): Promise<SecureProxy> =>
  grpcProxy(
    target,
    async ({ headers, forward }) =>
      headers.authorization === `Bearer ${apiKey}` ? forward() : answerOf(unauthenticated, 'Request unauthorized.'),
    credentials,
  )
