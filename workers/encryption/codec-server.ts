import type { PayloadCodec } from '@temporalio/common'
import { createServer, type IncomingMessage } from 'node:http'
import { listen, type HttpServer } from '../http-server.ts'

/** A payload as Temporal's JSON has it. */
interface JsonPayload {
  readonly metadata?: Readonly<Record<string, string>>
  readonly data?: string
}

export interface CodecServerOptions {
  readonly codec: PayloadCodec
  readonly ip: string
  /** 0: any free one. */
  readonly port: number
  /** Of the Web UI, whose pages may ask. */
  readonly origin: string
}

/**
 * Serves `/encode` and `/decode` for the `temporal` command (`--codec-endpoint`) and the Web UI. Whoever reaches it reads everything: it
 * is for the machine of who has the keys.
 * @throws PORT_IN_USE
 */
export function codecServer({ codec, ip, port, origin }: CodecServerOptions): Promise<HttpServer> {
  const server = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', origin)
    response.setHeader('access-control-allow-headers', 'content-type,x-namespace,authorization')
    response.setHeader('access-control-allow-methods', 'POST')
    const reply = (status: number, document: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document))
    }
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const direction = directionOf(pathname)
    if (request.headers.origin !== undefined && request.headers.origin !== origin)
      return reply(403, { message: `pages of ${origin} may ask, not those of ${request.headers.origin}` })
    if (request.method === 'OPTIONS') return reply(200, {})
    // A page of another site may send a form here, but not JSON.
    if (request.method !== 'POST' || direction === null || request.headers['content-type']?.includes('json') !== true)
      return reply(404, { message: 'POST JSON to /encode or /decode' })
    payloadsOf(request)
      .then((payloads) => codec[direction](payloads.map(fromJson)))
      .then(
        (converted) => reply(200, { payloads: converted.map(toJson) }),
        (error: unknown) => reply(400, { message: error instanceof Error ? error.message : String(error) }),
      )
  })
  return listen(server, { ip, port, whose: 'the codec server', flag: '--port' })
}

const directionOf = (pathname: string): keyof PayloadCodec | null =>
  pathname.endsWith('/encode') ? 'encode' : pathname.endsWith('/decode') ? 'decode' : null

async function payloadsOf(request: IncomingMessage): Promise<readonly JsonPayload[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of request) chunks.push(chunk as Uint8Array)
  const { payloads } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { payloads?: readonly JsonPayload[] }
  return payloads ?? []
}

const fromJson = ({ metadata = {}, data = '' }: JsonPayload) => ({
  metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value, 'base64')])),
  data: Buffer.from(data, 'base64'),
})

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

const toJson = (payload: Awaited<ReturnType<PayloadCodec['decode']>>[number]): JsonPayload => ({
  metadata: Object.fromEntries(Object.entries(payload.metadata ?? {}).map(([key, value]) => [key, base64(value)])),
  data: base64(payload.data ?? new Uint8Array()),
})
