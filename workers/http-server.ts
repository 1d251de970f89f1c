import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HindcastError } from '../src/contract/index.ts'

export interface HttpAnswer {
  readonly status: number
  readonly type: string
  readonly body: string | Uint8Array
}

export interface HttpServerOptions {
  readonly ip: string
  /** 0: any free one. */
  readonly port: number
  /** What listens there, and the command line's flag that picks another port: for the error when it is taken. */
  readonly whose: string
  readonly flag: string
  /** Answers GET and HEAD by path; null is no such page. What it throws is answered as 500. */
  readonly answer: (pathname: string) => Promise<HttpAnswer | null>
}

export interface HttpServer {
  readonly address: string
  close(): Promise<void>
}

const plain = (status: number, text: string): HttpAnswer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${text}\n`,
})

/** Serves pages that are made anew for each request. @throws PORT_IN_USE */
export async function serveHttp(options: HttpServerOptions): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const reply = ({ status, type, body }: HttpAnswer): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return reply(plain(405, 'Only GET is answered here.'))
    options.answer(pathname).then(
      (answer) => reply(answer ?? plain(404, 'There is no such page.')),
      (error: unknown) => reply(plain(500, error instanceof Error ? error.message : String(error))),
    )
  })
  await listen(server, options)
  const { port } = server.address() as AddressInfo
  return {
    address: `http://${options.ip.includes(':') ? `[${options.ip}]` : options.ip}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listen(server: Server, { ip, port, whose, flag }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const { code = '' } = error
      const reason = code === 'EADDRINUSE' ? 'is in use' : `cannot be had (${code})`
      reject(
        new HindcastError('PORT_IN_USE', `port ${port} at ${ip}, meant for ${whose}, ${reason}`, {
          hint: `Choose another with ${flag}, or end what uses it.`,
          context: { ip, port, code },
          cause: error,
        }),
      )
    })
    server.listen(port, ip, resolve)
  })
}
