import { connect, createServer, type Socket } from 'node:net'
import { freePort } from '../../workers/temporal-server/index.ts'

/** What happens to a connection over which a request comes that a rule picks. */
export type Cut =
  /** The server gets the request and does it; its answer is lost, and the connection with it. */
  | 'answer'
  /** The server never gets the request. */
  | 'request'

/** A TCP proxy in front of a server that breaks connections on demand. */
export interface CuttingProxy extends AsyncDisposable {
  readonly port: number
  /** Breaks every connection over which bytes pass that `picks` says yes to, until it is given another rule. */
  cut(what: Cut, picks: (sent: Buffer) => boolean): void
  /** Lets everything pass again. */
  mend(): void
  /** How many connections were broken. */
  readonly cuts: number
}

export async function cuttingProxy(target: { readonly host: string; readonly port: number }): Promise<CuttingProxy> {
  const sockets = new Set<Socket>()
  let rule: { readonly what: Cut; readonly picks: (sent: Buffer) => boolean } | null = null
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host)
    let losing = false
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', end).on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    client.on('data', (bytes) => {
      if (rule?.picks(bytes) === true) {
        cuts += 1
        if (rule.what === 'request') {
          end()
          return
        }
        losing = true
      }
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (losing) end()
      else client.write(bytes)
    })
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    port,
    cut: (what, picks) => (rule = { what, picks }),
    mend: () => (rule = null),
    get cuts() {
      return cuts
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
