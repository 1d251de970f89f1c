import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HindcastError } from '../src/contract/index.ts'

export interface HttpAnswer {
  readonly status: number
  readonly type: string
  readonly body: string | Uint8Array
}

export interface ListenOptions {
  readonly ip: string
  /** 0: any free one. */
  readonly port: number
  /** What listens there, and the command line's flag that picks another port: for the error when it is taken. */
  readonly whose: string
  readonly flag: string
}

export interface HttpServerOptions extends ListenOptions {
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
  return listen(server, options)
}

/** Takes the port, and gives the address. @throws PORT_IN_USE */
export async function listen(server: Server, options: ListenOptions): Promise<HttpServer> {
  await takePort(server, options)
  const { port } = server.address() as AddressInfo
  const host = options.ip.includes(':') ? `[${options.ip}]` : options.ip
  return {
    address: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function takePort(server: Server, { ip, port, whose, flag }: ListenOptions): Promise<void> {
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
