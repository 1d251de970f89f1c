import {
  connect as connectHttp2,
  constants,
  createSecureServer,
  type ClientHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer, type TLSSocket } from 'node:tls'
import { freePort } from '../../workers/temporal-server/index.ts'
import type { Credentials } from './certificates.ts'

export interface SecureProxy extends AsyncDisposable {
  readonly address: string
}

const localhost = '127.0.0.1'

interface Listening {
  listen(port: number, host: string, done: () => void): unknown
  close(done: () => void): unknown
}

async function listenAt(server: Listening, sockets: ReadonlySet<Duplex>): Promise<SecureProxy> {
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, localhost, resolve))
  return {
    address: `${localhost}:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** TLS in front of a server without it, which asks clients for a certificate of `clientAuthority` where one is given. */
export function tlsProxy(target: string, { cert, key }: Credentials, clientAuthority?: string): Promise<SecureProxy> {
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
  return listenAt(server, sockets)
}

/** A Temporal server that takes only calls with an API key, in front of one that takes all. */
export async function apiKeyProxy(target: string, { cert, key }: Credentials, apiKey: string): Promise<SecureProxy> {
  const sockets = new Set<Duplex>()
  const upstream: ClientHttp2Session = connectHttp2(`http://${target}`)
  const server = createSecureServer({ cert, key })
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined)
    if (headers.authorization !== `Bearer ${apiKey}`) {
      const refusal = { 'grpc-status': '16', 'grpc-message': 'Request unauthorized.' }
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...refusal }, { endStream: true })
      return
    }
    const request = upstream.request({ ...headers, ':authority': target, ':scheme': 'http' })
    request.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
    stream.on('close', () => request.close(constants.NGHTTP2_CANCEL))
    stream.pipe(request)
    let trailers = {}
    request.on('trailers', (sent) => (trailers = sent))
    request.on('response', (answer, flags) => {
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
        stream.respond(answer, { endStream: true })
        return
      }
      stream.respond(answer, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers(trailers))
      request.pipe(stream)
    })
  })
  const proxy = await listenAt(server, sockets)
  return {
    ...proxy,
    [Symbol.asyncDispose]: async () => {
      upstream.destroy()
      await proxy[Symbol.asyncDispose]()
    },
  }
}
