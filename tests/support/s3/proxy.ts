import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { freePort } from '../../../workers/temporal-server/index.ts'

/** What a proxy does with one request; the body has been read. */
export type Handler = (exchange: Exchange) => Promise<void> | void

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: Buffer
  /** Asks the server behind, with other headers where given, and gives its whole answer. */
  readonly ask: (headers?: NodeJS.Dict<string | string[]>) => Promise<Answer>
  /** Sends an answer on. */
  readonly answer: (answer: Answer) => void
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Stands before a real server and spoils what passes. */
export interface SpoilingProxy extends AsyncDisposable {
  readonly endpoint: string
  /** Requests so far, as `METHOD path`. */
  readonly seen: readonly string[]
}

export async function spoilingProxy(behind: string, handler: Handler): Promise<SpoilingProxy> {
  const seen: string[] = []
  const server = createServer((incoming, response) => {
    void (async () => {
      seen.push(`${incoming.method} ${incoming.url}`)
      const body = await collect(incoming)
      await handler({
        request: incoming,
        response,
        body,
        ask: (headers = incoming.headers) => ask(behind, incoming, headers, body),
        answer: (answer) => {
          response.writeHead(answer.status, answer.headers)
          response.end(answer.body)
        },
      })
    })().catch(() => response.destroy())
  })
  const port = await freePort()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${port}`,
    seen,
    [Symbol.asyncDispose]: () => close(server),
  }
}

function ask(
  behind: string,
  incoming: IncomingMessage,
  headers: NodeJS.Dict<string | string[]>,
  body: Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // The host stays the one that was signed for.
    const { 'transfer-encoding': _, ...rest } = headers
    const options = { method: incoming.method, headers: { ...rest, 'content-length': String(body.length) } }
    const { hostname, port } = new URL(behind)
    // The path goes on as it came: to parse it would tidy it.
    const outgoing = request({ ...options, hostname, port, path: incoming.url }, (answer) => {
      void collect(answer).then(
        (bytes) => resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: bytes }),
        reject,
      )
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
