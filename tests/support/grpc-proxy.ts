import {
  connect,
  constants,
  createSecureServer,
  createServer,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Duplex } from 'node:stream'
import { freePort } from '../../workers/temporal-server/index.ts'
import type { Credentials } from './certificates.ts'

/** What a call is answered with, whole. */
export interface GrpcAnswer {
  readonly headers: OutgoingHttpHeaders
  /** Empty, or a message behind its five bytes of length. */
  readonly body: Buffer
  readonly trailers: OutgoingHttpHeaders
}

export interface GrpcCall {
  /** The last part of its path: `RespondActivityTaskCompleted`. */
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** Lets the server have the call, and gives its answer. Rejects when either side breaks off. */
  readonly forward: () => Promise<GrpcAnswer>
}

/** A server that takes calls without streams, between clients and another one, and may answer in its place. */
export interface GrpcProxy extends AsyncDisposable {
  readonly address: string
  /** Breaks off what the server behind still holds of the clients’ calls, long polls for instance. */
  cut(): void
}

const localhost = '127.0.0.1'
const ok = '0'

/** An answer with a status other than OK, or an empty message. */
export const answerOf = (status: number, message = ''): GrpcAnswer => ({
  headers: { ':status': 200, 'content-type': 'application/grpc' },
  body: String(status) === ok ? Buffer.alloc(5) : Buffer.alloc(0),
  trailers: { 'grpc-status': String(status), 'grpc-message': message },
})

/**
 * @param answer what each call is answered with; where it rejects, the call is broken off
 * @param credentials for TLS towards the clients; the server behind is asked without
 */
export async function grpcProxy(
  target: string,
  answer: (call: GrpcCall) => Promise<GrpcAnswer>,
  credentials?: Credentials,
): Promise<GrpcProxy> {
  const sockets = new Set<Duplex>()
  let upstream: ClientHttp2Session | null = null
  const session = (): ClientHttp2Session => {
    if (upstream === null || upstream.closed || upstream.destroyed)
      upstream = connect(`http://${target}`).on('error', () => undefined)
    return upstream
  }
  const server = credentials === undefined ? createServer() : createSecureServer(credentials)
  server.on(credentials === undefined ? 'connection' : 'secureConnection', (socket: Duplex) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  })
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const asked = collect(stream)
    // A call that is answered here may be broken off while nobody waits for what it asked.
    asked.catch(() => undefined)
    const breakOff = (): void => stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    stream.on('error', () => undefined)
    const call: GrpcCall = {
      method: (headers[':path'] ?? '').replace(/^.*\//, ''),
      headers,
      forward: async () =>
        forward(session(), { ...headers, ':authority': target, ':scheme': 'http' }, stream, await asked),
    }
    answer(call).then((given) => reply(stream, given), breakOff)
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, localhost, resolve))
  return {
    address: `${localhost}:${port}`,
    cut: () => upstream?.destroy(),
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        upstream?.destroy()
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function forward(
  upstream: ClientHttp2Session,
  headers: IncomingHttpHeaders,
  client: ServerHttp2Stream,
  body: Buffer,
): Promise<GrpcAnswer> {
  const request = upstream.request(headers)
  const giveUp = (): void => request.close(constants.NGHTTP2_CANCEL)
  client.on('close', giveUp)
  try {
    const answered = new Promise<IncomingHttpHeaders>((resolve, reject) => {
      request.on('response', resolve).on('error', reject)
      request.on('close', () => reject(new Error('the server broke off')))
    })
    let trailers: IncomingHttpHeaders = {}
    request.on('trailers', (sent) => (trailers = sent))
    request.end(body)
    const answer = await answered
    return { headers: answer, body: await collect(request), trailers }
  } finally {
    client.off('close', giveUp)
  }
}

function reply(stream: ServerHttp2Stream, { headers, body, trailers }: GrpcAnswer): void {
  if (stream.destroyed || stream.closed) return
  if (body.length === 0) {
    stream.respond({ ...headers, ...trailers }, { endStream: true })
    return
  }
  stream.respond(headers, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(body)
}
