import { createServer, type Server } from 'node:net'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Connection } from '@temporalio/client'
import { beforeAll, expect, test } from 'vitest'
import { findServer, freePort, startDevServer, type DevServerOptions } from '../../../workers/temporal-server/index.ts'
import { startTestTemporal } from '../../support/temporal.ts'
import { tempDir } from '../../support/temp-dir.ts'

let executable: string

beforeAll(async () => {
  executable = await findServer()
}, 240_000)

async function optionsIn(dir: string): Promise<DevServerOptions> {
  return {
    executable,
    dbFile: join(dir, 'state/temporal.db'),
    port: await freePort(),
    uiPort: null,
    ip: '127.0.0.1',
    logFile: join(dir, 'log/temporal.log'),
    namespace: 'features',
  }
}

const listening = (port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })

const closed = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))

test(
  'a started server serves its namespace and its page, and lets its ports go when stopped',
  { timeout: 40_000 },
  async () => {
    await using dir = await tempDir()
    const options = { ...(await optionsIn(dir.path)), uiPort: await freePort() }
    const server = await startDevServer(options)
    const connection = await Connection.connect({ address: server.address })
    const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace: 'features' })
    const page = await fetch(server.uiAddress ?? '')
    await connection.close()
    await server.stop()
    await server.stop()

    expect(namespaceInfo?.name).toBe('features')
    expect(page.status).toBe(200)
    expect((await server.exited).signal === 'SIGKILL').toBe(false)
    await closed(await listening(options.port))
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  },
)

test.each(['port', 'uiPort'] as const)('a taken %s is refused before anything starts', async (which) => {
  await using dir = await tempDir()
  const taken = await freePort()
  const holder = await listening(taken)
  const options = { ...(await optionsIn(dir.path)), executable: join(dir.path, 'never-run'), [which]: taken }

  await expect(startDevServer(options)).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringContaining(String(taken)),
    hint: expect.stringContaining(which === 'port' ? '--port' : '--ui-port'),
  })
  await closed(holder)
})

test('a server that ends while it starts is reported with its last words', async () => {
  await using dir = await tempDir()
  const broken = join(dir.path, 'broken')
  await writeFile(broken, '#!/bin/sh\necho "database is malformed" >&2\nexit 1\n')
  await chmod(broken, 0o755)
  const options = { ...(await optionsIn(dir.path)), executable: broken }

  await expect(startDevServer(options)).rejects.toMatchObject({
    code: 'TEMPORAL_UNAVAILABLE',
    message: expect.stringContaining('database is malformed'),
    hint: expect.stringContaining(options.logFile),
  })
  expect(await readFile(options.logFile, 'utf8')).toContain('malformed')
})

test('an executable that cannot run is a failure, not a crash', async () => {
  await using dir = await tempDir()
  const options = { ...(await optionsIn(dir.path)), executable: join(dir.path, 'nowhere') }

  await expect(startDevServer(options)).rejects.toMatchObject({ code: 'TEMPORAL_UNAVAILABLE' })
})

// The rule: what the server accepted, it keeps. The damage: a backfill at 63 % that nobody knows of after the machine died.
test('a workflow started before SIGKILL is there after a restart on the same file', { timeout: 60_000 }, async () => {
  await using temporal = await startTestTemporal()
  const { client } = temporal
  const handle = await client.workflow.start('backfill', { taskQueue: 'nobody', workflowId: 'survivor', args: [{}] })
  await temporal.crash()

  const { status, runId } = await client.workflow.getHandle('survivor').describe()
  expect(status.name).toBe('RUNNING')
  expect(runId).toBe(handle.firstExecutionRunId)
})
