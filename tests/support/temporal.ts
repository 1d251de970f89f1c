import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { findServer, freePort, startDevServer } from '../../workers/temporal-server/index.ts'
import { tempDir } from './temp-dir.ts'

/** A dev server of the test's own, on a free port, without Web UI; server and state are gone at the end of its `await using` block. */
export interface TestTemporal extends AsyncDisposable {
  readonly address: string
  readonly namespace: string
  readonly client: Client
  /** Ends the server as a power cut would, and starts it again on the same state and port. */
  crash(): Promise<void>
}

export async function startTestTemporal(namespace = 'default'): Promise<TestTemporal> {
  const executable = await findServer()
  const dir = await tempDir()
  const port = await freePort()
  const start = () =>
    startDevServer({
      executable,
      dbFile: join(dir.path, 'temporal.db'),
      port,
      uiPort: null,
      ip: '127.0.0.1',
      logFile: join(dir.path, 'temporal.log'),
      namespace,
    })
  let server = await start()
  const connection = await Connection.connect({ address: server.address })
  return {
    address: server.address,
    namespace,
    client: new Client({ connection, namespace }),
    crash: async () => {
      process.kill(server.pid, 'SIGKILL')
      await server.exited
      server = await start()
    },
    [Symbol.asyncDispose]: async () => {
      await connection.close()
      await server.stop()
      await dir[Symbol.asyncDispose]()
    },
  }
}
