import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { freePort } from '../../workers/temporal-server/index.ts'

export interface SeenRequest {
  readonly method: string
  /** Path and query as they came. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface Scripted {
  readonly status: number
  /** Sent as JSON; a text as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** What a server answers: an answer, `reset` to break the connection off, `hang` to say nothing. */
export type Script = (request: SeenRequest) => Scripted | 'reset' | 'hang'

/** An HTTP server that says what a test wants it to say. */
export interface ScriptedServer extends AsyncDisposable {
  readonly uri: string
  readonly seen: readonly SeenRequest[]
  script: Script
}

export async function scriptedServer(script: Script): Promise<ScriptedServer> {
  const seen: SeenRequest[] = []
  const server = createServer((incoming, response) => {
    void answer(incoming, response)
  })
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Uint8Array[] = []
    for await (const chunk of incoming) chunks.push(chunk as Uint8Array)
    const request: SeenRequest = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    }
    seen.push(request)
    const said = self.script(request)
    if (said === 'hang') return
    if (said === 'reset') {
      incoming.socket.destroy()
      return
    }
    response.writeHead(said.status, { 'content-type': 'application/json', ...said.headers })
    const { body } = said
    response.end(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body))
  }
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const self: ScriptedServer = {
    uri: `http://127.0.0.1:${port}`,
    seen,
    script,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return self
}
