import { isHindcastError } from '../../src/contract/index.ts'
import { serveHttp, type HttpAnswer, type HttpServer } from '../http-server.ts'
import type { NotReady } from './readiness.ts'

export interface EndpointOptions {
  readonly ip: string
  /** 0: any free one; null: the usual one, or any free one where that is taken, as by another worker of this machine. */
  readonly port: number | null
  readonly readiness: () => Promise<readonly NotReady[]>
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>
}

const usualPort = 8235

const json = (status: number, document: unknown): HttpAnswer => ({
  status,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(document)}\n`,
})

/** Serves `/healthz`, `/readyz` and `/metrics`. @throws PORT_IN_USE for a port that was asked for */
export async function serveEndpoints({ ip, port, readiness, metrics }: EndpointOptions): Promise<HttpServer> {
  const answer = async (pathname: string): Promise<HttpAnswer | null> => {
    switch (pathname) {
      case '/healthz':
        return json(200, { status: 'ok' })
      case '/readyz': {
        const reasons = await readiness()
        return reasons.length === 0 ? json(200, { status: 'ready' }) : json(503, { status: 'not ready', reasons })
      }
      case '/metrics': {
        const { type, text } = await metrics()
        return { status: 200, type, body: text }
      }
      default:
        return null
    }
  }
  const serveAt = (at: number): Promise<HttpServer> =>
    serveHttp({ ip, port: at, whose: "the worker's health endpoints", flag: '--health-port', answer })
  if (port !== null) return serveAt(port)
  return serveAt(usualPort).catch((error: unknown) => {
    if (!isHindcastError(error) || error.context['code'] !== 'EADDRINUSE') throw error
    return serveAt(0)
  })
}
